import type { MemoryInUse } from './measured-coordinator.ts';

export interface Sample extends MemoryInUse {
  /** Of requests so far. */
  after: number;
}

export interface Growth {
  heapBytes: number;
  residentBytes: number;
}

/** How many samples are the first part, and the last one. */
const PART = 5;

/**
 * By how much memory in use grew from the first samples to the last ones, as medians: a single sample says nothing, since
 * caches and queues happen to be full or empty when it is taken.
 */
export function growthOf(samples: readonly Sample[]): Growth {
  if (samples.length < 2 * PART) throw new Error(`${samples.length} samples; growth needs ${2 * PART}`);
  const first = samples.slice(0, PART);
  const last = samples.slice(-PART);
  const by = (key: keyof Growth) => median(last.map((one) => one[key])) - median(first.map((one) => one[key]));
  return { heapBytes: by('heapBytes'), residentBytes: by('residentBytes') };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
