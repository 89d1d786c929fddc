import { expect } from 'chai';
import { minimumHealthyCount, minimumOfOneLess } from '../../../../coordinator/rollout/minimum-healthy.ts';
import type { MinimumHealthyHosts } from '../../../../shared/model/deployment-config.ts';

const percent = (value: number): MinimumHealthyHosts => ({ type: 'FLEET_PERCENT', value });
const count = (value: number): MinimumHealthyHosts => ({ type: 'HOST_COUNT', value });
const oneAtATime: MinimumHealthyHosts = { type: 'MOST_CONCURRENCY', value: 1 };

describe('the minimum when a host that had the revision is forgotten', () => {
  for (const [what, minimum, hosts, minimumCount, expected] of [
    ['is the percentage of the hosts that are left', percent(50), 10, 5, 5],
    ['becomes smaller with them', percent(50), 9, 5, 4],
    ['lets one be out still where one could be', percent(95), 20, 19, 18],
    ['lets none be out where none could be', percent(95), 10, 10, 9],
    ['is all but one of those that are left, one at a time', oneAtATime, 10, 9, 8],
    ['stays as it is when it is a count of hosts', count(8), 10, 8, 8],
    ['is nothing when nothing had to stay', percent(0), 10, 0, 0],
    ["lets as many be out as before when the bound is not the config's: hosts that follow on", count(8), 3, 2, 1],
    ['the same of a wave that takes three at once', oneAtATime, 10, 7, 6],
    ['is never below nothing', oneAtATime, 1, 0, 0],
  ] as const)
    it(what, () => {
      expect(minimumOfOneLess(minimum, { hosts, minimumCount })).to.equal(expected);
    });

  it('lets so many of a fleet be out, host after host, as its config lets of a fleet of that size', () => {
    for (let hosts = 20, minimumCount = minimumHealthyCount(percent(70), 20); hosts > 2; hosts--) {
      minimumCount = minimumOfOneLess(percent(70), { hosts, minimumCount });
      expect(minimumCount, `${hosts - 1} hosts`).to.be.at.most(minimumHealthyCount(percent(70), hosts - 1));
    }
  });
});
