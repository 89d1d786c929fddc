import type { Invariant } from './history.ts';
import type { Plan } from './plan.ts';
import { runPlan } from './run-plan.ts';

/** Histories that are tried at most. */
const MAX_TRIES = 400;

/**
 * A smaller plan that breaks the same promise: without the items, machines and disturbances that it does not need. Every
 * stream of chance has its own topic, so what stays mostly happens as before.
 */
export async function shrink(
  plan: Plan,
  invariant: Invariant,
  onSmaller: (plan: Plan, tries: number) => void,
): Promise<Plan> {
  let smallest = plan;
  let tries = 0;
  const attempt = async (candidate: Plan): Promise<boolean> => {
    if (tries >= MAX_TRIES) return false;
    tries++;
    const outcome = await runPlan(candidate);
    if (!outcome.violations.some((violation) => violation.invariant === invariant)) return false;
    smallest = candidate;
    onSmaller(candidate, tries);
    return true;
  };
  // Halves first, then single items, until nothing more can go.
  for (let size = Math.ceil(smallest.items.length / 2); size >= 1; ) {
    let hasShrunk = false;
    for (let start = 0; start < smallest.items.length; ) {
      const items = smallest.items.filter((_, index) => index < start || index >= start + size);
      if (await attempt({ ...smallest, items })) hasShrunk = true;
      else start += size;
    }
    if (size === 1 && !hasShrunk) break;
    if (!hasShrunk) size = Math.floor(size / 2);
  }
  const simpler: ((from: Plan) => Plan)[] = [
    (from) => ({ ...from, network: { ...from.network, spikes: 0 } }),
    (from) => ({ ...from, syncDelayMs: 0 }),
    (from) => ({ ...from, clockOffsetsMs: [] }),
    (from) => ({ ...from, refusingWebSockets: [] }),
    (from) => ({ ...from, spareMachines: 0 }),
    (from) => ({ ...from, groups: from.groups.slice(0, 1) }),
    (from) => ({ ...from, revisions: from.revisions.map((revision) => ({ ...revision, scriptsPerEvent: 1 })) }),
  ];
  for (const change of simpler) await attempt(change(smallest));
  while (smallest.machines > 1 && (await attempt({ ...smallest, machines: smallest.machines - 1 })));
  const latest = Math.max(
    0,
    ...smallest.items.map(({ trigger }) => (trigger.kind === 'at' ? trigger.ms : (trigger.sinceMs ?? 0))),
  );
  await attempt({ ...smallest, horizonMs: latest + 60_000 });
  return smallest;
}
