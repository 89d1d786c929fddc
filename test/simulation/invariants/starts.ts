import type { History } from '../history.ts';
import { EPOCH } from '../world/timeline.ts';
import { isAnothers } from './groups.ts';
import { promisedOfThoseLeft } from './minimum.ts';
import { checkReturned } from './returns.ts';

interface Running {
  id: number;
  deploymentId: string;
  hostId: string;
  wasHealthy: number;
  startedAt: number;
  presence: string | null;
}

interface Untold {
  deploymentId: string;
  givenUpAt: number;
}

interface Taker {
  id: string;
  creator: string;
  configName: string;
  revision: string;
  total: number;
  triggeredBy: string | null;
  groupId: string;
  groupName: string;
  application: string;
  stopRequestedAt: number | null;
}

interface FleetHost {
  hostId: string;
  presence: string;
  isTaken: number;
}

/** Given up while it may have been at work, and silent about it. */
const UNTOLD = `SELECT u.deployment_id AS deploymentId, u.completed_at AS givenUpAt FROM targets u JOIN hosts h ON h.id = u.host_id
  WHERE u.host_id = ? AND u.status = 'Failed' AND u.started_at IS NOT NULL AND h.presence = 'Online'
    AND u.error_code IN ('HOST_LOST', 'NOT_ACCEPTED', 'EVENT_TIMEOUT', 'DEPLOYMENT_TIMEOUT')
    AND coalesce(u.message, '') NOT LIKE '%afterwards%' AND max(u.completed_at, h.presence_since) > ?`;
/** The shortest time that it has for that, from when it was given up or came back (docs/rollout.md, Time), ms. */
const TO_TELL_MS = 60_000;

/**
 * At each commit that starts hosts, before any of them hears of it. I1: with all that are told to leave service, that are down on the
 * machines and that are offline, the minimum still serves; what the scripts show later is only what chance brings about. I4: whoever is
 * away is passed over, and the deployment does not wait for it. I7: a stopped deployment starts nobody. I2: on a host that was given up in the
 * middle nothing else starts before it has told how that ended, or has had a minute to.
 */
