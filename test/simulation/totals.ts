import type { Violation } from './history.ts';
import type { Outcome } from './run-plan.ts';
import { noSituations, SITUATIONS, type Situation, type SituationCounts } from './situations.ts';

export interface FailedSeed {
  seed: number;
  violations: Violation[];
}

/** Of a SHA-256 in hexadecimal. */
const HASH_DIGITS = 64;

/** Many histories together. JSON, so that workers can send theirs. */
export interface Totals {
  seeds: number;
  /** Of all the histories, in whatever order they were played: the exclusive or of their hashes. */
  hash: string;
  deployments: number;
  steps: number;
  simulatedMs: number;
  situations: SituationCounts;
  failed: FailedSeed[];
}

export function noTotals(): Totals {
  const hash = '0'.repeat(HASH_DIGITS);
  return { seeds: 0, hash, deployments: 0, steps: 0, simulatedMs: 0, situations: noSituations(), failed: [] };
}

export function addOutcome(totals: Totals, outcome: Outcome): void {
  addTotals(totals, {
    ...outcome,
    seeds: 1,
    failed: outcome.violations.length === 0 ? [] : [{ seed: outcome.seed, violations: outcome.violations }],
  });
}

export function addTotals(totals: Totals, more: Totals): void {
  totals.seeds += more.seeds;
  totals.hash = (BigInt(`0x${totals.hash}`) ^ BigInt(`0x${more.hash}`)).toString(16).padStart(HASH_DIGITS, '0');
  totals.deployments += more.deployments;
  totals.steps += more.steps;
  totals.simulatedMs += more.simulatedMs;
  for (const name of SITUATIONS) totals.situations[name] += more.situations[name];
  totals.failed.push(...more.failed);
}

export function unvisited(totals: Totals): Situation[] {
  return SITUATIONS.filter((name) => totals.situations[name] === 0);
}
