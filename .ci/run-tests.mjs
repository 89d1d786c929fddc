// Runs the named kinds of tests, each in a mocha process of its own, and ends with one plain line over all of them.
// Usage: node .ci/run-tests.mjs [--forbid-skips] KIND...   (KIND = a folder of test/, or one file below it)
// Environment: DROVER_TEST_FORBID_SKIPS as the flag; DROVER_TEST_TOTALS names a file that gets the counts as a line of JSON.
import { spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const args = process.argv.slice(2);
const forbidSkips = args.includes('--forbid-skips') || (process.env.DROVER_TEST_FORBID_SKIPS ?? '') !== '';
const kinds = args.filter((arg) => !arg.startsWith('--'));
const scratch = mkdtempSync(join(tmpdir(), 'drover-tests-'));
const total = { passed: 0, failed: 0, skipped: 0 };
const lines = [];
let broken = false;

for (const kind of kinds) {
  if (!existsSync(join(root, 'test', kind))) continue;
  const report = join(scratch, `${kind.replaceAll('/', '-')}.json`);
  process.stdout.write(`\n== ${kind} tests\n`);
  const result = spawnSync(
    process.execPath,
    [
      'node_modules/mocha/bin/mocha.js',
      '--reporter=.ci/mocha-reporter.cjs',
      `--reporter-option=output=${report}`,
      '--forbid-only',
      kind.endsWith('.ts') ? `test/${kind}` : `test/${kind}/**/*.test.ts`,
    ],
    { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, DROVER_TEST_KIND: kind } },
  );
  const counts = existsSync(report) ? JSON.parse(readFileSync(report, 'utf8')) : null;
  if (counts === null) {
    broken = true;
    lines.push(`${kind}: did not report (exit ${result.status ?? result.signal})`);
    continue;
  }
  if (result.status !== 0 && counts.failed === 0) broken = true;
  for (const key of Object.keys(total)) total[key] += counts[key];
  lines.push(`${kind}: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
  for (const reason of counts.skips) lines.push(`  skipped: ${reason}`);
}
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
