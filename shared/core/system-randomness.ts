import { randomBytes } from 'node:crypto';
import type { Randomness } from './randomness.ts';

/** The real randomness. Only composition roots import this file. */
export const systemRandomness: Randomness = {
  bytes: (count) => randomBytes(count),
  fraction: () => randomBytes(6).readUIntBE(0, 6) / 2 ** 48,
};
