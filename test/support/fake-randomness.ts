import type { Randomness } from '../../shared/core/randomness.ts';

/** The same numbers for the same seed (xorshift32): for tests, never for secrets. */
export function seededRandomness(seed = 1): Randomness {
  let state = seed | 0 || 1;
  const next = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
  return {
    bytes: (count) => Uint8Array.from({ length: count }, () => next() & 0xff),
    fraction: () => next() / 2 ** 32,
  };
}
