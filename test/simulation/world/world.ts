import { Readable } from 'node:stream';
import { loadAppSpec } from '../../../agent/deployment/app-spec-file.ts';
import type { Caller } from '../../../coordinator/auth/caller.ts';
import type { Core } from '../../../coordinator/core.ts';
import { AppError, errorMessage } from '../../../shared/core/errors.ts';
import type { Logger } from '../../../shared/core/logger.ts';
import { once } from '../../../shared/core/once.ts';
import { AGENT_APPLICATION } from '../../../shared/model/agent-update.ts';
import { triggerEvent } from '../../../shared/model/trigger.ts';
import type { MemoryPlace } from '../../support/memory-store.ts';
import type { Plan, PlannedGroup } from '../plan.ts';
import { simulatedAgentPackages } from './agent-packages.ts';
import type { AgentFlaw, UpdaterNews } from './agent-updater.ts';
import { ASSETS, makeBundle, type Script } from './bundle.ts';
import { type Chance, chanceOf } from './chance.ts';
import { CoordinatorMachine, type CoordinatorParts } from './coordinator.ts';
import { createSimulatedDisk } from './disk.ts';
import { type DurableDatabase, openDurableDatabase } from './durable-database.ts';
import { FileSystem } from './file-system.ts';
import { behaviourOf, type Flaw } from './hooks.ts';
import { Machine } from './machine.ts';
import { Network } from './network.ts';
import { createProcess } from './process.ts';
import type { ScriptEnd, ScriptRun } from './processes.ts';
import { RECEIVER, Receiver } from './receiver.ts';
import { createTimeline, type Timeline } from './timeline.ts';
import type { Trace } from './trace.ts';

export const OPERATOR: Caller = { kind: 'operator', name: 'ann', role: 'admin', remoteAddress: '127.0.0.1' };

/** What the world tells to whoever checks it. */
export interface WorldEvents {
  scriptBegan(machine: Machine, run: ScriptRun): void;
  scriptEnded(machine: Machine, run: ScriptRun, how: ScriptEnd): void;
  frameSent(machine: string, direction: 'up' | 'down', frame: string): void;
  agentStarted(machine: Machine): void;
  agentEnded(machine: Machine, why: string): void;
  bundleAssembled(machine: Machine): void;
  agentFailed(machine: Machine, error: unknown): void;
  updaterSaid(machine: Machine, news: UpdaterNews): void;
  coordinatorEnded(why: string): void;
  /** An assertion of the production code does not hold. */
  assertionFailed(who: string, error: Error): void;
}

/** The simulated machines with the production coordinator and agents on them. */
export interface World {
  readonly plan: Plan;
  readonly timeline: Timeline;
  readonly trace: Trace;
  readonly network: Network;
  readonly database: DurableDatabase;
  readonly coordinator: CoordinatorMachine;
  /** What the coordinator's processes keep of bundles. */
  readonly bundles: MemoryPlace;
  readonly receiver: Receiver;
  /** For what happens by itself while the history runs. */
  readonly chance: Chance;
  readonly applications: readonly string[];
  /** In order; machines that are made later come behind. */
  readonly machines: Machine[];
  addMachine(name: string, machineId?: string): Machine;
  machineOfHost(hostId: string): Machine | undefined;
  /** The agent's own command on the machine, with a join token for this role. */
  enrol(machine: Machine, role: string, options?: { force: boolean }): Promise<void>;
  /** Revisions and groups are made by whoever calls this. */
  setUp(core: Core): Promise<void>;
  upload(core: Core, revision: Plan['revisions'][number]): Promise<void>;
  createGroup(core: Core, group: PlannedGroup): Promise<void>;
  /** From here on scripts that stop a revision work, whatever is wrong with it. */
  calm(): void;
  close(): void;
}

