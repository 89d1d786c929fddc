import type { MinimumHealthyHosts } from '../../shared/model/deployment-config.ts';

/**
 * The minimum in hosts, fixed when a deployment is created. FLEET_PERCENT rounds up.
 *
 * Two cases stand apart. OneAtATime (MOST_CONCURRENCY 1) leaves one host out at a time, so its minimum is all but one. A
 * percentage of a single host would round up to that host and could never run; CodeDeploy does not document what it does
 * then. Drover deploys it: there is no rolling with one host, and the one host must succeed.
 * Source: CodeDeploy API Reference, MinimumHealthyHosts; AWS user guide, "Minimum healthy instances".
 */
export function minimumHealthyCount(minimum: MinimumHealthyHosts, totalHosts: number): number {
  switch (minimum.type) {
    case 'HOST_COUNT':
      return minimum.value;
    case 'FLEET_PERCENT':
      // Whole numbers only: 0.07 * 100 is more than 7 in floating point, and would round up to 8.
      return totalHosts <= 1 ? 0 : Math.ceil((minimum.value * totalHosts) / 100);
    case 'MOST_CONCURRENCY':
      return Math.max(0, totalHosts - 1);
  }
}

/**
 * The minimum once one of the hosts was forgotten that had the revision. It is the config's for the hosts that are left and never more than
 * before; and as long as one could be out, one may: a fleet that is scaled in does not fail for that. `HOST_COUNT` alone is a number of hosts
 * whatever the fleet. A bound that is not the config's own (few hosts that follow on, a wave of agent updates) lets as many be out as before.
 */
export function minimumOfOneLess(
  minimum: MinimumHealthyHosts,
  before: { hosts: number; minimumCount: number },
): number {
  const isConfigs = before.minimumCount === minimumHealthyCount(minimum, before.hosts);
  if (!isConfigs) return Math.max(0, before.minimumCount - 1);
  if (minimum.type === 'HOST_COUNT') return before.minimumCount;
  const hosts = before.hosts - 1;
  const most = before.minimumCount < before.hosts ? hosts - 1 : hosts;
  return Math.max(0, Math.min(before.minimumCount, minimumHealthyCount(minimum, hosts), most));
}
