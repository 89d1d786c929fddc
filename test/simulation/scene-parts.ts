import type { Action, InnerSignal, Plan, SceneSignal, Signal, Trigger } from './plan.ts';
import type { Flaw } from './world/hooks.ts';

/** Counted from an instant on. */
export function since(
  sinceMs: number,
  signal: Signal | InnerSignal | SceneSignal,
  nth: number,
  delayMs: number,
): Trigger {
  return { kind: 'on', signal, nth, delayMs, sinceMs };
}

export function cut(machines: number[], ms: number): Extract<Action, { kind: 'partition' }> {
  return { kind: 'partition', machines, direction: 'both', isNoticed: true, ms };
}

export function times<Item>(count: number, make: () => Item): Item[] {
  return Array.from({ length: count }, make);
}

/** A revision of the first application that nothing else in the plan deploys. Returns its number. */
export function extraRevision(plan: Plan, flaw: Flaw): number {
  const application = plan.groups[0]?.application ?? '';
  const own = plan.revisions.filter((revision) => revision.application === application);
  const label = String(own.length + 1);
  plan.revisions.push({ application, label, flaw, scriptsPerEvent: 1 });
  return own.length;
}

/** Behind all that was planned by now: so long the history goes on. Returns when that begins, ms. */
export function atTheEnd(plan: Plan, ms: number): number {
  const begin = plan.horizonMs;
  plan.horizonMs += ms;
  return begin;
}
