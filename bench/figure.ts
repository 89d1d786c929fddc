import { median, percentile } from './statistics.ts';

/** One printed line: a measured quantity, what it is compared with in the same run, and whether its aim was met. */
export interface Line {
  what: string;
  unit: 'ms' | 'us' | 's' | 'KiB' | 'MiB' | 'bytes' | '%' | '/s' | 'x';
  n: number;
  median: number;
  /** The least: what the machine can do when nobody else wants it. Null for a rate. */
  best: number | null;
  /** Null where a tail means nothing, for instance of a single number. */
  p99: number | null;
  /** To the limit or peer that `against` names; null where there is none. */
  ratio: number | null;
  against: string | null;
  aims: readonly Aim[];
  note: string | null;
}

export interface Aim {
  of: 'median' | 'p99' | 'ratio';
  atMost: number;
}

/** What a figure is given to run with. */
export interface Bench {
  /** Fewer repetitions and smaller fleets: to see that it works, not to quote. */
  isQuick: boolean;
  /** Where the built programs are. */
  programs: string;
  /** A directory of this figure's own; removed after it. */
  directory: string;
  line(line: Line): void;
  /** Something to say beside the figures, for instance progress. Goes to standard error. */
  say(text: string): void;
  /** Runs after the figure however it ends, the last one first. */
  defer(cleanUp: () => void | Promise<void>): void;
}

export interface Figure {
  name: string;
  summary: string;
  run(bench: Bench): Promise<void>;
}

/** A line from single measurements, and from those of the peer when there is one. */
export function lineOf(parts: {
  what: string;
  unit: Line['unit'];
  values: readonly number[];
  peer?: { name: string; values: readonly number[] };
  aims?: readonly Aim[];
  note?: string;
}): Line {
  const middle = median(parts.values);
  return {
    what: parts.what,
    unit: parts.unit,
    n: parts.values.length,
    median: middle,
    best: parts.unit === '/s' ? null : Math.min(...parts.values),
    // Of a rate, the best hundredth would be shown: it says nothing of the worst.
    p99: parts.values.length > 1 && parts.unit !== '/s' ? percentile(parts.values, 99) : null,
    ratio: parts.peer === undefined ? null : ratioOf(middle, median(parts.peer.values)),
    against: parts.peer?.name ?? null,
    aims: parts.aims ?? [],
    note: parts.note ?? null,
  };
}

/** Null for a peer that costs too little to be seen. */
function ratioOf(value: number, peer: number): number | null {
  return peer === 0 ? null : value / peer;
}
