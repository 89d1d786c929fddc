import { expect } from 'chai';
import { playHistory } from './history.ts';
import { planHistory } from './plan.ts';

/** Few enough for a busy machine: `DROVER_TEST_HISTORIES=1000` plays more of them, `DROVER_TEST_SEED=17` tells that one's story. */
const SEEDS = Number(process.env['DROVER_TEST_HISTORIES'] ?? 15);
const ONE_SEED = process.env['DROVER_TEST_SEED'];

describe("histories of hosts with AWS's agent", function () {
  this.timeout(Math.max(120_000, SEEDS * 20_000));

  it(`keep what is promised, over ${ONE_SEED === undefined ? `${SEEDS} seeds` : `seed ${ONE_SEED}`}`, async () => {
    const seeds = ONE_SEED === undefined ? Array.from({ length: SEEDS }, (_, i) => i + 1) : [Number(ONE_SEED)];
    const broken: string[] = [];
    let executed = 0;
    for (const seed of seeds) {
      const played = await playHistory(planHistory(seed));
      executed += played.executed;
      const told = ONE_SEED === undefined ? played.violations.slice(0, 3) : played.story;
      if (played.violations.length > 0) broken.push(`DROVER_TEST_SEED=${seed}: ${told.join('\n  ')}`);
    }
    expect(broken, broken.join('\n')).to.deep.equal([]);
    expect(executed).to.be.above(10 * seeds.length);
  });

  it('are the same for the same seed', async () => {
    const plan = planHistory(2);
    expect((await playHistory(plan)).story).to.deep.equal((await playHistory(plan)).story);
  });
});
