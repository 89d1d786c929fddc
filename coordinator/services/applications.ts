import type { z } from 'zod';
import type { applicationRoutes } from '../../shared/api/applications.ts';
import type { Clock } from '../../shared/core/clock.ts';
import { AppError } from '../../shared/core/errors.ts';
import type { Application } from '../../shared/model/application.ts';
import type { Caller } from '../auth/caller.ts';
import { decodeCursor, nameCursor, toPage } from '../domain/cursor.ts';
import type { Database } from '../storage/database.ts';
import { applicationRow, toApplication } from '../storage/rows/applications.ts';
import { insertAudit } from '../storage/rows/audit.ts';

type Routes = typeof applicationRoutes;

export function createApplications({ database, clock }: { database: Database; clock: Clock }) {
  return {
    async list(query: z.output<Routes['listApplications']['query']>) {
      const after = decodeCursor(nameCursor, query.cursor);
      let select = database.query.selectFrom('applications').selectAll();
      if (after !== null) select = select.where('name', '>', after[0]);
      const rows = await select
        .orderBy('name')
        .limit(query.limit + 1)
        .execute();
      return toPage(rows, query.limit, toApplication, (row) => [row.name]);
    },

    async get(name: string): Promise<Application> {
      return toApplication(await applicationRow(database.query, name));
    },

    /** @throws AppError `conflict` */
    create(body: z.output<Routes['createApplication']['body']>, caller: Caller): Promise<Application> {
      return database.transaction(async ({ query }) => {
        const existing = await query
          .selectFrom('applications')
          .select('name')
          .where('name', '=', body.name)
          .executeTakeFirst();
        if (existing !== undefined)
          throw new AppError('conflict', `there is an application ${body.name} already`, {
            hint: `See it: drover apps ls`,
          });
        const row = { name: body.name, description: body.description, created_at: clock.now() };
        await query.insertInto('applications').values(row).execute();
        await insertAudit(query, { at: row.created_at, caller, action: 'application.create', subject: row.name });
        return toApplication(row);
      });
    },

    /**
     * With its groups and revisions; deployments and audit records stay as history, bundles go with the next retention.
     * @throws AppError `not_found`, `conflict` while a deployment runs
     */
    delete(name: string, caller: Caller): Promise<void> {
      return database.transaction(async ({ query }) => {
        await applicationRow(query, name);
        const active = await query
          .selectFrom('deployments')
          .select(['id', 'group_name'])
          .where('application', '=', name)
          .where('is_active', '=', 1)
          .limit(1)
          .executeTakeFirst();
        if (active !== undefined)
          throw new AppError('conflict', `${active.id} is running in ${name}/${active.group_name}`, {
            hint: `Wait for its end, or stop it: drover stop ${active.id}`,
            details: { activeDeploymentId: active.id },
          });
        const groups = query.selectFrom('deployment_groups').select('id').where('application', '=', name);
        await query.deleteFrom('group_hosts').where('group_id', 'in', groups).execute();
        await query.deleteFrom('deployment_groups').where('application', '=', name).execute();
        await query.deleteFrom('revisions').where('application', '=', name).execute();
        await query.deleteFrom('applications').where('name', '=', name).execute();
        await insertAudit(query, { at: clock.now(), caller, action: 'application.delete', subject: name });
      });
    },
  };
}
export type Applications = ReturnType<typeof createApplications>;
