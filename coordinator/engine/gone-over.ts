import type { DatabaseTransaction } from '../storage/database.ts';
import { updatePendingHealth } from './pending-health.ts';

/**
 * After a deployment of the group `groupId` has done something to a host: when the host is of that group no more and has gone over to others of
 * the application, those know nothing of what it runs now. It enters them anew, to be brought their good revision.
 */
export async function enterAnew(
  tx: DatabaseTransaction,
  { groupId, application, hostId }: { groupId: string; application: string; hostId: string },
): Promise<void> {
  const groups = await tx.selectRaw<{ id: string }>(
    `SELECT m.group_id AS id FROM group_hosts m JOIN deployment_groups g ON g.id = m.group_id
     WHERE m.host_id = ? AND g.application = ?
       AND NOT EXISTS (SELECT 1 FROM group_hosts own WHERE own.group_id = ? AND own.host_id = m.host_id)`,
    [hostId, application, groupId],
  );
  await tx.executeMany(
    `UPDATE group_hosts SET revision_id = NULL, instance_health = 'Unknown', last_deployment_id = NULL,
       converge = (SELECT CASE WHEN g.last_good_revision_id IS NOT NULL THEN 'entering' END FROM deployment_groups g
         WHERE g.id = group_hosts.group_id)
     WHERE group_id = ? AND host_id = ?`,
    groups.map(({ id }) => [id, hostId]),
  );
  for (const { id } of groups) await updatePendingHealth(tx, id, [hostId], false);
}
