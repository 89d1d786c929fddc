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
