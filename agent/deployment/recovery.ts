import { IGNORABLE_EVENTS } from '../../shared/model/lifecycle-event.ts';
import type { DeploymentProgress, EventProgress } from '../journal/records.ts';
import type { Step } from './plan.ts';

/**
 * What is left to do of a deployment, read from the journal: after a crash, and equally when it has just arrived.
 * A step that is not a script can be repeated (bundle and install recognise their own work), so only scripts need care.
 */
export type Remainder =
  /** Continue with this event; `interrupted` is what the journal knows of it when an earlier agent began it. */
  | { kind: 'event'; event: string; interrupted: EventProgress | null }
  /** An event failed and no end was recorded: the events of `skip` are reported Skipped, then the deployment Failed. */
  | { kind: 'fail'; failedEvent: string; skip: readonly string[] }
  /** Every event has its outcome. */
  | { kind: 'succeed' };

export function remainder(deployment: DeploymentProgress): Remainder {
  const { assignment, events } = deployment;
  const progressOf = new Map(events.map((progress) => [progress.event, progress]));
  for (const [index, event] of assignment.lifecycleEvents.entries()) {
    const progress = progressOf.get(event);
    const status = progress?.report?.status;
    if (status === 'Succeeded') continue;
    if (status === undefined) return { kind: 'event', event, interrupted: progress ?? null };
    if (status === 'Failed' && mayFail(deployment, event)) continue;
    const skip = assignment.lifecycleEvents
      .slice(index + 1)
      .filter((later) => (progressOf.get(later)?.report ?? null) === null);
    return { kind: 'fail', failedEvent: event, skip };
  }
  return { kind: 'succeed' };
}

/**
 * An earlier agent started scripts of this event that its plan of now does not have: their archive was damaged or taken away
 * meanwhile. That nothing is left to run is no success.
 */
export function hasLostScripts(step: Step, interrupted: EventProgress | null): boolean {
  const started = interrupted?.scripts.length ?? 0;
  return started > (step.kind === 'run-hook' ? step.scripts.length : 0);
}

const IGNORABLE: ReadonlySet<string> = new Set(IGNORABLE_EVENTS);

/** Source: CreateDeployment API reference, ignoreApplicationStopFailures. */
function mayFail(deployment: DeploymentProgress, event: string): boolean {
  return deployment.assignment.ignoreApplicationStopFailures && IGNORABLE.has(event);
}
