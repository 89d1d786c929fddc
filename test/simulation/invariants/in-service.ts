import type { History } from '../history.ts';
import type { SeenDeployment } from '../observer.ts';
import type { Machine } from '../world/machine.ts';
import { isAnothers } from './groups.ts';
import { promisedMinimum } from './minimum.ts';

/**
 * I1, whenever a deployment takes a host out of service that really was in service: of every fleet deployment under way in the
 * group, at least the minimum is still in service, not counting what is down for reasons of its own. Who is forgotten while a host is on its
 * way out is no reason to call it back: that the hosts that are left are enough is asked when hosts start (starts.ts).
 */
export function checkTakenOut(
  history: History,
  machine: Machine,
  taker: SeenDeployment,
  lastDeploymentId: string | null,
): void {
  const { observer, violate } = history;
  for (const fleet of observer.active()) {
    if (fleet.groupId !== taker.groupId || !fleet.occupiesGroup || machine.hostId === null) continue;
    if (!fleet.fleet.includes(machine.hostId)) continue;
    if (isBroughtInFirst(history, { fleet, taker, hostId: machine.hostId })) continue;
    if (isTakenUpLate(history, { fleet, taker, hostId: machine.hostId })) continue;
    if (!countsInService(history, { fleet, machine, hostId: machine.hostId, lastDeploymentId })) continue;
    const down = fleet.fleet.filter((hostId) => hostId !== machine.hostId && isDownByUs(history, hostId, fleet));
    const left = fleet.total - down.length - 1;
    const minimum = promisedMinimum(history.world.plan, fleet, (id) => observer.deployments.get(id));
    if (left < minimum)
      violate(
        'I1',
        `${taker.id} takes ${machine.name} out of service: ${left} of ${fleet.total} are left, ${fleet.id} promises ${minimum}` +
          ` (down: ${down.map((id) => history.world.machineOfHost(id)?.name ?? id).join(', ')})`,
      );
  }
}

/**
 * A host that was to be brought in before the fleet's deployment was made is out of service for that one until then, as readiness
 * says, whatever it still serves. One that the fleet's deployment has reached itself is not: that one counts on it.
 */
function isBroughtInFirst(
  { world }: History,
  { fleet, taker, hostId }: { fleet: SeenDeployment; taker: SeenDeployment; hostId: string },
): boolean {
  if (taker.creator !== 'autoscaling' || taker.number > fleet.number) return false;
  const target = world.database.look
    .prepare<[string, string], { status: string }>('SELECT status FROM targets WHERE deployment_id = ? AND host_id = ?')
    .get(fleet.id, hostId);
  return target?.status === 'Pending';
}

/**
 * A deployment that was made after an earlier one had given this host up counts it as out of service until it tells, and waits for
 * that: what was on its way to the host when it was given up can begin there before the word to leave it can.
 */
function isTakenUpLate(
  { world }: History,
  { fleet, taker, hostId }: { fleet: SeenDeployment; taker: SeenDeployment; hostId: string },
): boolean {
  if (taker.number > fleet.number) return false;
  const found = world.database.look
    .prepare<[string, string, string], { id: number }>(
      `SELECT own.id FROM targets own JOIN targets late ON late.host_id = own.host_id
       WHERE own.deployment_id = ? AND own.status = 'Pending' AND own.was_healthy = 0
         AND late.deployment_id = ? AND late.late_end_until IS NOT NULL AND own.host_id = ?`,
    )
    .get(fleet.id, taker.id, hostId);
  return found !== undefined;
}

/**
 * A host that has just entered the group (enrolled again, tagged again, or the group was made again) counts as in service only
 * once it was brought in; but for the deployment that has brought it its revision before it left and came back, or, a rollback, has
 * left it alone. One that has told that the last deployment on it failed is broken by its own word: after a power cut, or when
 * the wrapper was killed, the outcome of a script is unknown to it, though the script had succeeded, or had never begun. One counts as
 * broken, too, whose last script has succeeded and could tell nobody, on a full disk and without an agent. And a rollback heals: what it
 * counts as broken already, and has not told otherwise since, costs it nothing.
 */
