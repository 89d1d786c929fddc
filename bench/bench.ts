import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { cpus, loadavg, tmpdir, totalmem } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Bench, Figure, Line } from './figure.ts';
import { awsAgent } from './figures/aws-agent.ts';
import { bundle } from './figures/bundle.ts';
import { decide } from './figures/decide.ts';
import { delta } from './figures/delta.ts';
import { fleet } from './figures/fleet.ts';
import { idle } from './figures/idle.ts';
import { oneHost } from './figures/one-host.ts';
import { isMet, renderLine } from './print.ts';
import { machineBusyShare } from './support/processes.ts';

const FIGURES: readonly Figure[] = [oneHost, awsAgent, decide, fleet, idle, bundle, delta];
const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const USAGE = `npm run bench -- [figure...] [--json] [--quick] [--programs DIRECTORY]

Figures (all by default):
${FIGURES.map((figure) => `  ${figure.name.padEnd(9)} ${figure.summary}`).join('\n')}

  --json      the lines as one JSON document on standard output
  --quick     fewer repetitions and smaller fleets: to see that it works
  --programs  where the built programs are (default: dist), for instance those of another version
`;

process.exitCode = await main();

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      json: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      programs: { type: 'string', default: join(ROOT, 'dist') },
      help: { type: 'boolean', default: false },
    },
  });
  const unknown = positionals.filter((name) => !FIGURES.some((figure) => figure.name === name));
  if (values.help || unknown.length > 0) {
    process.stderr.write(unknown.length > 0 ? `no figure ${unknown.join(', ')}\n\n${USAGE}` : USAGE);
    return unknown.length > 0 ? 2 : 0;
  }
  const machine = describeMachine();
  if (!values.json) process.stdout.write(`${machine}\n`);
  const results: { figure: string; busyShareBefore: number; lines: Line[]; error: string | null }[] = [];
  for (const figure of FIGURES) {
    if (positionals.length > 0 && !positionals.includes(figure.name)) continue;
    // What others do on this machine is in every figure: it is told, so that nobody compares a quiet run with a busy one.
    const busyShareBefore = await machineBusyShare(1_000);
    process.stderr.write(
      `${figure.name}: ${figure.summary}; machine ${Math.round(busyShareBefore * 100)} % busy before\n`,
    );
    const lines: Line[] = [];
    const error = await runFigure(figure, { isQuick: values.quick, programs: resolve(values.programs) }, (line) => {
      lines.push(line);
      if (!values.json) process.stdout.write(renderLine(figure.name, line));
    });
    if (error !== null) process.stderr.write(`${figure.name}: ${error}\n`);
    results.push({ figure: figure.name, busyShareBefore, lines, error });
  }
  if (values.json) process.stdout.write(`${JSON.stringify({ machine, isQuick: values.quick, results }, null, 2)}\n`);
  const aims = results.flatMap(({ lines }) => lines.flatMap((line) => line.aims.map((aim) => isMet(aim, line))));
  process.stderr.write(`${aims.filter(Boolean).length} of ${aims.length} aims met\n`);
  // A missed aim is a finding; only a figure that could not be measured is a failure.
  return results.some((result) => result.error !== null) ? 1 : 0;
}

async function runFigure(
  figure: Figure,
  options: Pick<Bench, 'isQuick' | 'programs'>,
  line: (line: Line) => void,
): Promise<string | null> {
  const directory = mkdtempSync(join(tmpdir(), `drover-bench-${figure.name}-`));
  const cleanUps: (() => void | Promise<void>)[] = [() => rmSync(directory, { recursive: true, force: true })];
  const cleanUp = async () => {
    for (let next = cleanUps.pop(); next !== undefined; next = cleanUps.pop()) await next();
  };
  const interrupted = () => void cleanUp().finally(() => process.exit(130));
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  try {
    await figure.run({
      ...options,
      directory,
      line,
      say: (text) => process.stderr.write(`${figure.name}: ${text}\n`),
      defer: (work) => void cleanUps.push(work),
    });
    return null;
  } catch (error) {
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  } finally {
    await cleanUp();
    process.off('SIGINT', interrupted).off('SIGTERM', interrupted);
  }
}

function describeMachine(): string {
  const model = cpus()[0]?.model ?? 'unknown processor';
  const kernel = readFileSync('/proc/sys/kernel/osrelease', 'utf8').trim();
  const load = loadavg().map((value) => value.toFixed(2));
  return [
    `${cpus().length} x ${model}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${kernel}, Node ${process.versions.node}`,
    `load average ${load.join(' ')} at the start`,
  ].join('; ');
}
