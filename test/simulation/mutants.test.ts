import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { MUTANTS } from './mutants/catalogue.ts';
import { readCaughtBy } from './mutants/record.ts';
import { createScratch, type Scratch } from './mutants/scratch.ts';

/** Of each kind one that a few seeds catch; `npm run simulate:mutants` plants all of them. */
const QUICK = [
  'capacity-counts-zero',
  'minimum-rounded-down',
  'one-at-a-time-is-two',
  'success-in-spite-of-failures',
  'pending-not-skipped',
  'exit-code-ignored',
];
const QUICK_SEEDS = 12;
const seeds = Array.from({ length: QUICK_SEEDS }, (_, index) => index + 1);

describe('the planted bugs', () => {
  it('fit the source as it is: each place stands there exactly once', () => {
    const misplaced = MUTANTS.flatMap(({ name, edits }) =>
      edits.flatMap(({ file, find, replace }) => {
        const times = readFileSync(file, 'utf8').split(find).length - 1;
        return times === 1 && find !== replace ? [] : [`${name}: ${times} times in ${file}`];
      }),
    );
    expect(misplaced).to.deep.equal([]);
  });

  it('are seventy or more, each with a name of its own', () => {
    expect(new Set(MUTANTS.map((mutant) => mutant.name)).size).to.equal(MUTANTS.length);
    expect(MUTANTS.length).to.be.at.least(70);
  });

  it('have all been caught when they were counted last', () => {
    const caughtBy = readCaughtBy();
    expect(Object.keys(caughtBy).sort()).to.deep.equal(MUTANTS.map((mutant) => mutant.name).sort());
  });
});

describe(`some of the planted bugs, in ${QUICK_SEEDS} histories`, function () {
  this.timeout(600_000);
  let scratch: Scratch;

  before(() => {
    scratch = createScratch(process.cwd());
  });

  after(() => scratch.remove());

  for (const name of QUICK)
    it(`are caught: ${name}`, async () => {
      const mutant = MUTANTS.find((each) => each.name === name);
      if (mutant === undefined) throw new Error(`there is no planted bug ${name}`);
      expect(await scratch.play(mutant, seeds)).to.not.equal(null);
    });
});
