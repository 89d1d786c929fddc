import type { History } from './history.ts';
import { checkPutBack, checkVersionsTold } from './invariants/agent-versions.ts';
import { checkConverged, checkReadyServes } from './invariants/converged.ts';
import { checkInstalled } from './invariants/told.ts';
import { checkUnreached } from './invariants/unreached.ts';
import { updateAgentsLast } from './last-agent-update.ts';
import { agentUpdateUnderWay } from './stored.ts';
import { OPERATOR } from './world/world.ts';

/** Runs the world until the condition holds; false when it does not within this many simulated ms. */
export type Until = (isIt: () => boolean, limitMs: number) => Promise<boolean>;

/** Time beyond a deployment's own deadline for what follows it: a rollback, hosts that are brought in, hosts that follow on. */
const ROUNDS = 4;

/** What a host tells of itself once it is let in is stored within this, when nothing is broken, ms. */
const TELLS_WITHIN_MS = 1_000;

/** Beyond the limit of silence, until somebody looks, and until the host is back, ms. */
const SWEEP_MS = 30_000;

/**
 * Liveness. All that was broken is mended, and time passes: every deployment must end (I4) and nothing may stay owed. Then a
 * good revision is deployed to each group, which has to succeed on every host that is left.
 */
export async function healAndFinish(history: History, until: Until): Promise<void> {
  const { world, observer, violate } = history;
  heal(history);
  const limitMs = ROUNDS * (world.plan.deploymentTimeoutMs + world.plan.hostLostAfterMs);
  // A connection that died while its line was cut is noticed after a silence only, by either end.
  const noticedAt = world.timeline.now + 3 * world.plan.heartbeatIntervalMs + SWEEP_MS;
  if (!(await until(() => world.timeline.now > noticedAt && isWhole(history), 400_000))) {
    if (history.violations.length === 0)
      violate('I4', `after all faults are mended these do not come back: ${missing(history).join(', ')}`);
    return;
  }
  if (!(await until(() => isQuiet(history), limitMs))) {
    if (history.violations.length > 0) return;
    const active = observer.active().map((deployment) => `${deployment.id} (${deployment.status})`);
    const update = agentUpdateUnderWay(history);
    const updates = update === undefined ? [] : [`agent update ${update.id}`];
    violate(
      'I4',
      `nothing is broken any more, and after ${limitMs} ms there is no end: ${[...active, ...owed(history), ...updates].join(', ')}`,
    );
    return;
  }
  checkVersionsTold(history);
  checkPutBack(history);
  checkConverged(history);
  checkUnreached(history);
  checkInstalled(history);
  await checkReadyServes(history);
  await remakeGroups(history, until);
  await deployLastRevision(history, until, limitMs);
  await updateAgentsLast(history, until, () => isQuiet(history));
  await untilTold(history, until);
}

/** The largest pause between two attempts, and time for what has waited meanwhile. */
const TELLING_MS = 3_600_000;

async function untilTold({ world, violations, violate }: History, until: Until): Promise<void> {
  // What has waited for days is not sent by itself any more, and an operator is asked.
  let isAsked = false;
  world.coordinator.core?.services.triggerMessages.retryDead({}, OPERATOR).then(
    () => {
      isAsked = true;
    },
    () => {
      if (violations.length === 0) violate('triggers', 'dead letters cannot be sent again');
    },
  );
  await until(() => isAsked, 10_000);
  const waiting = world.database.look.prepare<[], { target: string }>('SELECT target FROM trigger_messages LIMIT 1');
  const isTold = await until(() => waiting.get() === undefined, TELLING_MS);
  if (!isTold && violations.length === 0) violate('triggers', 'messages are left though their receiver is well');
}

function heal(history: History): void {
  const { world } = history;
  history.isHealing = true;
  world.calm();
  world.receiver.isWell = true;
  world.trace.say('world', 'all faults are mended');
  world.coordinator.failpoint = null;
  world.coordinator.full.at = null;
  void world.coordinator.start();
  world.network.damagedDownloads = [];
  world.network.profile = { ...world.network.profile, spikes: 0 };
  for (const machine of world.machines) {
    world.network.setCut(machine.name, { up: false, down: false });
    machine.failpoint = null;
    machine.mendDisk();
    // Forgotten by a coordinator that died before its answer: it is nobody's any more.
    if (machine.hostId !== null && !isKnown(world, machine.hostId)) machine.hostId = null;
    if (history.clones.has(machine.name)) {
      machine.powerOff('shutdown');
      machine.isGone = true;
    }
    if (!machine.isOn && !machine.isGone) {
      history.truth.booted(machine, world.applications);
      machine.powerOn();
    }
  }
}

function isKnown(world: History['world'], hostId: string): boolean {
  return world.database.look.prepare('SELECT 1 FROM hosts WHERE id = ?').get(hostId) !== undefined;
}

