import type { Database } from '../storage/database.ts';
import { findWayBack } from './way-back.ts';

/** Revisions that one transaction asks about. */
const REVISIONS_PER_STEP = 100;

/** Neither pushed nor used since. */
const UNUSED_SINCE = `last_pushed_at < ? AND (last_used_at IS NULL OR last_used_at < ?)`;

const SELECT_UNUSED = `SELECT id FROM revisions WHERE application = ? AND id > ? AND ${UNUSED_SINCE}
  ORDER BY id LIMIT ${REVISIONS_PER_STEP}`;

// In one statement, so that nothing can begin to use a revision between the question and the deed. A host that has left its group is taken up
// with what it ran when it comes back, as long as its group calls the same revision good (`membership.ts`); an agent update deploys its
// revision in the next wave.
const DELETE_UNUSED = `DELETE FROM revisions WHERE id = ? AND ${UNUSED_SINCE}
  AND NOT EXISTS (SELECT 1 FROM deployment_groups WHERE last_good_revision_id = revisions.id)
  AND NOT EXISTS (SELECT 1 FROM group_hosts WHERE revision_id = revisions.id)
  AND NOT EXISTS (
    SELECT 1 FROM left_group_hosts l JOIN deployment_groups g ON g.id = l.group_id
    WHERE l.revision_id = revisions.id AND l.last_good_revision_id IS NOT DISTINCT FROM g.last_good_revision_id)
  AND NOT EXISTS (SELECT 1 FROM agent_updates WHERE status = 'InProgress' AND revision_id = revisions.id)
  AND NOT EXISTS (
    SELECT 1 FROM deployments WHERE is_active = 1 AND revisions.id IN (deployments.revision_id, previous_revision_id))`;

/**
 * Removes revisions that were neither pushed nor used since an instant and that nothing counts on, but never the ones of each application
 * that were pushed last, nor what a rollback by hand would bring. Where they came from is forgotten with them. Returns how many.
 * @param options.pause waited for between two steps; it throws where the rest is for the next run
 */
export async function deleteUnusedRevisions(
  database: Database,
  options: { unusedSince: number; keptPerApplication: number; pause(): Promise<void> },
): Promise<number> {
  const { query } = database;
  const { unusedSince, keptPerApplication, pause } = options;
  let deleted = 0;
  for (const { name } of await query.selectFrom('applications').select('name').execute()) {
    const kept = new Set([...(await pushedLast(name)), ...(await waysBack(name))]);
    for (let after = ''; ; ) {
      await pause();
      const last = await database.transaction(async (tx) => {
        const unused = await tx.selectRaw<{ id: string }>(SELECT_UNUSED, [name, after, unusedSince, unusedSince]);
        const rows = unused.filter(({ id }) => !kept.has(id)).map(({ id }) => [id, unusedSince, unusedSince]);
        deleted += await tx.executeMany(DELETE_UNUSED, rows);
        return unused.at(-1);
      });
      if (last === undefined) break;
      after = last.id;
    }
  }
  await query
    .deleteFrom('revision_locations')
    .where('revision_id', 'not in', (locations) => locations.selectFrom('revisions').select('id'))
    .execute();
  return deleted;

  async function pushedLast(application: string): Promise<string[]> {
    const rows = await query
      .selectFrom('revisions')
      .select('id')
      .where('application', '=', application)
      .orderBy('last_pushed_at', 'desc')
      .orderBy('id')
      .limit(keptPerApplication)
      .execute();
    return rows.map(({ id }) => id);
  }

  /**
   * A revision was used last when it was deployed, which may be long before its successor takes its place; and the good one of now is the
   * way back once a deployment that runs has succeeded.
   */
  async function waysBack(application: string): Promise<string[]> {
    const groups = await query
      .selectFrom('deployment_groups')
      .selectAll()
      .where('application', '=', application)
      .execute();
    const ways: string[] = [];
    for (const group of groups) {
      await pause();
      const wayBack = await database.transaction((tx) => findWayBack(tx, group));
      for (const id of [group.last_good_revision_id, wayBack]) if (id !== null) ways.push(id);
    }
    return ways;
  }
}
