import type { History } from '../history.ts';
import type { Machine } from '../world/machine.ts';
import { EPOCH } from '../world/timeline.ts';

/**
 * I7 on the machine: whoever begins after a stop was answered had been told to before. It may have been told as another host: one that
 * was forgotten and enrolled again goes on with what it had accepted.
 */
export function checkBeginAfterStop({ world, stops, violate }: History, machine: Machine, deploymentId: string): void {
  const stop = stops.get(deploymentId);
  if (stop === undefined || machine.hostId === null) return;
  if ([...stop.allowed].some((hostId) => world.machineOfHost(hostId) === machine)) return;
  violate('I7', `${machine.name} begins ${deploymentId} although its stop was answered while it was pending`);
}

/** I7 on the wire: after the answer nobody is told to start. */
export function checkFrameAfterStop({ stops, violate }: History, machine: string, frame: string): void {
  if (stops.size === 0 || !frame.startsWith('{"kind":"assignment"')) return;
  const deploymentId = /"deploymentId":"([^"]+)"/.exec(frame)?.[1] ?? '';
  if (stops.has(deploymentId)) violate('I7', `${machine} is sent ${deploymentId} after its stop was answered`);
}

/** Whether a machine's agent is let in on its newest connection: null while its hello is still to come or being looked at. */
export function noteLetIn({ world, letInAt }: History, machine: string, kind: string): void {
  if (kind === 'challenge') letInAt.set(machine, null);
  if (kind === 'welcome') letInAt.set(machine, world.timeline.now);
}

/** Until those that have not begun have been told to leave it, ms. */
const TOLD_WITHIN_MS = 2_000;

export function noteCancel({ cancels }: History, machine: string, frame: string): void {
  cancels.add(`${/"deploymentId":"([^"]+)"/.exec(frame)?.[1] ?? ''} ${machine}`);
}

/**
 * I7 of a host that was given up before it has begun: it is told to leave that, at once when it is here, else when it is let in. One that
 * begins all the same, and with which the coordinator could speak, was not told. What a clock that jumps says of instants is not looked at.
 */
export function checkBeginGivenUp(
  { world, cancels, letInAt, violate }: History,
  machine: Machine,
  deploymentId: string,
): void {
  const { coordinator, network, timeline } = world;
  const { hostId, name } = machine;
  const since = letInAt.get(name) ?? null;
  if (hostId === null || since === null || coordinator.clockOffsetMs !== 0) return;
  if (cancels.has(`${deploymentId} ${name}`)) return;
  const givenUp = world.database.look
    .prepare<[string, string], { at: number }>(
      `SELECT completed_at AS at FROM targets WHERE deployment_id = ? AND host_id = ? AND status = 'Failed'
         AND error_code IN ('HOST_LOST', 'NOT_ACCEPTED', 'EVENT_TIMEOUT', 'DEPLOYMENT_TIMEOUT')`,
    )
    .get(deploymentId, hostId);
  if (givenUp === undefined) return;
  const isHere =
    coordinator.core?.hub.isConnected(hostId) === true &&
    !network.isCut(name) &&
    network.wiresOf(name).some((wire) => wire.answers);
  if (isHere && timeline.now - Math.max(givenUp.at - EPOCH, since) > TOLD_WITHIN_MS)
    violate('I7', `${name} begins ${deploymentId}, in which it was given up, and nobody has told it to leave that`);
}

interface StoppedTarget {
  hostId: string;
  status: string;
  acceptedAt: number | null;
}

/** In the very moment in which a stop is answered: whoever is not in progress by now must never begin. Returns the deployment's hosts. */
export function expectNoMore(history: History, deploymentId: string): StoppedTarget[] {
  const { world, stops } = history;
  const targets = world.database.look
    .prepare<[string], StoppedTarget>(
      'SELECT host_id AS hostId, status, accepted_at AS acceptedAt FROM targets WHERE deployment_id = ?',
    )
    .all(deploymentId);
  const allowed = targets
    .filter(({ status }) => status !== 'Pending' && status !== 'Skipped')
    .map(({ hostId }) => hostId);
  if (!stops.has(deploymentId)) stops.set(deploymentId, { allowed: new Set(allowed), at: world.timeline.now });
  expectCancels(history, deploymentId);
  return targets;
}

