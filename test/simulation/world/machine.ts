import { isDeepStrictEqual } from 'node:util';
import { type Agent, startAgent } from '../../../agent/agent.ts';
import { parseConfig } from '../../../agent/config.ts';
import { enrol } from '../../../agent/connection/enrolment.ts';
import { type Identity, loadIdentity } from '../../../agent/connection/identity.ts';
import { createLongPollTransport } from '../../../agent/connection/long-poll.ts';
import type { Transport } from '../../../agent/connection/transport.ts';
import type { Accounts } from '../../../agent/host/accounts.ts';
import { AppError, errorMessage } from '../../../shared/core/errors.ts';
import { InvariantViolation } from '../../../shared/core/invariant.ts';
import type { Logger } from '../../../shared/core/logger.ts';
import { agentHttp } from './agent-http.ts';
import { LAYOUT } from './agent-state.ts';
import { type AgentFlaw, AgentUpdater, type UpdaterNews } from './agent-updater.ts';
import { INSTALLED } from './bundle.ts';
import { bundleDownload } from './bundle-download.ts';
import type { Chance } from './chance.ts';
import { aliveOnly, type CoordinatorMachine } from './coordinator.ts';
import { createSimulatedDisk, type DiskMoment, type DiskStep } from './disk.ts';
import { FileSystem } from './file-system.ts';
import type { Network } from './network.ts';
import { createProcess, type SimulatedProcess } from './process.ts';
import { type ProcessEvents, ProcessTable } from './processes.ts';
import { processClock, type Timeline } from './timeline.ts';

/** As Node calls it. */
const ARCHITECTURE = 'x64';
/** A supervisor waits so long for an agent that it stops, ms. */
const STOP_TIMEOUT_MS = 10_000;
/** An agent that crashes is connected by then, but never for as long as an updater wants it to be, ms. */
const CRASHES_AFTER_MS = 3_000;
const ROOT = { uid: 0, name: 'root', home: '/root' };
/** Hooks of the simulation run as the agent's own user, and no file has another owner. */
const accounts: Accounts = { user: async () => null, group: async () => null };

export interface MachineParts {
  name: string;
  /** Two machines with one id are what a copied disk looks like before its machine id is made anew. */
  machineId: string;
  timeline: Timeline;
  network: Network;
  coordinator: CoordinatorMachine;
  chance: Chance;
  logger: Logger;
  events: ProcessEvents & {
    agentEnded(why: string): void;
    agentStarted(): void;
    bundleAssembled(): void;
    invariantBroken(error: InvariantViolation): void;
    /** An agent that the disk does not let live, or that cannot read what is on it. */
    agentFailed(error: unknown): void;
    updaterSaid(news: UpdaterNews): void;
  };
  /** What installed its agent, as its facts say it; null: no package. */
  agentPackage: 'deb' | 'archive' | null;
  agentFlawOf(version: string): AgentFlaw;
  /** For what the updater of its agent takes its time with. */
  updaterChance: Chance;
  /** After the end of an agent, its supervisor starts it again so much later, ms. */
  restartAfterMs: number;
  compactJournalAboveBytes: number | undefined;
  minDeltaBytes: number | undefined;
  printsInParts: boolean;
  clockOffsetMs: number;
  /** Whether WebSockets do not get through to here. */
  refusesWebSockets: boolean;
  syncDelayMs: number;
  sabotage: 'lying-sync' | 'forgotten-starts' | null;
}

