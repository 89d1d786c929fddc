import type * as z from 'zod';
import type { deploymentGroupRoutes } from '../../shared/api/deployment-groups.ts';
import type { Clock } from '../../shared/core/clock.ts';
import { AppError } from '../../shared/core/errors.ts';
import { type DeploymentConfig, PREDEFINED_CONFIG_PREFIX } from '../../shared/model/deployment-config.ts';
import type { Caller } from '../auth/caller.ts';
import { decodeCursor, nameCursor, toPage } from '../domain/cursor.ts';
import { isReservedConfigName, PREDEFINED_CONFIGS } from '../domain/predefined-configs.ts';
import type { Database } from '../storage/database.ts';
import { insertAudit } from '../storage/rows/audit.ts';
import { findDeploymentConfig, toDeploymentConfig } from '../storage/rows/deployment-configs.ts';
import { settingsOf } from '../storage/rows/deployment-groups.ts';

type Routes = typeof deploymentGroupRoutes;

export function createDeploymentConfigs({ database, clock }: { database: Database; clock: Clock }) {
  return {
    /** The predefined ones lead the first page, in addition to its limit: there are three. */
    async list(query: z.output<Routes['listDeploymentConfigs']['query']>) {
      const after = decodeCursor(nameCursor, query.cursor);
      let select = database.query.selectFrom('deployment_configs').selectAll();
      if (after !== null) select = select.where('name', '>', after[0]);
      const rows = await select
        .orderBy('name')
        .limit(query.limit + 1)
        .execute();
      const stored = toPage(rows, query.limit, toDeploymentConfig, (row) => [row.name]);
      return after === null ? { ...stored, items: [...PREDEFINED_CONFIGS, ...stored.items] } : stored;
    },

    get(name: string): Promise<DeploymentConfig> {
      return findDeploymentConfig(database.query, name);
    },

    /** @throws AppError `conflict`, `invalid` for a name that belongs to Drover */
    create(body: z.output<Routes['createDeploymentConfig']['body']>, caller: Caller): Promise<DeploymentConfig> {
      if (isReservedConfigName(body.name))
        throw new AppError('invalid', `body.name: names that begin with ${PREDEFINED_CONFIG_PREFIX} are reserved`, {
          hint: 'Choose a name without that prefix.',
          details: { reason: 'reserved_name' },
        });
      return database.transaction(async ({ query }) => {
        const existing = await query
          .selectFrom('deployment_configs')
          .select('name')
          .where('name', '=', body.name)
          .executeTakeFirst();
        if (existing !== undefined)
          throw new AppError(
            'conflict',
            `there is a deployment config ${body.name} already, and a config never changes`,
            {
              hint: 'Create another one under a new name.',
              details: { noun: 'deployment-config', reason: 'exists' },
            },
          );
        const row = {
          name: body.name,
          minimum_type: body.minimumHealthyHosts.type,
          minimum_value: body.minimumHealthyHosts.value,
          created_at: clock.now(),
        };
        await query.insertInto('deployment_configs').values(row).execute();
        await insertAudit(query, {
          at: row.created_at,
          caller,
          action: 'deployment-config.create',
          subject: row.name,
          details: { minimumHealthyHosts: body.minimumHealthyHosts },
        });
        return toDeploymentConfig(row);
      });
    },

    /** @throws AppError `not_found`, `conflict` while a group uses it or when it is predefined */
    delete(name: string, caller: Caller): Promise<void> {
      return database.transaction(async ({ query }) => {
        const config = await findDeploymentConfig(query, name);
        if (config.isPredefined)
          throw new AppError('conflict', `${name} is predefined and cannot be deleted`, {
            details: { reason: 'config_predefined' },
          });
        // A settings column per group is small, and configs are deleted rarely: no index is worth it.
        const groups = await query
          .selectFrom('deployment_groups')
          .select(['application', 'name', 'settings', 'aws_settings'])
          .execute();
        const users = groups
          .filter((group) => settingsOf(group).deploymentConfigName === name)
          .map((group) => `${group.application}/${group.name}`);
        if (users.length > 0)
          throw new AppError('conflict', `${name} is used by ${users.slice(0, 5).join(', ')}`, {
            hint: 'Give these groups another deployment config first.',
            details: { reason: 'config_in_use', deploymentGroups: users.slice(0, 50) },
          });
        await query.deleteFrom('deployment_configs').where('name', '=', name).execute();
        await insertAudit(query, { at: clock.now(), caller, action: 'deployment-config.delete', subject: name });
      });
    },
  };
}
export type DeploymentConfigs = ReturnType<typeof createDeploymentConfigs>;
