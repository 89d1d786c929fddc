import type { Action, Plan, PlanItem, Trigger } from './plan.ts';
import type { Chance } from './world/chance.ts';
import type { Flaw } from './world/hooks.ts';

export type Part = Omit<PlanItem, 'id'>;
/** What it needs of the plan it writes into it. */
export type Scene = (chance: Chance, plan: Plan) => Part[];

/** Small stories that chance alone would tell too rarely: each of them leads to a named situation, most of the time. */
export const SCENES: Readonly<Record<string, Scene>> = {
  /** Nobody is there when it is deployed, and it is stopped before anybody is. */
  'stop-before-begin'(chance, plan) {
    const ms = someTime(chance, plan);
    return [
      at(ms, everybodyCut(chance.pick([5_000, 30_000]))),
      at(ms + 1_000, deploy(chance)),
      at(ms + 3_000, { kind: 'stop', group: 0, rollback: null }),
    ];
  },
  /** Hosts are away when their turn comes. */
  'offline-at-turn'(chance, plan) {
    const ms = someTime(chance, plan);
    // Back again they are brought in, and just then the next deployment begins.
    const next: Part = {
      trigger: { kind: 'on', signal: 'scale-out-created', nth: chance.whole(1, 2), delayMs: chance.whole(0, 200) },
      action: { ...deploy(chance), configName: 'CodeDeployDefault.OneAtATime' },
    };
    return [at(ms, someCut(chance, plan, 60_000)), at(ms + 25_000, deploy(chance)), next];
  },
  /** A host disappears in the middle, for longer than it may, and comes back. */
  'lost-in-the-middle'(chance, plan) {
    const trigger: Trigger = {
      kind: 'on',
      signal: 'script-began',
      nth: chance.whole(1, 12),
      delayMs: chance.whole(0, 200),
    };
    return [
      {
        trigger,
        action: {
          kind: 'partition',
          machines: [-1],
          direction: 'both',
          isNoticed: chance.is(0.5),
          ms: plan.hostLostAfterMs + chance.pick([20_000, 60_000, 120_000]),
        },
      },
    ];
  },
  /** The assignment never arrives. */
  'not-accepted'(chance, plan) {
    const ms = someTime(chance, plan);
    const machine = chance.whole(0, plan.machines - 1);
    const only = (direction: 'down'): Action => ({
      kind: 'partition',
      machines: [machine],
      direction,
      isNoticed: false,
      ms: 2_000,
    });
    return [
      at(ms, { kind: 'disk-hangs', machine, ms: plan.hostLostAfterMs + 60_000 }),
      at(ms + 500, { ...deploy(chance), configName: 'CodeDeployDefault.AllAtOnce' }),
      ...(chance.is(0.3) ? [at(ms + 400, only('down'))] : []),
    ];
  },
  /** Coordinator and agent die inside the same hook. */
  'both-die-in-hook'(chance) {
    const nth = chance.whole(1, 12);
    const on = (delayMs: number): Trigger => ({ kind: 'on', signal: 'script-began', nth, delayMs });
    return [
      { trigger: on(0), action: { kind: 'kill-coordinator', ms: chance.pick([2_000, 20_000]) } },
      { trigger: on(3), action: { kind: 'kill-agent', machine: -1 } },
    ];
  },
  'agent-dies-in-hook'(chance) {
    return [
      {
        trigger: { kind: 'on', signal: 'script-began', nth: chance.whole(1, 12), delayMs: chance.whole(0, 4) },
        action: { kind: 'kill-agent', machine: -1 },
      },
    ];
  },
  /** The stop is in the database, and nobody heard so. */
  'stop-unanswered'(chance) {
    const nth = chance.whole(1, 4);
    const on: Trigger = { kind: 'on', signal: 'deployment-created', nth, delayMs: 50 };
    return [
      {
        trigger: on,
        action: { kind: 'coordinator-failpoint', moment: 'any-statement', countdown: chance.whole(2, 6), ms: 2_000 },
      },
      { trigger: on, action: { kind: 'stop', group: 0, rollback: chance.pick([null, true]) } },
    ];
  },
  /** Ends between two assignments of one decision. */
  'half-sent'(chance, plan) {
    const ms = someTime(chance, plan);
    return [
      at(ms, { kind: 'coordinator-failpoint', moment: 'in-sending', countdown: 2, ms: chance.pick([500, 20_000]) }),
      at(ms, { ...deploy(chance), configName: 'CodeDeployDefault.AllAtOnce' }),
    ];
  },
  'join-in-rollback'(chance, plan) {
    const add: Action = { kind: 'scale-out', count: 2, role: 'web' };
    const ms = someTime(chance, plan);
    return [
      { trigger: { kind: 'on', signal: 'rollback-created', nth: 1, delayMs: chance.whole(0, 200) }, action: add },
      at(ms, { ...deploy(chance), revision: 1 }),
    ];
  },
  'stop-in-rollback'(chance) {
    return [
      {
        trigger: { kind: 'on', signal: 'rollback-created', nth: 1, delayMs: chance.whole(0, 400) },
        action: { kind: 'stop', group: 0, rollback: null },
      },
    ];
  },
  /** An install takes no time unless its disk does: it is slow first, and then the power goes. */
  'power-in-install'(chance) {
    const nth = chance.whole(1, 12);
    const on = (delayMs: number): Trigger => ({ kind: 'on', signal: 'script-ended', nth, delayMs });
    return [
      { trigger: on(0), action: { kind: 'disk-hangs', machine: -1, ms: 300 } },
      {
        trigger: on(chance.whole(1, 280)),
        action: { kind: 'power', machine: -1, how: 'power-cut', ms: chance.pick([2_000, 60_000]) },
      },
    ];
  },
  /** Everybody loses the coordinator, and it is stopped and started meanwhile. */
  'out-of-time'(_chance, plan) {
    return [
      {
        trigger: { kind: 'on', signal: 'host-began', nth: 1, delayMs: 100 },
        action: { ...everybodyCut(plan.hostLostAfterMs - 10_000), isNoticed: false },
      },
    ];
  },
  /** A large fleet on its way slowly, and hosts that have it already, or have failed, are away: less may start than the batch is. */
  'offline-in-service'(chance, plan) {
    const ms = largeFleet(chance, plan, 'slow');
    const cut: Action = {
      kind: 'partition',
      // Four are as many as may be down: then it waits for them, and gives up.
      machines: chance.pick([
        [0, 1],
        [0, 1, 2],
        [0, 1, 2, 3],
      ]),
      direction: 'both',
      isNoticed: true,
      ms: chance.pick([60_000, plan.hostLostAfterMs + 120_000]),
    };
    return [
      at(ms, { ...deploy(chance), revision: 2, configName: 'CodeDeployDefault.HalfAtATime' }),
      at(ms + 9_000, { kind: 'kill-hook', machine: chance.whole(1, 3) }),
      at(ms + chance.pick([20_000, 30_000, 45_000]), cut),
    ];
  },
  /** Hosts fail while they are rolled back, and more still have to be than may be down. */
  'hook-dies-in-rollback'(chance, plan) {
    const ms = largeFleet(chance, plan, 'none');
    const on = (delayMs: number): Trigger => ({ kind: 'on', signal: 'rollback-created', nth: 1, delayMs });
    return [
      at(ms, { ...deploy(chance), revision: 2, configName: 'CodeDeployDefault.HalfAtATime' }),
      at(ms + chance.whole(1_800, 2_500), { kind: 'stop', group: 0, rollback: true }),
      ...[0, 1, 2].map((machine) => ({
        trigger: on(chance.whole(20, 500)),
        action: { kind: 'kill-hook' as const, machine },
      })),
    ];
  },
  /** What arrives is not what was sent. */
  'damaged-bundle'(chance, plan) {
    plan.damagedDownloads = Array.from({ length: chance.whole(1, 4) }, () => chance.whole(1, 20));
    return [];
  },
};

