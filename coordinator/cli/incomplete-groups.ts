import { isAppError } from '../../shared/core/errors.ts';
import { AGENT_APPLICATION } from '../../shared/model/agent-update.ts';
import type { Deployment } from '../../shared/model/deployment.ts';
import type { DeploymentGroup } from '../../shared/model/deployment-group.ts';
import type { GroupHost } from '../../shared/model/host.ts';
import type { DroverClient } from '../../shared/sdk/drover-client.ts';
import { collect } from './collect.ts';

/** A group of which not all hosts are in service. */
export interface IncompleteGroup {
  application: string;
  deploymentGroup: string;
  hosts: number;
  inServiceHosts: number;
  /** What is at work in it: hosts that it reaches are out of service for a while, and those that it has brought on until its end. */
  runningDeploymentIds: readonly string[];
}

/** Groups that are asked about at a time. */
const AT_A_TIME = 8;

/** @param running every deployment that runs now */
export async function incompleteGroups(
  client: DroverClient,
  running: readonly Deployment[],
): Promise<IncompleteGroup[]> {
  const found: IncompleteGroup[] = [];
  for await (const { name } of client.all('listApplications', {})) {
    // What hosts have of it is the version of their agent, which takes no host out of service: drover agents versions.
    if (name === AGENT_APPLICATION) continue;
    const groups = await unlessGone(collect(client.all('listDeploymentGroups', { application: name })));
    for (let start = 0; start < groups.length; start += AT_A_TIME) {
      const some = groups.slice(start, start + AT_A_TIME);
      const hosts = await Promise.all(
        some.map((group) =>
          unlessGone(collect(client.all('listGroupHosts', { application: name, group: group.name }))),
        ),
      );
      for (const [at, group] of some.entries()) found.push(...incompleteOf(group, hosts[at] ?? [], running));
    }
  }
  return found;
}

function incompleteOf(
  group: DeploymentGroup,
  hosts: readonly GroupHost[],
  running: readonly Deployment[],
): IncompleteGroup[] {
  const inServiceHosts = hosts.filter((host) => host.isInService).length;
  if (inServiceHosts === hosts.length) return [];
  const { application, name } = group;
  const runningDeploymentIds = running.filter((one) => one.deploymentGroupId === group.id).map((one) => one.id);
  return [{ application, deploymentGroup: name, hosts: hosts.length, inServiceHosts, runningDeploymentIds }];
}

/** Somebody may have removed it since it was listed. */
async function unlessGone<T>(items: Promise<T[]>): Promise<T[]> {
  try {
    return await items;
  } catch (error) {
    if (isAppError(error, 'not_found')) return [];
    throw error;
  }
}
