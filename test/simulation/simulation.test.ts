import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { playInWorkers, playSeeds } from './batch.ts';
import { generatePlan } from './generator.ts';
import type { Plan, PlanItem } from './plan.ts';
import { runPlan } from './run-plan.ts';
import { shrink } from './shrink.ts';

/** Few enough for a busy machine; `npm run simulate` plays a thousand and more. */
const SEEDS = 20;
const TOLD_SEEDS = 10;
/** One of each scene of group-scenes.ts, which the first seeds do not have. */
const TWO_GROUPS_SEEDS = [56, 89, 115, 120];
/** One of each scene of agent-scenes.ts. */
const AGENT_UPDATE_SEEDS = [7, 12, 26, 44, 80, 85, 134];

describe('the simulation', function () {
  this.timeout(600_000);

  it(`keeps every promise in ${SEEDS} histories`, async () => {
    const totals = await playInWorkers({ from: 1, count: SEEDS }, 2, () => {});
    expect(totals.failed.map(({ seed, violations }) => `seed ${seed}: ${violations[0]?.message}`)).to.deep.equal([]);
    expect(totals.deployments).to.be.above(4 * SEEDS);
  });

  it('keeps every promise with two deployment groups of one application', async () => {
    for (const seed of TWO_GROUPS_SEEDS) {
      const plan = generatePlan(seed);
      expect(
        plan.groups.filter(({ application }) => application === 'app'),
        `seed ${seed}`,
      ).to.have.length(2);
      expect((await runPlan(plan)).violations, `seed ${seed}`).to.deep.equal([]);
    }
  });

  it('keeps every promise while the agents themselves are updated', async () => {
    for (const seed of AGENT_UPDATE_SEEDS) {
      const plan = generatePlan(seed);
      expect(plan.agentUpdates, `seed ${seed}`).to.not.equal(undefined);
      const { violations, situations } = await runPlan(plan);
      expect(violations, `seed ${seed}`).to.deep.equal([]);
      expect(situations['an agent update succeeded'], `seed ${seed}`).to.be.above(0);
    }
  });

  it(`tells triggers all that happens, once and in order, in ${TOLD_SEEDS} histories`, async () => {
    for (let seed = 1; seed <= TOLD_SEEDS; seed++) {
      const { violations } = await runPlan({ ...generatePlan(seed), hasTriggers: true });
      expect(violations, `seed ${seed}`).to.deep.equal([]);
    }
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

  it('tells the same stories in its workers', async () => {
    const range = { from: 5, count: 4 };
    expect(await playInWorkers(range, 2, () => {})).to.deep.equal(await playSeeds(range));
  });
});

describe('the simulation, when a port breaks its word', function () {
  this.timeout(600_000);

  /** Seeds are tried until one breaks a promise. */
  async function firstViolation(changed: (plan: Plan) => Plan, maxSeeds: number): Promise<string | null> {
    for (let seed = 1; seed <= maxSeeds; seed++) {
      const { violations } = await runPlan(changed(generatePlan(seed)));
      if (violations[0] !== undefined) return violations[0].invariant;
    }
    return null;
  }

  it('notices that a script was started twice', async () => {
    const killed: PlanItem[] = [1, 2, 3, 4, 5].map((nth) => ({
      id: 1_000 + nth,
      trigger: { kind: 'on', signal: 'script-began', nth: 2 * nth, delayMs: 1 },
      action: { kind: 'kill-agent', machine: -1 },
    }));
    const found = await firstViolation(
      (plan) => ({ ...plan, sabotage: 'forgotten-starts', items: [...plan.items, ...killed] }),
      5,
    );
    expect(found).to.equal('I3');
  });

  it('finds a smaller history that breaks the same promise', async () => {
    const plan: Plan = { ...generatePlan(3), sabotage: 'forgotten-starts' };
    const killed: PlanItem = {
      id: 1_000,
      trigger: { kind: 'on', signal: 'script-began', nth: 2, delayMs: 1 },
      action: { kind: 'kill-agent', machine: -1 },
    };
    const smaller = await shrink({ ...plan, items: [...plan.items, killed] }, 'I3', () => {});
    expect(smaller.items.length).to.be.below(plan.items.length / 2);
    expect((await runPlan(smaller)).violations[0]?.invariant).to.equal('I3');
  });

  it('notices that a disk forgets what it had synced', async () => {
    const cuts: PlanItem[] = [1, 2, 3].map((nth) => ({
      id: 1_000 + nth,
      trigger: { kind: 'on', signal: 'script-ended', nth: 3 * nth, delayMs: 1 },
      action: { kind: 'power', machine: -1, how: 'power-cut', ms: 2_000 },
    }));
    const found = await firstViolation(
      (plan) => ({ ...plan, sabotage: 'lying-sync', items: [...plan.items, ...cuts] }),
      10,
    );
    expect(found).to.not.equal(null);
  });
});
