import { errorMessage } from '../../shared/core/errors.ts';
import type { Logger } from '../../shared/core/logger.ts';
import type { Disk } from '../host/disk.ts';
import type { EventOutcome } from './executors.ts';
import type { StepOf } from './plan.ts';

/** The deployment's scripts.log, in the manner of the CodeDeploy agent; the output itself is in `<event>.log`. */
export interface ScriptsLog {
  /** Writes in the background: a log for people, and the journal has all of it. */
  add(ended: EndedHook): void;
  written(): Promise<void>;
}

interface EndedHook {
  step: StepOf<'run-hook'>;
  startedAt: number;
  outcome: EventOutcome;
  durationMs: number;
}

export function openScriptsLog(parts: { disk: Disk; logger: Logger }, path: string): ScriptsLog {
  let writing: Promise<void> = Promise.resolve();

  async function write(text: string): Promise<void> {
    const file = await parts.disk.openAppend(path, 0o600);
    try {
      await file.append(text);
    } finally {
      await file.close();
    }
  }

  return {
    add(ended) {
      writing = writing
        .then(() => write(linesOf(ended)))
        .catch((error: unknown) => parts.logger.warn({ path, reason: errorMessage(error) }, 'scripts.log not written'));
    },
    written: () => writing,
  };
}

function linesOf({ step, startedAt, outcome, durationMs }: EndedHook): string {
  const time = new Date(startedAt).toISOString().replace('T', ' ').slice(0, 19);
  const lines = [
    `LifecycleEvent - ${step.event} (${step.source.revision} revision ${step.source.revisionLabel})`,
    ...step.scripts.map((script) => `Script - ${script.location}`),
    `${outcome.kind} after ${durationMs} ms${outcome.kind === 'Failed' ? `: ${outcome.diagnostics.message}` : ''}`,
  ];
  return lines.map((line) => `${time} ${line}\n`).join('');
}
