import { type Action, type Plan, type PlanItem, type PlannedGroup, SIGNALS, type Trigger } from './plan.ts';
import { SCENES } from './scenes.ts';
import { rateOf, TIMED_SCENES } from './timed-scenes.ts';
import { type Chance, chanceOf } from './world/chance.ts';
import type { Flaw } from './world/hooks.ts';

const MINUTE_MS = 60_000;
/** Kinds of trouble; each seed has some of them, so that every pair meets often and none drowns the others. */
const FAULTS = [
  'slow-network',
  'partition',
  'connections',
  'agent-crash',
  'journal-crash',
  'hook-kill',
  'power',
  'gone',
  'clone',
  'disk-full',
  'clocks',
  'coordinator-crash',
  'coordinator-failpoint',
  'long-poll',
  'slow-disk',
] as const;
type Fault = (typeof FAULTS)[number];
const WORKLOADS = [
  'flaws',
  'stops',
  'rollbacks',
  'retag',
  'forget',
  'scaling',
  'second-group',
  'recreate',
  'keys',
  'configs',
  'retention',
  'parts',
] as const;
type Workload = (typeof WORKLOADS)[number];

const CONFIGS = [
  'CodeDeployDefault.OneAtATime',
  'CodeDeployDefault.HalfAtATime',
  'CodeDeployDefault.AllAtOnce',
] as const;
const FLAWS: readonly Flaw[] = ['everywhere', 'some-hosts', 'flapping', 'slow', 'hangs', 'stop-fails'];

/** All that a seed decides. The same seed is the same plan, in every process. */
export function generatePlan(seed: number): Plan {
  const chance = chanceOf(seed, 'plan');
  const faults = new Set<Fault>(FAULTS.filter(() => chance.is(0.25)));
  const workloads = new Set<Workload>(WORKLOADS.filter(() => chance.is(0.4)));
  const machines = chance.whole(2, 6);
  const groups = plannedGroups(chance, workloads);
  const horizonMs = chance.pick([4, 6, 8, 10, 15, 40]) * MINUTE_MS;
  const isSlow = faults.has('slow-network');
  const plan: Plan = {
    seed,
    machines,
    spareMachines: workloads.has('scaling') ? chance.whole(1, 3) : 0,
    heartbeatIntervalMs: chance.pick([5_000, 15_000, 30_000]),
    hostLostAfterMs: chance.pick([60_000, 60_000, 120_000, 300_000]),
    deploymentTimeoutMs: chance.pick([2, 5, 10, 30]) * MINUTE_MS,
    network: {
      latencyMs: chance.pick([1, 5, 20]),
      spikes: isSlow ? chance.whole(3, 20) : 0,
      spikeMs: isSlow ? chance.pick([500, 3_000, 20_000]) : 0,
    },
    clockOffsetsMs: Array.from({ length: 12 }, () => (faults.has('clocks') ? chance.whole(-3_600_000, 3_600_000) : 0)),
    refusingWebSockets: faults.has('long-poll') ? [chance.whole(0, machines - 1), chance.whole(0, machines - 1)] : [],
    syncDelayMs: faults.has('slow-disk') ? chance.pick([10, 200, 2_000]) : 0,
    restartAfterMs: chance.pick([100, 2_000, 10_000, 45_000]),
    sabotage: null,
    groups,
    revisions: plannedRevisions(chance, groups, workloads),
    items: [],
    horizonMs,
  };
  const scenes = Object.values(SCENES).filter(() => chance.is(0.08));
  const actions = [
    ...plannedWork(chance, plan, workloads),
    ...plannedFaults(chance, plan, faults),
    ...scenes.flatMap((scene) => scene(chance, plan)),
    ...timedScenes(seed, plan),
  ];
  plan.items = actions.map(({ trigger, action }, id) => ({ id, trigger, action }));
  return plan;
}

/** Each has a stream of its own, so that one more of them leaves all other seeds as they are. */
function timedScenes(seed: number, plan: Plan): Part[] {
  return Object.entries(TIMED_SCENES).flatMap(([name, scene]) => {
    const chance = chanceOf(seed, `scene ${name}`);
    return chance.is(rateOf(name)) ? scene(chance, plan) : [];
  });
}

