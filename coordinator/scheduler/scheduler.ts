import { schedule, validate } from 'node-cron';
import { AppError, errorMessage } from '../../shared/core/errors.ts';
import type { Logger } from '../../shared/core/logger.ts';

export interface ScheduledTask {
  name: string;
  /** Cron: minute, hour, day of month, month, day of week, in the machine's time zone. */
  expression: string;
  run(): Promise<unknown>;
}

export interface Scheduler {
  /** Resolves when no task runs any more. */
  stop(): Promise<void>;
}

/** When something is done; what is done is a service's, by the clock it was given. A task never overlaps itself. */
export function startScheduler(tasks: readonly ScheduledTask[], logger: Logger): Scheduler {
  for (const task of tasks) checkExpression(task);
  const running = new Set<Promise<void>>();
  const scheduled = tasks.map((task) =>
    schedule(
      task.expression,
      () => {
        const run = task
          .run()
          .then(() => {})
          .catch((error: unknown) =>
            logger.error({ task: task.name, error: errorMessage(error) }, 'scheduled task failed'),
          )
          .finally(() => running.delete(run));
        running.add(run);
        return run;
      },
      { name: task.name, noOverlap: true },
    ),
  );
  return {
    async stop() {
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