function countsInService(
  history: History,
  asked: { fleet: SeenDeployment; machine: Machine; hostId: string; lastDeploymentId: string | null },
): boolean {
  const { world, truth } = history;
  const { fleet, machine, hostId, lastDeploymentId } = asked;
  const { look } = world.database;
  const lastGroup = history.observer.deployments.get(lastDeploymentId ?? '')?.groupName ?? null;
  const toldFailed = look
    .prepare<[string | null, string, string, string | null], { deploymentId: string }>(
      `SELECT t.deployment_id AS deploymentId FROM targets t JOIN deployments d ON d.id = t.deployment_id
       LEFT JOIN targets l ON l.deployment_id = ? AND l.host_id = t.host_id
       WHERE t.host_id = ? AND d.application = ? AND (t.deployment_id = ? OR t.started_at > l.started_at)
         AND EXISTS (SELECT 1 FROM lifecycle_events e WHERE e.target_id = t.id AND e.status = 'Failed')`,
    )
    .all(lastDeploymentId, hostId, fleet.application, lastDeploymentId)
    .filter(({ deploymentId }) => deploymentId === lastDeploymentId || !truth.hasBegun(machine.name, deploymentId));
  if (toldFailed.length > 0) return false;
  const member = look
    .prepare<[string, string], { health: string }>(
      'SELECT instance_health AS health FROM group_hosts WHERE group_id = ? AND host_id = ?',
    )
    .get(fleet.groupId, hostId);
  if (member === undefined) return false;
  if (member.health === 'Unknown') return isCountedOn(history, fleet, hostId);
  // What it serves was brought by another group: this one goes by its own deployments.
  if (lastGroup !== null && lastGroup !== fleet.groupName) return member.health === 'Healthy';
  if (member.health === 'Unhealthy') {
    if (!truth.serviceOf(machine.name, fleet.application).isTold) return false;
    // Given up, and by nobody's word: one that has just entered the group is no more in service for that.
    if (!hasSucceededIn(history, fleet.groupId, hostId)) return false;
  }
  if (fleet.creator !== 'codeDeployRollback') return true;
  const target = look
    .prepare<[string, string], { healthy: number }>(
      'SELECT was_healthy AS healthy FROM targets WHERE deployment_id = ? AND host_id = ?',
    )
    .get(fleet.id, hostId);
  return target === undefined || target.healthy === 1 || member.health === 'Healthy';
}

function isCountedOn({ world }: History, fleet: SeenDeployment, hostId: string): boolean {
  const target = world.database.look
    .prepare<[string, string], { status: string }>('SELECT status FROM targets WHERE deployment_id = ? AND host_id = ?')
    .get(fleet.id, hostId);
  if (target === undefined) return fleet.creator === 'codeDeployRollback';
  return target.status === 'Succeeded';
}

/** By what the host told, also after it was given up. */
function hasSucceededIn({ world }: History, groupId: string, hostId: string): boolean {
  const found = world.database.look
    .prepare<[string, string], { id: number }>(
      `SELECT t.id FROM targets t JOIN deployments d ON d.id = t.deployment_id
       JOIN lifecycle_events e ON e.target_id = t.id AND e.name = 'ValidateService' AND e.status = 'Succeeded'
       WHERE t.host_id = ? AND d.group_id = ? LIMIT 1`,
    )
    .get(hostId, groupId);
  return found !== undefined;
}

function isDownByUs(history: History, hostId: string, fleet: SeenDeployment): boolean {
  const { world, truth } = history;
  const machine = world.machineOfHost(hostId);
  // Whatever is off or gone is down for a reason of its own.
  if (machine === undefined || !machine.isOn) return false;
  // Forgotten and enrolled again, the machine is another host, which is not of this fleet and is brought in beside it.
  if (machine.hostId !== null && machine.hostId !== hostId) return false;
  // What another group does to it is asked when this one starts hosts (starts.ts).
  return !truth.isInService(machine, fleet.application) && !isAnothers(history, machine, fleet);
}