function plannedGroups(chance: Chance, workloads: ReadonlySet<Workload>): PlannedGroup[] {
  const group = (application: string, name: string): PlannedGroup => {
    const own = chance.is(0.4);
    return {
      application,
      name,
      role: 'web',
      configName: own ? `own-${application}` : chance.pick(CONFIGS),
      minimum: !own
        ? null
        : chance.is(0.5)
          ? { type: 'FLEET_PERCENT', value: chance.pick([0, 25, 50, 66, 75, 90]) }
          : { type: 'HOST_COUNT', value: chance.whole(0, 4) },
      autoRollback: chance.pick([
        { enabled: true, events: ['DEPLOYMENT_FAILURE'] },
        { enabled: true, events: ['DEPLOYMENT_FAILURE', 'DEPLOYMENT_STOP_ON_REQUEST'] },
        { enabled: true, events: ['DEPLOYMENT_FAILURE'] },
        { enabled: false, events: [] },
      ] as const satisfies readonly PlannedGroup['autoRollback'][]),
      outdatedInstancesStrategy: chance.is(0.8) ? 'UPDATE' : 'IGNORE',
    };
  };
  return workloads.has('second-group') ? [group('app', 'prod'), group('api', 'prod')] : [group('app', 'prod')];
}

function plannedRevisions(chance: Chance, groups: readonly PlannedGroup[], workloads: ReadonlySet<Workload>) {
  return groups.flatMap(({ application }) =>
    [1, 2, 3, 4].map((label) => ({
      application,
      label: String(label),
      // The first one works, so that there is something to go back to.
      flaw: label > 1 && workloads.has('flaws') && chance.is(0.6) ? chance.pick(FLAWS) : ('none' as const),
      scriptsPerEvent: chance.is(0.2) ? 2 : 1,
    })),
  );
}

type Part = Omit<PlanItem, 'id'>;

function plannedWork(chance: Chance, plan: Plan, workloads: ReadonlySet<Workload>): Part[] {
  const parts: Part[] = [];
  const add = (trigger: Trigger, action: Action) => parts.push({ trigger, action });
  const at = () => ({ kind: 'at' as const, ms: chance.whole(0, plan.horizonMs) });
  const during = () => badMoment(chance);
  const deploy = (group: number, revision: number): Action => ({
    kind: 'deploy',
    group,
    revision,
    overwrite: workloads.has('recreate') || chance.is(0.8),
    configName: workloads.has('configs') && chance.is(0.4) ? chance.pick(CONFIGS) : null,
    onlyOutdated: chance.is(0.15),
    key: workloads.has('keys') && chance.is(0.5),
    part: workloads.has('parts') && chance.is(0.4),
  });
  for (const group of plan.groups.keys()) {
    add({ kind: 'at', ms: chance.whole(0, 5_000) }, deploy(group, 0));
    const count = chance.whole(2, 5);
    for (let i = 0; i < count; i++) add(at(), deploy(group, chance.whole(0, 3)));
    if (chance.is(0.5))
      add(
        { kind: 'on', signal: 'deployment-ended', nth: chance.whole(1, 2), delayMs: chance.whole(0, 500) },
        deploy(group, 1),
      );
  }
  const group = () => chance.whole(0, plan.groups.length - 1);
  const times = (most: number, work: () => void) => {
    for (let i = chance.whole(1, most); i > 0; i--) work();
  };
  if (workloads.has('stops'))
    times(3, () =>
      add(chance.is(0.8) ? during() : at(), {
        kind: 'stop',
        group: group(),
        rollback: chance.pick([null, true, false]),
      }),
    );
  if (workloads.has('rollbacks'))
    times(2, () => add(chance.is(0.5) ? during() : at(), { kind: 'rollback', group: group() }));
  if (workloads.has('retag'))
    times(3, () =>
      add(chance.is(0.6) ? during() : at(), {
        kind: 'retag',
        machine: chance.whole(-1, 8),
        role: chance.pick(['web', 'web', 'idle']),
      }),
    );
  if (workloads.has('forget'))
    times(2, () => {
      add(chance.is(0.6) ? during() : at(), { kind: 'forget', machine: chance.whole(-1, 8) });
      add(at(), { kind: 'enrol-again', machine: 0 });
    });
  if (workloads.has('scaling')) {
    times(2, () =>
      add(chance.is(0.6) ? during() : at(), { kind: 'scale-out', count: chance.whole(1, 3), role: 'web' }),
    );
    if (chance.is(0.4)) add(chance.is(0.6) ? during() : at(), { kind: 'scale-in', count: chance.whole(1, 2) });
  }
  if (workloads.has('recreate')) add(at(), { kind: 'recreate-group', group: group() });
  if (workloads.has('configs'))
    times(2, () => add(during(), { kind: 'change-config', group: group(), configName: chance.pick(CONFIGS) }));
  if (workloads.has('retention')) add(at(), { kind: 'retention' });
  return parts;
}

