import type { Randomness } from '../../../shared/core/randomness.ts';
import type { Cut, Direction, LinkFault, Truncation } from '../../support/fault-proxy.ts';

/** What is done to the herd. Hosts are numbers from 0; a fault is over after `forMs`. */
export type Fault =
  | { kind: 'link'; hosts: readonly number[]; fault: LinkFault; cut: Cut | null; forMs: number }
  | { kind: 'cut'; hosts: readonly number[]; how: Cut }
  | { kind: 'truncate'; hosts: readonly number[]; truncations: readonly Truncation[] }
  | { kind: 'kill-agent' | 'restart-agent' | 'freeze-agent'; hosts: readonly number[]; forMs: number }
  /** One of them, at best one that runs a script just then: its agent and the script are killed together. */
  | { kind: 'power-cut'; hosts: readonly number[]; forMs: number }
  | { kind: 'kill-coordinator' | 'restart-coordinator' | 'freeze-coordinator'; forMs: number };

export interface PlannedFault {
  /** After the beginning. */
  atMs: number;
  /** For the counts: what kind of fault, more finely than the faults themselves. */
  name: string;
  fault: Fault;
}

/** Between two faults, ms. */
const SHORTEST_GAP_MS = 200;
const LONGEST_GAP_MS = 1_200;
/** Bytes of a bundle, roughly: a download breaks anywhere in it. */
export const BUNDLE_BYTES = 200_000;

/**
 * All faults of a run, from nothing but random numbers. Each name comes once before any comes a second time, so that a short
 * run has all of them, too.
 */
export function planFaults(randomness: Randomness, durationMs: number, hostCount: number): PlannedFault[] {
  const { between, pick, hosts, all, shuffled } = chooser(randomness, hostCount);
  /** Mostly a hiccup, sometimes long enough that a host counts as offline, or as lost inside a deployment. */
  const length = () => (randomness.fraction() < 0.7 ? between(200, 2_500) : between(5_000, 12_000));
  const link = (fault: LinkFault, cut: Cut | null = null): Fault => ({
    kind: 'link',
    hosts: hosts(),
    fault,
    cut,
    forMs: length(),
  });
  const direction = (): Direction => pick(['up', 'down', 'both']);
  const truncation = (): Truncation => ({
    afterBytes: between(0, BUNDLE_BYTES),
    // Silence costs half a minute until it is noticed: too often, and little else would happen.
    how: pick(['fin', 'rst', 'fin', 'rst', 'silence']),
  });
  const makers: Record<string, () => Fault> = {
    delay: () => link({ kind: 'delay', delayMs: between(20, 900) }),
    throttle: () => link({ kind: 'throttle', bytesPerSecond: between(2_000, 60_000) }),
    stall: () => link({ kind: 'stall', direction: direction() }),
    'half-open': () => link({ kind: 'half-open', direction: direction() }),
    'refuse and cut': () => link({ kind: 'refuse' }, pick(['fin', 'rst'])),
    'refuse new': () => link({ kind: 'refuse' }),
    'cut fin': () => ({ kind: 'cut', hosts: hosts(), how: 'fin' }),
    'cut rst': () => ({ kind: 'cut', hosts: hosts(), how: 'rst' }),
    truncate: () => ({ kind: 'truncate', hosts: hosts(), truncations: [truncation(), truncation()] }),
    'kill agent': () => ({ kind: 'kill-agent', hosts: hosts(), forMs: pick([0, length()]) }),
    'restart agent': () => ({ kind: 'restart-agent', hosts: hosts(), forMs: 0 }),
    'power cut': () => ({ kind: 'power-cut', hosts: all(), forMs: pick([0, length()]) }),
    'freeze agent': () => ({ kind: 'freeze-agent', hosts: hosts(), forMs: length() }),
    'kill coordinator': () => ({ kind: 'kill-coordinator', forMs: pick([0, between(100, 3_000)]) }),
    'restart coordinator': () => ({ kind: 'restart-coordinator', forMs: 0 }),
    'freeze coordinator': () => ({ kind: 'freeze-coordinator', forMs: between(200, 6_000) }),
  };
  const planned: PlannedFault[] = [];
  let names: string[] = [];
  for (let atMs = 0; atMs < durationMs; atMs += between(SHORTEST_GAP_MS, LONGEST_GAP_MS)) {
    if (names.length === 0) names = shuffled(Object.keys(makers));
    const name = names.pop() ?? '';
    const maker = makers[name];
    if (maker !== undefined) planned.push({ atMs, name, fault: maker() });
  }
  return planned;
}

function chooser(randomness: Randomness, hostCount: number) {
  const between = (least: number, most: number) => Math.floor(least + randomness.fraction() * (most - least + 1));
  const pick = <Value>(values: readonly [Value, ...Value[]]): Value =>
    values[Math.floor(randomness.fraction() * values.length)] ?? values[0];
  const shuffled = <Value>(values: readonly Value[]): Value[] =>
    values
      .map((value) => ({ value, order: randomness.fraction() }))
      .sort((a, b) => a.order - b.order)
      .map(({ value }) => value);
  const all = () => shuffled(Array.from({ length: hostCount }, (_, index) => index));
  /** A few of them; sometimes all, as when a switch fails. */
  const hosts = (): number[] => {
    const count = randomness.fraction() < 0.1 ? hostCount : Math.min(hostCount, between(1, 3));
    return all().slice(0, count);
  };
  return { between, pick, shuffled, hosts, all };
}