/** Nine hosts, time enough, and what is wrong with the third revision. Returns when its deployment is to begin, ms. */
export function largeFleet(chance: Chance, plan: Plan, flaw: Flaw): number {
  plan.machines = 9;
  plan.deploymentTimeoutMs = Math.max(plan.deploymentTimeoutMs, 600_000);
  plan.horizonMs = Math.max(plan.horizonMs, 480_000);
  for (const revision of plan.revisions) if (revision.label === '3') revision.flaw = flaw;
  return chance.whole(30_000, 60_000);
}

export function someTime(chance: Chance, plan: Plan): number {
  return chance.whole(30_000, Math.max(30_000, plan.horizonMs - 60_000));
}

export function at(ms: number, action: Action): Part {
  return { trigger: { kind: 'at', ms }, action };
}

export function deploy(chance: Chance): Extract<Action, { kind: 'deploy' }> {
  return {
    kind: 'deploy',
    group: 0,
    revision: chance.whole(0, 3),
    overwrite: true,
    configName: null,
    onlyOutdated: false,
    key: false,
    part: false,
  };
}

function everybodyCut(ms: number): Extract<Action, { kind: 'partition' }> {
  return { kind: 'partition', machines: [0, 1, 2, 3, 4, 5, 6, 7], direction: 'both', isNoticed: true, ms };
}

function someCut(chance: Chance, plan: Plan, ms: number): Action {
  const machines = Array.from({ length: chance.whole(1, Math.max(1, plan.machines - 1)) }, (_, index) => index);
  return { kind: 'partition', machines, direction: 'both', isNoticed: true, ms };
}