/** A host: its disk, its processes, its clock and its agent. */
export class Machine {
  readonly name: string;
  readonly machineId: string;
  readonly files: FileSystem;
  readonly processes: ProcessTable;
  readonly #parts: MachineParts;
  readonly updater: AgentUpdater;
  readonly #waitingForSync = new Set<() => void>();
  #agent: { process: SimulatedProcess; running: Agent | null; version: string } | null = null;
  /** Its supervisor was asked to restart the agent, and starts it as soon as this one has ended. */
  #isRestarting = false;
  /** The command that enrols it, while it runs. */
  #enrolling: SimulatedProcess | null = null;
  #isOn = true;
  /** Gone for good: nothing starts it again. */
  isGone = false;
  clockOffsetMs: number;
  syncDelayMs: number;
  /** On the timeline: no sync returns before. */
  syncHangsUntil = 0;
  /** The agent ends at the so-many-th append to its journal, name that it gives to what it installs, or file of a bundle that it puts together. */
  failpoint: { countdown: number; moment: DiskMoment } | null = null;
  /** So many more names are given in what is installed, and from then on it is read-only; null: it is well. */
  namesUntilReadOnly: number | null = null;
  hostId: string | null = null;
  #identity: Identity | null = null;
  /** Hooks were running on it when its agent ended last. */
  agentStarts = 0;

