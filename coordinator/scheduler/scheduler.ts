import { schedule } from 'node-cron';
import type { Clock } from '../../shared/core/clock.ts';
import { errorMessage } from '../../shared/core/errors.ts';
import type { Logger } from '../../shared/core/logger.ts';

export interface ScheduledTask {
  name: string;
  /** Cron, as the configuration has checked it: minute, hour, day of month, month, day of week, in the machine's time zone. */
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

/** How often it is looked whether the clock was set back; one that went back by less makes tasks late by as much. */
const LOOK_MS = 60_000;

/**
 * When something is done; what is done is a service's, by the clock it was given. A task never overlaps itself. The library remembers when
 * a task is next, and goes on waiting for that when the clock is set back, be it for years: then the tasks are made anew, by the clock as it is.
 * The timer of the looks does not go by that clock, so one look that seems to be before the last one tells.
 */
export function startScheduler(
  tasks: readonly ScheduledTask[],
  { clock, logger }: { clock: Clock; logger: Logger },
): Scheduler {
  const running = new Map<ScheduledTask, Promise<void>>();
  const stopping = new AbortController();
  let scheduled = tasks.map(scheduleTask);
  let lookedAt = clock.now();
  let timer = clock.setTimer(LOOK_MS, look);

  function scheduleTask(task: ScheduledTask) {
    return schedule(task.expression, () => run(task), { name: task.name, missedExecutionTolerance: LATE_MS });
  }

  function run(task: ScheduledTask): Promise<void> {
    // Not left to the library: the task may have begun before it was made anew.
    const begun = running.get(task);
    if (begun !== undefined) return begun;
    const run = task
      .run(stopping.signal)
      .then(() => {})
      .catch((error: unknown) => {
        if (!stopping.signal.aborted)
          logger.error({ task: task.name, error: errorMessage(error) }, 'scheduled task failed');
      })
      .finally(() => running.delete(task));
    running.set(task, run);
    return run;
  }

  function look(): void {
    const now = clock.now();
    const leapMs = lookedAt - now;
    lookedAt = now;
    timer = clock.setTimer(LOOK_MS, look);
    if (leapMs <= 0) return;
    logger.warn({ leapMs }, 'the clock was set back: tasks are scheduled anew');
    for (const task of scheduled) void task.destroy();
    scheduled = tasks.map(scheduleTask);
  }

  return {
    async stop() {
      stopping.abort();
      timer.cancel();
      await Promise.all(scheduled.map((task) => task.destroy()));
      await Promise.all(running.values());
    },
  };
}
