import type { History } from '../history.ts';
import type { SeenDeployment } from '../observer.ts';
import type { Plan, PlannedGroup } from '../plan.ts';
import { isShared } from './groups.ts';
import { promisedMinimum } from './minimum.ts';

interface Target {
  hostId: string;
  status: string;
}

/** I6, when a deployment has succeeded: enough hosts serve its revision, by what their scripts did. */
export function checkSuccess({ world, truth, observer, violate }: History, deployment: SeenDeployment): void {
  const targets = world.database.look
    .prepare<[string], Target>('SELECT host_id AS hostId, status FROM targets WHERE deployment_id = ?')
    .all(deployment.id);
  const served = targets.filter(({ hostId, status }) => {
    const machine = world.machineOfHost(hostId);
    // Nobody knows the machine of an enrolment that was never answered.
    if (machine === undefined) return status === 'Succeeded';
    const validated = truth.runsOf(machine.name, deployment.id).filter((run) => run.event === 'ValidateService');
    return validated.length > 0 && validated.every((run) => run.end === 'succeeded');
  }).length;
  const current = deployment.total - targets.length;
  const minimum = promisedMinimum(world.plan, deployment, (id) => observer.deployments.get(id));
  if (served + current < Math.max(1, minimum))
    violate(
      'I6',
      `${deployment.id} is Succeeded, but ${served + current} of ${deployment.total} hosts run it: ${minimum} have to, and one at least`,
    );
}

/** I5, when a rollback is seen for the first time: of what failed, and to what the group has run with success. */
export function checkRollbackCreated({ observer, violate }: History, rollback: SeenDeployment): void {
  const answered = observer.deployments.get(rollback.triggeredBy ?? '');
  if (answered === undefined) return;
  if (answered.creator === 'codeDeployRollback') violate('I5', `${rollback.id} rolls the rollback ${answered.id} back`);
  const hasSucceeded = [...observer.deployments.values()].some(
    ({ groupId, revision, status }) =>
      groupId === rollback.groupId && revision === rollback.revision && status === 'Succeeded',
  );
  if (answered.revision === rollback.revision || !hasSucceeded)
    violate('I5', `${rollback.id} rolls ${answered.id} back from ${answered.revision} to ${rollback.revision}`);
}

/**
 * I5, when a deployment of a part has succeeded: it makes the group's good revision only when, with it, all hosts of the group serve that; an
 * operator tries out on a part what the rest is not to get.
 */
export function checkGoodOfPart(history: History, part: SeenDeployment): void {
  const { world, truth, violate } = history;
  const members = world.database.look
    .prepare<[string, string], { hostId: string; name: string }>(
      `SELECT m.host_id AS hostId, h.name FROM deployments d JOIN deployment_groups g ON g.id = d.group_id
       JOIN group_hosts m ON m.group_id = g.id JOIN hosts h ON h.id = m.host_id
       WHERE d.id = ? AND d.is_partial = 1 AND g.last_good_revision_id = d.revision_id
         AND (d.previous_revision_id IS NULL OR d.previous_revision_id <> d.revision_id) AND g.last_successful_deployment_id = ?`,
    )
    .all(part.id, part.id);
  for (const { hostId, name } of members) {
    const machine = world.machineOfHost(hostId);
    if (machine?.hostId !== hostId || !machine.isOn || isShared(history, machine, part)) continue;
    const { serves } = truth.serviceOf(machine.name, part.application);
    if (serves !== part.revision)
      violate('I5', `${part.id} makes ${part.revision} the good revision of its group, and ${name} serves ${serves}`);
  }
}

/** I4, when hosts are to follow on: not in a group whose operator wants them left alone. */
export function checkMayFollowOn({ world, violate }: History, followOn: SeenDeployment): void {
  const group = plannedGroupOf(world.plan, followOn);
  if (group?.outdatedInstancesStrategy === 'IGNORE')
    violate('I4', `${followOn.id} brings hosts on that are to be left as they are`);
}

function plannedGroupOf({ groups }: Plan, { application, groupName }: SeenDeployment): PlannedGroup | undefined {
  return groups.find((group) => group.application === application && group.name === groupName);
}

interface Outcome {
  rollback: string | null;
  message: string | null;
  good: string | null;
  stopWord: number | null;
  isBegun: number;
}

/**
 * I5, when a deployment has failed or was stopped: it is rolled back if that is wanted, a host was touched and there is something to go back
 * to, and not when it is not wanted; where it is wanted and not made, the reason is told. What the one who stopped it has said goes before what
 * the group says.
 */
export function checkRollbackOf({ world, truth, violate }: History, ended: SeenDeployment): void {
  const { id, status, creator } = ended;
  const row = world.database.look
    .prepare<[string], Outcome>(
      `SELECT d.rollback_deployment_id AS rollback, d.rollback_message AS message, r.label AS good, d.stop_rollback AS stopWord, EXISTS (
         SELECT 1 FROM targets t WHERE t.deployment_id = d.id AND t.started_at IS NOT NULL AND t.status <> 'Skipped') AS isBegun
       FROM deployments d LEFT JOIN deployment_groups g ON g.id = d.group_id
       LEFT JOIN revisions r ON r.id = g.last_good_revision_id WHERE d.id = ?`,
    )
    .get(id);
  if (row === undefined) return;
  const group = plannedGroupOf(world.plan, ended);
  const event = status === 'Failed' ? 'DEPLOYMENT_FAILURE' : 'DEPLOYMENT_STOP_ON_REQUEST';
  // Only what an operator deploys is rolled back by what the group says.
  const isGroups =
    creator === 'user' && group?.autoRollback.enabled === true && group.autoRollback.events.includes(event);
  const isWanted = row.stopWord === null ? isGroups : row.stopWord === 1;
  if (!isWanted && row.rollback !== null)
    violate('I5', `${id} is rolled back by ${row.rollback}, and nobody wants that`);
  if (row.rollback !== null && row.isBegun === 0)
    violate('I5', `${id} is rolled back by ${row.rollback}, and has begun on no host`);
  if (isWanted && row.rollback === null && row.message === null)
    violate('I5', `${id} is not rolled back although that is wanted, and nothing tells why`);
  if (creator !== 'user' || !isWanted) return;
  const isTouched = ended.fleet.some((hostId) => {
    const machine = world.machineOfHost(hostId);
    return machine?.hostId === hostId && truth.runsOf(machine.name, id).length > 0;
  });
  if (!isTouched || row.good === null || row.good === ended.revision || row.rollback !== null) return;
  violate('I5', `${id} is ${status} and is not rolled back to ${row.good}: ${row.message ?? 'without a word'}`);
}
