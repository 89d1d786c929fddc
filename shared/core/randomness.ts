/** Randomness, always handed in from a composition root (or from the simulator's seed). */
export interface Randomness {
  /** `count` bytes; cryptographically strong in production. */
  bytes(count: number): Uint8Array;
  /** A number in [0, 1). */
  fraction(): number;
}
