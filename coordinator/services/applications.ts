import type * as z from 'zod';
import type { applicationRoutes } from '../../shared/api/applications.ts';
import type { Clock } from '../../shared/core/clock.ts';
import { AppError } from '../../shared/core/errors.ts';
import { newUuid } from '../../shared/core/ids.ts';
import type { Randomness } from '../../shared/core/randomness.ts';
import type { Application } from '../../shared/model/application.ts';
import type { Tags } from '../../shared/model/host.ts';
import type { Caller } from '../auth/caller.ts';
import { decodeCursor, nameCursor, toPage } from '../domain/cursor.ts';
import { refuseReserved } from '../domain/reserved-names.ts';
import type { Database, Queryable } from '../storage/database.ts';
import { applicationRow, toApplication } from '../storage/rows/applications.ts';
import { insertAudit } from '../storage/rows/audit.ts';
import { insertResourceTags, tagDetails } from './resource-tags.ts';

type Routes = typeof applicationRoutes;

interface Parts {
  database: Database;
  clock: Clock;
  randomness: Randomness;
}

export function createApplications({ database, clock, randomness }: Parts) {
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

    /** @throws AppError `conflict`, `invalid` for too many tags */
    create(
      body: z.output<Routes['createApplication']['body']>,
      caller: Caller,
      resourceTags: Tags = {},
    ): Promise<Application> {
      return database.transaction(async ({ query }) => {
        refuseReserved(body.name);
        await refuseTaken(query, body.name);
        const row = {
          id: newUuid(randomness),
          name: body.name,
          description: body.description,
          created_at: clock.now(),
        };
        await query.insertInto('applications').values(row).execute();
        await insertResourceTags(query, row.id, resourceTags);
        await insertAudit(query, {
          at: row.created_at,
          caller,
          action: 'application.create',
          subject: row.name,
          details: tagDetails(resourceTags),
        });
        return toApplication(row);
      });
    },

    /** What is absent stays. @throws AppError `not_found`, `conflict` when another application has the name */
    update(name: string, body: z.output<Routes['updateApplication']['body']>, caller: Caller): Promise<Application> {
      return database.transaction(async ({ query }) => {
        const before = await applicationRow(query, name);
        const after = { ...before, name: body.name ?? name, description: body.description ?? before.description };
        if (after.name === name && after.description === before.description) return toApplication(before);
        for (const one of [name, after.name]) refuseReserved(one);
        if (after.name !== name) {
          await refuseTaken(query, after.name);
          const renamed = { application: after.name };
          await query.updateTable('deployment_groups').set(renamed).where('application', '=', name).execute();
          await query.updateTable('revisions').set(renamed).where('application', '=', name).execute();
          await query.updateTable('revision_locations').set(renamed).where('application', '=', name).execute();
          await query.updateTable('deployments').set(renamed).where('application', '=', name).execute();
        }
        await query
          .updateTable('applications')
          .set({ name: after.name, description: after.description })
          .where('name', '=', name)
          .execute();
        await insertAudit(query, {
          at: clock.now(),
          caller,
          action: 'application.update',
          subject: name,
          details: { name: after.name, description: after.description },
        });
        return toApplication(after);
      });
    },

    /**
     * With its groups and revisions; deployments and audit records stay as history, bundles go with the next retention.
     * @throws AppError `not_found`, `conflict` while a deployment runs
     */
    delete(name: string, caller: Caller): Promise<void> {
      return database.transaction(async ({ query }) => {
        refuseReserved(name);
        const row = await applicationRow(query, name);
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
        await query.deleteFrom('left_group_hosts').where('group_id', 'in', groups).execute();
        await query
          .deleteFrom('resource_tags')
          .where((where) => where.or([where('resource_id', '=', row.id), where('resource_id', 'in', groups)]))
          .execute();
        await query.deleteFrom('revision_locations').where('application', '=', name).execute();
        await query.deleteFrom('deployment_groups').where('application', '=', name).execute();
        await query.deleteFrom('revisions').where('application', '=', name).execute();
        await query.deleteFrom('applications').where('name', '=', name).execute();
        await insertAudit(query, { at: clock.now(), caller, action: 'application.delete', subject: name });
      });
    },
  };
}
export type Applications = ReturnType<typeof createApplications>;

async function refuseTaken(query: Queryable, name: string): Promise<void> {
  const existing = await query.selectFrom('applications').select('name').where('name', '=', name).executeTakeFirst();
  if (existing === undefined) return;
  throw new AppError('conflict', `there is an application ${name} already`, {
    hint: 'See it: drover apps ls',
    details: { noun: 'application', reason: 'exists' },
  });
}
