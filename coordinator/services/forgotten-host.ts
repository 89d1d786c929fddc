import type { Clock } from '../../shared/core/clock.ts';
import type { TriggerOutbox } from '../engine/trigger-outbox.ts';
import { minimumOfOneLess } from '../rollout/minimum-healthy.ts';
import type { ChangeSequence } from '../storage/change-sequence.ts';
import type { DatabaseTransaction } from '../storage/database.ts';
import { minimumOf } from '../storage/rows/deployments.ts';
import type { DeploymentRow } from '../storage/tables.ts';

interface Parts {
  changes: ChangeSequence;
  clock: Clock;
  triggers: TriggerOutbox;
}

type FleetRow = Pick<
  DeploymentRow,
  'id' | 'minimum_type' | 'minimum_value' | 'minimum_count' | 'total_hosts' | 'forgotten_hosts'
>;

/**
 * A host is gone for good: its part in running deployments fails, and where it has the revision already they go on with the hosts that are
 * left. Call it in the transaction that deletes it. Tells which deployments these are.
 */
export async function leaveDeployments(parts: Parts, tx: DatabaseTransaction, hostId: string): Promise<string[]> {
  return [...(await failItsTargets(parts, tx, hostId)), ...(await leaveFleets(parts, tx, hostId))];
}

/**
 * Of a deployment under way that it has had its revision from, or that has left it alone as current, it is no part any more: it serves
 * nobody, and the minimum is that of the hosts that are left.
 */
async function leaveFleets({ changes }: Parts, tx: DatabaseTransaction, hostId: string): Promise<string[]> {
  const fleets = await tx.selectRaw<FleetRow>(
    // Whoever was there when a rollback was made, and is no target of it, was left alone.
    `SELECT d.id, d.minimum_type, d.minimum_value, d.minimum_count, d.total_hosts, d.forgotten_hosts FROM deployments d
     LEFT JOIN targets own ON own.deployment_id = d.id AND own.host_id = ?
     WHERE d.is_active = 1 AND (own.status = 'Succeeded' OR (own.id IS NULL AND d.already_current_hosts > 0 AND EXISTS (
       SELECT 1 FROM targets t WHERE t.deployment_id = d.rollback_triggering_deployment_id AND t.host_id = ?)))`,
    [hostId, hostId],
  );
  for (const fleet of fleets) {
    const before = { hosts: fleet.total_hosts - fleet.forgotten_hosts, minimumCount: fleet.minimum_count ?? 0 };
    await tx.executeMany(
      `UPDATE deployments SET forgotten_hosts = forgotten_hosts + 1, minimum_count = ?, version = version + 1, change_sequence = ?
       WHERE id = ?`,
      [[minimumOfOneLess(minimumOf(fleet), before), changes.next(), fleet.id]],
    );
  }
  return fleets.map((fleet) => fleet.id);
}

async function failItsTargets(
  { changes, clock, triggers }: Parts,
  tx: DatabaseTransaction,
  hostId: string,
): Promise<string[]> {
  const targets = await tx.selectRaw<{
    id: number;
    deployment_id: string;
    status: string;
    was_healthy: number;
    group_id: string;
  }>(
    `SELECT t.id, t.deployment_id, t.status, t.was_healthy, d.group_id
     FROM targets t JOIN deployments d ON d.id = t.deployment_id
     WHERE t.host_id = ? AND t.status IN ('Pending', 'InProgress')`,
    [hostId],
  );
  const now = clock.now();
  for (const target of targets) {
    const isPending = target.status === 'Pending' ? 1 : 0;
    await tx.executeMany(
      `UPDATE targets SET status = 'Failed', error_code = 'HOST_REMOVED', message = 'The host was forgotten.',
         completed_at = ?, lost_deadline_at = NULL, change_sequence = ? WHERE id = ?`,
      [[now, changes.next(), target.id]],
    );
    await tx.executeMany(
      `UPDATE deployments SET count_pending = count_pending - ?, count_pending_unhealthy = count_pending_unhealthy - ?,
         count_in_progress = count_in_progress - ?, count_failed = count_failed + 1, version = version + 1,
         change_sequence = ? WHERE id = ?`,
      [
        [
          isPending,
          isPending === 1 && target.was_healthy === 0 ? 1 : 0,
          1 - isPending,
          changes.next(),
          target.deployment_id,
        ],
      ],
    );
    const place = { groupId: target.group_id, ids: [target.id] };
    await triggers.instances(tx, 'InstanceFailure', place, now);
  }
  return targets.map((target) => target.deployment_id);
}
