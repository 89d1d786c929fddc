import type { Notifier, OutgoingMessage } from '../../../coordinator/notifications/notifier.ts';
import { type Clock, sleep } from '../../../shared/core/clock.ts';
import type { Chance } from './chance.ts';

/** Where the triggers of the simulated groups tell. */
export const RECEIVER = 'https://receiver.example/';

/** Whoever is told, beyond the coordinator: it outlives its processes, and is often not well. */
export class Receiver {
  /** What it has taken, in order, repeats included. */
  readonly taken: OutgoingMessage[] = [];
  isWell = false;
  readonly #chance: Chance;

  constructor(chance: Chance) {
    this.#chance = chance;
  }

  /** As one process of the coordinator sees it. */
  notifierFor(clock: Clock): Notifier {
    return {
      send: async (message) => {
        await sleep(clock, this.#chance.whole(1, 300));
        if (!this.isWell && this.#chance.is(0.2)) return { kind: 'failed', reason: 'answered 503', retryAfterMs: null };
        this.taken.push(message);
        await sleep(clock, this.#chance.whole(1, 300));
        // It has taken it, and its answer is lost.
        if (!this.isWell && this.#chance.is(0.1)) return { kind: 'failed', reason: 'no answer', retryAfterMs: null };
        return { kind: 'delivered' };
      },
    };
  }
}
