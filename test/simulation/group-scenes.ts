import type { Plan, PlannedGroup } from './plan.ts';
import { atTheEnd, extraRevision, since } from './scene-parts.ts';
import { at, deploy, type Part, type Scene } from './scenes.ts';
import type { Chance } from './world/chance.ts';

const ALL_AT_ONCE = 'CodeDeployDefault.AllAtOnce';
const HALF_AT_A_TIME = 'CodeDeployDefault.HalfAtATime';
const ONE_AT_A_TIME = 'CodeDeployDefault.OneAtATime';

/** Hosts of the first group's alone are `web`. */
const CANARY = 'canary';
/** Hosts with this role are in both groups. */
const SHARED = 'shared';

/** Timed scenes of two deployment groups of one application: beside each other, with hosts in both, and with hosts that move over. */
export const GROUP_SCENES: Readonly<Record<string, Scene>> = {
  /** While nothing else happens hosts go over to the other group, which does or does not replace the files that they have, and come back. */
  'moves-in-quiet-times'(chance, plan) {
    plan.machines = Math.max(plan.machines, 4);
    const canary = withCanary(chance, plan);
    const good = extraRevision(plan, 'none');
    const tried = extraRevision(plan, chance.pick(['none', 'none', 'some-hosts']));
    const ms = atTheEnd(plan, 150_000);
    return [
      at(ms, { ...deploy(chance), revision: good, configName: ALL_AT_ONCE }),
      ...retagged([0, 1], CANARY, ms + 15_000),
      at(ms + 18_000, deployTo(chance, canary, { revision: tried, overwrite: chance.is(0.5) })),
      ...retagged([2], CANARY, ms + 35_000),
      at(ms + 45_000, deployTo(chance, canary, { revision: chance.pick([good, tried]), overwrite: chance.is(0.7) })),
      at(ms + 65_000, { ...deploy(chance), configName: HALF_AT_A_TIME, overwrite: chance.is(0.5) }),
      ...retagged([0, 2], 'web', ms + 85_000),
      ...retagged([3], CANARY, ms + 85_000),
      at(ms + 110_000, { ...deploy(chance), configName: ONE_AT_A_TIME, overwrite: chance.is(0.7) }),
      at(ms + 110_000, deployTo(chance, canary, { overwrite: chance.is(0.7) })),
    ];
  },
  /** Hosts go over in the middle of a deployment: before their turn, at work, or after it; some of them come back before its end. */
  'goes-over-amid-a-deployment'(chance, plan) {
    plan.machines = Math.max(plan.machines, 6);
    plan.deploymentTimeoutMs = Math.max(plan.deploymentTimeoutMs, 600_000);
    const canary = withCanary(chance, plan);
    const good = extraRevision(plan, 'none');
    const tried = extraRevision(plan, 'none');
    const next = extraRevision(plan, chance.pick(['none', 'slow', 'some-hosts']));
    const ms = atTheEnd(plan, 200_000);
    const amidMs = ms + 50_000;
    const on = (nth: number, delayMs: number) => since(amidMs - 1_000, 'host-began', nth, delayMs);
    const moves = [-1, 2, 3, 4, 5].map((machine) => {
      const leavesMs = chance.whole(0, 3_000);
      const there = {
        trigger: on(chance.whole(1, 2), leavesMs),
        action: { kind: 'retag' as const, machine, role: CANARY },
      };
      const back = {
        trigger: on(2, leavesMs + chance.whole(100, 10_000)),
        action: { kind: 'retag' as const, machine, role: 'web' },
      };
      return chance.is(0.3) && machine >= 0 ? [there, back] : [there];
    });
    return [
      at(ms, { ...deploy(chance), revision: good, configName: ALL_AT_ONCE }),
      ...retagged([0], CANARY, ms + 20_000),
      at(ms + 22_000, deployTo(chance, canary, { revision: tried, overwrite: chance.is(0.8) })),
      at(amidMs, { ...deploy(chance), revision: next, configName: chance.pick([ONE_AT_A_TIME, HALF_AT_A_TIME]) }),
      ...moves.flat(),
      { trigger: on(chance.whole(2, 6), chance.whole(0, 2_000)), action: deployTo(chance, canary, {}) },
      ...(chance.is(0.3)
        ? [{ trigger: on(3, chance.whole(0, 1_000)), action: { kind: 'stop' as const, group: 0, rollback: true } }]
        : []),
    ];
  },
  /** Some hosts are in both groups, and both deploy at the same time, or the one right after the other. */
  'in-two-groups'(chance, plan) {
    plan.machines = Math.max(plan.machines, 5);
    plan.deploymentTimeoutMs = Math.max(plan.deploymentTimeoutMs, 600_000);
    const canary = withCanary(chance, plan);
    for (const number of [0, canary]) {
      const group = plan.groups[number];
      if (group !== undefined) group.alsoRoles = [SHARED];
    }
    const good = extraRevision(plan, 'none');
    const next = extraRevision(plan, chance.pick(['none', 'slow', 'everywhere']));
    const tried = extraRevision(plan, chance.pick(['none', 'slow', 'some-hosts']));
    const ms = atTheEnd(plan, 180_000);
    const bothMs = ms + 50_000;
    return [
      at(ms, { ...deploy(chance), revision: good, configName: ALL_AT_ONCE }),
      ...retagged([0, 1], SHARED, ms + 15_000),
      ...retagged([2], CANARY, ms + 15_000),
      at(ms + 20_000, deployTo(chance, canary, { revision: good, overwrite: chance.is(0.7) })),
      at(bothMs, { ...deploy(chance), revision: next, configName: chance.pick([ONE_AT_A_TIME, HALF_AT_A_TIME]) }),
      at(bothMs + chance.pick([0, 1, 300, 2_000]), deployTo(chance, canary, { revision: tried })),
      {
        trigger: since(bothMs, 'script-began', chance.whole(1, 20), chance.whole(0, 50)),
        action: chance.is(0.5) ? { kind: 'kill-agent', machine: -1 } : { kind: 'kill-hook', machine: -1 },
      },
      // One of them is of one group only from then on.
      at(bothMs + chance.pick([500, 3_000, 40_000]), {
        kind: 'retag',
        machine: 1,
        role: chance.pick(['web', CANARY]),
      }),
      at(bothMs + 70_000, { ...deploy(chance), configName: ONE_AT_A_TIME }),
      at(bothMs + 70_100, deployTo(chance, canary, { overwrite: chance.is(0.8) })),
    ];
  },
  /** What both groups get works nowhere, or is stopped, so that both are rolled back at the same time; a host moves over just then. */
  'rolled-back-together'(chance, plan) {
    plan.machines = Math.max(plan.machines, 6);
    plan.deploymentTimeoutMs = Math.max(plan.deploymentTimeoutMs, 600_000);
    const canary = withCanary(chance, plan);
    for (const number of [0, canary]) {
      const group = plan.groups[number];
      if (group === undefined) continue;
      group.autoRollback = { enabled: true, events: ['DEPLOYMENT_FAILURE', 'DEPLOYMENT_STOP_ON_REQUEST'] };
      if (chance.is(0.3)) group.alsoRoles = [SHARED];
    }
    const good = extraRevision(plan, 'none');
    const bad = extraRevision(plan, 'everywhere');
    const slow = extraRevision(plan, 'slow');
    const ms = atTheEnd(plan, 150_000);
    const badMs = ms + 50_000;
    const isStopped = chance.is(0.5);
    const revision = isStopped ? slow : bad;
    return [
      at(ms, { ...deploy(chance), revision: good, configName: ALL_AT_ONCE }),
      ...retagged([0, 1], CANARY, ms + 15_000),
      ...retagged([2], SHARED, ms + 15_000),
      at(ms + 20_000, deployTo(chance, canary, { revision: good })),
      at(badMs, { ...deploy(chance), revision, configName: HALF_AT_A_TIME }),
      at(badMs + chance.whole(0, 200), deployTo(chance, canary, { revision })),
      ...(isStopped
        ? [0, canary].map((group) => at(badMs + 1_500, { kind: 'stop' as const, group, rollback: true }))
        : []),
      ...[3, 4].map((machine) => ({
        trigger: since(badMs, 'rollback-created', chance.whole(1, 2), chance.whole(0, 1_000)),
        action: { kind: 'retag' as const, machine, role: CANARY },
      })),
      {
        trigger: since(badMs, 'rollback-created', 1, chance.whole(0, 1_000)),
        action: { kind: 'retag', machine: 0, role: 'web' },
      },
    ];
  },
};

