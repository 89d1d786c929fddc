import type { History } from '../history.ts';
import { checkBundleFailure } from './bundles.ts';
import { isShared } from './groups.ts';
import { checkOutput } from './output.ts';
import { checkStopIsNoObstacle } from './rollback.ts';

/** What must hold once all is quiet: the history says what the hosts did (I6), and readiness what they serve. */
export async function checkEnd(history: History): Promise<void> {
  checkTargets(history);
  checkEvents(history);
  checkNeverContradicted(history);
  checkStopIsNoObstacle(history);
  checkOutput(history);
  await checkReadiness(history);
}

function checkTargets({ world, truth, violate, notice }: History): void {
  const rows = world.database.look
    .prepare<
      [],
      {
        deploymentId: string;
        hostId: string;
        hostName: string;
        status: string;
        errorCode: string | null;
        message: string | null;
      }
    >(
      `SELECT deployment_id AS deploymentId, host_id AS hostId, host_name AS hostName, status, error_code AS errorCode, message
       FROM targets`,
    )
    .all();
  for (const { deploymentId, hostId, hostName, status, errorCode, message } of rows) {
    const machine = world.machineOfHost(hostId);
    if (machine === undefined) continue;
    const runs = truth.runsOf(machine.name, deploymentId);
    if (message?.includes('afterwards') === true) notice('a host reports after it was given up');
    const what = `${deploymentId} on ${hostName}`;
    if (status === 'Pending' || status === 'InProgress') violate('I6', `${what} is still ${status}`);
    if (status === 'Skipped' && runs.length > 0) violate('I6', `${what} is Skipped, but ${runs.length} scripts ran`);
    if (errorCode === 'HOST_OFFLINE' && runs.length > 0)
      violate('I6', `${what} is HOST_OFFLINE, but ${runs.length} scripts ran`);
    if (status !== 'Succeeded') continue;
    const validated = runs.filter((run) => run.event === 'ValidateService');
    if (validated.length === 0 || validated.some((run) => run.end !== 'succeeded'))
      violate(
        'I6',
        `${what} is Succeeded (${message ?? ''}), but its last script ${validated.at(-1)?.end ?? 'never ran'}`,
      );
  }
}

/** Only a host that was set back has to contradict what is known of it, or one whose disk was copied. */
function checkNeverContradicted({ world, clones, setBack, violate }: History): void {
  const rows = world.database.look
    .prepare<[], { hostId: string; details: string }>(
      `SELECT subject AS hostId, details FROM audit WHERE action = 'host.revision'`,
    )
    .all();
  for (const { hostId, details } of rows) {
    const name = world.machineOfHost(hostId)?.name ?? hostId;
    if (!clones.has(name) && !setBack.has(name))
      violate('I6', `${name} has contradicted what was known of it: ${details}`);
  }
}

