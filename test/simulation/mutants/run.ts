import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError } from 'commander';
import { playInWorkers } from '../batch.ts';
import { MUTANTS, type Mutant } from './catalogue.ts';
import type { FirstFailure } from './first-failure.ts';
import { createScratch } from './scratch.ts';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../../..');
/** Each planted bug has to be caught within so many seeds. */
const SEEDS = 400;

const { seeds, workers, only, json } = new Command('npm run simulate:mutants --')
  .description('Plants each bug of the catalogue in a copy of the source, and plays seeds until one breaks a promise.')
  .option('--seeds <count>', 'how many seeds a bug may stay hidden', count, SEEDS)
  .option('--workers <count>', 'processes', count, 2)
  .option('--only <name...>', 'these bugs only')
  .option('--json', 'prints the table as JSON')
  .addHelpText('after', '\nExit code 1: a bug was not caught, or the source without any bug breaks a promise.')
  .parse()
  .opts<{ seeds: number; workers: number; only?: string[]; json?: boolean }>();

const chosen = MUTANTS.filter(({ name }) => only === undefined || only.includes(name));
if (chosen.length === 0) {
  console.error(`there is no such bug; there are: ${MUTANTS.map(({ name }) => name).join(', ')}`);
  process.exit(2);
}
// Without a bug first: a seed that breaks a promise anyway would catch everything.
const { failed: brokenAnyway } = await playInWorkers({ from: 1, count: seeds }, workers, () => {});
const skipped = brokenAnyway.map(({ seed }) => seed);
console.error(`without a bug: ${brokenAnyway.length} of ${seeds} seeds break a promise`);
const waiting = [...chosen];
const results = new Map<Mutant, FirstFailure | null>();
await Promise.all(Array.from({ length: Math.min(workers, waiting.length) }, work));

const escaped = chosen.filter((mutant) => results.get(mutant) === null);
if (json === true)
  console.log(
    JSON.stringify({
      seeds,
      brokenWithoutABug: brokenAnyway.map(({ seed, violations }) => ({ seed, violation: violations[0] })),
      bugs: chosen.map((mutant) => ({ name: mutant.name, harm: mutant.harm, caught: results.get(mutant) })),
    }),
  );
else {
  console.log('| planted bug | what it would do | seeds needed | caught by |\n|---|---|---|---|');
  for (const mutant of chosen) {
    const caught = results.get(mutant);
    console.log(
      `| ${mutant.name} | ${mutant.harm} | ${caught?.seed ?? `over ${seeds}`} | ${caught?.invariant ?? 'nothing'} |`,
    );
  }
  console.log(
    `\n${chosen.length - escaped.length} of ${chosen.length} planted bugs were caught within ${seeds} seeds.`,
  );
  for (const { name } of escaped) console.log(`ESCAPED  ${name}`);
  for (const { seed, violations } of brokenAnyway)
    console.log(`BROKEN WITHOUT A BUG  seed ${seed}  ${violations[0]?.invariant}: ${violations[0]?.message}`);
}
process.exitCode = escaped.length > 0 || brokenAnyway.length > 0 ? 1 : 0;

async function work(): Promise<void> {
  const scratch = createScratch(ROOT);
  try {
    for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
      const found = await scratch.play(mutant, seeds, skipped);
      results.set(mutant, found);
      const said =
        found === null ? `nothing in ${seeds} seeds` : `${found.invariant} by seed ${found.seed}: ${found.message}`;
      console.error(`${mutant.name}: ${said.slice(0, 300)}`);
    }
  } finally {
    scratch.remove();
  }
}

function count(text: string): number {
  if (!/^[1-9]\d{0,6}$/.test(text)) throw new InvalidArgumentError('a whole number above 0 is expected');
  return Number(text);
}
