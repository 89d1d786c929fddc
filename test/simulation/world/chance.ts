import { createHash } from 'node:crypto';
import type { Randomness } from '../../../shared/core/randomness.ts';
import { seededRandomness } from '../../support/fake-randomness.ts';

/** Seeded choices. Each topic has a stream of its own, so that what is left out of one does not shift the others. */
export interface Chance extends Randomness {
  /** True with this probability. */
  is(probability: number): boolean;
  /** A whole number from `from` to `to`, both included. */
  whole(from: number, to: number): number;
  pick<Item>(items: readonly Item[]): Item;
}

export function chanceOf(seed: number, topic: string): Chance {
  const state = createHash('sha256').update(`${seed} ${topic}`).digest().readInt32LE(0);
  const randomness = seededRandomness(state);
  // The first numbers of a xorshift tell much of its seed.
  for (let i = 0; i < 4; i++) randomness.fraction();
  return {
    ...randomness,
    is: (probability) => randomness.fraction() < probability,
    whole: (from, to) => from + Math.floor(randomness.fraction() * (to - from + 1)),
    pick<Item>(items: readonly Item[]): Item {
      const item = items[Math.floor(randomness.fraction() * items.length)];
      if (item === undefined) throw new Error('nothing to pick from');
      return item;
    },
  };
}
