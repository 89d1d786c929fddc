// Runs the named kinds of tests, each in a mocha process of its own, and ends with one plain line over all of them. Two kinds run at a
// time where there are two cores: much of their time goes by in waiting. The longest come first, then.
// Usage: node .ci/run-tests.mjs [--forbid-skips] KIND...   (KIND = a folder of test/, or one file below it)
// Environment: DROVER_TEST_FORBID_SKIPS as the flag; DROVER_TEST_TOTALS names a file that gets the counts as a line of JSON;
// DROVER_TEST_AT_ONCE is how many kinds run at a time (1: one after another, with their output as it is).
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const MAX_LAST_WORDS_MS = 10_000;
const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const args = process.argv.slice(2);
const forbidSkips = args.includes('--forbid-skips') || (process.env.DROVER_TEST_FORBID_SKIPS ?? '') !== '';
const kinds = args.filter((arg) => !arg.startsWith('--'));
const unknown = kinds.filter((kind) => !existsSync(join(root, 'test', kind)));
if (kinds.length === 0 || unknown.length > 0) {
  process.stderr.write(
    `what is run is named by folder or file below test/; not there: ${unknown.join(' ') || '(none named)'}\n`,
  );
  process.exit(2);
}
const wanted = Number(process.env.DROVER_TEST_AT_ONCE) || Math.min(2, availableParallelism());
const atOnce = Math.max(1, Math.min(kinds.length, wanted));
const scratch = mkdtempSync(join(tmpdir(), 'drover-tests-'));
const total = { passed: 0, failed: 0, skipped: 0 };
const lines = [];
let broken = false;

async function runKind(kind) {
  const startedAt = performance.now();
  const report = join(scratch, `${kind.replaceAll('/', '-')}.json`);
  process.stdout.write(`\n== ${kind} tests\n`);
  const child = spawn(
    process.execPath,
    [
      'node_modules/mocha/bin/mocha.js',
      '--reporter=.ci/mocha-reporter.cjs',
      `--reporter-option=output=${report}`,
      '--forbid-only',
      kind.endsWith('.ts') ? `test/${kind}` : `test/${kind}/**/*.test.ts`,
    ],
    {
      cwd: root,
      stdio: atOnce === 1 ? ['ignore', 'inherit', 'inherit'] : ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, DROVER_TEST_KIND: kind },
    },
  );
  for (const stream of [child.stdout, child.stderr])
    if (stream !== null) createInterface(stream).on('line', (line) => process.stdout.write(`${kind} | ${line}\n`));
  const closed = once(child, 'close');
  const [status, signal] = await once(child, 'exit');
  // Its last words. A process that a test has left behind would keep them open for good.
  await Promise.race([closed, delay(MAX_LAST_WORDS_MS, undefined, { ref: false })]);
  const seconds = Math.round((performance.now() - startedAt) / 1_000);
  const counts = existsSync(report) ? JSON.parse(readFileSync(report, 'utf8')) : null;
  if (counts === null) {
    broken = true;
    lines.push(`${kind}: did not report (exit ${status ?? signal})`);
    return;
  }
  if (status !== 0 && counts.failed === 0) broken = true;
  for (const key of Object.keys(total)) total[key] += counts[key];
  lines.push(`${kind}: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped, ${seconds} s`);
  for (const reason of counts.skips) lines.push(`  skipped: ${reason}`);
}

const queue = [...kinds];
await Promise.all(
  Array.from({ length: atOnce }, async () => {
    for (let kind = queue.shift(); kind !== undefined; kind = queue.shift()) await runKind(kind);
  }),
);
rmSync(scratch, { recursive: true, force: true });

const forbiddenSkips = forbidSkips ? total.skipped : 0;
const failed = total.failed + (broken ? 1 : 0) + forbiddenSkips;
process.stdout.write(`\n${lines.join('\n')}\n`);
if (broken) process.stdout.write('a test run ended without a full report\n');
if (total.skipped > 0 && process.getuid?.() !== 0)
  process.stdout.write('not root: tests that need it were skipped; .ci/run as root runs them\n');
if (forbiddenSkips > 0) process.stdout.write('tests were skipped that had to run here: each counts as failed\n');
const counts = { passed: total.passed, failed, skipped: total.skipped - forbiddenSkips };
if (process.env.DROVER_TEST_TOTALS) appendFileSync(process.env.DROVER_TEST_TOTALS, `${JSON.stringify(counts)}\n`);
process.stdout.write(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`);
process.exit(failed > 0 ? 1 : 0);
