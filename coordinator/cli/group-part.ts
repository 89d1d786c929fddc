import type { TagFilter } from '../../shared/model/deployment-group.ts';
import type { GroupHost } from '../../shared/model/host.ts';
import type { DroverClient, RouteInput } from '../../shared/sdk/drover-client.ts';
import { collect } from './collect.ts';

/** What restricts a deployment to a part of its group. */
export type Only = Pick<RouteInput<'createDeployment'>, 'onlyTagFilters' | 'onlyHostNames' | 'onlyFailedOf'>;

/** The hosts that the coordinator will choose, as far as they are known now; null when all of the group are meant. */
export async function partOfGroup(
  client: DroverClient,
  hosts: readonly GroupHost[],
  { onlyTagFilters, onlyHostNames, onlyFailedOf }: Only,
): Promise<GroupHost[] | null> {
  if ((onlyTagFilters ?? onlyHostNames ?? onlyFailedOf) === undefined) return null;
  const [tagged, failed] = await Promise.all([
    onlyTagFilters === undefined ? undefined : idsWithTags(client, onlyTagFilters),
    onlyFailedOf === undefined ? undefined : idsFailedIn(client, onlyFailedOf),
  ]);
  return hosts.filter(
    ({ hostId, hostName }) =>
      (onlyHostNames === undefined || onlyHostNames.includes(hostName)) &&
      (tagged === undefined || tagged.has(hostId)) &&
      (failed === undefined || failed.has(hostId)),
  );
}

async function idsWithTags(client: DroverClient, filters: readonly TagFilter[]): Promise<Set<string>> {
  const ids = new Set<string>();
  for (const filter of filters) {
    const hosts = await collect(client.all('listHosts', tagQuery(filter)));
    // The list knows no filter by value alone.
    const matching =
      filter.type === 'VALUE_ONLY' ? hosts.filter((host) => Object.values(host.tags).includes(filter.value)) : hosts;
    for (const host of matching) ids.add(host.id);
  }
  return ids;
}

function tagQuery(filter: TagFilter): { tag?: string } {
  switch (filter.type) {
    case 'KEY_AND_VALUE':
      return { tag: `${filter.key}=${filter.value}` };
    case 'KEY_ONLY':
      return { tag: filter.key };
    case 'VALUE_ONLY':
      return {};
  }
}

async function idsFailedIn(client: DroverClient, deployment: string): Promise<Set<string>> {
  const targets = await Promise.all(
    (['Failed', 'Skipped'] as const).map((status) => collect(client.all('listTargets', { deployment, status }))),
  );
  return new Set(targets.flat().map((target) => target.hostId));
}
