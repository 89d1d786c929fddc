// The last line of .ci/run: the counts of all suites in one. Usage: node .ci/sum-totals.mjs FILE [FAILED_STEP...]
import { readFileSync } from 'node:fs';

const [file, ...failedSteps] = process.argv.slice(2);
const total = { passed: 0, failed: 0, skipped: 0 };
for (const line of readFileSync(file, 'utf8').split('\n').filter(Boolean)) {
  const counts = JSON.parse(line);
  for (const key of Object.keys(total)) total[key] += counts[key];
}
// A failed step whose suites counted no failure (a check, the demo, a suite that broke) is one.
if (failedSteps.length > 0 && total.failed === 0) total.failed = failedSteps.length;
process.stdout.write(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped\n`);
process.exit(failedSteps.length > 0 || total.failed > 0 ? 1 : 0);
