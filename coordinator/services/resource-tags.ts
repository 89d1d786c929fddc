import type { Clock } from '../../shared/core/clock.ts';
import { AppError } from '../../shared/core/errors.ts';
import type { Tags } from '../../shared/model/host.ts';
import type { Caller } from '../auth/caller.ts';
import type { Database, Queryable } from '../storage/database.ts';
import { applicationRow } from '../storage/rows/applications.ts';
import { insertAudit } from '../storage/rows/audit.ts';
import { deploymentGroupRow } from '../storage/rows/deployment-groups.ts';

/** What carries tags of its own, which say something to people and to billing, and select nothing. */
export type TaggedResource =
  | { kind: 'application'; application: string }
  | { kind: 'deployment-group'; application: string; group: string };

/** Source: CodeDeploy User Guide, "Limits", tags of a resource. */
const MAX_TAGS = 50;

export function createResourceTags({ database, clock }: { database: Database; clock: Clock }) {
  return {
    /** @throws AppError `not_found` for the resource */
    async list(resource: TaggedResource): Promise<Tags> {
      return tagsOf(database.query, await idOf(database.query, resource));
    },

    /** Sets and removes tags; others stay. @throws AppError `not_found`, `invalid` for more than 50 */
    change(
      resource: TaggedResource,
      { set, remove }: { set: Tags; remove: readonly string[] },
      caller: Caller,
    ): Promise<void> {
      return database.transaction(async ({ query }) => {
        const id = await idOf(query, resource);
        const before = await tagsOf(query, id);
        const after = { ...before, ...set };
        for (const key of remove) delete after[key];
        await query.deleteFrom('resource_tags').where('resource_id', '=', id).execute();
        await insertResourceTags(query, id, after);
        await insertAudit(query, {
          at: clock.now(),
          caller,
          action: `${resource.kind}.tag`,
          subject: resource.kind === 'application' ? resource.application : `${resource.application}/${resource.group}`,
          details: { set, remove },
        });
      });
    },
  };
}
export type ResourceTags = ReturnType<typeof createResourceTags>;

/** Those of a resource that has none yet, in the transaction that makes it. @throws AppError `invalid` for more than 50 */
export async function insertResourceTags(query: Queryable, resourceId: string, tags: Tags): Promise<void> {
  const rows = Object.entries(tags).map(([key, value]) => ({ resource_id: resourceId, key, value }));
  if (rows.length > MAX_TAGS) throw new AppError('invalid', `a resource has at most ${MAX_TAGS} tags`);
  if (rows.length > 0) await query.insertInto('resource_tags').values(rows).execute();
}

/** For the record of who made the resource. */
export function tagDetails(resourceTags: Tags): { resourceTags?: Tags } {
  return Object.keys(resourceTags).length === 0 ? {} : { resourceTags };
}

/** Tags hang on the id: they stay when the name changes, and are gone with what they were on. */
async function idOf(query: Queryable, resource: TaggedResource): Promise<string> {
  return resource.kind === 'application'
    ? (await applicationRow(query, resource.application)).id
    : (await deploymentGroupRow(query, resource)).id;
}

async function tagsOf(query: Queryable, resourceId: string): Promise<Tags> {
  const rows = await query
    .selectFrom('resource_tags')
    .selectAll()
    .where('resource_id', '=', resourceId)
    .orderBy('key')
    .execute();
  return Object.fromEntries(rows.map((row) => [row.key, row.value]));
}
