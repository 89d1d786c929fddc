import { join } from 'node:path';

const PATH_SEGMENT = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/** May this id, which came over the wire, name a directory? */
export function isPathSegment(id: string): boolean {
  return PATH_SEGMENT.test(id);
}

/** Where everything lies under the state directory. docs/agent.md has the picture. */
export interface Layout {
  journal: string;
  identity: string;
  status: string;
  cache: string;
  deployments: string;
  groups: string;
  groupDeployments(groupId: string): string;
  groupState(groupId: string): string;
  deployment(groupId: string, deploymentId: string): DeploymentLayout;
}

export interface DeploymentLayout {
  directory: string;
  logs: string;
  /** Exit statuses of scripts. */
  runs: string;
  /** One line per script: what ran when and how it ended. */
  scriptsLog: string;
  eventLog(event: string): string;
  scriptStatus(script: { event: string; index: number; attempt: number }): string;
}

export function layoutOf(stateDirectory: string): Layout {
  const deployments = join(stateDirectory, 'deployments');
  const groups = join(stateDirectory, 'groups');
  return {
    journal: join(stateDirectory, 'journal'),
    identity: join(stateDirectory, 'identity.json'),
    status: join(stateDirectory, 'status.json'),
    cache: join(stateDirectory, 'cache'),
    deployments,
    groups,
    groupDeployments: (groupId) => join(deployments, groupId),
    groupState: (groupId) => join(groups, groupId),
    deployment(groupId, deploymentId) {
      const directory = join(deployments, groupId, deploymentId);
      const logs = join(directory, 'logs');
      const runs = join(directory, 'runs');
      return {
        directory,
        logs,
        runs,
        scriptsLog: join(logs, 'scripts.log'),
        eventLog: (event) => join(logs, `${event}.log`),
        scriptStatus: ({ event, index, attempt }) => join(runs, `${event}-${index}-${attempt}.status`),
      };
    },
  };
}

/** `ApplicationStop` from `ApplicationStop.log`; null for `scripts.log`, which is not an event's. */
export function eventOfLog(fileName: string): string | null {
  const event = /^([A-Za-z][A-Za-z0-9]{0,63})\.log$/.exec(fileName)?.[1];
  return event === undefined || event === 'scripts' ? null : event;
}