export async function createWorld(
  plan: Plan,
  parts: { events: WorldEvents; makeTrace(timeline: Timeline): Trace; decided?: CoordinatorParts['decided'] },
): Promise<World> {
  const { seed } = plan;
  const { events } = parts;
  await loadLateModules();
  const timeline = createTimeline();
  const trace = parts.makeTrace(timeline);
  const machines: Machine[] = [];
  const byHostId = new Map<string, Machine>();
  const bundles: MemoryPlace = { bundles: new Map(), unfinished: new Set() };
  const database = await openDurableDatabase();
  const network = new Network({
    timeline,
    chance: chanceOf(seed, 'network'),
    profile: plan.network,
    events: { sent: events.frameSent },
  });
  network.damagedDownloads = plan.damagedDownloads ?? [];
  const receiver = new Receiver(chanceOf(seed, 'receiver'));
  const coordinator = new CoordinatorMachine({
    timeline,
    receiver,
    agentPackages: plan.agentUpdates && simulatedAgentPackages(plan.agentUpdates.offered.map(({ version }) => version)),
    network,
    database,
    bundles,
    chance: chanceOf(seed, 'coordinator'),
    // Nothing that the simulation does is an error of the coordinator's: what it logs as one must not happen.
    logger: tracingLogger(trace, 'coordinator', (said) => {
      // What nobody can store is told as an error, rightly.
      if (world.coordinator.full.at === null) events.assertionFailed('coordinator', new Error(said));
    }),
    timings: {
      heartbeatIntervalMs: plan.heartbeatIntervalMs,
      silenceLimitMs: 3 * plan.heartbeatIntervalMs,
      offlineAfterMs: 15_000,
      hostLostAfterMs: plan.hostLostAfterMs,
      acceptTimeoutMs: plan.hostLostAfterMs,
      eventTimeoutMs: 600_000,
      deploymentTimeoutMs: plan.deploymentTimeoutMs,
    },
    keepsLittle: plan.keepsLittle === true,
    ended: events.coordinatorEnded,
    fatal: (error) => events.assertionFailed('coordinator', error),
    decided: parts.decided,
  });
  const flaws = new Map<string, Flaw>(plan.revisions.map((r) => [`${r.application} ${r.label}`, r.flaw]));
  let isCalm = false;
  const flawOf = ({ application, revision, event }: Script): Flaw =>
    isCalm && event === 'ApplicationStop' ? 'none' : (flaws.get(`${application} ${revision}`) ?? 'none');

  function addMachine(name: string, machineId = `m-${name}`): Machine {
    const number = machines.length;
    const chance: Chance = chanceOf(seed, `machine ${name}`);
    const machine: Machine = new Machine({
      name,
      machineId,
      timeline,
      network,
      coordinator,
      chance,
      logger: tracingLogger(trace, name),
      restartAfterMs: plan.restartAfterMs,
      compactJournalAboveBytes: plan.compactJournalAboveBytes,
      minDeltaBytes: plan.hasDeltas ? 0 : undefined,
      printsInParts: plan.printsInParts === true,
      clockOffsetMs: plan.clockOffsetsMs[number] ?? 0,
      refusesWebSockets: plan.refusingWebSockets.includes(number),
      syncDelayMs: plan.syncDelayMs,
      sabotage: plan.sabotage,
      agentPackage: plan.agentUpdates?.packages[number % plan.agentUpdates.packages.length] ?? null,
      agentFlawOf: (version) => agentFlawOf(plan, name, version),
      updaterChance: chanceOf(seed, `updater ${name}`),
      events: {
        began(run) {
          const { script, deploymentId } = run;
          events.scriptBegan(machine, run);
          return script.application === AGENT_APPLICATION
            ? machine.updater.behaviourOf(run)
            : behaviourOf(seed, flawOf, { script, machine: name, deploymentId });
        },
        ended: (run, how) => events.scriptEnded(machine, run, how),
        agentStarted: () => events.agentStarted(machine),
        agentEnded: (why) => events.agentEnded(machine, why),
        bundleAssembled: () => events.bundleAssembled(machine),
        agentFailed: (error) => events.agentFailed(machine, error),
        updaterSaid: (news) => events.updaterSaid(machine, news),
        invariantBroken: (error) => events.assertionFailed(name, error),
      },
    });
    machines.push(machine);
    const version = plan.agentUpdates?.installed[number % plan.agentUpdates.installed.length];
    if (version !== undefined) machine.updater.install(version);
    return machine;
  }

  const world: World = {
    plan,
    timeline,
    trace,
    network,
    database,
    coordinator,
    bundles,
    receiver,
    chance: chanceOf(seed, 'fate'),
    applications: [...new Set(plan.groups.map((group) => group.application))],
    machines,
    addMachine,
    machineOfHost: (hostId) => byHostId.get(hostId),
    async enrol(machine, role, options = { force: false }) {
      const { core } = coordinator;
      if (core === null) throw new AppError('unavailable', 'the coordinator is down');
      const token = await core.services.joinTokens.create(
        { tags: { role }, zone: null, scalingGroup: null, uses: 1, validForSeconds: 86_400 },
        OPERATOR,
      );
      await machine.enrol(token.secret, options);
      if (machine.hostId !== null) byHostId.set(machine.hostId, machine);
    },
    async setUp(core) {
      for (const name of world.applications)
        await core.services.applications.create({ name, description: '' }, OPERATOR);
      for (const { configName, minimum } of plan.groups)
        if (minimum !== null)
          await core.services.deploymentConfigs
            .create({ name: configName, minimumHealthyHosts: minimum }, OPERATOR)
            .catch((error: unknown) => trace.say('operator', `config ${configName}: ${errorMessage(error)}`));
      for (const group of plan.groups) await world.createGroup(core, group);
      for (const revision of plan.revisions) await world.upload(core, revision);
    },
    async upload(core, revision) {
      flaws.set(`${revision.application} ${revision.label}`, revision.flaw);
      const { bytes, digest } = makeBundle({ ...revision, assets: plan.hasDeltas ? ASSETS : 0 });
      const upload = core.services.revisions.upload(
        revision.application,
        { digest, bundleType: 'tar', label: revision.label, description: '' },
        Readable.from([bytes]),
        OPERATOR,
      );
      await timeline.streaming(upload);
    },
    async createGroup(core, group) {
      await core.services.deploymentGroups.create(
        { application: group.application },
        {
          name: group.name,
          selection: {
            tagFilters: [group.role, ...(group.alsoRoles ?? [])].map((value) => ({
              type: 'KEY_AND_VALUE' as const,
              key: 'role',
              value,
            })),
            tagSet: [],
            hostNames: [],
            scalingGroups: [],
          },
          deploymentConfigName: group.configName,
          autoRollback: group.autoRollback,
          outdatedInstancesStrategy: group.outdatedInstancesStrategy,
          hookEnvironment: {},
          transientUnits: false,
          triggers: plan.hasTriggers ? [{ name: 'all', target: RECEIVER, events: [...triggerEvent.options] }] : [],
        },
        OPERATOR,
      );
    },
    calm() {
      isCalm = true;
    },
    close: () => database.close(),
  };
  for (let i = 1; i <= plan.machines + plan.spareMachines; i++) addMachine(`web-${i}`);
  return world;
}

