import { generatePlan } from '../generator.ts';
import { runPlan } from '../run-plan.ts';

/** The first seed that breaks a promise. */
export interface FirstFailure {
  seed: number;
  invariant: string;
  message: string;
}

/** A line of what this process prints, as JSON: what it plays, and in the end what it found, or null after all seeds. */
export type Progress = { plays: number } | { found: FirstFailure | null };

// Usage: first-failure.ts SEED,...
const seeds = (process.argv[2] ?? '').split(',').map(Number);
const say = (progress: Progress) => process.stdout.write(`${JSON.stringify(progress)}\n`);
let found: FirstFailure | null = null;
for (const seed of seeds) {
  say({ plays: seed });
  const [violation] = (await runPlan(generatePlan(seed))).violations;
  if (violation === undefined) continue;
  found = { seed, invariant: violation.invariant, message: violation.message };
  break;
}
say({ found });
