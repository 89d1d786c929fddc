import type { Clock } from '../../shared/core/clock.ts';

/** A clock that stands still until it is told to move; timers fire in the order of their instants. */
export interface FakeClock extends Clock {
  /** Moves time on, firing what becomes due, and lets promises settle in between. */
  advance(byMs: number): Promise<void>;
  /** The clock is set back; timers, which do not go by it, fire when they would have. */
  setBack(byMs: number): void;
  /** Nothing runs for so long; what came due meanwhile fires with the next `advance`. */
  standStill(byMs: number): void;
}

export function createFakeClock(startAt = Date.UTC(2026, 10, 22, 3, 0, 0)): FakeClock {
  let now = startAt;
  let nextId = 0;
  const timers = new Map<number, { at: number; fire: () => void }>();

  return {
    now: () => now,
    setTimer(delayMs, fire) {
      const id = nextId++;
      timers.set(id, { at: now + Math.max(0, delayMs), fire });
      return { cancel: () => void timers.delete(id) };
    },
    setBack(byMs) {
      now -= byMs;
      for (const timer of timers.values()) timer.at -= byMs;
    },
    standStill(byMs) {
      now += byMs;
    },
    async advance(byMs) {
      const until = now + byMs;
      for (;;) {
        await settle();
        const due = [...timers].filter(([, timer]) => timer.at <= until).sort(([a, x], [b, y]) => x.at - y.at || a - b);
        const first = due[0];
        if (first === undefined) break;
        timers.delete(first[0]);
        now = Math.max(now, first[1].at);
        first[1].fire();
      }
      now = until;
      await settle();
    },
  };
}

/** Lets everything that waits for nothing but promises go on. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
}
