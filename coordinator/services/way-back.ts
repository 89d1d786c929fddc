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
  const history = await tx.query
    .selectFrom('deployments as d')
    // Which may have been removed since: there is no way back to them, and what became of their deployments still counts.
    .leftJoin('revisions as r', 'r.id', 'd.revision_id')
    .leftJoin('revisions as p', 'p.id', 'd.previous_revision_id')
    .select(['d.number', 'd.status', 'r.id as revision_id', 'p.id as previous_revision_id', 'd.is_partial'])
    .where('d.group_id', '=', group.id)
    .where('d.is_active', '=', 0)
    .where('d.creator', 'in', ['user', 'codeDeployRollback'])
    .orderBy('d.number', 'desc')
    .limit(200)
    .execute();
  const runs = history[0];
  // What was good when it was made, which parts may have made good together.
  const good = history.flatMap((d) => [
    ...(d.status === 'Succeeded' && d.is_partial === 0 && d.revision_id !== null ? [d.revision_id] : []),
    ...(d.previous_revision_id === null ? [] : [d.previous_revision_id]),
  ]);
  const lastSuccess = await tx.query
    .selectFrom('deployments')
    .select('number')
    .where('id', '=', group.last_successful_deployment_id ?? '')
    .executeTakeFirst();
  const isOnGood = history.every((d) => d.is_partial === 1 || d.number <= (lastSuccess?.number ?? 0));
  const runsGood = runs?.status === 'Succeeded' && isOnGood;
  return (runsGood ? good.find((id) => id !== runs.revision_id) : (group.last_good_revision_id ?? good[0])) ?? null;
}
