import type { Action, InnerSignal, Plan, PlannedAgentUpdates, Trigger } from './plan.ts';
import { atTheEnd, cut, extraRevision, since, times } from './scene-parts.ts';
import { at, deploy, type Part, type Scene, someTime } from './scenes.ts';
import type { Chance } from './world/chance.ts';

const ALL_AT_ONCE = 'CodeDeployDefault.AllAtOnce';

/** Of what `withAgents` offers. */
const GOOD = 0;
const BAD = 1;

/** Timed scenes of updates of the agents themselves: beside deployments, and while what they stand on is restarted, cut off, or taken away. */
export const AGENT_SCENES: Readonly<Record<string, Scene>> = {
  /** In the middle of whatever else the plan does, which goes on. */
  'agents-updated-amid-all'(chance, plan) {
    withAgents(chance, plan);
    const ms = someTime(chance, plan);
    return [
      at(ms, deploy(chance)),
      at(ms + chance.pick([0, 1, 500, 5_000]), update(chance.pick([GOOD, GOOD, BAD]))),
      at(ms + chance.whole(0, 20_000), deploy(chance)),
      at(ms + chance.whole(1_000, 60_000), update(GOOD)),
      ...(chance.is(0.5) ? [at(ms + chance.whole(0, 60_000), { kind: 'rollback', group: 0 } as const)] : []),
      ...(chance.is(0.4) ? [at(ms + chance.whole(1_000, 60_000), { kind: 'stop-agent-update' } as const)] : []),
      at(ms + chance.whole(60_000, 120_000), update(chance.pick([GOOD, BAD]), chance.is(0.5))),
    ];
  },
  /** The coordinator dies where a wave has ended and the next one is to begin, or has begun and nobody has heard of it. */
  'coordinator-dies-between-waves'(chance, plan) {
    const agents = withAgents(chance, plan, 5);
    agents.waves = ['1', '50%', '100%'];
    const ms = atTheEnd(plan, 240_000);
    const dies = (trigger: Trigger): Part => ({
      trigger,
      action: {
        kind: 'coordinator-failpoint',
        moment: chance.pick(['before-commit', 'after-commit', 'any-statement']),
        countdown: chance.whole(1, 3),
        ms: chance.pick([100, 2_000, 20_000, 60_000]),
      },
    });
    return [
      at(ms, update(GOOD)),
      dies(since(ms, 'wave-end-committed', 1, 0)),
      dies(since(ms, chance.pick(['wave-end-committed', 'wave-created']), 2, chance.pick([0, 0, 100]))),
      ...(chance.is(0.4)
        ? [
            {
              trigger: since(ms, 'wave-created', 2, chance.whole(0, 3_000)),
              action: { kind: 'stop-agent-update' } as const,
            },
          ]
        : []),
      {
        trigger: since(ms, 'wave-created', 1, chance.whole(0, 9_000)),
        action: { ...deploy(chance), configName: ALL_AT_ONCE },
      },
    ];
  },
  /** The coordinator is away for days after the second wave, and what is old is removed in the third. */
  'days-between-waves'(chance, plan) {
    const agents = withAgents(chance, plan, 5);
    agents.installed = ['1.0.0'];
    agents.packages = ['deb'];
    agents.waves = ['1', '50%', '100%'];
    plan.keepsLittle = true;
    const ms = atTheEnd(plan, 150_000);
    return [
      at(ms, update(GOOD)),
      { trigger: since(ms - 1, 'wave-end-committed', 2, 0), action: { kind: 'days-pass', days: 2 } },
      { trigger: since(ms - 1, 'wave-created', 3, chance.whole(500, 5_000)), action: { kind: 'retention' } },
    ];
  },
  /** Machines, agents, scripts and updaters end in the middle of an update, and lines are cut. */
  'hosts-end-amid-agent-updates'(chance, plan) {
    const agents = withAgents(chance, plan, 5);
    agents.budget = chance.pick(['50%', '100%']);
    const ms = atTheEnd(plan, 240_000);
    const harm = (): Action =>
      chance.pick<Action>([
        {
          kind: 'power',
          machine: -1,
          how: chance.pick(['power-cut', 'shutdown']),
          ms: chance.pick([500, 5_000, 40_000]),
        },
        { kind: 'power', machine: -1, how: 'power-cut', ms: chance.pick([500, 5_000]) },
        { kind: 'kill-updater', machine: -1 },
        { kind: 'kill-agent', machine: -1 },
        { kind: 'kill-hook', machine: -1 },
        { ...cut([-1], chance.pick([5_000, 30_000, 90_000])), isNoticed: chance.is(0.5) },
        { kind: 'half-open', machine: -1 },
      ]);
    return [
      at(ms, update(GOOD)),
      at(ms + chance.whole(0, 40_000), deploy(chance)),
      ...times(5, () => ({
        trigger: since(
          ms,
          chance.pick(['updater-begins', 'agent-replaced', 'agent-replaced', 'updater-ended']),
          chance.whole(1, 4),
          chance.pick([0, 50, chance.whole(0, 3_000), chance.whole(0, 12_000)]),
        ),
        action: harm(),
      })),
      at(ms + 150_000, update(GOOD)),
    ];
  },
  /** An operator stops an update just when the next host, or the next wave, is to begin. */
  'agent-update-stopped'(chance, plan) {
    const agents = withAgents(chance, plan, 6);
    agents.installed = ['1.0.0', '1.2.0'];
    agents.packages = ['deb'];
    agents.waves = chance.pick([
      ['1', '50%', '100%'],
      ['1', '100%'],
    ]);
    agents.budget = '1';
    const ms = atTheEnd(plan, 360_000);
    const stopped = (beginMs: number, signal: InnerSignal, nth: number): Part[] => [
      at(beginMs, update(GOOD)),
      {
        trigger: since(beginMs, signal, nth, chance.pick([0, 0, 0, 1])),
        action: { kind: 'stop-agent-update' },
      },
    ];
    return [
      ...stopped(ms, 'wave-end-committed', 1),
      ...stopped(ms + 120_000, 'wave-host-committed', chance.pick([2, 2, 3])),
      ...stopped(ms + 240_000, 'starts-committed', 2),
    ];
  },
  /** A version that does not connect, everywhere or on some hosts, is put back; then come a good one, and an older one. */
  'bad-agents-put-back'(chance, plan) {
    const agents = withAgents(chance, plan, 6);
    const [good, bad] = agents.offered;
    if (good === undefined || bad === undefined) throw new Error('a good and a bad version are offered');
    bad.isSomewhere = chance.is(0.8);
    agents.installed = ['1.0.0'];
    agents.waves = chance.pick([
      ['50%', '100%'],
      ['2', '100%'],
      ['1', '50%', '100%'],
    ]);
    agents.budget = chance.pick(['2', '50%', '75%']);
    const ms = atTheEnd(plan, 330_000);
    return [
      at(ms, update(BAD)),
      ...times(2, () => ({
        trigger: since(ms, 'agent-put-back', chance.whole(1, 2), chance.whole(0, 6_000)),
        action: chance.pick<Action>([
          { kind: 'power', machine: -1, how: 'power-cut', ms: chance.pick([500, 5_000]) },
          { kind: 'kill-updater', machine: -1 },
          { ...deploy(chance), configName: ALL_AT_ONCE },
        ]),
      })),
      at(ms + 180_000, update(GOOD)),
      at(ms + 240_000, update(GOOD, true)),
    ];
  },
  /** Hosts are forgotten, enrol again, join, go back to a snapshot, or are away, each at its turn in an update or after that. */
  'hosts-come-and-go-in-agent-updates'(chance, plan) {
    const agents = withAgents(chance, plan, 8);
    agents.installed = ['1.0.0'];
    agents.waves = ['1', '75%', '100%'];
    agents.budget = chance.pick(['2', '2', '50%']);
    plan.spareMachines = Math.max(plan.spareMachines, 1);
    const label = extraRevision(plan, 'none');
    const ms = atTheEnd(plan, 300_000);
    const updateMs = ms + 50_000;
    const on = (nth: number, delayMs: number) => since(updateMs, 'updater-begins', nth, delayMs);
    return [
      at(ms, { ...deploy(chance), revision: label, configName: ALL_AT_ONCE }),
      ...[0, 1, 2, 3, 4, 5, 6, 7].map((machine) => at(updateMs - 2_000, { kind: 'snapshot', machine } as const)),
      ...(chance.is(0.5) ? [at(updateMs - 25_000, cut([5], chance.pick([30_000, 60_000])))] : []),
      at(updateMs, update(GOOD)),
      { trigger: on(chance.whole(1, 3), chance.whole(0, 9_000)), action: { kind: 'forget', machine: -1 } },
      at(updateMs + chance.whole(20_000, 60_000), { kind: 'enrol-again', machine: 0 }),
      at(updateMs + chance.whole(0, 30_000), { kind: 'scale-out', count: 1, role: 'web' }),
      // With the agent that it had, in the middle of a wave that has ended well for it.
      ...[2, 3, 4, 5].map((nth) => ({
        trigger: since(updateMs, 'updater-ended', nth, chance.whole(1_500, 6_000)),
        action: { kind: 'set-back' as const, machine: -1, ms: chance.pick([100, 2_000]) },
      })),
      at(updateMs + 150_000, update(chance.pick([GOOD, BAD]))),
    ];
  },
};