function plannedFaults(chance: Chance, plan: Plan, faults: ReadonlySet<Fault>): Part[] {
  const parts: Part[] = [];
  const times = (most: number, action: () => Action) => {
    for (let i = chance.whole(1, most); i > 0; i--)
      parts.push({
        trigger: chance.is(0.7) ? badMoment(chance) : { kind: 'at', ms: chance.whole(0, plan.horizonMs) },
        action: action(),
      });
  };
  const machine = () => chance.whole(-1, 8);
  const while_ = () => chance.pick([500, 5_000, 20_000, 60_000, 100_000, 200_000, 400_000]);
  if (faults.has('partition'))
    times(4, () => ({
      kind: 'partition',
      machines: Array.from({ length: chance.whole(1, 4) }, machine),
      direction: chance.pick(['both', 'both', 'up', 'down']),
      isNoticed: chance.is(0.3),
      ms: while_(),
    }));
  if (faults.has('connections'))
    times(5, () =>
      chance.is(0.6) ? { kind: 'reset', machine: machine() } : { kind: 'half-open', machine: machine() },
    );
  if (faults.has('agent-crash'))
    times(5, () =>
      chance.is(0.8) ? { kind: 'kill-agent', machine: machine() } : { kind: 'stop-agent', machine: machine() },
    );
  if (faults.has('journal-crash'))
    times(6, () => ({
      kind: 'agent-failpoint',
      machine: machine(),
      countdown: chance.whole(1, 12),
      moment: chance.pick(['before', 'torn', 'written', 'synced']),
    }));
  if (faults.has('hook-kill')) times(3, () => ({ kind: 'kill-hook', machine: machine() }));
  if (faults.has('power'))
    times(3, () => ({
      kind: 'power',
      machine: machine(),
      how: chance.is(0.7) ? 'power-cut' : 'shutdown',
      ms: while_(),
    }));
  if (faults.has('gone')) times(1, () => ({ kind: 'gone', machine: machine() }));
  if (faults.has('clone')) times(2, () => ({ kind: 'clone', machine: machine(), hasOwnMachineId: true }));
  if (faults.has('disk-full')) times(2, () => ({ kind: 'disk-full', machine: machine(), ms: while_() }));
  if (faults.has('clocks'))
    times(3, () =>
      chance.is(0.7)
        ? { kind: 'clock-jump', machine: machine(), ms: chance.whole(-7_200_000, 7_200_000) }
        : { kind: 'coordinator-clock', ms: chance.whole(-60_000, 60_000) },
    );
  if (faults.has('coordinator-crash'))
    times(3, () => ({ kind: chance.is(0.7) ? 'kill-coordinator' : 'restart-coordinator', ms: while_() }));
  if (faults.has('coordinator-failpoint'))
    times(4, () => ({
      kind: 'coordinator-failpoint',
      moment: chance.pick(['any-statement', 'before-commit', 'after-commit', 'in-reports', 'in-sending']),
      countdown: chance.whole(1, 20),
      ms: chance.pick([100, 2_000, 20_000]),
    }));
  return parts;
}

/** Right after something that is in full swing. */
function badMoment(chance: Chance): Trigger {
  return {
    kind: 'on',
    signal: chance.pick(SIGNALS),
    nth: chance.whole(1, 12),
    delayMs: chance.pick([0, 0, 1, chance.whole(0, 50), chance.whole(0, 2_000), chance.whole(0, 30_000)]),
  };
}
