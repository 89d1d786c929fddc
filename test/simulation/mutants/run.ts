import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError } from 'commander';
import { MUTANTS } from './catalogue.ts';
import type { FirstFailure } from './first-failure.ts';
import type { Mutant } from './mutant.ts';
import { readCaughtBy, writeCaughtBy } from './record.ts';
import { createScratch, type Scratch } from './scratch.ts';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../../..');
/** Each planted bug has to be caught within so many seeds. */
const SEEDS = 200;

const {
  seeds,
  workers,
  only,
  count: counts,
  json,
} = new Command('npm run simulate:mutants --')
  .description(
    'Plants each bug of the catalogue in a copy of the source, and plays the seed that is known to break a promise then; when it does ' +
      'not, the seeds from 1 on.',
  )
  .option('--count', 'plays the seeds from 1 on for each bug, and records how many are needed')
  .option('--seeds <count>', 'how many seeds a bug may stay hidden', count, SEEDS)
  .option('--workers <count>', 'processes', count, 2)
  .option('--only <name...>', 'these bugs only')
  .option('--json', 'prints the table as JSON')
  .addHelpText('after', '\nExit code 1: a bug was not caught.')
  .parse()
  .opts<{ seeds: number; workers: number; only?: string[]; count?: boolean; json?: boolean }>();

const chosen = MUTANTS.filter(({ name }) => only === undefined || only.includes(name));
if (chosen.length === 0) {
  console.error(`there is no such bug; there are: ${MUTANTS.map(({ name }) => name).join(', ')}`);
  process.exit(2);
}
const fromOne = Array.from({ length: seeds }, (_, index) => index + 1);
const known = readCaughtBy();
const waiting = [...chosen];
const results = new Map<Mutant, FirstFailure | null>();
/** Seeds that break a promise without any bug prove nothing. */
const brokenAnyway = new Map<number, boolean>();
const scratches: Scratch[] = [];
for (const [signal, code] of [['SIGINT', 130] as const, ['SIGTERM', 143] as const])
  process.once(signal, () => {
    for (const scratch of scratches) scratch.remove();
    process.exit(code);
  });
await Promise.all(Array.from({ length: Math.min(workers, waiting.length) }, work));
report();

async function work(): Promise<void> {
  const scratch = createScratch(ROOT);
  scratches.push(scratch);
  try {
    for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
      const startedAt = performance.now();
      const found = await firstCaught(scratch, mutant);
      results.set(mutant, found);
      if (counts === true) record();
      const said =
        found === null ? `nothing in ${seeds} seeds` : `${found.invariant} by seed ${found.seed}: ${found.message}`;
      console.error(`${mutant.name} (${Math.round((performance.now() - startedAt) / 1_000)} s): ${said.slice(0, 300)}`);
    }
  } finally {
    scratch.remove();
  }
}

async function firstCaught(scratch: Scratch, mutant: Mutant): Promise<FirstFailure | null> {
  const seed = known[mutant.name]?.seed;
  if (counts !== true && seed !== undefined && seed <= seeds) {
    const found = await firstByTheBug(scratch, mutant, [seed]);
    if (found !== null) return found;
    console.error(`${mutant.name} is not caught by seed ${seed} any more: count anew with --count`);
  }
  return firstByTheBug(scratch, mutant, fromOne);
}

async function firstByTheBug(scratch: Scratch, mutant: Mutant, tried: readonly number[]): Promise<FirstFailure | null> {
  const found = await scratch.play(
    mutant,
    tried.filter((seed) => brokenAnyway.get(seed) !== true),
  );
  if (found === null) return null;
  const { seed } = found;
  if (!brokenAnyway.has(seed)) {
    const without = await scratch.play(null, [seed]);
    brokenAnyway.set(seed, without !== null);
    if (without !== null) console.error(`seed ${seed} breaks ${without.invariant} without a bug: ${without.message}`);
  }
  return brokenAnyway.get(seed) === true ? firstByTheBug(scratch, mutant, tried) : found;
}

function report(): void {
  const escaped = chosen.filter((mutant) => (results.get(mutant) ?? null) === null);
  const broken = [...brokenAnyway].flatMap(([seed, isBroken]) => (isBroken ? [seed] : []));
  if (json === true) {
    const bugs = chosen.map((mutant) => ({
      name: mutant.name,
      harm: mutant.harm,
      caught: results.get(mutant) ?? null,
    }));
    console.log(JSON.stringify({ seeds, brokenWithoutABug: broken, bugs }));
  } else {
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
    for (const seed of broken) console.log(`BROKEN WITHOUT A BUG  npm run simulate -- --seed ${seed} --trace`);
  }
  process.exitCode = escaped.length > 0 || broken.length > 0 ? 1 : 0;
}

function record(): void {
  const names = new Set(MUTANTS.map(({ name }) => name));
  const caughtBy = Object.fromEntries(Object.entries(known).filter(([name]) => names.has(name)));
  for (const [{ name }, found] of results)
    if (found === null) delete caughtBy[name];
    else caughtBy[name] = { seed: found.seed, invariant: found.invariant };
  writeCaughtBy(caughtBy);
}

function count(text: string): number {
  if (!/^[1-9]\d{0,6}$/.test(text)) throw new InvalidArgumentError('a whole number above 0 is expected');
  return Number(text);
}