function agentFlawOf({ seed, agentUpdates }: Plan, machine: string, version: string): AgentFlaw {
  const offered = agentUpdates?.offered.find((one) => one.version === version);
  if (offered === undefined) return 'none';
  const isHere = !offered.isSomewhere || chanceOf(seed, `agent flaw ${machine} ${version}`).is(0.4);
  return isHere ? offered.flaw : 'none';
}

/** What the agent imports only when it needs it is read from a real disk, in real time: done before any history begins. */
const loadLateModules = once(async () => {
  const files = new FileSystem(() => 0);
  const disk = createSimulatedDisk({
    files,
    process: createProcess(() => {}),
    failpoint: () => null,
    syncDelay: () => null,
  });
  files.append(files.create('/appspec.yml', 0o644), Buffer.from('version: 0.0\nos: linux\n'));
  await loadAppSpec(disk, '/', { wanted: 'appspec.yml', lifecycleEvents: [] });
});

/** What the production code would write to its log, from `info` on, as a part of the story. */
function tracingLogger(trace: Trace, who: string, onError: (said: string) => void = () => {}): Logger {
  const say = (level: string) => (fields: object, phrase: string) => {
    const said = `${level} ${phrase} ${JSON.stringify(fields, plainErrors)}`;
    trace.say(who, said);
    if (level === 'error') onError(said);
  };
  const logger: Logger = {
    debug() {},
    info: say('info'),
    warn: say('warn'),
    error: say('error'),
    child: () => logger,
  };
  return logger;
}

function plainErrors(_key: string, value: unknown): unknown {
  return value instanceof Error ? `${value.name}: ${value.message}` : value;
}
