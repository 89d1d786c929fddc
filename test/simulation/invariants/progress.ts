import type { History } from '../history.ts';
import { EPOCH } from '../world/timeline.ts';

/** How often it is looked, simulated ms. */
const EVERY_MS = 5_000;
/** Beyond the time that lost hosts have, for timers, ticks and whoever is late, ms. */
const SLACK_MS = 60_000;

interface Waiting {
  what: string;
  /** Changes whenever something happens that may give it a reason to wait anew. */
  facts: string;
}

const WAITING = `
  SELECT d.id || ' has hosts pending and none in progress' AS what, d.version || ' ' || d.change_sequence || ' ' || (
       SELECT coalesce(group_concat(h.presence || h.presence_since), '') FROM targets t JOIN hosts h ON h.id = t.host_id
       WHERE t.deployment_id IN (d.id, d.rollback_triggering_deployment_id)) AS facts
   FROM deployments d
   WHERE d.is_active = 1 AND d.count_pending > 0 AND d.count_in_progress = 0 AND NOT EXISTS (
     SELECT 1 FROM targets p JOIN targets b ON b.host_id = p.host_id JOIN hosts h ON h.id = p.host_id
     WHERE p.deployment_id = d.id AND p.status = 'Pending'
       AND (b.status = 'InProgress' OR (b.late_end_until > ? AND h.presence = 'Online')))
  UNION ALL
  SELECT t.deployment_id || ' waits for ' || t.host_name || ', which is offline', h.presence_since || ' ' || t.started_at
   FROM targets t JOIN hosts h ON h.id = t.host_id WHERE t.status = 'InProgress' AND h.presence = 'Offline'
  UNION ALL
  SELECT t.deployment_id || ' waits for ' || t.host_name || ', which has not accepted it', h.presence_since || ' ' || t.started_at
   FROM targets t JOIN hosts h ON h.id = t.host_id
   WHERE t.status = 'InProgress' AND t.accepted_at IS NULL AND h.presence = 'Online'`;

/**
 * Liveness long before a deployment's own deadline, also while things are broken. One that has hosts pending and none in progress goes on or
 * ends within the time after which hosts count as lost, unless another deployment holds a pending host, or one has to tell first how an
 * earlier one ended (docs/rollout.md, Time). And so long it waits for a host that is offline, or that does not accept it.
 */
export function createProgressCheck(history: History): () => void {
  const { world, violate } = history;
  const { timeline, coordinator } = world;
  const waiting = world.database.look.prepare<[number], Waiting>(WAITING);
  let since = new Map<string, { facts: string; at: number }>();
  let lookAt = 0;

  return () => {
    if (timeline.now < lookAt) return;
    lookAt = timeline.now + EVERY_MS;
    const limitMs = world.plan.hostLostAfterMs + SLACK_MS;
    const before = since;
    since = new Map();
    if (coordinator.core === null) return;
    for (const row of waiting.all(EPOCH + timeline.now + coordinator.clockOffsetMs)) {
      // Its absence is nobody's failure, and its clock is the one that counts.
      const facts = `${row.facts} ${coordinator.starts} ${coordinator.clockOffsetMs}`;
      const known = before.get(row.what);
      const at = known?.facts === facts ? known.at : timeline.now;
      since.set(row.what, { facts, at });
      if (timeline.now - at > limitMs) violate('I4', `${row.what}: for ${timeline.now - at} ms`);
    }
  };
}
