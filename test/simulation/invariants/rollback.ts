import type { History } from '../history.ts';
import type { SeenDeployment } from '../observer.ts';
import { isAnothers } from './groups.ts';

/** I5, when a rollback has succeeded: every host of it that can be reached serves the good revision. */
export function checkRolledBack(history: History, rollback: SeenDeployment): void {
  const { world, truth, violate } = history;
  const rows = world.database.look
    .prepare<[string], { hostId: string; status: string; errorCode: string | null }>(
      'SELECT host_id AS hostId, status, error_code AS errorCode FROM targets WHERE deployment_id = ?',
    )
    .all(rollback.id);
  const failed = new Map(rows.map((row) => [row.hostId, row]));
  for (const hostId of rollback.fleet) {
    const machine = world.machineOfHost(hostId);
    const row = failed.get(hostId);
    // It had left the group before its turn in the deployment that is rolled back.
    if (row === undefined && rollback.outside.includes(hostId)) continue;
    if (machine === undefined || machine.hostId !== hostId || !isReached(world, machine.name, hostId)) continue;
    if (row !== undefined && row.status === 'Failed') {
      if (!['HOST_OFFLINE', 'HOST_LOST', 'HOST_REMOVED'].includes(row.errorCode ?? ''))
        violate('I5', `${rollback.id} succeeded although ${machine.name} could be reached and failed`);
      continue;
    }
    const service = truth.serviceOf(machine.name, rollback.application);
    // Another deployment has begun there since, or what serves went down by itself.
    const isElsewhere = service.deploymentId !== null && service.deploymentId !== rollback.id && row !== undefined;
    if (isElsewhere || !service.isWhole || isAnothers(history, machine, rollback)) continue;
    if (service.serves !== rollback.revision)
      violate(
        'I5',
        `${rollback.id} succeeded, but ${machine.name} serves ${service.serves} and not ${rollback.revision}`,
      );
  }
}

/** I5: a rollback heals. That what it replaces cannot be stopped fails it on no host. */
export function checkStopIsNoObstacle({ world, violate }: History): void {
  const rows = world.database.look
    .prepare<[], { deploymentId: string; name: string }>(
      `SELECT t.deployment_id AS deploymentId, t.host_name AS name FROM targets t
       JOIN deployments d ON d.id = t.deployment_id AND d.creator = 'codeDeployRollback'
       WHERE t.status = 'Failed' AND t.error_code = 'HOOK_FAILED'
         AND EXISTS (SELECT 1 FROM lifecycle_events e WHERE e.target_id = t.id AND e.status = 'Failed' AND e.name = 'ApplicationStop')
         AND NOT EXISTS (SELECT 1 FROM lifecycle_events e WHERE e.target_id = t.id AND e.status = 'Failed' AND e.name <> 'ApplicationStop')`,
    )
    .all();
  for (const { deploymentId, name } of rows)
    violate('I5', `${deploymentId} fails on ${name}, since what it replaces could not be stopped`);
}

function isReached(world: History['world'], machine: string, hostId: string): boolean {
  return !world.network.isCut(machine) && world.coordinator.core?.hub.isConnected(hostId) === true;
}
