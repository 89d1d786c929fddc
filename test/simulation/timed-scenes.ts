import { AGENT_SCENES } from './agent-scenes.ts';
import { DELTA_SCENES } from './delta-scenes.ts';
import { GROUP_SCENES } from './group-scenes.ts';
import { HOST_SCENES } from './host-scenes.ts';
import { OPERATOR_SCENES } from './operator-scenes.ts';
import { OWED_SCENES } from './owed-scenes.ts';
import { atTheEnd, cut, extraRevision, since, times } from './scene-parts.ts';
import { at, deploy, largeFleet, type Scene, someTime } from './scenes.ts';
import { STORAGE_SCENES } from './storage-scenes.ts';

/**
 * Stories whose parts must follow each other closely: they count what happens from their own beginning on. Each leads to a situation in
 * which a bug was planted that nothing else in a plan brings to light within some dozen seeds.
 */
export const TIMED_SCENES: Readonly<Record<string, Scene>> = {
  /** Hosts fail while most of a large fleet is rolled back: they are down, and so many fewer may be taken out. */
  'failures-in-a-large-rollback'(chance, plan) {
    largeFleet(chance, plan, 'none');
    const ms = atTheEnd(plan, 60_000);
    const stopMs = ms + chance.whole(2_200, 3_600);
    return [
      at(ms, { ...deploy(chance), revision: 2, configName: 'CodeDeployDefault.HalfAtATime' }),
      at(stopMs, { kind: 'stop', group: 0, rollback: true }),
      ...times(4, () => ({
        trigger: since(stopMs + 1_000, 'script-began', chance.whole(1, 14), chance.whole(1, 4)),
        action: { kind: 'kill-hook' as const, machine: -1 },
      })),
    ];
  },
  /** A host that was away at its turn is back and is brought in, and just then the next deployment begins. */
  'deployed-while-brought-in'(chance, plan) {
    const label = extraRevision(plan, 'none');
    const ms = atTheEnd(plan, 120_000);
    return [
      at(ms, cut([0], 50_000)),
      at(ms + 30_000, { ...deploy(chance), revision: label, configName: 'CodeDeployDefault.AllAtOnce' }),
      {
        trigger: since(ms + 49_000, 'scale-out-created', 1, chance.whole(0, 200)),
        action: { ...deploy(chance), configName: 'CodeDeployDefault.OneAtATime' },
      },
    ];
  },
  /** A host joins in the middle of a slow deployment, is brought in to what was good, and then that is not the good one any more. */
  'brought-in-to-the-old-one'(chance, plan) {
    const [group] = plan.groups;
    if (group !== undefined) group.outdatedInstancesStrategy = 'UPDATE';
    plan.spareMachines = Math.max(plan.spareMachines, 1);
    plan.deploymentTimeoutMs = Math.max(plan.deploymentTimeoutMs, 600_000);
    const label = extraRevision(plan, 'slow');
    const ms = atTheEnd(plan, 60_000);
    return [
      at(ms, { ...deploy(chance), revision: label, configName: 'CodeDeployDefault.HalfAtATime' }),
      at(ms + chance.whole(200, 4_000), { kind: 'scale-out', count: 1, role: 'web' }),
    ];
  },
  /** A host is lost in a deployment that fails and is not rolled back: when it returns nobody deploys to it of his own accord. */
  'lost-in-a-failure'(chance, plan) {
    const [group] = plan.groups;
    if (group !== undefined) group.autoRollback = { enabled: false, events: [] };
    const label = extraRevision(plan, chance.pick(['none', 'everywhere']));
    const ms = atTheEnd(plan, plan.hostLostAfterMs + 90_000);
    return [
      at(ms, { ...deploy(chance), revision: label, configName: 'CodeDeployDefault.OneAtATime' }),
      {
        trigger: since(ms, 'script-began', chance.whole(1, 3), chance.whole(0, 3)),
        action: { ...cut([-1], plan.hostLostAfterMs + 40_000), isNoticed: chance.is(0.5) },
      },
    ];
  },
  /** A stop is asked for in the very moment in which hosts are started, before any of them is told. */
  'stop-amid-a-start'(chance, plan) {
    const ms = someTime(chance, plan);
    return [
      at(ms, deploy(chance)),
      {
        trigger: since(ms, 'starts-committed', chance.whole(1, 2), 0),
        action: { kind: 'stop', group: 0, rollback: chance.pick([null, true, false]) },
      },
    ];
  },
  /** The journal ends in half a record, and after some more of them the agent has to read it once again. */
  'torn-and-read-again'(chance, plan) {
    const ms = atTheEnd(plan, 60_000);
    return [
      at(ms, deploy(chance)),
      {
        trigger: since(ms, 'host-began', 1, 0),
        action: { kind: 'agent-failpoint', machine: -1, countdown: chance.whole(1, 6), moment: 'torn' },
      },
      {
        trigger: since(ms, 'agent-ended', 1, plan.restartAfterMs + chance.pick([500, 2_000, 5_000])),
        action: { kind: 'kill-agent', machine: -1 },
      },
    ];
  },
  'dies-in-an-install'(chance, plan) {
    const ms = someTime(chance, plan);
    return [
      at(ms, deploy(chance)),
      {
        trigger: since(ms, 'host-began', 1, 0),
        action: { kind: 'agent-failpoint', machine: -1, countdown: chance.whole(1, 5), moment: 'named' },
      },
    ];
  },
  /** Before the next deployment an operator takes a journal away: its numbers begin anew. */
  'journal-removed'(chance, plan) {
    const ms = atTheEnd(plan, 60_000);
    return [
      at(ms - 5_000, { kind: 'remove-journal', machine: chance.whole(0, 3) }),
      at(ms, { kind: 'remove-journal', machine: chance.whole(0, 3) }),
      at(ms + 2_000, deploy(chance)),
    ];
  },
  /** A copy that says it is the same machine, while the original is there. */
  twin(chance, plan) {
    const ms = atTheEnd(plan, 60_000);
    return [0, 1, 2].map((machine) =>
      at(ms + chance.whole(0, 30_000), { kind: 'clone', machine, hasOwnMachineId: false }),
    );
  },
  /** Hosts join on which the good revision does not work: each is tried once. */
  'joins-and-fails'(chance, plan) {
    plan.spareMachines = Math.max(plan.spareMachines, 2);
    const label = extraRevision(plan, 'some-hosts');
    const ms = atTheEnd(plan, 60_000);
    return [
      at(ms, { ...deploy(chance), revision: label, configName: 'CodeDeployDefault.AllAtOnce' }),
      at(ms + 8_000, { kind: 'scale-out', count: 3, role: 'web' }),
    ];
  },
  /** The last hosts wait longer for their turn than a host may take to accept. */
  'long-queue'(chance, plan) {
    plan.machines = Math.max(plan.machines, 4);
    plan.deploymentTimeoutMs = Math.max(plan.deploymentTimeoutMs, 600_000);
    plan.hostLostAfterMs = 60_000;
    const label = extraRevision(plan, 'slow');
    const ms = atTheEnd(plan, 240_000);
    return [at(ms, { ...deploy(chance), revision: label, configName: 'CodeDeployDefault.OneAtATime' })];
  },
  /** The first host is done and away for long, so that no other one may start: the deployment waits for it, and gives up. */
  'away-after-its-turn'(chance, plan) {
    plan.machines = Math.max(plan.machines, 4);
    plan.deploymentTimeoutMs = Math.max(plan.deploymentTimeoutMs, plan.hostLostAfterMs + 600_000);
    const label = extraRevision(plan, 'slow');
    const ms = atTheEnd(plan, plan.hostLostAfterMs + 200_000);
    return [
      at(ms, { ...deploy(chance), revision: label, configName: 'CodeDeployDefault.OneAtATime' }),
      { trigger: since(ms, 'host-began', 2, 0), action: cut([0], plan.hostLostAfterMs + 150_000) },
    ];
  },
  /** The coordinator dies over the reports of a host, before they are committed. */
  'dies-with-reports'(chance, plan) {
    const ms = someTime(chance, plan);
    return [
      at(ms, deploy(chance)),
      {
        trigger: since(ms, 'script-ended', chance.whole(1, 8), 0),
        action: { kind: 'coordinator-failpoint', moment: 'in-reports', countdown: chance.whole(1, 3), ms: 2_000 },
      },
    ];
  },
  ...OPERATOR_SCENES,
  ...OWED_SCENES,
  ...STORAGE_SCENES,
  ...HOST_SCENES,
  ...GROUP_SCENES,
  ...DELTA_SCENES,
  ...AGENT_SCENES,
};

/** These take long, change much of a plan, or lead to what few of them have to show. */
const RATES: Readonly<Record<string, number>> = {
  ...Object.fromEntries(Object.keys(STORAGE_SCENES).map((name) => [name, 0.06])),
  'rolled-back-by-hand': 0.04,
  ...Object.fromEntries(Object.keys(OWED_SCENES).map((name) => [name, 0.05])),
  ...Object.fromEntries(Object.keys(HOST_SCENES).map((name) => [name, 0.04])),
  ...Object.fromEntries(Object.keys(GROUP_SCENES).map((name) => [name, 0.01])),
  ...Object.fromEntries(Object.keys(DELTA_SCENES).map((name) => [name, 0.04])),
  ...Object.fromEntries(Object.keys(AGENT_SCENES).map((name) => [name, 0.01])),
};

/** The share of plans that have this timed scene, 0 to 1. */
export function rateOf(name: string): number {
  return RATES[name] ?? 0.1;
}
