import { generatePlan } from '../generator.ts';
import { runPlan } from '../run-plan.ts';

/** What a mutant's process prints, as JSON: the first seed that caught it, or null after all of them. */
export interface FirstFailure {
  seed: number;
  invariant: string;
  message: string;
}

// Usage: first-failure.ts SEEDS [SKIPPED,...]. The skipped ones break a promise without any bug.
const seeds = Number(process.argv[2]);
const skipped = new Set((process.argv[3] ?? '').split(',').map(Number));
let found: FirstFailure | null = null;
for (let seed = 1; seed <= seeds && found === null; seed++) {
  if (skipped.has(seed)) continue;
  const [violation] = (await runPlan(generatePlan(seed))).violations;
  if (violation !== undefined) found = { seed, invariant: violation.invariant, message: violation.message };
}
process.stdout.write(`${JSON.stringify(found)}\n`);
