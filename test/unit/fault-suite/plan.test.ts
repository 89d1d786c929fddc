import { expect } from 'chai';
import { planFaults } from '../../e2e/faults/plan.ts';
import { seededRandomness } from '../../support/fake-randomness.ts';

describe("the fault suite's plan", () => {
  it('follows from its seed alone', () => {
    const plan = (seed: number) => planFaults(seededRandomness(seed), 30_000, 10);
    expect(plan(7)).to.deep.equal(plan(7));
    expect(plan(7)).not.to.deep.equal(plan(8));
  });

  it('has every kind of fault within the half minute of an ordinary run', () => {
    for (let seed = 1; seed <= 50; seed++) {
      const plan = planFaults(seededRandomness(seed), 30_000, 10);
      expect(new Set(plan.map(({ name }) => name)).size, `seed ${seed}`).to.equal(16);
      for (const { fault } of plan)
        if ('hosts' in fault) {
          expect(new Set(fault.hosts).size).to.equal(fault.hosts.length).and.to.be.at.least(1);
          expect(fault.hosts.every((host) => host >= 0 && host < 10)).to.equal(true);
        }
    }
  });
});
