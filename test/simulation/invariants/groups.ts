import type { History } from '../history.ts';
import type { Machine } from '../world/machine.ts';
import type { ScriptRun } from '../world/processes.ts';

/** A deployment group by its names, which it keeps when it is deleted and made again. */
export interface NamedGroup {
  application: string;
  groupName: string;
}

/** The group of the last deployment of the application whose scripts ran on the machine; null when none has. */
export function lastGroupOn({ truth, observer }: History, machine: Machine, application: string): string | null {
  const { deploymentId } = truth.serviceOf(machine.name, application);
  return observer.deployments.get(deploymentId ?? '')?.groupName ?? null;
}

interface Membership {
  name: string;
  role: string | null;
  application: string;
  groupName: string;
  isMember: number;
}

/**
 * I6, whenever it is answered that a host has another role: it is in the groups that this makes it one of, and in no other. Of requests that
 * overlap, or were never answered, nobody knows which was the last.
 */
export function createMembersCheck({ world, violate }: History): {
  asked(hostId: string): void;
  answered(hostId: string): void;
} {
  const open = new Map<string, number>();
  const memberships = world.database.look.prepare<[string], Membership>(
    `SELECT h.name, json_extract(h.tags, '$.role') AS role, g.application, g.name AS groupName, EXISTS (
       SELECT 1 FROM group_hosts m WHERE m.group_id = g.id AND m.host_id = h.id) AS isMember
     FROM hosts h CROSS JOIN deployment_groups g WHERE h.id = ?`,
  );
  const count = (hostId: string, more: number) => {
    const requests = (open.get(hostId) ?? 0) + more;
    open.set(hostId, requests);
    return requests;
  };
  return {
    asked: (hostId) => void count(hostId, 1),
    answered(hostId) {
      if (count(hostId, -1) > 0) return;
      for (const { name, role, application, groupName, isMember } of memberships.all(hostId)) {
        const group = world.plan.groups.find((each) => each.application === application && each.name === groupName);
        if (group === undefined || role === null) continue;
        const isSelected = group.role === role || group.alsoRoles?.includes(role) === true;
        if (isSelected !== (isMember === 1))
          violate('I6', `${name} is ${role} and is ${isMember === 1 ? '' : 'not '}of ${application}/${groupName}`);
      }
    },
  };
}

/** What the application's service is on the machine was brought about by another group of it. */
export function isAnothers(history: History, machine: Machine, { application, groupName }: NamedGroup): boolean {
  const last = lastGroupOn(history, machine, application);
  return last !== null && last !== groupName;
}

/** Of the first script of a deployment on a machine: the other groups of the application that the host is in, as it is in the deployment's own. */
export function noteShared({ world, observer, shared }: History, machine: Machine, deploymentId: string): void {
  const deployment = observer.deployments.get(deploymentId);
  if (deployment === undefined) return;
  const { application, groupName } = deployment;
  const groups = world.database.look
    .prepare<[string | null, string], { name: string }>(
      `SELECT g.name FROM group_hosts m JOIN deployment_groups g ON g.id = m.group_id WHERE m.host_id = ? AND g.application = ?`,
    )
    .all(machine.hostId, application)
    .map(({ name }) => name);
  const others = groups.includes(groupName) ? groups.filter((name) => name !== groupName) : [];
  shared.set(`${machine.name} ${application}`, new Set(others));
}

/**
 * The host was in both groups when the other one deployed to it last: it serves what that has brought, and this group knows of its own
 * deployments only (docs/rollout.md, Two groups of one application).
 */
export function isShared({ shared }: History, machine: Machine, { application, groupName }: NamedGroup): boolean {
  return shared.get(`${machine.name} ${application}`)?.has(groupName) === true;
}

/** I6, of each script that stops what served: it is of a revision that this very group has brought to the machine. */
export function checkStopsItsOwn(history: History, machine: Machine, run: ScriptRun): void {
  const { observer, truth, clones, violate } = history;
  const deployment = observer.deployments.get(run.deploymentId);
  // A copy has what was brought to the original.
  if (run.event !== 'ApplicationStop' || deployment === undefined || clones.has(machine.name)) return;
  const { revision } = run.script;
  const isOwn = [...observer.deployments.values()].some(
    (earlier) =>
      earlier.id !== deployment.id &&
      earlier.groupId === deployment.groupId &&
      earlier.revision === revision &&
      truth.hasBegun(machine.name, earlier.id),
  );
  if (!isOwn)
    violate('I6', `${deployment.id} stops ${revision} on ${machine.name}, which its group has never brought there`);
}

/**
 * I6, of the first script behind Install: a deployment that leaves alone what it finds (DISALLOW) has not replaced what another group has
 * installed, where its own group had never been.
 */
export function checkLeftAlone({ observer, truth, world, violate }: History, machine: Machine, run: ScriptRun): void {
  const deployment = observer.deployments.get(run.deploymentId);
  if (run.event !== 'ApplicationStart' || deployment === undefined) return;
  const { fileExistsBehavior } = world.database.look
    .prepare<[string], { fileExistsBehavior: string }>(
      'SELECT file_exists_behavior AS fileExistsBehavior FROM deployments WHERE id = ?',
    )
    .get(run.deploymentId) ?? { fileExistsBehavior: '' };
  if (fileExistsBehavior !== 'DISALLOW') return;
  const has = (isIt: (groupId: string) => boolean) =>
    [...observer.deployments.values()].some(
      ({ id, groupId, application }) =>
        id !== deployment.id &&
        application === deployment.application &&
        isIt(groupId) &&
        truth.runsOf(machine.name, id).some(({ event }) => event === 'ApplicationStart'),
    );
  if (has((groupId) => groupId === deployment.groupId)) return;
  if (has((groupId) => groupId !== deployment.groupId))
    violate('I6', `${deployment.id} replaces on ${machine.name} what another group has installed, and is not to`);
}