function missing({ world }: History): string[] {
  const { core } = world.coordinator;
  if (core === null) return ['the coordinator'];
  return world.machines
    .filter(
      ({ hostId, isGone }) => hostId !== null && !isGone && !(core.hub.isConnected(hostId) && isOnline(world, hostId)),
    )
    .map((machine) => machine.name);
}

/** Known to be connected, which is written some ms after it is. */
function isOnline(world: History['world'], hostId: string): boolean {
  const row = world.database.look
    .prepare<[string], { presence: string }>('SELECT presence FROM hosts WHERE id = ?')
    .get(hostId);
  return row?.presence === 'Online';
}

function isWhole(history: History): boolean {
  const { letInAt, world } = history;
  const isLetIn = (at: number | null) => at === null || at + TELLS_WITHIN_MS < world.timeline.now;
  return missing(history).length === 0 && [...letInAt.values()].every(isLetIn);
}

/** Hosts that are here and to which a group still owes its revision. */
function owed({ world }: History): string[] {
  return world.database.look
    .prepare<[], { name: string; converge: string }>(
      `SELECT h.name, g.converge FROM group_hosts g JOIN hosts h ON h.id = g.host_id
       WHERE h.presence = 'Online' AND g.converge IN ('entering', 'behind')`,
    )
    .all()
    .map((row) => `${row.name} is ${row.converge}`);
}

function isQuiet(history: History): boolean {
  return (
    history.observer.active().length === 0 &&
    owed(history).length === 0 &&
    agentUpdateUnderWay(history) === undefined &&
    history.world.machines.every(({ isGone, updater }) => isGone || !updater.isAtWork) &&
    isWhole(history)
  );
}

/** A group that was deleted by a coordinator that died before it was made again: its operator comes back to it. */
async function remakeGroups({ world }: History, until: Until): Promise<void> {
  const { core } = world.coordinator;
  const find = world.database.look.prepare<[string, string], { id: string }>(
    'SELECT id FROM deployment_groups WHERE application = ? AND name = ?',
  );
  for (const group of world.plan.groups) {
    if (core === null || find.get(group.application, group.name) !== undefined) continue;
    world.trace.say('operator', `makes ${group.application}/${group.name} again`);
    let isMade = false;
    void world.createGroup(core, group).then(() => {
      isMade = true;
    });
    await until(() => isMade, 10_000);
  }
}

async function deployLastRevision(history: History, until: Until, limitMs: number): Promise<void> {
  const { world, violate, observer } = history;
  for (const group of world.plan.groups) {
    const { core } = world.coordinator;
    if (core === null) return;
    const { application } = group;
    let id: string | null = null;
    let failure: unknown = null;
    const label = `last-${application}-${group.name}`;
    world
      .upload(core, { application, label, flaw: 'none', scriptsPerEvent: 1 })
      .then(() =>
        core.services.deployments.create(
          {
            application,
            deploymentGroup: group.name,
            revision: label,
            description: 'the last one',
            deploymentConfigName: 'CodeDeployDefault.AllAtOnce',
            ignoreApplicationStopFailures: true,
            updateOutdatedInstancesOnly: false,
            fileExistsBehavior: 'OVERWRITE',
          },
          OPERATOR,
        ),
      )
      .then(
        (deployment) => {
          id = deployment.id;
        },
        (error: unknown) => {
          failure = error;
        },
      );
    await until(() => id !== null || failure !== null, 10_000);
    if (id === null) {
      violate('I4', `the last revision cannot be deployed to ${group.name}: ${String(failure)}`);
      return;
    }
    const hasEnded = await until(
      () => observer.deployments.get(id ?? '')?.isActive === false && isQuiet(history),
      limitMs,
    );
    const deployment = observer.deployments.get(id);
    if (history.violations.length > 0) return;
    if (!hasEnded) violate('I4', `the last deployment ${id} does not end: it is ${deployment?.status}`);
    checkLast(history, deployment?.id ?? '');
  }
}

function checkLast({ observer, world, truth, violate }: History, id: string): void {
  const deployment = observer.deployments.get(id);
  const { core } = world.coordinator;
  if (deployment === undefined || core === null) return;
  // A host whose enrolment was never answered, or that is gone, is a row without anybody behind it.
  const reached = deployment.fleet.filter((hostId) => core.hub.isConnected(hostId));
  if (deployment.status !== 'Succeeded' && reached.length > 0)
    violate('I4', `${id} deploys a good revision to good hosts and is ${deployment.status} (${deployment.errorCode})`);
  for (const hostId of reached) {
    const machine = world.machineOfHost(hostId);
    if (machine === undefined) continue;
    const service = truth.serviceOf(machine.name, deployment.application);
    if (service.serves !== deployment.revision || !service.isWhole)
      violate('I6', `${id} succeeded, but ${machine.name} serves ${service.serves} and not ${deployment.revision}`);
  }
}
