import type { DatabaseTransaction } from '../storage/database.ts';
import { settingsOf } from '../storage/rows/deployment-groups.ts';
import type { DeploymentRow } from '../storage/tables.ts';
import { updatePendingHealth } from './pending-health.ts';

/**
 * What a deployment's end means for its group. Only success changes the last good revision; a part of the group makes one
 * only when, with it, the whole group runs it. Hosts that were brought in while a fleet deployment ran are behind now.
 * Source: AWS user guide, "Instance health": after a failed deployment the group's revision stays the same.
 */
export async function settleGroup(tx: DatabaseTransaction, row: DeploymentRow, now: number): Promise<void> {
  if (row.creator === 'autoscaling' || row.creator === 'CodeDeployAutoUpdate') await settleOwedHosts(tx, row);
  if (row.creator === 'autoscaling') return doubtPendingTargets(tx, row);
  if (row.status !== 'Succeeded') return;
  if (row.is_partial === 1 && (await runsSomethingElse(tx, row))) return;
  const group = await tx.query
    .updateTable('deployment_groups')
    .set({
      last_good_revision_id: row.revision_id,
      last_successful_deployment_id: row.id,
      last_attempted_deployment_id: row.id,
      updated_at: now,
    })
    .where('id', '=', row.group_id)
    .returning(['settings', 'aws_settings'])
    .executeTakeFirst();
  if (group === undefined) return;
  await oweUnreachedTargets(tx, row);
  if (settingsOf(group).outdatedInstancesStrategy === 'IGNORE') return;
  // They joined meanwhile, or got another revision since. A host on which this very deployment failed is left to the operator.
  await tx.query
    .updateTable('group_hosts')
    .set({ converge: 'behind' })
    .where('group_id', '=', row.group_id)
    .where((e) => e.or([e('revision_id', 'is', null), e('revision_id', '<>', row.revision_id)]))
    .where((e) => e.or([e('converge', 'is', null), e('converge', '<>', 'entering')]))
    .where((e) => e.or([e('last_deployment_id', 'is', null), e('last_deployment_id', '<>', row.id)]))
    .execute();
}

/**
 * What they were owed when their turn came was the good revision of then, which may have been settled since: they ran it, or
 * there was none. Now they are owed this one.
 */
async function oweUnreachedTargets(tx: DatabaseTransaction, row: DeploymentRow): Promise<void> {
  if (row.count_failed === 0) return;
  await tx.executeMany(
    `UPDATE group_hosts SET converge = 'entering'
     WHERE group_id = ? AND (revision_id IS NULL OR revision_id <> ?) AND host_id IN (
       SELECT host_id FROM targets
       WHERE deployment_id = ? AND status = 'Failed' AND error_code IN ('HOST_OFFLINE', 'HOST_LOST'))`,
    [[row.group_id, row.revision_id, row.id]],
  );
}

/**
 * The hosts of a deployment that the group owed them: in service, behind when the group has moved on meanwhile, or failed,
 * which is left to an operator: trying again by itself would be a loop. Those that could not be reached stay owed, and those
 * whose turn did not come since another one failed. A stop is an operator's word for all of them, but for one that serves the revision all
 * the same; a deployment that could never begin leaves them to the operator, too, since it would be made again and again. A group that
 * leaves outdated hosts alone has none behind. And one that has come to something else since this deployment ended there (set back, or
 * reached by a group that it has left) is owed what follows from that.
 */
async function settleOwedHosts(tx: DatabaseTransaction, row: DeploymentRow): Promise<void> {
  const group = await tx.query
    .selectFrom('deployment_groups')
    .select(['settings', 'aws_settings'])
    .where('id', '=', row.group_id)
    .executeTakeFirst();
  const leavesAlone = group !== undefined && settingsOf(group).outdatedInstancesStrategy === 'IGNORE';
  // That the host is one of the deployment's is said twice: the planner reads all hosts of the group without it.
  await tx.executeMany(
    `UPDATE group_hosts SET converge = CASE
       WHEN t.status = 'Skipped' AND ? = 'Failed' THEN converge
       WHEN t.status <> 'Skipped' AND t.deployment_id IS DISTINCT FROM group_hosts.last_deployment_id THEN converge
       WHEN t.status <> 'Succeeded' AND NOT (
         t.status = 'Skipped' AND group_hosts.instance_health = 'Healthy' AND group_hosts.revision_id = ?) THEN 'failed'
       WHEN (SELECT last_good_revision_id FROM deployment_groups WHERE id = group_hosts.group_id) = ? THEN NULL
       ELSE ? END
     FROM targets t
     WHERE t.deployment_id = ? AND t.host_id = group_hosts.host_id AND group_hosts.group_id = ?
       AND group_hosts.host_id IN (SELECT host_id FROM targets WHERE deployment_id = ?)
       AND coalesce(t.error_code, '') NOT IN ('HOST_OFFLINE', 'HOST_LOST')`,
    [
      [
        ...[canNeverBegin(row) ? null : row.status, row.revision_id, row.revision_id, leavesAlone ? null : 'behind'],
        ...[row.id, row.group_id, row.id],
      ],
    ],
  );
}

function canNeverBegin(row: DeploymentRow): boolean {
  return row.error_code === 'HEALTH_CONSTRAINTS_INVALID';
}

/**
 * A deployment of the group that began meanwhile has the host as healthy, and still to come. One that was broken by what was
 * to bring it in is not in service any more (invariant I1).
 */
async function doubtPendingTargets(tx: DatabaseTransaction, row: DeploymentRow): Promise<void> {
  if (row.count_failed === 0) return;
  const touchedInVain = await tx.query
    .selectFrom('targets')
    .select('host_id')
    .where('deployment_id', '=', row.id)
    .where('status', '=', 'Failed')
    .where('started_at', 'is not', null)
    .execute();
  await updatePendingHealth(
    tx,
    row.group_id,
    touchedInVain.map((target) => target.host_id),
    false,
  );
}

/** One that is broken with the revision on it does not run it. */
async function runsSomethingElse(tx: DatabaseTransaction, row: DeploymentRow): Promise<boolean> {
  const other = await tx.query
    .selectFrom('group_hosts')
    .select('host_id')
    .where('group_id', '=', row.group_id)
    .where((e) =>
      e.or([
        e('revision_id', 'is', null),
        e('revision_id', '<>', row.revision_id),
        e('instance_health', '=', 'Unhealthy'),
      ]),
    )
    .limit(1)
    .executeTakeFirst();
  return other !== undefined;
}
