import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { MUTANTS } from './mutants/catalogue.ts';

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

  it('are thirty or more, each with a name of its own', () => {
    expect(new Set(MUTANTS.map((mutant) => mutant.name)).size).to.equal(MUTANTS.length);
    expect(MUTANTS.length).to.be.at.least(30);
  });
});
