import { AGENT_APPLICATION } from '../../../shared/model/agent-update.ts';
import type { History } from '../history.ts';
import type { Machine } from '../world/machine.ts';

/**
 * Before an operator gives a host another role: where it serves its group's good revision, and the coordinator knows that, it has to
 * be what it was when it comes back.
 */
export function noteLeaving({ world, leftInService }: History, machine: Machine): void {
  const { hostId } = machine;
  if (hostId === null) return;
  const rows = world.database.look
    .prepare<[string], { groupId: string; revision: string }>(
      `SELECT m.group_id AS groupId, r.label AS revision FROM group_hosts m
       JOIN deployment_groups g ON g.id = m.group_id AND g.last_good_revision_id = m.revision_id
       JOIN revisions r ON r.id = m.revision_id
       WHERE m.host_id = ? AND m.instance_health = 'Healthy'
         AND NOT EXISTS (SELECT 1 FROM targets t WHERE t.host_id = m.host_id AND t.status = 'InProgress')`,
    )
    .all(hostId);
  for (const { groupId, revision } of rows) leftInService.set(`${hostId} ${groupId}`, revision);
}

/**
 * I1, when something is begun on a host: one that came back as it had left, or has told that it serves the revision, is not taken out of service
 * to be brought that. From now on it counts no more what it was.
 */
export function checkReturned(
  { world, truth, leftInService, violate }: History,
  hostId: string,
  taker: { id: string; creator: string; groupId: string; application: string; revision: string } | undefined,
): void {
  // Another agent changes nothing of what the host serves.
  if (taker?.application === AGENT_APPLICATION) return;
  const machine = world.machineOfHost(hostId);
  if (taker?.creator === 'autoscaling' && machine !== undefined) {
    const revision = leftInService.get(`${hostId} ${taker.groupId}`);
    const { serves } = truth.serviceOf(machine.name, taker.application);
    const isThere = truth.isInService(machine, taker.application) && serves === taker.revision;
    const told = world.database.look
      .prepare<[string, string, string], object>(
        `SELECT 1 FROM group_hosts m JOIN revisions r ON r.id = m.revision_id
         WHERE m.group_id = ? AND m.host_id = ? AND m.instance_health = 'Healthy' AND r.label = ?`,
      )
      .get(taker.groupId, hostId, taker.revision);
    if (isThere && revision === serves)
      violate('I1', `${taker.id} brings ${machine.name} ${serves}, which it served when it left the group, and serves`);
    else if (isThere && told !== undefined)
      violate('I1', `${taker.id} brings ${machine.name} ${serves}, which it has told that it serves`);
  }
  for (const key of leftInService.keys()) if (key.startsWith(`${hostId} `)) leftInService.delete(key);
}
