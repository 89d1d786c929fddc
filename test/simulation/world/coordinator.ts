import { ACCESS_KEY_MASTER_BYTES } from '../../../coordinator/auth/access-key-secrets.ts';
import { coordinatorConfig } from '../../../coordinator/config.ts';
import { type Core, type CoreParts, createCore } from '../../../coordinator/core.ts';
import { createLongPoll, type LongPoll } from '../../../coordinator/hub/long-poll-channel.ts';
import { databaseOn } from '../../../coordinator/storage/sqlite.ts';
import type { Clock } from '../../../shared/core/clock.ts';
import { AppError } from '../../../shared/core/errors.ts';
import type { InvariantViolation } from '../../../shared/core/invariant.ts';
import type { Logger } from '../../../shared/core/logger.ts';
import { createMemoryStore, type MemoryPlace } from '../../support/memory-store.ts';
import { BundleParts } from './bundle-parts.ts';
import type { Chance } from './chance.ts';
import type { DurableDatabase } from './durable-database.ts';
import { DISK_IS_FULL, FullDatabase, isFull } from './full-database.ts';
import type { Network } from './network.ts';
import { createProcess, type SimulatedProcess } from './process.ts';
import type { Receiver } from './receiver.ts';
import { processClock, type Timeline } from './timeline.ts';

export const COORDINATOR_ID = 'c-simulated';

export interface CoordinatorParts {
  timeline: Timeline;
  network: Network;
  database: DurableDatabase;
  bundles: MemoryPlace;
  chance: Chance;
  receiver: Receiver;
  /** Of the agent, that it offers; absent: none. */
  agentPackages: CoreParts['agentPackages'];
  logger: Logger;
  timings: Partial<ReturnType<typeof coordinatorConfig.parse>['timings']>;
  /** Retention leaves nothing that it may remove. */
  keepsLittle: boolean;
  ended(why: string): void;
  fatal(error: InvariantViolation): void;
  decided?: CoreParts['decided'];
}

/** Where the next coordinator process ends: at the so-many-th statement that looks like this. */
export interface CoordinatorFailpoint {
  moment: 'any-statement' | 'before-commit' | 'after-commit' | 'in-reports' | 'in-sending';
  /** Counts down; the process ends when it reaches 0. */
  countdown: number;
}

const KEEPS_LITTLE = {
  outputDays: 1,
  deploymentDays: 1,
  deploymentsPerGroup: 1,
  revisionDays: 1,
  revisionsPerApplication: 1,
};