  constructor(parts: MachineParts) {
    this.#parts = parts;
    this.name = parts.name;
    this.machineId = parts.machineId;
    this.clockOffsetMs = parts.clockOffsetMs;
    this.syncDelayMs = parts.syncDelayMs;
    this.files = new FileSystem(() => parts.timeline.now);
    this.files.isLying = parts.sabotage === 'lying-sync';
    this.processes = new ProcessTable({
      ...parts,
      files: this.files,
      forgetsStarts: parts.sabotage === 'forgotten-starts',
    });
    this.updater = new AgentUpdater({
      timeline: parts.timeline,
      files: this.files,
      chance: parts.updaterChance,
      agentPackage: parts.agentPackage,
      statusPath: LAYOUT.status,
      agentPid: () => (this.#agent === null ? null : this.agentStarts),
      restartAgent: () => this.restartAgent(),
      said: parts.events.updaterSaid,
    });
  }

  /** Of the agent that runs; null while none does. */
  get agentVersion(): string | null {
    return this.#agent?.version ?? null;
  }

  get refusesWebSockets(): boolean {
    return this.#parts.refusesWebSockets;
  }

  get isOn(): boolean {
    return this.#isOn;
  }

  get isAgentRunning(): boolean {
    return this.#agent !== null;
  }

  /** What `drover-agent enrol` does. */
  async enrol(joinToken: string, options: { force: boolean }): Promise<void> {
    const process = createProcess(() => {});
    this.#enrolling = process;
    const enrolment = await enrol(
      {
        disk: this.#disk(process),
        http: agentHttp({ ...this.#parts, machine: this.name, process, getsThrough: true }),
        clock: this.#clock(process),
        randomness: this.#parts.chance,
      },
      {
        identityPath: LAYOUT.identity,
        coordinatorUrl: 'https://coordinator.simulated',
        joinToken,
        name: this.name,
        facts: this.#facts(),
        force: options.force,
      },
    );
    this.#enrolling = null;
    this.hostId = enrolment.hostId;
  }

  startAgent(): void {
    if (this.#agent !== null || !this.#isOn || this.isGone) return;
    const process = createProcess((why) => this.#agentEnded(process, why));
    this.#agent = { process, running: null, version: this.updater.installedVersion };
    this.agentStarts++;
    this.#parts.events.agentStarted();
    this.#run(process).catch((error: unknown) => this.#agentFailed(process, error));
  }

  /** An operator takes the journal away, as the agent says that one may when it is damaged. */
  removeJournal(): void {
    this.killAgent('stopped to remove its journal');
    this.files.removeFile(LAYOUT.journal);
  }

  /** SIGKILL: what it wrote is there, what it had in mind is not. */
  killAgent(why: string): void {
    this.#agent?.process.kill(why);
  }

  /** SIGTERM, and the end of the process once it has drained. */
  async stopAgent(): Promise<void> {
    const agent = this.#agent;
    if (agent === null || agent.running === null) return;
    try {
      await agent.running.stop();
    } catch (error) {
      // As the real program does: what it cannot write, as on a full disk, ends it.
      agent.process.kill(`failed while it stopped: ${errorMessage(error)}`);
      return;
    }
    agent.process.kill('stopped in good order');
  }

  /** As a package's scripts ask systemd for it: it is stopped in good order, or killed when that takes too long, and started at once. */
  restartAgent(): void {
    const agent = this.#agent;
    if (agent === null) {
      this.startAgent();
      return;
    }
    this.#isRestarting = true;
    if (agent.running === null) agent.process.kill('restarted before it was up');
    else void this.stopAgent();
    this.#parts.timeline.after(STOP_TIMEOUT_MS, () => agent.process.kill('did not stop in time'));
  }

  powerOff(how: 'power-cut' | 'shutdown'): void {
    if (!this.#isOn) return;
    this.#isOn = false;
    this.#isRestarting = false;
    this.updater.hostWentDown();
    const agent = this.#agent?.process;
    if (agent !== undefined) {
      this.#agent = null;
      agent.kill(how);
      this.#parts.network.processEnded(agent, how === 'shutdown' ? 'closed' : 'silent');
    }
    this.#enrolling?.kill(how);
    this.processes.reboot();
    if (how === 'shutdown') this.files.syncAll();
    else this.files.cutPower(this.#parts.chance);
    this.files.isFull = false;
    this.files.isOutOfInodes = false;
    this.namesUntilReadOnly = null;
  }

  powerOn(): void {
    if (this.#isOn || this.isGone) return;
    this.#isOn = true;
    this.startAgent();
    this.updater.goOn();
  }

  async #run(process: SimulatedProcess): Promise<void> {
    const { timeline, network, logger, chance } = this.#parts;
    const version = this.updater.installedVersion;
    const flaw = this.#parts.agentFlawOf(version);
    if (flaw === 'ends-at-once' || flaw === 'crashes')
      timeline.after(flaw === 'crashes' ? CRASHES_AFTER_MS : 0, () => process.kill(`crashes, as ${version} does`));
    if (flaw === 'ends-at-once') return;
    const refusesWebSockets = this.#parts.refusesWebSockets || flaw === 'never-connects';
    const disk = this.#disk(process);
    const identity = this.#sameIdentity(await loadIdentity(disk, LAYOUT.identity));
    if (identity === null || identity.enrolment === null) throw new AppError('invalid', 'this host is not enrolled');
    const clock = this.#clock(process);
    const http = agentHttp({ ...this.#parts, machine: this.name, process, getsThrough: flaw !== 'never-connects' });
    const websocket: Transport = {
      name: 'websocket',
      connect: (handlers) =>
        refusesWebSockets
          ? network.request(this.name, process, () =>
              Promise.reject(new AppError('unavailable', 'upgrade refused', { details: { upgradeStatus: 403 } })),
            )
          : network.connect(this.name, process, handlers),
    };
    const agent = await startAgent({
      version,
      config: CONFIG,
      layout: LAYOUT,
      identity,
      enrolment: identity.enrolment,
      disk,
      processes: this.processes.runnerFor(process),
      accounts,
      clock,
      randomness: chance,
      logger: aliveOnly(logger, process),
      transports: { websocket, longPoll: createLongPollTransport({ http, clock }) },
      createDownload: (sessionToken) =>
        bundleDownload({
          timeline,
          network,
          coordinator: this.#parts.coordinator,
          machine: this.name,
          process,
          sessionToken,
        }),
      facts: async () => this.#facts(),
      loadOfLastMinute: () => 0,
      ownAccount: ROOT,
      ownProcess: { pid: this.agentStarts, startTime: this.processes.bootId },
      compactJournalAboveBytes: this.#parts.compactJournalAboveBytes,
      minDeltaBytes: this.#parts.minDeltaBytes,
      onFailure: (error) => this.#agentFailed(process, error),
    });
    if (this.#agent?.process === process) this.#agent.running = agent;
  }

  /** Agents that read the same share what is kept with it: the key, which takes longer to read than all else that an agent begins with. */
  #sameIdentity(read: Identity | null): Identity | null {
    if (!isDeepStrictEqual(read, this.#identity)) this.#identity = read;
    return this.#identity;
  }

  #agentFailed(process: SimulatedProcess, error: unknown): void {
    if (!process.isAlive) return;
    if (error instanceof InvariantViolation) this.#parts.events.invariantBroken(error);
    this.#parts.events.agentFailed(error);
    process.kill(`failed: ${errorMessage(error)}`);
  }

  #agentEnded(process: SimulatedProcess, why: string): void {
    this.#parts.network.processEnded(process, 'closed');
    if (this.#agent?.process !== process) return;
    this.#agent = null;
    this.failpoint = null;
    this.#parts.events.agentEnded(why);
    const afterMs = this.#isRestarting ? 0 : this.#parts.restartAfterMs;
    this.#isRestarting = false;
    this.#parts.timeline.after(afterMs, () => this.startAgent());
  }

  #clock(process: SimulatedProcess) {
    return processClock(this.#parts.timeline, {
      offsetMs: () => this.clockOffsetMs,
      isAlive: () => process.isAlive,
    });
  }

  #disk(process: SimulatedProcess) {
    const { timeline } = this.#parts;
    return createSimulatedDisk({
      files: this.files,
      process,
      failpoint: (path, at) => this.#failpointAt(path, at),
      isReadOnly: (path, change) => this.#isReadOnly(path, change),
      assembled: this.#parts.events.bundleAssembled,
      syncDelay: () => {
        const hangsMs = this.syncHangsUntil - timeline.now;
        if (hangsMs <= 0 && this.syncDelayMs === 0) return null;
        const delayMs = Math.max(hangsMs, this.#parts.chance.fraction() * this.syncDelayMs);
        return new Promise((resolve) => {
          const goOn = () => {
            this.#waitingForSync.delete(goOn);
            resolve();
          };
          this.#waitingForSync.add(goOn);
          timeline.after(delayMs, goOn);
        });
      },
    });
  }

  /** The disk is as good as new: what hangs goes on as well. */
  mendDisk(): void {
    this.files.isFull = false;
    this.files.isOutOfInodes = false;
    this.namesUntilReadOnly = null;
    this.syncDelayMs = 0;
    this.syncHangsUntil = 0;
    for (const goOn of [...this.#waitingForSync]) goOn();
  }

  #failpointAt(path: string, at: DiskStep): DiskMoment | null {
    const { failpoint } = this;
    if (failpoint === null) return null;
    const counts = STEP_OF[failpoint.moment];
    if (counts === 'name' && !path.startsWith(INSTALLED)) return null;
    if (counts === 'append' && path !== LAYOUT.journal) return null;
    if (at === counts) failpoint.countdown--;
    const ends = failpoint.moment === 'synced' ? 'sync' : counts;
    return failpoint.countdown > 0 || at !== ends ? null : failpoint.moment;
  }

  #isReadOnly(path: string, change: 'new' | 'other'): boolean {
    if (this.namesUntilReadOnly === null || !path.startsWith(INSTALLED)) return false;
    if (this.namesUntilReadOnly === 0) return true;
    if (change === 'new') this.namesUntilReadOnly--;
    return false;
  }

  #facts() {
    const { agentPackage } = this.#parts;
    return {
      hostname: this.name,
      machineId: this.machineId,
      bootId: this.processes.bootId,
      architecture: ARCHITECTURE,
      ...(agentPackage === null ? {} : { agentPackage }),
    };
  }
}

/** What a failpoint counts. */
const STEP_OF: Readonly<Record<DiskMoment, DiskStep>> = {
  before: 'append',
  torn: 'append',
  written: 'append',
  synced: 'append',
  named: 'name',
  assembled: 'assembly',
};

const CONFIG = parseConfig({ limits: { drainMs: 2_000 } }, 'the simulation');
