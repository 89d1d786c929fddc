import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError } from 'commander';
import { playInWorkers } from './batch.ts';
import { generatePlan } from './generator.ts';
import { decideAnew, GOLDEN_FILE, type Recorded, readRecorded, recordDecisions, toLines } from './golden.ts';
import type { Plan } from './plan.ts';
import { runPlan } from './run-plan.ts';
import { shrink } from './shrink.ts';
import { SITUATIONS } from './situations.ts';
import { type Totals, unvisited } from './totals.ts';

const STANDARD_SEEDS = 1_000;

interface Options {
  seeds: number;
  from: number;
  workers: number;
  seed?: number;
  plan?: string;
  trace?: boolean;
  shrink?: boolean;
  json?: boolean;
  record?: boolean;
  decideAnew?: boolean;
}

const command = new Command('npm run simulate --')
  .description(
    'Plays histories of the production coordinator and agents under simulated faults, and checks what is promised.',
  )
  .option('--seeds <count>', 'how many seeds are played', count, STANDARD_SEEDS)
  .option('--from <seed>', 'the first of them', count, 1)
  .option('--workers <count>', 'processes that play them', count, 2)
  .option('--seed <seed>', 'plays this one only', count)
  .option('--plan <file>', 'plays a plan as --shrink prints it')
  .option('--trace', 'tells the story of that one: simulated time, who, what')
  .option('--shrink', 'looks for a smaller history that breaks the same promise, and prints its plan')
  .option('--json', 'prints the result as JSON')
  .option('--record', 'records decisions anew from the seeds, for test/fixtures/decisions')
  .option('--decide-anew', 'keeps the recorded facts, and writes what is decided from them today')
  .addHelpText(
    'after',
    '\nExit code 1: a promise was broken, or a named situation was never visited over the standard seeds.',
  );
const options = command.parse().opts<Options>();

process.exitCode = (await run()) ? 0 : 1;

function run(): Promise<boolean> {
  if (options.record === true) return writeGolden(recordDecisions(options.seeds));
  if (options.decideAnew === true) return writeGolden(decideAnew(readRecorded()));
  return options.seed === undefined && options.plan === undefined ? playMany() : playOne();
}

async function writeGolden(recorded: Recorded[] | Promise<Recorded[]>): Promise<boolean> {
  const all = await recorded;
  writeFileSync(GOLDEN_FILE, toLines(all));
  console.log(`${all.length} decisions in ${fileURLToPath(GOLDEN_FILE)}`);
  return true;
}

async function playOne(): Promise<boolean> {
  const plan: Plan =
    options.plan === undefined ? generatePlan(options.seed ?? 1) : JSON.parse(readFileSync(options.plan, 'utf8'));
  const show = options.trace === true ? { show: (line: string) => console.log(line) } : {};
  const outcome = await runPlan(plan, { keepsLines: false, ...show });
  const [violation] = outcome.violations;
  if (options.json === true) console.log(JSON.stringify({ ...outcome, lines: undefined }));
  else {
    const { seed, hash, deployments, steps, simulatedMs } = outcome;
    console.log(`seed ${seed}: ${deployments} deployments, ${steps} steps, ${minutes(simulatedMs)} simulated`);
    console.log(`hash ${hash}`);
    for (const { invariant, message } of outcome.violations) console.log(`BROKEN ${invariant}: ${message}`);
  }
  if (violation !== undefined && options.shrink === true) {
    const smallest = await shrink(plan, violation.invariant, (smaller, tries) =>
      console.error(`${smaller.items.length} items, ${smaller.machines} machines after ${tries} tries`),
    );
    console.log(JSON.stringify(smallest));
  }
  return violation === undefined;
}

async function playMany(): Promise<boolean> {
  const range = { from: options.from, count: options.seeds };
  const startedAt = performance.now();
  let toldAt = startedAt;
  let told = 0;
  const totals = await playInWorkers(range, options.workers, (sofar) => {
    for (const failure of sofar.failed.slice(told)) console.error(failureLines(failure));
    told = sofar.failed.length;
    if (performance.now() - toldAt < 10_000 || options.json === true) return;
    toldAt = performance.now();
    console.error(progressLine(sofar, options.seeds, startedAt));
  });
  const mustVisitAll = options.seeds >= STANDARD_SEEDS;
  if (options.json === true) console.log(JSON.stringify({ ...totals, unvisited: unvisited(totals) }));
  else print(totals, startedAt, mustVisitAll);
  return totals.failed.length === 0 && (!mustVisitAll || unvisited(totals).length === 0);
}

function print(totals: Totals, startedAt: number, mustVisitAll: boolean): void {
  for (const name of SITUATIONS) console.log(`${String(totals.situations[name]).padStart(8)}  ${name}`);
  console.log(progressLine(totals, options.seeds, startedAt));
  console.log(`hash ${totals.hash}`);
  if (mustVisitAll) for (const name of unvisited(totals)) console.log(`NEVER VISITED  ${name}`);
  for (const failure of totals.failed) console.log(failureLines(failure));
}

function failureLines({ seed, violations }: Totals['failed'][number]): string {
  const [first] = violations;
  return `BROKEN  seed ${seed}  ${first?.invariant}: ${first?.message}\n        npm run simulate -- --seed ${seed} --trace`;
}

function progressLine({ seeds, deployments, failed, simulatedMs }: Totals, ofSeeds: number, startedAt: number): string {
  const seconds = (performance.now() - startedAt) / 1_000;
  return (
    `${seeds} of ${ofSeeds} seeds, ${deployments} deployments (${(deployments / seconds).toFixed(1)} a second), ` +
    `${minutes(simulatedMs)} simulated, ${failed.length} broken`
  );
}

function minutes(ms: number): string {
  return `${Math.round(ms / 60_000)} min`;
}

function count(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('a whole number is expected');
  return Number(text);
}
