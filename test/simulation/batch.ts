import { fork } from 'node:child_process';
import { generatePlan } from './generator.ts';
import { runPlan } from './run-plan.ts';
import { addOutcome, addTotals, noTotals, type Totals } from './totals.ts';
import { buildWorkerProgram } from './worker-program.ts';

export interface SeedRange {
  from: number;
  count: number;
}

/** Seeds that a worker plays between two messages. */
const CHUNK = 25;

/** Plays the seeds in this process, one after another. */
export async function playSeeds(range: SeedRange): Promise<Totals> {
  const totals = noTotals();
  for (let seed = range.from; seed < range.from + range.count; seed++)
    addOutcome(totals, await runPlan(generatePlan(seed)));
  return totals;
}

/** Plays the seeds in so many processes; `onProgress` gets the totals as they grow. */
export async function playInWorkers(
  range: SeedRange,
  workers: number,
  onProgress: (totals: Totals) => void,
): Promise<Totals> {
  const totals = noTotals();
  let next = range.from;
  const end = range.from + range.count;
  const take = (): SeedRange | null => {
    if (next >= end) return null;
    const chunk = { from: next, count: Math.min(CHUNK, end - next) };
    next += chunk.count;
    return chunk;
  };
  const program = await buildWorkerProgram();
  try {
    await Promise.all(
      Array.from({ length: workers }, () =>
        runWorker(program.path, take, (more) => {
          addTotals(totals, more);
          onProgress(totals);
        }),
      ),
    );
  } finally {
    program.remove();
  }
  totals.failed.sort((a, b) => a.seed - b.seed);
  return totals;
}

function runWorker(program: string, take: () => SeedRange | null, onTotals: (totals: Totals) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = fork(program, {
      // A history makes much that is soon forgotten: a larger nursery saves a tenth of the time.
      execArgv: ['--max-semi-space-size=64'],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    const giveNext = () => {
      const range = take();
      if (range === null) child.disconnect();
      else child.send(range);
    };
    // Our own worker speaks: what it sends has our type.
    child.on('message', (message) => {
      onTotals(message as Totals);
      giveNext();
    });
    child.once('error', reject);
    child.once('exit', (code) => (code === 0 ? resolve() : reject(new Error(`a worker ended with code ${code}`))));
    giveNext();
  });
}
