import { databaseOn } from '../../../coordinator/storage/sqlite.ts';
import type { Logger } from '../../../shared/core/logger.ts';
import type { Ground } from '../../support/command-world.ts';
import type { FakeClock } from '../../support/fake-clock.ts';
import { aliveOnly } from '../world/coordinator.ts';
import type { DurableDatabase } from '../world/durable-database.ts';
import { createProcess, type SimulatedProcess } from '../world/process.ts';
import type { Death } from './plan.ts';

/** Where the coordinator's processes live, one after the other over one database, and what ends them. */
export class MortalCoordinator {
  /** By how far its clock is ahead of the hosts'. */
  clockOffsetMs = 0;
  readonly #clock: FakeClock;
  readonly #durable: DurableDatabase;
  readonly #logger: Logger;
  #process: SimulatedProcess | null = null;
  #death: Death | null = null;
  #lost: Promise<never> = new Promise(() => {});

  constructor(parts: { clock: FakeClock; durable: DurableDatabase; logger: Logger }) {
    this.#clock = parts.clock;
    this.#durable = parts.durable;
    this.#logger = parts.logger;
  }

  /** Rejects when the present process ends; at once when it has. */
  lost(): Promise<never> {
    return this.#lost;
  }

  /** For the next process. The one before ends, if it has not. */
  ground(): Ground {
    this.kill();
    let resetConnections: (reason: Error) => void = () => {};
    this.#lost = new Promise((_resolve, reject) => {
      resetConnections = reject;
    });
    // It may be that nobody waits.
    this.#lost.catch(() => undefined);
    const process = createProcess(() => {
      this.#death = null;
      this.#durable.recover();
      resetConnections(new Error('the connection is reset'));
    });
    this.#process = process;
    return {
      database: databaseOn(
        this.#durable.connectionFor(process, (when, statement) => this.#atStatement(process, when, statement)),
      ),
      clock: {
        now: () => this.#clock.now() + this.clockOffsetMs,
        // Timers do not go by the clock that leaps, and end with their process.
        setTimer: (delayMs, fire) =>
          this.#clock.setTimer(delayMs, () => {
            if (process.isAlive) fire();
          }),
      },
      logger: aliveOnly(this.#logger, process),
    };
  }

  dieAt(death: Death): void {
    this.#death = { ...death };
  }

  kill(): void {
    this.#process?.kill('killed');
  }

  #atStatement(process: SimulatedProcess, when: 'before' | 'after', text: string): void {
    const death = this.#death;
    if (death === null || death.when !== when || (death.statement === 'commit' && text !== 'commit')) return;
    if (--death.nth <= 0) process.end(`${when} "${text}"`);
  }
}
