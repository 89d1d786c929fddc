import type { History } from '../history.ts';
import { EPOCH } from '../world/timeline.ts';

/** How often it is looked, simulated ms. */
const EVERY_MS = 5_000;
/** Beyond the time that lost hosts have, for timers, ticks and whoever is late, ms. */
const SLACK_MS = 60_000;

interface Waiting {
  /** Of a deployment that has hosts pending and none in progress. */
  deploymentId: string | null;
  what: string;
  /** Changes whenever something happens that may give it a reason to wait anew. */
  facts: string;
}

const WAITING = `
  SELECT d.id AS deploymentId, d.id || ' has hosts pending and none in progress' AS what, d.version || ' ' || d.change_sequence || ' ' || (
       SELECT coalesce(group_concat(h.presence || h.presence_since), '') FROM targets t JOIN hosts h ON h.id = t.host_id
       WHERE t.deployment_id IN (d.id, d.rollback_triggering_deployment_id)) AS facts
   FROM deployments d
   WHERE d.is_active = 1 AND d.count_pending > 0 AND d.count_in_progress = 0
  UNION ALL
  SELECT NULL, t.deployment_id || ' waits for ' || t.host_name || ', which is offline', h.presence_since || ' ' || t.started_at
   FROM targets t JOIN hosts h ON h.id = t.host_id WHERE t.status = 'InProgress' AND h.presence = 'Offline'
  UNION ALL
  SELECT NULL, t.deployment_id || ' waits for ' || t.host_name || ', which has not accepted it', h.presence_since || ' ' || t.started_at
   FROM targets t JOIN hosts h ON h.id = t.host_id
   WHERE t.status = 'InProgress' AND t.accepted_at IS NULL AND h.presence = 'Online'`;

interface Holding {
  hostId: string;
  status: string;
  givenUpAt: number | null;
  presenceSince: number;
}

/**
 * What else is on pending hosts of the deployment: another deployment, or one that was given up there and of which nothing is told yet. And
 * on any host of it a deployment of another group: what that has taken out of service counts as down.
 */
const HOLDING = `
  SELECT p.host_id AS hostId, b.status, b.completed_at AS givenUpAt, h.presence_since AS presenceSince
  FROM targets p JOIN targets b ON b.host_id = p.host_id JOIN hosts h ON h.id = p.host_id
  JOIN deployments d ON d.id = p.deployment_id JOIN deployments o ON o.id = b.deployment_id
  WHERE p.deployment_id = ? AND (
    b.status = 'InProgress' AND (p.status = 'Pending' OR o.group_id <> d.group_id)
    OR p.status = 'Pending' AND h.presence = 'Online' AND b.late_end_until IS NOT NULL
       AND coalesce(b.message, '') NOT LIKE '%afterwards%')`;
/** From when it was given up or came back (docs/rollout.md, Time), ms. */
const LATE_END_MS = 300_000;

/** The counts that all of the arithmetic stands on, at any time. */
const MISCOUNTED = `
  SELECT d.id, d.count_pending_unhealthy AS counted FROM deployments d
  WHERE d.is_active = 1 AND d.count_pending_unhealthy <> (
    SELECT count(*) FROM targets t WHERE t.deployment_id = d.id AND t.status = 'Pending' AND t.was_healthy = 0)`;

/**
 * Liveness long before a deployment's own deadline, also while things are broken. One that has hosts pending and none in progress goes on or
 * ends within the time after which hosts count as lost, unless another deployment holds a pending host, one of another group has a host of it
 * out of service, or one has to tell first how an earlier one ended, for as long as it has for that (docs/rollout.md, Time). And so long it waits for a host that is offline, or that does not accept it.
 */
export function createProgressCheck(history: History): () => void {
  const { world, violate } = history;
  const { timeline, coordinator } = world;
  const waiting = world.database.look.prepare<[], Waiting>(WAITING);
  const holding = world.database.look.prepare<[string], Holding>(HOLDING);
  const miscounted = world.database.look.prepare<[], { id: string; counted: number }>(MISCOUNTED);
  let since = new Map<string, { facts: string; at: number }>();
  let lookAt = 0;

  function isHeld(deploymentId: string): boolean {
    const now = EPOCH + timeline.now + coordinator.clockOffsetMs;
    return holding.all(deploymentId).some(({ hostId, status, givenUpAt, presenceSince }) => {
      if (status === 'InProgress') return true;
      const machine = world.machineOfHost(hostId)?.name ?? '';
      const letInAt = EPOCH + (history.letInAt.get(machine) ?? timeline.now) + coordinator.clockOffsetMs;
      return now - Math.max(givenUpAt ?? 0, presenceSince, letInAt) < LATE_END_MS;
    });
  }

  return () => {
    if (timeline.now < lookAt) return;
    lookAt = timeline.now + EVERY_MS;
    const limitMs = world.plan.hostLostAfterMs + SLACK_MS;
    const before = since;
    since = new Map();
    if (coordinator.core === null) return;
    for (const { id, counted } of miscounted.all())
      violate('I1', `${id} counts ${counted} pending hosts as down, and that is not what they are`);
    for (const row of waiting.all()) {
      if (row.deploymentId !== null && isHeld(row.deploymentId)) continue;
      // Its absence is nobody's failure, and its clock is the one that counts.
      const facts = `${row.facts} ${coordinator.starts} ${coordinator.clockOffsetMs}`;
      const known = before.get(row.what);
      const at = known?.facts === facts ? known.at : timeline.now;
      since.set(row.what, { facts, at });
      if (timeline.now - at > limitMs) violate('I4', `${row.what}: for ${timeline.now - at} ms`);
    }
  };
}
