import { errorMessage } from '../../shared/core/errors.ts';
import type { Logger } from '../../shared/core/logger.ts';
import type { Disk } from '../host/disk.ts';
import type { EventOutcome } from './executors.ts';
import type { StepOf } from './plan.ts';

/** Adds an event to the deployment's scripts.log, in the manner of the CodeDeploy agent; the output itself is in `<event>.log`. */
export async function logScripts(
  parts: { disk: Disk; logger: Logger },
  path: string,
  ended: { step: StepOf<'run-hook'>; startedAt: number; outcome: EventOutcome; durationMs: number },
): Promise<void> {
  const { step, outcome } = ended;
  const time = new Date(ended.startedAt).toISOString().replace('T', ' ').slice(0, 19);
  const lines = [
    `LifecycleEvent - ${step.event} (${step.source.revision} revision ${step.source.revisionLabel})`,
    ...step.scripts.map((script) => `Script - ${script.location}`),
    `${outcome.kind} after ${ended.durationMs} ms${outcome.kind === 'Failed' ? `: ${outcome.diagnostics.message}` : ''}`,
  ];
  try {
    const file = await parts.disk.openAppend(path, 0o600);
    await file.append(lines.map((line) => `${time} ${line}\n`).join(''));
    await file.close();
  } catch (error) {
    // A log for people: the journal has all of it.
    parts.logger.warn({ path, reason: errorMessage(error) }, 'scripts.log not written');
  }
}
