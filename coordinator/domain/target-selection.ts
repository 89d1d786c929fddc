import type { HostSelection, TagFilter } from '../../shared/model/deployment-group.ts';
import type { InstanceHealth, RevisionHealth, Tags } from '../../shared/model/host.ts';

/** What selection looks at. Tags and scaling group come from an operator or a join token, never from the host. */
export interface SelectableHost {
  name: string;
  tags: Tags;
  scalingGroup: string | null;
}

/**
 * True when the group selects the host: the union of its sources. Filters of the simple list are OR; a tag set is AND over
 * its lists, OR inside each. Matches are exact and case-sensitive.
 * Source: CodeDeploy API reference, EC2TagSet and TagFilter.
 */
export function isSelected(selection: HostSelection, host: SelectableHost): boolean {
  return (
    selection.tagFilters.some((filter) => matches(filter, host.tags)) ||
    [selection.tagSet, ...(selection.alternativeTagSets ?? [])].some((tagSet) => fits(tagSet, host.tags)) ||
    selection.hostNames.includes(host.name) ||
    (host.scalingGroup !== null && selection.scalingGroups.includes(host.scalingGroup))
  );
}

function fits(tagSet: HostSelection['tagSet'], tags: Tags): boolean {
  return tagSet.length > 0 && tagSet.every((list) => list.some((filter) => matches(filter, tags)));
}

export function matches(filter: TagFilter, tags: Tags): boolean {
  switch (filter.type) {
    case 'KEY_AND_VALUE':
      return tags[filter.key] === filter.value;
    case 'KEY_ONLY':
      return Object.hasOwn(tags, filter.key);
    case 'VALUE_ONLY':
      return Object.values(tags).includes(filter.value);
  }
}

export interface OrderedHost {
  name: string;
  instanceHealth: InstanceHealth;
  revisionHealth: RevisionHealth;
  isOffline: boolean;
}

/**
 * The order of a plan: hosts that are down first (an offline one fails at its turn, and it is better to know that before a
 * healthy host is touched), then unhealthy, unknown, old, current; by name inside a class, so that a plan is predictable.
 * Source: AWS user guide, "Instance health", with names in place of CodeDeploy's random order.
 */
export function inPlanOrder<Host extends OrderedHost>(hosts: readonly Host[]): Host[] {
  return hosts
    .map((host) => ({ host, planClass: planClass(host), nameParts: partsOf(host.name) }))
    .sort((a, b) => a.planClass - b.planClass || compareParts(a.nameParts, b.nameParts))
    .map(({ host }) => host);
}

/**
 * Healthy hosts are those that a deployment takes out of service when it starts on them. One that is offline counts as well: it may
 * have lost no more than its connection, and be back and in service before its turn. While it is away the view says so.
 */
export function isHealthy(host: OrderedHost): boolean {
  return host.instanceHealth === 'Healthy';
}

function planClass(host: OrderedHost): number {
  if (host.isOffline) return 0;
  if (host.instanceHealth !== 'Healthy') return 1;
  switch (host.revisionHealth) {
    case 'Unknown':
      return 2;
    case 'Old':
      return 3;
    case 'Current':
      return 4;
  }
}

/** `web-2` as [`web-`, `2`, ``]: odd places are runs of digits. */
function partsOf(name: string): string[] {
  return name.split(/(\d+)/);
}

/** web-2 before web-10, the same on every machine: no locale takes part. */
function compareParts(partsA: readonly string[], partsB: readonly string[]): number {
  for (let i = 0; i < Math.min(partsA.length, partsB.length); i++) {
    const partA = partsA[i] ?? '';
    const partB = partsB[i] ?? '';
    if (partA === partB) continue;
    const byNumber = i % 2 === 1 ? Number(partA) - Number(partB) : 0;
    if (byNumber !== 0) return byNumber;
    return partA < partB ? -1 : 1;
  }
  return partsA.length - partsB.length;
}