/** What its scenes share of a plan. Some hosts have an agent that is no package, or newer than what is offered. */
function withAgents(chance: Chance, plan: Plan, machines = 3): PlannedAgentUpdates {
  plan.machines = Math.max(plan.machines, machines);
  plan.deploymentTimeoutMs = Math.max(plan.deploymentTimeoutMs, 600_000);
  plan.agentUpdates ??= {
    offered: [
      { version: '2.0.0', flaw: 'none', isSomewhere: false },
      {
        version: '2.10.0',
        flaw: chance.pick(['never-connects', 'ends-at-once', 'crashes']),
        isSomewhere: chance.is(0.5),
      },
    ],
    installed: chance.pick([
      ['1.0.0'],
      ['1.0.0', '1.2.0'],
      ['1.0.0', '1.0.0', '1.9.0', '3.0.0'],
      ['1.10.0', '2.0.0', '1.0.0'],
    ]),
    packages: chance.pick([['deb'], ['deb', 'archive'], ['deb', 'deb', 'archive', null]]),
    waves: chance.pick([['1', '50%', '100%'], ['100%'], ['50%', '100%'], ['1', '2', '100%']]),
    budget: chance.pick(['1', '10%', '50%', '100%']),
    healthyWithinSeconds: chance.pick([10, 20, 40]),
  };
  return plan.agentUpdates;
}

function update(version: number, downgrade = false): Action {
  return { kind: 'update-agents', version, downgrade };
}
