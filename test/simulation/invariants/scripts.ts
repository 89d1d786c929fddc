import { AGENT_APPLICATION } from '../../../shared/model/agent-update.ts';
import type { History } from '../history.ts';
import { installedOn } from '../truth.ts';
import { ASSETS, assetNames, assetText, filesOf, installedDirectory } from '../world/bundle.ts';
import type { Machine } from '../world/machine.ts';
import type { ScriptRun } from '../world/processes.ts';

/** I2 and I3 at the start of each script: on a machine one deployment at a time, and each script once. */
export function checkScriptStart({ truth, violate }: History, machine: Machine, run: ScriptRun): void {
  const { deploymentId, event, script } = run;
  const earlier = truth
    .runsOf(machine.name, deploymentId)
    .filter((each) => each.event === event && each.index === script.index);
  if (earlier.length > 1)
    violate(
      'I3',
      `${machine.name} runs script ${script.index} of ${event} of ${deploymentId} for the ${earlier.length}th time`,
    );
  const service = truth.runningOn(machine.name);
  const others = service.filter((id) => id !== deploymentId);
  if (others.length > 0)
    violate('I2', `${machine.name} runs ${event} of ${deploymentId} while a script of ${others.join(', ')} still runs`);
}

/**
 * I6 at the start of each script: none of its deployment has failed on the machine before, but for ApplicationStop where that may fail. And I2:
 * none of them still runs.
 */
export function checkGoesOn({ world, truth, violate }: History, machine: Machine, run: ScriptRun): void {
  const { deploymentId, event } = run;
  // The last one is this script's own.
  const earlier = truth.runsOf(machine.name, deploymentId).slice(0, -1);
  const running = earlier.find((each) => each.end === null);
  if (running !== undefined)
    violate('I2', `${machine.name} runs ${event} of ${deploymentId} while its own ${running.event} still runs`);
  const failed = earlier.filter((each) => each.end !== null && each.end !== 'succeeded');
  if (failed.length === 0) return;
  const { mayStopFail } = world.database.look
    .prepare<[string], { mayStopFail: number }>(
      'SELECT ignore_application_stop_failures AS mayStopFail FROM deployments WHERE id = ?',
    )
    .get(deploymentId) ?? { mayStopFail: 1 };
  const first = failed.find((each) => each.event !== 'ApplicationStop' || mayStopFail === 0);
  if (first !== undefined)
    violate('I6', `${machine.name} goes on with ${event} of ${deploymentId}, of which ${first.event} has ${first.end}`);
}

/**
 * Of the first script of a deployment on a machine that serves: what serves is to be stopped first, by the script that came with it. That
 * of another group is nothing that this group's deployments know of.
 */
export function noteUnstopped(
  { observer, unstopped }: History,
  machine: Machine,
  run: ScriptRun,
  lastDeploymentId: string | null,
): void {
  const groupOf = (id: string | null) => observer.deployments.get(id ?? '')?.groupId;
  if (run.event !== 'ApplicationStop' && groupOf(run.deploymentId) === groupOf(lastDeploymentId))
    unstopped.add(`${run.deploymentId} ${machine.name}`);
}

/** I6 when what was installed is tried: the revision's own files are there, and none of another one. */
export function checkInstalledFiles({ world, violate }: History, machine: Machine, run: ScriptRun): void {
  if (run.event !== 'ValidateService') return;
  if (run.script.application === AGENT_APPLICATION) {
    const { installedVersion } = machine.updater;
    if (installedVersion !== run.script.revision)
      violate(
        'agents',
        `${machine.name} validates the agent ${run.script.revision}, and ${installedVersion} is installed`,
      );
    return;
  }
  const content = installedOn(machine, run.script.application);
  if (content !== run.script.revision)
    violate('I6', `${machine.name} validates ${run.script.revision}, and what is installed says ${content}`);
  if (world.plan.items.some(({ action }) => LEAVES_FILES.has(action.kind))) return;
  const { application, revision } = run.script;
  const directory = installedDirectory(application);
  const found = machine.files.find(directory) === null ? [] : machine.files.list(directory).sort();
  const assets = world.plan.hasDeltas ? ASSETS : 0;
  const expected = filesOf({ label: revision, assets }).sort();
  if (found.join() !== expected.join())
    violate('I6', `${machine.name} validates ${revision} of ${application} with the files ${found.join(', ')}`);
  for (const name of assetNames(assets))
    if (machine.files.read(`${directory}/${name}`).toString('utf8') !== assetText(application, name))
      violate('I6', `${machine.name} validates ${revision} of ${application}, and ${name} is not as it was sent`);
}

/** What belonged to a group that was deleted, or to another host's time in it, is left where it is. */
const LEAVES_FILES: ReadonlySet<string> = new Set(['recreate-group', 'forget', 'scale-in', 'retag', 'clone']);
