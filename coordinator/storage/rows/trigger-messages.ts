import { type TriggerMessage, triggerMessage } from '../../../shared/model/trigger.ts';
import type { TriggerMessageRow } from '../tables.ts';

export function toTriggerMessage(row: TriggerMessageRow): TriggerMessage {
  const isDead = row.dead_at !== null;
  return {
    id: row.id,
    state: isDead ? 'dead' : 'waiting',
    event: triggerMessage.shape.event.parse(row.event),
    triggerName: row.trigger_name,
    target: row.target,
    application: row.application,
    deploymentGroup: row.group_name,
    deploymentId: row.deployment_id,
    hostName: row.host_name,
    createdAt: row.created_at,
    attempts: row.attempts,
    lastAttemptAt: row.last_attempt_at,
    lastError: row.last_error,
    nextAttemptAt: isDead || row.next_attempt_at === 0 ? null : row.next_attempt_at,
    deadAt: row.dead_at,
  };
}
