import type { InnerSignal, Plan, PlanItem, SceneSignal, Signal } from './plan.ts';
import type { Machine } from './world/machine.ts';
import type { Timeline } from './world/timeline.ts';

/** Brings the plan's items to the stage: at their instants, or after what they wait for. */
export interface Director {
  signal(signal: Signal | InnerSignal | SceneSignal, machine?: Machine): void;
  /** The rest of the plan is left out. */
  stop(): void;
}

const INNER: ReadonlySet<string> = new Set<InnerSignal>([
  'starts-committed',
  'wave-host-committed',
  'wave-end-committed',
]);

export function createDirector(
  plan: Plan,
  timeline: Timeline,
  perform: (item: PlanItem, about: Machine | undefined) => void,
): Director {
  const counts = new Map<string, number>();
  const waiting = new Map<string, PlanItem[]>();
  let isStopped = false;
  const later = (delayMs: number, act: () => void) =>
    timeline.after(delayMs, () => {
      if (!isStopped) act();
    });
  const waitFor = (item: PlanItem, signal: string, nth: number) => {
    const key = `${signal} ${nth}`;
    waiting.set(key, [...(waiting.get(key) ?? []), item]);
  };
  for (const item of plan.items) {
    const { trigger } = item;
    if (trigger.kind === 'at') later(trigger.ms, () => perform(item, undefined));
    else if (trigger.sinceMs === undefined) waitFor(item, trigger.signal, trigger.nth);
    else later(trigger.sinceMs, () => waitFor(item, trigger.signal, (counts.get(trigger.signal) ?? 0) + trigger.nth));
  }
  return {
    signal(signal, machine) {
      const count = (counts.get(signal) ?? 0) + 1;
      counts.set(signal, count);
      for (const item of waiting.get(`${signal} ${count}`) ?? []) {
        if (item.trigger.kind !== 'on' || isStopped) continue;
        if (INNER.has(signal) && item.trigger.delayMs === 0) perform(item, machine);
        else later(item.trigger.delayMs, () => perform(item, machine));
      }
    },
    stop() {
      isStopped = true;
    },
  };
}