export function createStartCheck(history: History): () => void {
  const { world, truth, violate } = history;
  const { look } = world.database;
  // Asked at each commit, of which few start a host.
  const running = look.prepare<[], Pick<Running, 'id'>>(`SELECT id FROM targets WHERE status = 'InProgress'`);
  const inProgress = look.prepare<[], Running>(
    `SELECT t.id, t.deployment_id AS deploymentId, t.host_id AS hostId, t.was_healthy AS wasHealthy, t.started_at AS startedAt, h.presence
     FROM targets t LEFT JOIN hosts h ON h.id = t.host_id WHERE t.status = 'InProgress'`,
  );
  const takers = look.prepare<[string], Taker>(
    `SELECT id, creator, config_name AS configName, revision_label AS revision, total_hosts AS total, rollback_triggering_deployment_id AS triggeredBy,
       group_id AS groupId, group_name AS groupName, application, stop_requested_at AS stopRequestedAt FROM deployments WHERE id = ?`,
  );
  const fleet = look.prepare<[string, string, string | null], FleetHost>(
    `SELECT DISTINCT h.id AS hostId, h.presence, EXISTS (
       SELECT 1 FROM targets b JOIN deployments o ON o.id = b.deployment_id
       WHERE b.host_id = h.id AND b.status = 'InProgress' AND o.group_id = ?) AS isTaken
     FROM hosts h JOIN targets t ON t.host_id = h.id WHERE t.deployment_id IN (?, ?)`,
  );
  const anothers = look.prepare<[string, string, string], { id: string }>(
    `SELECT d.id FROM targets t JOIN deployments d ON d.id = t.deployment_id
     WHERE t.host_id = ? AND t.status = 'InProgress' AND d.application = ? AND d.group_id <> ?`,
  );
  const untold = look.prepare<[string, number], Untold>(UNTOLD);
  const find = (id: string) => takers.get(id);
  let known = new Set<number>();
  // When something last started on each host: retention may have removed what it was.
  const lastStarts = new Map<string, number>();
  let clock = { offsetMs: world.coordinator.clockOffsetMs, since: Number.NEGATIVE_INFINITY };

  function checkMinimumLeft(taker: Taker): void {
    const down = fleet.all(taker.groupId, taker.id, taker.triggeredBy).filter(({ hostId, presence, isTaken }) => {
      if (isTaken === 1 || presence === 'Offline') return true;
      const machine = world.machineOfHost(hostId);
      if (machine?.hostId !== hostId || !machine.isOn || truth.isInService(machine, taker.application)) return false;
      // What another group's deployment has left broken is known to that group alone; while it runs, this one counts it.
      return !isAnothers(history, machine, taker) || runsAnothers(hostId, taker);
    });
    const { left, minimum } = promisedOfThoseLeft(world.plan, look, taker, find);
    if (left - down.length >= minimum) return;
    const names = down.map(({ hostId }) => world.machineOfHost(hostId)?.name ?? hostId);
    violate(
      'I1',
      `${taker.id} starts a host and leaves ${left - down.length} of ${left}, it promises ${minimum}` +
        ` (down: ${names.join(', ')})`,
    );
  }

  function runsAnothers(hostId: string, { application, groupId }: Taker): boolean {
    return anothers.get(hostId, application, groupId) !== undefined;
  }

  function checkHasTold({ hostId, deploymentId, startedAt }: Running): void {
    const now = EPOCH + world.timeline.now + world.coordinator.clockOffsetMs;
    // What has started there since has waited for that already.
    const lastStart = lastStarts.get(hostId) ?? 0;
    lastStarts.set(hostId, Math.max(lastStart, startedAt));
    // What was written by the clock as it was before says nothing of how long ago that is.
    if (world.timeline.now - clock.since < 2 * TO_TELL_MS) return;
    const earlier = untold.all(hostId, now - TO_TELL_MS).find(({ givenUpAt }) => givenUpAt >= lastStart);
    if (earlier === undefined) return;
    const name = world.machineOfHost(hostId)?.name ?? hostId;
    violate('I2', `${deploymentId} starts on ${name}, which has not told yet how ${earlier.deploymentId} ended there`);
  }

  function isServing({ wasHealthy, hostId }: Running, application: string): boolean {
    const machine = world.machineOfHost(hostId);
    return wasHealthy === 1 && machine?.hostId === hostId && truth.isInService(machine, application);
  }

  return () => {
    const before = known;
    const { clockOffsetMs } = world.coordinator;
    if (clockOffsetMs !== clock.offsetMs) clock = { offsetMs: clockOffsetMs, since: world.timeline.now };
    const now = running.all();
    if (now.length === before.size && now.every(({ id }) => before.has(id))) return;
    known = new Set(now.map(({ id }) => id));
    const started = inProgress.all().filter((target) => !before.has(target.id));
    for (const { hostId, deploymentId } of started) checkReturned(history, hostId, find(deploymentId));
    for (const id of new Set(started.map((target) => target.deploymentId))) {
      const taker = find(id);
      if (taker === undefined) continue;
      const hosts = started.filter((target) => target.deploymentId === id);
      if (taker.stopRequestedAt !== null) violate('I7', `${id} starts ${hosts.length} hosts after it was stopped`);
      const away = hosts.filter(({ presence }) => presence !== 'Online');
      if (away.length > 0) violate('I4', `${id} starts ${away.length} hosts that are away`);
      for (const host of hosts) checkHasTold(host);
      if (hosts.some((host) => isServing(host, taker.application))) checkMinimumLeft(taker);
    }
    if (started.length === 0) return;
    history.isStarting = true;
    history.signal('starts-committed');
    history.isStarting = false;
  };
}