/** The machine of the coordinator: one process after another over one database. */
export class CoordinatorMachine {
  readonly config: ReturnType<typeof coordinatorConfig.parse>;
  readonly #parts: CoordinatorParts;
  #running: {
    core: Core;
    process: SimulatedProcess;
    clock: Clock;
    longPoll: LongPoll | null;
    bundleParts: BundleParts;
  } | null = null;
  #starting: SimulatedProcess | null = null;
  clockOffsetMs = 0;
  failpoint: CoordinatorFailpoint | null = null;
  starts = 0;
  readonly full: FullDatabase;

  constructor(parts: CoordinatorParts) {
    this.#parts = parts;
    this.full = new FullDatabase(parts.database.look);
    const retention = parts.keepsLittle ? KEEPS_LITTLE : {};
    this.config = coordinatorConfig.parse({ timings: parts.timings, retention });
  }

  /** Null while it is down or starting. */
  get core(): Core | null {
    return this.#running?.core ?? null;
  }

  get process(): SimulatedProcess | null {
    return this.#running?.process ?? null;
  }

  get clock(): Clock {
    return processClock(this.#parts.timeline, { offsetMs: () => this.clockOffsetMs, isAlive: () => true });
  }

  /** Begins a process; it listens once it has looked at what is stored. */
  async start(): Promise<void> {
    if (this.#running !== null || this.#starting !== null) return;
    const { timeline, network, database, logger, chance, agentPackages } = this.#parts;
    this.starts++;
    const process = createProcess((why) => this.#ended(process, why));
    this.#starting = process;
    const clock = processClock(timeline, { offsetMs: () => this.clockOffsetMs, isAlive: () => process.isAlive });
    try {
      const core = await createCore({
        config: this.config,
        database: databaseOn(database.connectionFor(process, (when, text) => this.#atStatement(process, when, text))),
        store: createMemoryStore(this.#parts.bundles, clock.now),
        coordinatorId: COORDINATOR_ID,
        accessKeyMaster: new Uint8Array(ACCESS_KEY_MASTER_BYTES),
        clock,
        randomness: chance,
        logger: aliveOnly(logger, process),
        fetchBundle: () => Promise.reject(new Error('no revision of the simulation has a URL')),
        locateRevision: () => Promise.reject(new Error('no revision of the simulation has a location')),
        notifier: this.#parts.receiver.notifierFor(clock),
        ...(agentPackages === undefined ? {} : { agentPackages }),
        metrics: { hubEvent() {}, reportsCommitted() {}, triggerMessages() {} },
        fatal: (error) => {
          if (process.isAlive) this.#parts.fatal(error);
        },
        decided: this.#parts.decided,
      });
      await core.start();
      if (!process.isAlive) return;
      this.#starting = null;
      this.#running = { core, process, clock, longPoll: null, bundleParts: new BundleParts() };
      network.listener = { process, accept: core.hub.accept };
    } catch (error) {
      if (!process.isAlive) return;
      if (!isFull(error)) throw error;
      // Its supervisor tries again.
      process.kill(DISK_IS_FULL);
    }
  }

  /** In good order: what was read is committed, the hosts are told goodbye. */
  async stop(): Promise<void> {
    const running = this.#running;
    if (running === null) return;
    this.#parts.network.listener = null;
    await running.core.stop();
    running.process.kill('stopped in good order');
  }

  /** The long poll of the process that runs now. */
  longPoll(core: Core): LongPoll {
    const running = this.#runningOf(core);
    running.longPoll ??= createLongPoll({
      clock: running.clock,
      randomness: this.#parts.chance,
      accept: core.hub.accept,
    });
    return running.longPoll;
  }

  /** Of the process that runs now. */
  bundleParts(core: Core): BundleParts {
    return this.#runningOf(core).bundleParts;
  }

  #runningOf(core: Core) {
    const running = this.#running;
    if (running === null || running.core !== core) throw new AppError('unavailable', 'connection refused');
    return running;
  }

  kill(why: string): void {
    (this.#running?.process ?? this.#starting)?.kill(why);
  }

  #ended(process: SimulatedProcess, why: string): void {
    const { network, database } = this.#parts;
    if (this.#starting === process) this.#starting = null;
    if (this.#running?.process === process) this.#running = null;
    network.listener = null;
    network.processEnded(process, 'closed');
    database.recover();
    this.failpoint = null;
    this.#parts.ended(why);
  }

  /** An assignment is about to be handed to the network. */
  sending(): void {
    const { failpoint } = this;
    if (failpoint?.moment !== 'in-sending' || --failpoint.countdown > 0) return;
    this.process?.end('before it sends an assignment');
  }

  #atStatement(process: SimulatedProcess, when: 'before' | 'after', text: string): void {
    if (when === 'before') this.full.before(text);
    const { failpoint } = this;
    if (failpoint === null || !fits(failpoint.moment, when, text) || --failpoint.countdown > 0) return;
    process.end(`${when} "${text.replaceAll(/\s+/g, ' ').slice(0, 60)}"`);
  }
}

function fits(moment: CoordinatorFailpoint['moment'], when: 'before' | 'after', text: string): boolean {
  switch (moment) {
    case 'any-statement':
      return when === 'before';
    case 'before-commit':
      return when === 'before' && text === 'commit';
    case 'after-commit':
      return when === 'after' && text === 'commit';
    case 'in-sending':
      return false;
    case 'in-reports':
      return (
        when === 'after' &&
        /^(?:INSERT INTO lifecycle_events|UPDATE targets SET (?:current_event|status = \?))/.test(text)
      );
  }
}

/** What a process that has ended says is no part of the story. */
export function aliveOnly(logger: Logger, process: SimulatedProcess): Logger {
  const say =
    (level: 'debug' | 'info' | 'warn' | 'error') =>
    (fields: object, phrase: string): void => {
      if (process.isAlive) logger[level](fields, phrase);
    };
  return {
    debug: say('debug'),
    info: say('info'),
    warn: say('warn'),
    error: say('error'),
    child: (fields) => aliveOnly(logger.child(fields), process),
  };
}