/**
 * I7 for those that were sent it before: whoever is in progress and can be reached is told to leave what it has not begun. One whose agent
 * has just come back is told once it is let in, which takes a while when nobody answers on its old connection.
 */
function expectCancels({ world, cancels, letInAt, violate }: History, deploymentId: string): void {
  const { core } = world.coordinator;
  const inProgress = world.database.look.prepare<[string], { hostId: string }>(
    `SELECT host_id AS hostId FROM targets WHERE deployment_id = ? AND status = 'InProgress'`,
  );
  // What waits for a long poll, or for a line that is cut, is told when there is one.
  const connected = () =>
    inProgress.all(deploymentId).filter(({ hostId }) => {
      const machine = world.machineOfHost(hostId);
      if (machine === undefined || world.network.isCut(machine.name)) return false;
      return core?.hub.isConnected(hostId) === true && world.network.wiresOf(machine.name).some((wire) => wire.isOpen);
    });
  const lookLater = (before: ReadonlySet<string>) =>
    world.timeline.after(TOLD_WITHIN_MS, () => {
      if (core === null || world.coordinator.core !== core) return;
      const later = new Set<string>();
      for (const { hostId } of connected()) {
        const machine = world.machineOfHost(hostId);
        if (machine === undefined || !before.has(hostId)) continue;
        if (cancels.has(`${deploymentId} ${machine.name}`)) continue;
        const since = letInAt.get(machine.name) ?? null;
        if (since === null || world.timeline.now - since < TOLD_WITHIN_MS) later.add(hostId);
        else violate('I7', `${machine.name} is not told that ${deploymentId} was stopped`);
      }
      if (later.size > 0) lookLater(later);
    });
  lookLater(new Set(connected().map(({ hostId }) => hostId)));
}

interface Stopped {
  word: number | null;
  isBusy: number;
  isAudited: number;
}

/**
 * I5 and I7, of each stop that is answered: what it has said of a rollback is kept, also when a later one says nothing of that; it is answered as
 * done only when nobody is in progress; and the audit record tells of it. Of stops that overlap, or were never answered, nobody knows which
 * was the last.
 */
export function createStopCheck({ world, violate }: History): {
  asked(deploymentId: string): void;
  answered(deploymentId: string, stop: { rollback: boolean | null; stopStatus: string }): void;
} {
  const stops = new Map<string, { open: number; word: boolean | null }>();
  const stopped = world.database.look.prepare<[string], Stopped>(
    `SELECT d.stop_rollback AS word,
       EXISTS (SELECT 1 FROM targets t WHERE t.deployment_id = d.id AND t.status = 'InProgress') AS isBusy,
       EXISTS (SELECT 1 FROM audit a WHERE a.action = 'deployment.stop' AND a.subject = d.id) AS isAudited
     FROM deployments d WHERE d.id = ?`,
  );
  return {
    asked(id) {
      const { open, word } = stops.get(id) ?? { open: 0, word: null };
      stops.set(id, { open: open + 1, word });
    },
    answered(id, { rollback, stopStatus }) {
      const before = stops.get(id) ?? { open: 1, word: null };
      const now = { open: before.open - 1, word: rollback ?? before.word };
      stops.set(id, now);
      const stored = stopped.get(id);
      if (stored === undefined) return;
      const kept = stored.word === null ? null : stored.word === 1;
      if (now.open === 0 && kept !== now.word)
        violate('I5', `the stop of ${id} has said ${now.word} of a rollback, and ${kept} is kept of that`);
      // Nobody starts after a stop: who is in progress now was when it was answered.
      if (stopStatus === 'Succeeded' && stored.isBusy === 1)
        violate('I7', `the stop of ${id} is answered as done, and hosts are in progress`);
      if (stored.isAudited === 0) violate('I6', `the audit record does not tell who has stopped ${id}`);
    },
  };
}
