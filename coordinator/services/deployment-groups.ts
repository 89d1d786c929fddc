import type * as z from 'zod';
import type { deploymentGroupRoutes } from '../../shared/api/deployment-groups.ts';
import type { Clock } from '../../shared/core/clock.ts';
import { AppError } from '../../shared/core/errors.ts';
import { newDeploymentGroupId } from '../../shared/core/ids.ts';
import { invariant } from '../../shared/core/invariant.ts';
import type { Randomness } from '../../shared/core/randomness.ts';
import type { DeploymentGroup, DeploymentGroupSettings } from '../../shared/model/deployment-group.ts';
import { type GroupHost, hostPresence, instanceHealth, type Tags } from '../../shared/model/host.ts';
import type { Caller } from '../auth/caller.ts';
import type { AwsGroupSettings } from '../domain/aws-group-settings.ts';
import { decodeCursor, nameCursor, toPage } from '../domain/cursor.ts';
import { refuseReserved } from '../domain/reserved-names.ts';
import type { Database, Queryable } from '../storage/database.ts';
import { applicationRow } from '../storage/rows/applications.ts';
import { insertAudit } from '../storage/rows/audit.ts';
import { findDeploymentConfig } from '../storage/rows/deployment-configs.ts';
import {
  awsSettingsOf,
  deploymentGroupRow,
  settingsOf,
  toDeploymentGroups,
} from '../storage/rows/deployment-groups.ts';
import type { DeploymentGroupRow } from '../storage/tables.ts';
import type { Membership } from './membership.ts';
import { insertResourceTags, tagDetails } from './resource-tags.ts';

type Routes = typeof deploymentGroupRoutes;
interface GroupParams {
  application: string;
  group: string;
}
interface Parts {
  database: Database;
  clock: Clock;
  randomness: Randomness;
  groupChanged: Membership['groupChanged'];
}

export function createDeploymentGroups({ database, clock, randomness, groupChanged }: Parts) {
  return {
    async list(params: { application: string }, query: z.output<Routes['listDeploymentGroups']['query']>) {
      const after = decodeCursor(nameCursor, query.cursor);
      await applicationRow(database.query, params.application);
      let select = database.query
        .selectFrom('deployment_groups')
        .selectAll()
        .where('application', '=', params.application);
      if (after !== null) select = select.where('name', '>', after[0]);
      const rows = await select
        .orderBy('name')
        .limit(query.limit + 1)
        .execute();
      const page = toPage(
        rows,
        query.limit,
        (row) => row,
        (row) => [row.name],
      );
      return { ...page, items: await toDeploymentGroups(database.query, page.items) };
    },

    async get(params: GroupParams): Promise<DeploymentGroup> {
      return asGroup(database.query, await deploymentGroupRow(database.query, params));
    },

    /** @throws AppError `not_found` for the application or the config, `conflict`, `invalid` for too many tags */
    async create(
      params: { application: string },
      body: z.output<Routes['createDeploymentGroup']['body']>,
      caller: Caller,
      { aws = {}, resourceTags = {} }: { aws?: AwsGroupSettings; resourceTags?: Tags } = {},
    ): Promise<DeploymentGroup> {
      const { name, ...settings } = body;
      const { row, wakeGroups } = await database.transaction(async (tx) => {
        const { query } = tx;
        refuseReserved(params.application);
        await applicationRow(query, params.application);
        await findDeploymentConfig(query, settings.deploymentConfigName);
        const subject = `${params.application}/${name}`;
        await refuseTaken(query, params.application, name);
        const now = clock.now();
        const created: DeploymentGroupRow = {
          id: newDeploymentGroupId(randomness),
          application: params.application,
          name,
          settings: JSON.stringify(settings satisfies DeploymentGroupSettings),
          created_at: now,
          updated_at: now,
          last_good_revision_id: null,
          last_successful_deployment_id: null,
          last_attempted_deployment_id: null,
          aws_settings: JSON.stringify(aws),
        };
        await query.insertInto('deployment_groups').values(created).execute();
        await insertResourceTags(query, created.id, resourceTags);
        await insertAudit(query, {
          at: now,
          caller,
          action: 'deployment-group.create',
          subject,
          details: { ...settings, ...tagDetails(resourceTags) },
        });
        return { row: created, wakeGroups: await groupChanged(tx, created.id) };
      });
      wakeGroups();
      return asGroup(database.query, row);
    },

    /** What is absent stays. @throws AppError `not_found` for the group or the config, `conflict` for a name that is taken */
    update(
      params: GroupParams,
      body: z.output<Routes['updateDeploymentGroup']['body']>,
      caller: Caller,
    ): Promise<DeploymentGroup> {
      return this.updateWith(params, caller, (current) => ({ body, aws: current.aws }));
    },

    /** As `update`, with the change made of what the group is at that very moment. */
    async updateWith(
      params: GroupParams,
      caller: Caller,
      change: (current: { settings: DeploymentGroupSettings; aws: AwsGroupSettings }) => {
        body: z.output<Routes['updateDeploymentGroup']['body']>;
        aws: AwsGroupSettings;
      },
    ): Promise<DeploymentGroup> {
      const { row, wakeGroups } = await database.transaction(async (tx) => {
        const { query } = tx;
        refuseReserved(params.application);
        const before = await deploymentGroupRow(query, params);
        const { body, aws } = change({ settings: settingsOf(before), aws: awsSettingsOf(before) });
        const { name = before.name, ...rest } = body;
        const changed = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
        if (body.deploymentConfigName !== undefined) await findDeploymentConfig(query, body.deploymentConfigName);
        if (name !== before.name) {
          await refuseTaken(query, params.application, name);
          await query.updateTable('deployments').set({ group_name: name }).where('group_id', '=', before.id).execute();
        }
        const after = {
          name,
          settings: JSON.stringify({ ...settingsOf(before), ...changed }),
          aws_settings: JSON.stringify(aws),
          updated_at: clock.now(),
        };
        await query.updateTable('deployment_groups').set(after).where('id', '=', before.id).execute();
        await insertAudit(query, {
          at: after.updated_at,
          caller,
          action: 'deployment-group.update',
          subject: `${params.application}/${params.group}`,
          details: name === before.name ? changed : { ...changed, name },
        });
        return { row: { ...before, ...after }, wakeGroups: await groupChanged(tx, before.id) };
      });
      wakeGroups();
      return asGroup(database.query, row);
    },

    /** Groups with what CodeDeploy's API keeps of them; names that are not there are left out. */
    async withAwsSettings(
      application: string,
      names: readonly string[],
    ): Promise<{ group: DeploymentGroup; aws: AwsGroupSettings }[]> {
      await applicationRow(database.query, application);
      if (names.length === 0) return [];
      const rows = await database.query
        .selectFrom('deployment_groups')
        .selectAll()
        .where('application', '=', application)
        .where('name', 'in', [...new Set(names)])
        .orderBy('name')
        .execute();
      const groups = await toDeploymentGroups(database.query, rows);
      return groups.map((group, at) => ({ group, aws: awsSettingsOf(rows[at] ?? { aws_settings: '{}' }) }));
    },

    /** What is deployed stays on the hosts. @throws AppError `not_found`, `conflict` while a deployment runs */
    delete(params: GroupParams, caller: Caller): Promise<void> {
      return database.transaction(async ({ query }) => {
        refuseReserved(params.application);
        const row = await deploymentGroupRow(query, params);
        const subject = `${params.application}/${params.group}`;
        const active = await query
          .selectFrom('deployments')
          .select('id')
          .where('group_id', '=', row.id)
          .where('is_active', '=', 1)
          .limit(1)
          .executeTakeFirst();
        if (active !== undefined)
          throw new AppError('conflict', `${active.id} is running in ${subject}`, {
            hint: `Wait for its end, or stop it: drover stop ${active.id}`,
            details: { activeDeploymentId: active.id },
          });
        await query.deleteFrom('group_hosts').where('group_id', '=', row.id).execute();
        await query.deleteFrom('left_group_hosts').where('group_id', '=', row.id).execute();
        await query.deleteFrom('resource_tags').where('resource_id', '=', row.id).execute();
        await query.deleteFrom('deployment_groups').where('id', '=', row.id).execute();
        await insertAudit(query, { at: clock.now(), caller, action: 'deployment-group.delete', subject });
      });
    },

    async listHosts(params: GroupParams, query: z.output<Routes['listGroupHosts']['query']>) {
      const after = decodeCursor(nameCursor, query.cursor);
      const group = await deploymentGroupRow(database.query, params);
      let select = groupHosts(database.query).where('group_hosts.group_id', '=', group.id);
      if (after !== null) select = select.where('hosts.name', '>', after[0]);
      const rows = await select
        .orderBy('hosts.name')
        .limit(query.limit + 1)
        .execute();
      return toPage(
        rows,
        query.limit,
        (row) => toGroupHost(row, group.last_good_revision_id),
        (row) => [row.host_name],
      );
    },
  };
}
export type DeploymentGroups = ReturnType<typeof createDeploymentGroups>;

