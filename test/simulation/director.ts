import type { Plan, PlanItem, Signal } from './plan.ts';
import type { Machine } from './world/machine.ts';
import type { Timeline } from './world/timeline.ts';

/** Brings the plan's items to the stage: at their instants, or after what they wait for. */
export interface Director {
  signal(signal: Signal, machine?: Machine): void;
  /** The rest of the plan is left out. */
  stop(): void;
}

export function createDirector(
  plan: Plan,
  timeline: Timeline,
  perform: (item: PlanItem, about: Machine | undefined) => void,
): Director {
  const counts = new Map<Signal, number>();
  const waiting = new Map<string, PlanItem[]>();
  let isStopped = false;
  const later = (delayMs: number, item: PlanItem, about: Machine | undefined) =>
    timeline.after(delayMs, () => {
      if (!isStopped) perform(item, about);
    });
  for (const item of plan.items) {
    const { trigger } = item;
    if (trigger.kind === 'at') later(trigger.ms, item, undefined);
    else {
      const key = `${trigger.signal} ${trigger.nth}`;
      waiting.set(key, [...(waiting.get(key) ?? []), item]);
    }
  }
  return {
    signal(signal, machine) {
      const count = (counts.get(signal) ?? 0) + 1;
      counts.set(signal, count);
      for (const item of waiting.get(`${signal} ${count}`) ?? [])
        if (item.trigger.kind === 'on') later(item.trigger.delayMs, item, machine);
    },
    stop() {
      isStopped = true;
    },
  };
}
