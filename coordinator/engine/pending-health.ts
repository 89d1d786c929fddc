import type { DatabaseTransaction } from '../storage/database.ts';

/**
 * Tells the active deployments of a group that hosts still to come are in service, or are not, other than when the plan was
 * made: what starting them costs, and what they cost the others, follows from it (invariant I1).
 */
export async function updatePendingHealth(
  tx: DatabaseTransaction,
  groupId: string,
  hostIds: readonly string[],
  isHealthy: boolean,
): Promise<void> {
  if (hostIds.length === 0) return;
  const active = tx.query
    .selectFrom('deployments')
    .select('id')
    .where('group_id', '=', groupId)
    .where('is_active', '=', 1);
  const changed = await tx.query
    .updateTable('targets')
    .set({ was_healthy: isHealthy ? 1 : 0 })
    .where('status', '=', 'Pending')
    .where('was_healthy', '=', isHealthy ? 0 : 1)
    .where('host_id', 'in', hostIds)
    .where('deployment_id', 'in', active)
    .returning('deployment_id')
    .execute();
  for (const { deployment_id } of changed)
    await tx.query
      .updateTable('deployments')
      .set((e) => ({
        count_pending_unhealthy: e('count_pending_unhealthy', '+', isHealthy ? -1 : 1),
        version: e('version', '+', 1),
      }))
      .where('id', '=', deployment_id)
      .execute();
}
