import { expect } from 'chai';
import { decideAnew, readRecorded } from './golden.ts';

describe('decisions that were recorded', () => {
  it('are decided so today: a change of them is a reviewed diff (npm run simulate -- --decide-anew)', () => {
    const recorded = readRecorded();
    // As JSON has them: a field that is undefined is none.
    const today = JSON.parse(JSON.stringify(decideAnew(recorded)));
    const changed = recorded.flatMap(({ view, decided }, index) => {
      const now = today[index].decided;
      return JSON.stringify(now) === JSON.stringify(decided)
        ? []
        : [`line ${index + 1}, ${view.deployment.id}: ${JSON.stringify(decided)} is now ${JSON.stringify(now)}`];
    });
    expect(changed).to.deep.equal([]);
  });

  it('are of every kind, and hundreds', () => {
    const recorded = readRecorded();
    const kinds = new Set(recorded.flatMap(({ decided }) => decided.decisions.map(({ kind }) => kind)));
    expect(recorded.length).to.be.at.least(300);
    expect([...kinds].sort()).to.deep.equal([
      'begin',
      'begin-ending',
      'create-rollback',
      'end',
      'fail-in-progress',
      'fail-target',
      'no-rollback',
      'start-target',
    ]);
  });
});