async function refuseTaken(query: Queryable, application: string, name: string): Promise<void> {
  const existing = await query
    .selectFrom('deployment_groups')
    .select('id')
    .where('application', '=', application)
    .where('name', '=', name)
    .executeTakeFirst();
  if (existing === undefined) return;
  throw new AppError('conflict', `there is a deployment group ${application}/${name} already`, {
    hint: `Change it instead: drover groups edit ${application}/${name}`,
    details: { noun: 'deployment-group', reason: 'exists' },
  });
}

async function asGroup(query: Queryable, row: DeploymentGroupRow): Promise<DeploymentGroup> {
  const [group] = await toDeploymentGroups(query, [row]);
  invariant(group !== undefined, 'one row in, one group out');
  return group;
}

function groupHosts(query: Queryable) {
  return query
    .selectFrom('group_hosts')
    .innerJoin('hosts', 'hosts.id', 'group_hosts.host_id')
    .leftJoin('revisions', 'revisions.id', 'group_hosts.revision_id')
    .select([
      'hosts.id as host_id',
      'hosts.name as host_name',
      'hosts.presence',
      'group_hosts.instance_health',
      'group_hosts.revision_id',
      'group_hosts.last_deployment_id',
      'revisions.label as revision_label',
    ]);
}
type GroupHostJoin = Awaited<ReturnType<ReturnType<typeof groupHosts>['execute']>>[number];

function toGroupHost(row: GroupHostJoin, lastGoodRevisionId: string | null): GroupHost {
  return {
    hostId: row.host_id,
    hostName: row.host_name,
    presence: hostPresence.parse(row.presence),
    instanceHealth: instanceHealth.parse(row.instance_health),
    revisionHealth: row.revision_id === null ? 'Unknown' : row.revision_id === lastGoodRevisionId ? 'Current' : 'Old',
    revisionId: row.revision_id,
    revisionLabel: row.revision_label,
    // As readiness says: one that is broken with the revision on it does not serve.
    isInService:
      lastGoodRevisionId === null || (row.revision_id === lastGoodRevisionId && row.instance_health !== 'Unhealthy'),
    lastDeploymentId: row.last_deployment_id,
  };
}
