import type { Clock } from './clock.ts';

/** Node timers fire at once past this delay, so a longer wait is cut into pieces of it. */
const MAX_NODE_TIMER_MS = 2_147_000_000;

/** The real clock. Only composition roots import this file. */
export const systemClock: Clock = realClock({ keepsProcessAlive: false });

/** The real clock for a program that has nothing else to live for while it waits: its timers keep the process alive. */
export const foregroundClock: Clock = realClock({ keepsProcessAlive: true });

function realClock(options: { keepsProcessAlive: boolean }): Clock {
  return {
    now: () => Date.now(),
    setTimer(delayMs, fire) {
      let cancelled = false;
      let handle: NodeJS.Timeout;
      const arm = (remainingMs: number) => {
        const pieceMs = Math.min(Math.max(0, remainingMs), MAX_NODE_TIMER_MS);
        handle = setTimeout(() => {
          if (cancelled) return;
          if (remainingMs > pieceMs) arm(remainingMs - pieceMs);
          else fire();
        }, pieceMs);
        if (!options.keepsProcessAlive) handle.unref();
      };
      arm(delayMs);
      return {
        cancel() {
          cancelled = true;
          clearTimeout(handle);
        },
      };
    },
  };
}
