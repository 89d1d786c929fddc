import { errorMessage } from '../../shared/core/errors.ts';
import type { Logger } from '../../shared/core/logger.ts';
import type { AppendFile, Disk } from '../host/disk.ts';
import type { EventOutcome } from './executors.ts';
import type { StepOf } from './plan.ts';

/** The deployment's scripts.log, in the manner of the CodeDeploy agent; the output itself is in `<event>.log`. */
export interface ScriptsLog {
  /** Writes in the background: a log for people, and the journal has all of it. */
  add(ended: EndedHook): void;
  /** Once all of it is written. It may be added to again. */
  close(): Promise<void>;
}

interface EndedHook {
  step: StepOf<'run-hook'>;
  startedAt: number;
  outcome: EventOutcome;
  durationMs: number;
}

export function openScriptsLog(parts: { disk: Disk; logger: Logger }, path: string): ScriptsLog {
  let writing: Promise<void> = Promise.resolve();
  // Kept open, for opening a file to append to it syncs its directory, and the journal would wait for that disk.
  let file: AppendFile | null = null;

  async function write(text: string): Promise<void> {
    file ??= await parts.disk.openAppend(path, 0o600);
    await file.append(text);
  }

  function then(act: () => Promise<void>): void {
    writing = writing
      .then(act)
      .catch((error: unknown) => parts.logger.warn({ path, reason: errorMessage(error) }, 'scripts.log not written'));
  }

  return {
    add: (ended) => then(() => write(linesOf(ended))),
    close() {
      then(async () => {
        const opened = file;
        file = null;
        await opened?.close();
      });
      return writing;
    },
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
