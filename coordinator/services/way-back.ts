import { AppError } from '../../shared/core/errors.ts';
import type { DatabaseTransaction } from '../storage/database.ts';
import type { DeploymentGroupRow } from '../storage/tables.ts';

/**
 * While the group is on its last good revision, the good one before it is the way back; while it is not, since a deployment failed or
 * was stopped, that revision itself is. A part that succeeds since then heals only that part.
 */
export async function revisionToGoBackTo(tx: DatabaseTransaction, group: DeploymentGroupRow): Promise<string> {
  const back = await findWayBack(tx, group);
  if (back !== null) return back;
  const subject = `${group.application}/${group.name}`;
  throw new AppError('conflict', `${subject} has no earlier good revision to roll back to`, {
    hint: `Name one: drover rollback ${subject} --to REVISION`,
    details: { reason: 'no_rollback_target' },
  });
}

/** The same, null when there is none. */
export async function findWayBack(tx: DatabaseTransaction, group: DeploymentGroupRow): Promise<string | null> {
  const runs = await newestEnded(tx, group)
    // Which may have been removed since: there is no way back to it, and what became of its deployment still counts.
    .leftJoin('revisions as r', 'r.id', 'd.revision_id')
    .select(['d.status', 'r.id as revision_id'])
    .executeTakeFirst();
  const lastSuccess = await tx.query
    .selectFrom('deployments')
    .select('number')
    .where('id', '=', group.last_successful_deployment_id ?? '')
    .executeTakeFirst();
  const sinceThen = await newestEnded(tx, group)
    .select('d.id')
    .where('d.is_partial', '=', 0)
    .where('d.number', '>', lastSuccess?.number ?? 0)
    .executeTakeFirst();
  const isOnGood = sinceThen === undefined;
  const runsGood = runs?.status === 'Succeeded' && isOnGood;
  return runsGood
    ? newestGood(tx, group, runs.revision_id)
    : (group.last_good_revision_id ?? newestGood(tx, group, null));
}

/** Asked of the database, however far back it is: a group may have had one revision deployed again hundreds of times. */
async function newestGood(tx: DatabaseTransaction, group: DeploymentGroupRow, but: string | null) {
  const succeeded = await newestEnded(tx, group)
    .innerJoin('revisions as r', 'r.id', 'd.revision_id')
    .select(['d.number', 'r.id'])
    .where('d.status', '=', 'Succeeded')
    .where('d.is_partial', '=', 0)
    .where('r.id', 'is distinct from', but)
    .executeTakeFirst();
  // What was good when it was made, which parts may have made good together.
  const before = await newestEnded(tx, group)
    .innerJoin('revisions as r', 'r.id', 'd.previous_revision_id')
    .select(['d.number', 'r.id'])
    .where('r.id', 'is distinct from', but)
    .executeTakeFirst();
  const isBeforeNewer = before !== undefined && before.number > (succeeded?.number ?? 0);
  return (isBeforeNewer ? before : succeeded)?.id ?? null;
}

function newestEnded(tx: DatabaseTransaction, group: DeploymentGroupRow) {
  return tx.query
    .selectFrom('deployments as d')
    .where('d.group_id', '=', group.id)
    .where('d.is_active', '=', 0)
    .where('d.creator', 'in', ['user', 'codeDeployRollback'])
    .orderBy('d.number', 'desc')
    .limit(1);
}
