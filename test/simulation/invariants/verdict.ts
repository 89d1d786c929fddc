import type { History } from '../history.ts';
import type { SeenDeployment } from '../observer.ts';
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

/** I5, when a deployment has failed: it is rolled back if its group wants that, a host was touched and there is something to go back to. */
export function checkRollbackOf({ world, truth, violate }: History, failed: SeenDeployment): void {
  const group = world.plan.groups.find(({ application }) => application === failed.application);
  const isWanted = group?.autoRollback.enabled === true && group.autoRollback.events.includes('DEPLOYMENT_FAILURE');
  if (failed.creator !== 'user' || failed.stopRequestedAt !== null || !isWanted) return;
  const isTouched = failed.fleet.some((hostId) => {
    const machine = world.machineOfHost(hostId);
    return machine?.hostId === hostId && truth.runsOf(machine.name, failed.id).length > 0;
  });
  const row = world.database.look
    .prepare<[string], { rollback: string | null; message: string | null; good: string | null }>(
      `SELECT d.rollback_deployment_id AS rollback, d.rollback_message AS message, r.label AS good FROM deployments d
       LEFT JOIN deployment_groups g ON g.id = d.group_id LEFT JOIN revisions r ON r.id = g.last_good_revision_id WHERE d.id = ?`,
    )
    .get(failed.id);
  if (!isTouched || row === undefined || row.good === null || row.good === failed.revision || row.rollback !== null)
    return;
  violate('I5', `${failed.id} has failed and is not rolled back to ${row.good}: ${row.message ?? 'without a word'}`);
}
