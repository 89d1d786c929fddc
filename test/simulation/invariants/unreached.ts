import type { History } from '../history.ts';
import type { SeenDeployment } from '../observer.ts';
import { isShared } from './groups.ts';

interface Unreached {
  deploymentId: string;
  application: string;
  groupName: string;
  hostId: string;
  name: string;
  errorCode: string;
  good: string;
}

/**
 * I4, when all is mended and quiet: a host that was offline at its turn, or lost in the middle, and that nobody has deployed to since, was
 * brought to the group's good revision when it was back, however that deployment has ended; but for one for which an operator has stopped
 * that.
 */
export function checkUnreached(history: History): void {
  const { world, truth, violate } = history;
  // What retention has removed cannot show that somebody has deployed to the host since.
  if (world.plan.keepsLittle === true) return;
  const rows = world.database.look
    .prepare<[], Unreached>(
      `SELECT t.deployment_id AS deploymentId, g.application, g.name AS groupName, h.id AS hostId, h.name, t.error_code AS errorCode, r.label AS good
       FROM group_hosts m JOIN hosts h ON h.id = m.host_id AND h.presence = 'Online'
       JOIN deployment_groups g ON g.id = m.group_id JOIN revisions r ON r.id = g.last_good_revision_id
       JOIN targets t ON t.host_id = m.host_id AND t.id = (
         SELECT max(l.id) FROM targets l JOIN deployments d ON d.id = l.deployment_id
         WHERE l.host_id = m.host_id AND d.group_id = m.group_id AND l.status <> 'Skipped')
       WHERE t.status = 'Failed' AND t.error_code IN ('HOST_OFFLINE', 'HOST_LOST') AND NOT EXISTS (
         SELECT 1 FROM targets s JOIN deployments o ON o.id = s.deployment_id
         WHERE s.host_id = m.host_id AND s.id > t.id AND o.group_id = m.group_id AND o.status = 'Stopped'
           AND o.creator IN ('autoscaling', 'CodeDeployAutoUpdate'))`,
    )
    .all();
  for (const { deploymentId, application, groupName, hostId, name, errorCode, good } of rows) {
    const machine = world.machineOfHost(hostId);
    if (machine?.hostId !== hostId || isShared(history, machine, { application, groupName })) continue;
    const { serves } = truth.serviceOf(machine.name, application);
    if (serves !== good)
      violate('I4', `${name} was ${errorCode} in ${deploymentId}, is back, and serves ${serves} instead of ${good}`);
  }
}

/**
 * I4, when a host is brought in: not by the same again on which it has just failed, since that would go on for ever. A host that has left
 * and entered again begins anew, and so does one that was passed over by a deployment which has succeeded since.
 */
export function checkNoLoop({ world, violate }: History, deployment: SeenDeployment): void {
  const again = world.database.look
    .prepare<[string], { name: string; earlier: string }>(
      `SELECT t.host_name AS name, e.id AS earlier FROM targets t JOIN deployments d ON d.id = t.deployment_id
       JOIN group_hosts m ON m.group_id = d.group_id AND m.host_id = t.host_id AND m.instance_health <> 'Unknown'
       JOIN targets f ON f.id = (
         SELECT max(l.id) FROM targets l JOIN deployments o ON o.id = l.deployment_id
         WHERE l.host_id = t.host_id AND o.group_id = d.group_id AND l.id < t.id AND l.status <> 'Skipped')
       JOIN deployments e ON e.id = f.deployment_id AND e.creator = 'autoscaling' AND e.revision_id = d.revision_id
       WHERE t.deployment_id = ? AND f.status = 'Failed' AND f.error_code NOT IN ('HOST_OFFLINE', 'HOST_LOST') AND NOT EXISTS (
         SELECT 1 FROM deployments s WHERE s.group_id = d.group_id AND s.status = 'Succeeded' AND s.completed_at >= e.completed_at
           AND s.creator IN ('user', 'codeDeployRollback'))`,
    )
    .get(deployment.id);
  if (again !== undefined)
    violate('I4', `${deployment.id} brings ${again.name} in with what has just failed there (${again.earlier})`);
}

/** I1: nothing is made to bring a host in that is here, and has its time yet to tell how it ended what it was given up in. */
export function checkHasTold({ world, violate }: History, deployment: SeenDeployment): void {
  const untold = world.database.look
    .prepare<[string], { name: string; earlier: string }>(
      `SELECT t.host_name AS name, u.deployment_id AS earlier FROM targets t JOIN deployments d ON d.id = t.deployment_id
       JOIN hosts h ON h.id = t.host_id AND h.presence = 'Online'
       JOIN targets u ON u.host_id = t.host_id AND u.late_end_until > d.created_at
       JOIN deployments e ON e.id = u.deployment_id AND e.group_id = d.group_id
       WHERE t.deployment_id = ?`,
    )
    .get(deployment.id);
  if (untold !== undefined)
    violate('I1', `${deployment.id} is to bring ${untold.name} in, which has yet to tell how ${untold.earlier} ended`);
}

/**
 * I4 and I7: what an operator has stopped for a host that was owed something is not begun again for it by the coordinator, unless the group
 * has come to a good revision since.
 */
export function checkStoppedStays({ world, retagged, violate }: History, deployment: SeenDeployment): void {
  const again = world.database.look
    .prepare<[string], { hostId: string; name: string; earlier: string }>(
      `SELECT t.host_id AS hostId, t.host_name AS name, e.id AS earlier FROM targets t JOIN deployments d ON d.id = t.deployment_id
       JOIN group_hosts m ON m.group_id = d.group_id AND m.host_id = t.host_id
       JOIN targets f ON f.id = (
         SELECT max(l.id) FROM targets l JOIN deployments o ON o.id = l.deployment_id
         WHERE l.host_id = t.host_id AND o.group_id = d.group_id AND l.id < t.id)
       JOIN deployments e ON e.id = f.deployment_id AND e.status = 'Stopped' AND e.revision_id = d.revision_id
         AND e.creator IN ('autoscaling', 'CodeDeployAutoUpdate')
       WHERE t.deployment_id = ? AND coalesce(f.error_code, '') NOT IN ('HOST_OFFLINE', 'HOST_LOST') AND NOT EXISTS (
         SELECT 1 FROM deployments s WHERE s.group_id = d.group_id AND s.status = 'Succeeded' AND s.completed_at >= e.created_at
           AND s.creator IN ('user', 'codeDeployRollback'))`,
    )
    .all(deployment.id)
    // A host that leaves and enters again begins anew.
    .find(({ hostId }) => !retagged.has(hostId));
  if (again !== undefined)
    violate('I7', `${deployment.id} begins for ${again.name} what was stopped there (${again.earlier})`);
}
