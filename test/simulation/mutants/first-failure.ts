import { generatePlan } from '../generator.ts';
import { runPlan } from '../run-plan.ts';

/** What a mutant's process prints, as JSON: the first seed that caught it, or null after all of them. */
export interface FirstFailure {
  seed: number;
  invariant: string;
  message: string;
}

// Usage: first-failure.ts SEEDS
const seeds = Number(process.argv[2]);
let found: FirstFailure | null = null;
for (let seed = 1; seed <= seeds && found === null; seed++) {
  const [violation] = (await runPlan(generatePlan(seed))).violations;
  if (violation !== undefined) found = { seed, invariant: violation.invariant, message: violation.message };
}
process.stdout.write(`${JSON.stringify(found)}\n`);
