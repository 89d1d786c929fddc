import { deployEverywhere, doSomething } from '../../../support/random-operations/operations.ts';
import { createPlay, heal, type Play } from '../../../support/random-operations/play.ts';
import { checkHealed, checkStep } from '../../../support/random-operations/promises.ts';
import { watchTransactions } from '../../../support/random-operations/transactions.ts';

/*
 * Hosts, operators and time do what they like; in every transaction and after each step the promises of docs/rollout.md are
 * checked against the rows and against what the hosts did. Play one seed again, with all that happened in it, or many:
 *   DROVER_TEST_SEED=17 npx mocha test/unit/coordinator/engine/random-operations.test.ts
 *   DROVER_TEST_SEEDS=1-300 npx mocha test/unit/coordinator/engine/random-operations.test.ts
 */
const SEEDS = seedsOf(process.env);
const STEPS = 80;

describe('the engine under random operations', function () {
  this.timeout(60_000);
  for (const seed of SEEDS) it(`keeps its promises with seed ${seed}`, () => playSeed(seed));
});

async function playSeed(seed: number): Promise<void> {
  const play = await createPlay(seed);
  try {
    await playOn(play);
  } catch (error) {
    const told = SEEDS.length === 1 ? play.story : play.story.slice(-25);
    if (error instanceof Error) error.message += `\n  seed ${seed}:\n    ${told.join('\n    ')}`;
    // They are in that error, or follow from it.
    play.world.faults.length = 0;
    throw error;
  } finally {
    await play.world.close();
  }
}

async function playOn(play: Play): Promise<void> {
  watchTransactions(play);
  play.isHealing = true;
  await deployEverywhere(play, '1');
  play.isHealing = false;
  for (let step = 0; step < STEPS; step++) {
    await doSomething(play);
    await play.world.run();
    await checkStep(play);
  }
  await heal(play);
  await checkStep(play);
  await checkHealed(play);
}

function seedsOf({ DROVER_TEST_SEED: one, DROVER_TEST_SEEDS: range = '1-12' }: NodeJS.ProcessEnv): number[] {
  if (one !== undefined) return [Number(one)];
  const [from = 1, to = from] = range.split('-').map(Number);
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}
