import type { History } from '../history.ts';
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
