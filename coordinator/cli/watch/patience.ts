import { sleep } from '../../../shared/core/clock.ts';
import { isAppError } from '../../../shared/core/errors.ts';
import type { Cli } from '../cli.ts';

/** A loss of contact is worth a word after this long, ms. */
const TELL_LOSS_AFTER_MS = 5_000;
/** Between two questions to a coordinator that is away, beside the SDK's own repeating. */
const ASK_AGAIN_MS = 1_000;

export type Ask = <T>(question: () => Promise<T>) => Promise<T>;

/** Waits out a coordinator that is away (a restart, say), or of which too much is asked, as following does. */
export async function patiently<T>(
  cli: Cli,
  contact: ContactWatch,
  signal: AbortSignal,
  question: () => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      const answer = await question();
      if (attempt > 1) contact.back();
      return answer;
    } catch (error) {
      if (signal.aborted || !(isAppError(error, 'unavailable') || isAppError(error, 'rate_limited'))) throw error;
      if (attempt === 1) contact.lost();
      await sleep(cli.world.clock, ASK_AGAIN_MS, signal);
    }
  }
}

/** Tells of a loss of contact that lasts, and of its end only when it was told. */
export class ContactWatch {
  readonly #clock: Cli['world']['clock'];
  readonly #tell: (lostSinceAt: number | null) => void;
  #timer: { cancel(): void } | undefined;
  #isTold = false;

  constructor(clock: Cli['world']['clock'], tell: (lostSinceAt: number | null) => void) {
    this.#clock = clock;
    this.#tell = tell;
  }

  lost(): void {
    const since = this.#clock.now();
    this.#timer = this.#clock.setTimer(TELL_LOSS_AFTER_MS, () => {
      this.#isTold = true;
      this.#tell(since);
    });
  }

  back(): void {
    this.stop();
    if (this.#isTold) this.#tell(null);
    this.#isTold = false;
  }

  stop(): void {
    this.#timer?.cancel();
  }
}
