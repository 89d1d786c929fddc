import { schedule, validate } from 'node-cron';
import { AppError, errorMessage } from '../../shared/core/errors.ts';
import type { Logger } from '../../shared/core/logger.ts';

export interface ScheduledTask {
  name: string;
  /** Cron: minute, hour, day of month, month, day of week, in the machine's time zone. */
  expression: string;
  /** Once the signal has come it leaves the rest for the next time. */
  run(stopping: AbortSignal): Promise<unknown>;
}

export interface Scheduler {
  /** Resolves when no task runs any more. */
  stop(): Promise<void>;
}

/**
 * However late a task is, it runs, once: the timer of the library is set up to a day before, and does not see that the clock was set
 * forward, or that the machine stood still for a snapshot. What is late by more than this it would leave for the next day, day after day.
 */
const LATE_MS = Number.MAX_SAFE_INTEGER;

/** When something is done; what is done is a service's, by the clock it was given. A task never overlaps itself. */
export function startScheduler(tasks: readonly ScheduledTask[], logger: Logger): Scheduler {
  for (const task of tasks) checkExpression(task);
  const running = new Set<Promise<void>>();
  const stopping = new AbortController();
  const scheduled = tasks.map((task) =>
    schedule(
      task.expression,
      () => {
        const run = task
          .run(stopping.signal)
          .then(() => {})
          .catch((error: unknown) => {
            if (!stopping.signal.aborted)
              logger.error({ task: task.name, error: errorMessage(error) }, 'scheduled task failed');
          })
          .finally(() => running.delete(run));
        running.add(run);
        return run;
      },
      { name: task.name, noOverlap: true, missedExecutionTolerance: LATE_MS },
    ),
  );
  return {
    async stop() {
      stopping.abort();
      await Promise.all(scheduled.map((task) => task.destroy()));
      await Promise.all(running);
    },
  };
}

/** @throws AppError `invalid` */
function checkExpression(task: ScheduledTask): void {
  if (validate(task.expression)) return;
  throw new AppError('invalid', `${task.name}.schedule: ${task.expression} is no cron expression`, {
    hint: 'Minute, hour, day of month, month, day of week; for example `17 3 * * *` is every day at 3:17.',
  });
}