/** The number of the second group of the first application, which the scenes of a plan share. */
function withCanary(chance: Chance, plan: Plan): number {
  const known = plan.groups.findIndex((group) => group.role === CANARY);
  if (known >= 0) return known;
  const [prod] = plan.groups;
  if (prod === undefined) throw new Error('the plan has no group');
  const canary: PlannedGroup = {
    application: prod.application,
    name: CANARY,
    role: CANARY,
    configName: chance.pick([ALL_AT_ONCE, HALF_AT_A_TIME, ONE_AT_A_TIME]),
    minimum: null,
    autoRollback: chance.is(0.7) ? { enabled: true, events: ['DEPLOYMENT_FAILURE'] } : { enabled: false, events: [] },
    outdatedInstancesStrategy: chance.is(0.8) ? 'UPDATE' : 'IGNORE',
  };
  if (chance.is(0.6)) canary.startsEmpty = true;
  return plan.groups.push(canary) - 1;
}

function deployTo(
  chance: Chance,
  group: number,
  what: { revision?: number; overwrite?: boolean },
): ReturnType<typeof deploy> {
  return { ...deploy(chance), group, ...what };
}

function retagged(machines: readonly number[], role: string, ms: number): Part[] {
  return machines.map((machine) => at(ms, { kind: 'retag', machine, role }));
}