/** Every event that is told as Succeeded or Failed, against what its scripts did. */
function checkEvents(history: History): void {
  const { world, truth, unstopped, clones, violate } = history;
  const { items } = world.plan;
  const forgets = items.some(({ action }) => action.kind === 'remove-journal');
  // A copy tells of scripts that run on the original; a status that cannot be written, or is lost with a boot, is nobody's to know.
  const mayLoseStatus = clones.size > 0 || items.some(({ action }) => LOSES_STATUS.has(action.kind));
  const rows = world.database.look
    .prepare<
      [],
      {
        deploymentId: string;
        hostId: string;
        hostName: string;
        name: string;
        status: string;
        diagnostics: string | null;
      }
    >(
      `SELECT t.deployment_id AS deploymentId, t.host_id AS hostId, t.host_name AS hostName, e.name, e.status, e.diagnostics
       FROM lifecycle_events e JOIN targets t ON t.id = e.target_id`,
    )
    .all();
  for (const { deploymentId, hostId, hostName, name, status, diagnostics } of rows) {
    const machine = world.machineOfHost(hostId);
    if (machine === undefined) continue;
    const runs = truth.runsOf(machine.name, deploymentId).filter((run) => run.event === name);
    const what = `${name} of ${deploymentId} on ${hostName}`;
    if (status === 'Succeeded' && runs.some((run) => run.end !== 'succeeded'))
      violate('I6', `${what} is Succeeded, but its scripts ended so: ${runs.map((run) => run.end).join(', ')}`);
    if (
      status === 'Failed' &&
      runs.length > 0 &&
      runs.every((run) => run.end === 'succeeded') &&
      !mayBeUnknown(diagnostics) &&
      notBegun(diagnostics) === null
    )
      violate('I6', `${what} is Failed (${diagnostics ?? ''}), but all of its scripts succeeded`);
    if (status === 'Failed' && diagnostics === null) violate('I6', `${what} is Failed, and nothing tells why`);
    if (status === 'Failed') checkBundleFailure(history, what, diagnostics ?? '');
    if (
      status === 'Failed' &&
      diagnostics?.includes('the outcome is unknown') === true &&
      !mayLoseStatus &&
      machine.processes.bootId === FIRST_BOOT &&
      runs.every((run) => run.end !== 'lost')
    )
      violate(
        'I6',
        `${what} is told as unknown, and its scripts ended so: ${runs.map((run) => run.end).join(', ') || 'none ran'}`,
      );
    // The script for it lies in the bundle that was installed last, which only a journal knows.
    const isUnstopped = !forgets && unstopped.has(`${deploymentId} ${machine.name}`);
    if (name === 'ApplicationStop' && status === 'Succeeded' && isUnstopped)
      violate('I6', `${what} is Succeeded (${diagnostics ?? ''}), but what served there was not stopped`);
    const scriptName = notBegun(diagnostics);
    if (runs.some((run) => scriptName === `${name}-${run.index}.sh`))
      violate('I6', `${what} is Failed since ${scriptName} could not be started, but it ran`);
    if (status === 'Skipped' && runs.length > 0) violate('I6', `${what} is Skipped, but its scripts ran`);
  }
}

const LOSES_STATUS: ReadonlySet<string> = new Set(['disk-full', 'no-inodes']);
/** Of a machine that has never gone down. */
const FIRST_BOOT = 'boot-1';

/** A script whose end nobody could know is told as failed, in these words. */
function mayBeUnknown(diagnostics: string | null): boolean {
  return diagnostics?.includes('"UnknownError"') === true || diagnostics?.includes('"ScriptTimedOut"') === true;
}

/** The script that is told as one that has never begun, if one is. */
function notBegun(diagnostics: string | null): string | null {
  const told = /"scriptName":"([^"]+)","message":"[^"]* could not be started: /.exec(diagnostics ?? '');
  return told?.[1] ?? null;
}

async function checkReadiness(history: History): Promise<void> {
  const { world, truth, violate } = history;
  const { core } = world.coordinator;
  if (core === null) return;
  for (const machine of world.machines) {
    if (machine.hostId === null || machine.isGone) continue;
    const readiness = await core.services.readiness.of(machine.hostId);
    for (const { application, deploymentGroup, isInService } of readiness.groups) {
      if (isShared(history, machine, { application, groupName: deploymentGroup })) continue;
      const good = world.database.look
        .prepare<[string, string], { label: string }>(
          `SELECT r.label FROM deployment_groups g JOIN revisions r ON r.id = g.last_good_revision_id
           WHERE g.application = ? AND g.name = ?`,
        )
        .get(application, deploymentGroup);
      if (good === undefined) continue;
      const service = truth.serviceOf(machine.name, application);
      const serves = service.isWhole && service.serves === good.label;
      if (isInService !== serves)
        violate(
          'readiness',
          `${machine.name} is ${isInService ? '' : 'not '}ready for ${application}/${deploymentGroup}, but serves ${service.serves} (good: ${good.label})`,
        );
    }
  }
}
