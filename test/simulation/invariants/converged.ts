import type { History } from '../history.ts';
import type { Machine } from '../world/machine.ts';
import { isShared } from './groups.ts';

/**
 * I4, when all is mended and quiet: after a success of the whole group everybody who is here serves its revision, also those that were
 * away, came later, or left and came back. But for hosts on which it failed, or for which that was stopped: they are left to an operator.
 */
export function checkConverged(history: History): void {
  const { world, observer, truth, violate } = history;
  const rows = world.database.look
    .prepare<
      [number],
      { id: string; application: string; groupName: string; hostId: string; name: string; wanted: string }
    >(
      `SELECT d.id, d.application, d.group_name AS groupName, h.id AS hostId, h.name, d.revision_label AS wanted FROM deployment_groups g
       JOIN deployments d ON d.group_id = g.id AND d.is_partial = 0 AND d.status = 'Succeeded' AND d.number = (
         SELECT max(number) FROM deployments l WHERE l.group_id = g.id AND l.creator IN ('user', 'codeDeployRollback'))
       JOIN group_hosts m ON m.group_id = g.id JOIN hosts h ON h.id = m.host_id AND h.presence = 'Online'
       LEFT JOIN targets t ON t.deployment_id = d.id AND t.host_id = m.host_id
       WHERE g.settings NOT LIKE '%IGNORE%' AND NOT (coalesce(m.converge, '') = 'failed' AND (? OR EXISTS (
           SELECT 1 FROM targets f JOIN deployments o ON o.id = f.deployment_id
           WHERE f.host_id = m.host_id AND o.group_id = g.id AND o.creator IN ('autoscaling', 'CodeDeployAutoUpdate')
             AND (f.status = 'Failed' OR o.status = 'Stopped'))))
         AND NOT (coalesce(t.status, '') = 'Failed' AND t.error_code NOT IN ('HOST_OFFLINE', 'HOST_LOST'))`,
    )
    // What retention has removed can show nothing any more.
    .all(world.plan.keepsLittle ? 1 : 0);
  for (const { id, application, groupName, hostId, name, wanted } of rows) {
    const machine = world.machineOfHost(hostId);
    if (machine?.hostId !== hostId || !isLast(observer, id) || isShared(history, machine, { application, groupName }))
      continue;
    const { serves } = truth.serviceOf(machine.name, application);
    if (serves !== wanted) violate('I4', `${id} has brought ${wanted} to its group, and ${name} serves ${serves}`);
  }
}

/** Also of those that retention has removed since, a part's say. */
function isLast({ deployments }: History['observer'], id: string): boolean {
  const asked = deployments.get(id);
  return [...deployments.values()].every(
    ({ groupId, creator, number }) =>
      groupId !== asked?.groupId || number <= asked.number || !['user', 'codeDeployRollback'].includes(creator),
  );
}

/** A host on which a deployment has just begun does not say that it is ready. */
export async function checkNotReady({ world, truth, violate }: History, machine: Machine): Promise<void> {
  const { core, failpoint } = world.coordinator;
  // A question would count as a statement.
  if (core === null || failpoint !== null || machine.hostId === null) return;
  const isRunning = world.database.look
    .prepare<[string], { application: string }>(
      `SELECT d.application FROM targets t JOIN deployments d ON d.id = t.deployment_id
       WHERE t.host_id = ? AND t.status = 'InProgress'`,
    )
    .get(machine.hostId);
  if (isRunning === undefined) return;
  const { groups } = await core.services.readiness.of(machine.hostId);
  for (const { application, isInService } of groups)
    if (application === isRunning.application && isInService && !truth.isInService(machine, application))
      violate('readiness', `${machine.name} says it is ready while a deployment of ${application} runs on it`);
}

/** When all is mended and quiet: who says that it is ready serves the good revision, also where not everything has gone well. */
export async function checkReadyServes(history: History): Promise<void> {
  const { world, truth, violate } = history;
  const { core } = world.coordinator;
  if (core === null) return;
  const goodOf = world.database.look.prepare<[string, string], { label: string }>(
    `SELECT r.label FROM deployment_groups g JOIN revisions r ON r.id = g.last_good_revision_id
     WHERE g.application = ? AND g.name = ?`,
  );
  for (const machine of world.machines) {
    if (machine.hostId === null || machine.isGone) continue;
    const { groups } = await core.services.readiness.of(machine.hostId);
    for (const { application, deploymentGroup, isInService } of groups) {
      if (isShared(history, machine, { application, groupName: deploymentGroup })) continue;
      const good = goodOf.get(application, deploymentGroup);
      const { serves, isWhole } = truth.serviceOf(machine.name, application);
      if (good !== undefined && isInService && (serves !== good.label || !isWhole))
        violate('readiness', `${machine.name} is ready for ${application}, and serves ${serves} (good: ${good.label})`);
    }
  }
}
