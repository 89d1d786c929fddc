import type { InstalledRevision } from '../../shared/protocol/messages.ts';
import type { DatabaseTransaction } from '../storage/database.ts';
import { insertAudit } from '../storage/rows/audit.ts';
import { settingsOf } from '../storage/rows/deployment-groups.ts';

interface Contradicted {
  revisionId: string;
  /** The deployment that the host has it from was made here. */
  isMadeHere: number;
}

// The audit record tells of deployments also when retention has removed them.
// Where a deployment is under way, or was given up and not told yet, its reports say what the host runs.
const CONTRADICTED = `SELECT m.revision_id AS revisionId,
    EXISTS (SELECT 1 FROM audit a WHERE a.subject = ? AND a.action = 'deployment.create') AS isMadeHere
  FROM group_hosts m
  WHERE m.group_id = ? AND m.host_id = ? AND m.revision_id <> ? AND NOT EXISTS (
    SELECT 1 FROM targets t JOIN deployments d ON d.id = t.deployment_id
    WHERE t.host_id = m.host_id AND d.group_id = m.group_id AND (t.status = 'InProgress' OR t.late_end_until IS NOT NULL))`;

/**
 * What a host says it has installed, against what is known of it. They differ after one of the two was set back: a virtual machine
 * to a snapshot, or the coordinator to a backup. The host is right. Where the host was set back from the group's last good revision it
 * is owed that again; where the coordinator was, what came since is not known here, and nothing is taken from the host by itself.
 * Returns the groups that owe it something now.
 */
export async function takeUpInstalled(
  tx: DatabaseTransaction,
  hostId: string,
  installed: readonly InstalledRevision[],
  now: number,
): Promise<string[]> {
  const owing: string[] = [];
  for (const { deploymentGroupId, deploymentId, revisionId } of installed) {
    const [known] = await tx.selectRaw<Contradicted>(CONTRADICTED, [
      deploymentId,
      deploymentGroupId,
      hostId,
      revisionId,
    ]);
    if (known === undefined) continue;
    const group = await tx.query
      .selectFrom('deployment_groups')
      .selectAll()
      .where('id', '=', deploymentGroupId)
      .executeTakeFirstOrThrow();
    const isOwed =
      known.isMadeHere === 1 &&
      known.revisionId === group.last_good_revision_id &&
      settingsOf(group).outdatedInstancesStrategy !== 'IGNORE';
    await tx.executeMany(
      `UPDATE group_hosts SET revision_id = ?, last_deployment_id = ?,
         converge = CASE WHEN converge IS NULL AND ? THEN 'behind' ELSE converge END
       WHERE group_id = ? AND host_id = ?`,
      [[revisionId, deploymentId, isOwed ? 1 : 0, deploymentGroupId, hostId]],
    );
    if (isOwed) owing.push(deploymentGroupId);
    await insertAudit(tx.query, {
      at: now,
      caller: { kind: 'coordinator' },
      action: 'host.revision',
      subject: hostId,
      details: {
        group: `${group.application}/${group.name}`,
        was: known.revisionId,
        is: revisionId,
        from: deploymentId,
      },
    });
  }
  return owing;
}
