import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { playInWorkers } from './batch.ts';
import { generatePlan } from './generator.ts';
import { runPlan } from './run-plan.ts';

/** Few enough for a busy machine; `npm run simulate` plays a thousand and more. */
const SEEDS = 40;

describe('the simulation', function () {
  this.timeout(600_000);

  it(`keeps every promise in ${SEEDS} histories`, async () => {
    const totals = await playInWorkers({ from: 1, count: SEEDS }, 2, () => {});
    expect(totals.failed.map(({ seed, violations }) => `seed ${seed}: ${violations[0]?.message}`)).to.deep.equal([]);
    expect(totals.deployments).to.be.above(4 * SEEDS);
  });

  it('tells the same story for the same seed, byte for byte, also in another process', async () => {
    const here = await runPlan(generatePlan(7));
    const again = await runPlan(generatePlan(7));
    const elsewhere = execFileSync(
      process.execPath,
      ['--import=tsx', fileURLToPath(new URL('./simulate.ts', import.meta.url)), '--seed', '7', '--json'],
      { encoding: 'utf8' },
    );
    expect(again.hash).to.equal(here.hash);
    expect(JSON.parse(elsewhere)).to.include({ hash: here.hash, steps: here.steps });
    expect((await runPlan(generatePlan(8))).hash).to.not.equal(here.hash);
  });
});
