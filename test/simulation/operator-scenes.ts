import { atTheEnd, extraRevision, since, times } from './scene-parts.ts';
import { at, deploy, largeFleet, type Scene } from './scenes.ts';

/** Timed scenes of operators at bad moments, and of whoever is silent or away meanwhile. */
export const OPERATOR_SCENES: Readonly<Record<string, Scene>> = {
  /** A host that is to be brought in, and an operator who does not want that. */
  'stop-bringing-in'(chance, plan) {
    const [group] = plan.groups;
    if (group !== undefined) group.outdatedInstancesStrategy = 'UPDATE';
    plan.spareMachines = Math.max(plan.spareMachines, 2);
    const label = extraRevision(plan, 'none');
    const ms = atTheEnd(plan, 90_000);
    return [
      at(ms, { ...deploy(chance), revision: label, configName: 'CodeDeployDefault.AllAtOnce' }),
      at(ms + 8_000, { kind: 'scale-out', count: 2, role: 'web' }),
      {
        trigger: since(ms + 8_000, 'scale-out-created', 1, chance.pick([0, 0, 1, 2, 200])),
        action: { kind: 'stop-bringing-in', group: 0 },
      },
    ];
  },
  /** Hosts that follow on, of which the first fails, and which the operator of another history leaves alone. */
  'joined-meanwhile'(chance, plan) {
    const [group] = plan.groups;
    if (group !== undefined) group.outdatedInstancesStrategy = chance.is(0.5) ? 'UPDATE' : 'IGNORE';
    plan.spareMachines = Math.max(plan.spareMachines, 3);
    plan.deploymentTimeoutMs = Math.max(plan.deploymentTimeoutMs, 600_000);
    const label = extraRevision(plan, 'slow');
    const ms = atTheEnd(plan, 150_000);
    return [
      at(ms, { ...deploy(chance), revision: label, configName: 'CodeDeployDefault.AllAtOnce' }),
      at(ms + 500, { kind: 'scale-out', count: 3, role: 'web' }),
      ...[0, 1, 2].map((joined) => ({
        trigger: since(ms + 500, 'follow-on-created', 1, chance.whole(5, 400)),
        action: { kind: 'kill-hook' as const, machine: plan.machines + joined },
      })),
    ];
  },
  /** Two good revisions and one that fails, which is rolled back by itself or left as it is; an operator rolls back by hand, and once more. */
  'rolled-back-by-hand'(chance, plan) {
    const [group] = plan.groups;
    if (group !== undefined)
      group.autoRollback = chance.is(0.5)
        ? { enabled: true, events: ['DEPLOYMENT_FAILURE'] }
        : { enabled: false, events: [] };
    const revisions = [extraRevision(plan, 'none'), extraRevision(plan, 'none'), extraRevision(plan, 'everywhere')];
    const ms = atTheEnd(plan, 160_000);
    return [
      ...revisions.map((revision, index) =>
        at(ms + index * 30_000, { ...deploy(chance), revision, configName: 'CodeDeployDefault.AllAtOnce' }),
      ),
      at(ms + 95_000, { kind: 'rollback', group: 0 }),
      at(ms + 130_000, { kind: 'rollback', group: 0 }),
    ];
  },
  /** Hosts that a rollback has left alone leave the group and come back while it has hosts to take out. */
  'left-alone-and-back'(chance, plan) {
    largeFleet(chance, plan, 'none');
    const ms = atTheEnd(plan, 90_000);
    return [
      at(ms, { ...deploy(chance), revision: 2, configName: 'CodeDeployDefault.HalfAtATime' }),
      at(ms + chance.whole(1_100, 1_700), { kind: 'stop', group: 0, rollback: true }),
      ...[4, 6, 7, 8].flatMap((machine) => {
        const leavesMs = chance.whole(20, 600);
        const on = (delayMs: number) => since(ms + 1_000, 'rollback-created', 1, delayMs);
        return [
          { trigger: on(leavesMs), action: { kind: 'retag' as const, machine, role: 'idle' } },
          { trigger: on(leavesMs + 50), action: { kind: 'retag' as const, machine, role: 'web' } },
        ];
      }),
    ];
  },
  /** A host leaves the group and comes back in the middle of a deployment that it has had its revision from. */
  'served-and-back'(chance, plan) {
    plan.machines = Math.max(plan.machines, 4);
    const label = extraRevision(plan, 'none');
    const ms = atTheEnd(plan, 60_000);
    const on = (nth: number, delayMs: number) => since(ms, 'script-ended', nth, delayMs);
    return [
      at(ms, { ...deploy(chance), revision: label, configName: 'CodeDeployDefault.OneAtATime' }),
      ...[4, 8].flatMap((nth) => [
        { trigger: on(nth, 100), action: { kind: 'retag' as const, machine: -1, role: 'idle' } },
        { trigger: on(nth, 200), action: { kind: 'retag' as const, machine: -1, role: 'web' } },
        { trigger: on(nth, chance.whole(220, 800)), action: { kind: 'kill-hook' as const, machine: -1 } },
      ]),
    ];
  },
  /** Hosts that a rollback has left alone are forgotten while it has hosts to take out. */
  'forgotten-in-a-large-rollback'(chance, plan) {
    largeFleet(chance, plan, 'none');
    const ms = atTheEnd(plan, 90_000);
    return [
      at(ms, { ...deploy(chance), revision: 2, configName: 'CodeDeployDefault.HalfAtATime' }),
      at(ms + chance.whole(1_100, 1_700), { kind: 'stop', group: 0, rollback: true }),
      ...[5, 6, 7, 8].map((machine) => ({
        trigger: since(ms + 1_000, 'rollback-created', 1, chance.whole(50, 600)),
        action: { kind: 'forget' as const, machine },
      })),
    ];
  },
  /** A part gets another revision than the rest. */
  'tried-on-a-part'(chance, plan) {
    plan.machines = Math.max(plan.machines, 4);
    const first = extraRevision(plan, 'none');
    const second = extraRevision(plan, 'none');
    const ms = atTheEnd(plan, 60_000);
    return [
      at(ms, { ...deploy(chance), revision: first, configName: 'CodeDeployDefault.AllAtOnce' }),
      at(ms + 10_000, { ...deploy(chance), revision: second, part: true, configName: 'CodeDeployDefault.AllAtOnce' }),
    ];
  },
  /** A script has ended and its agent cannot say so, for longer than it may take; the next deployment waits for what it tells. */
  'silent-in-a-hook'(chance, plan) {
    plan.deploymentTimeoutMs = Math.max(plan.deploymentTimeoutMs, 1_200_000);
    const label = extraRevision(plan, 'slow');
    const ms = atTheEnd(plan, 1_200_000);
    const hangsMs = chance.pick([150_000, 200_000, 1_000_000]);
    return [
      at(ms, { ...deploy(chance), revision: label, configName: 'CodeDeployDefault.AllAtOnce' }),
      {
        trigger: since(ms, 'script-began', chance.whole(1, 6), chance.whole(60, 300)),
        action: { kind: 'disk-hangs', machine: -1, ms: hangsMs },
      },
      {
        trigger: since(ms, 'deployment-ended', 1, chance.whole(100, 2_000)),
        action: { ...deploy(chance), configName: 'CodeDeployDefault.OneAtATime' },
      },
    ];
  },
  /** Coordinators that are away for longer than hosts may be, in the middle of a deployment. */
  'coordinator-away'(chance, plan) {
    plan.machines = Math.max(plan.machines, 4);
    plan.deploymentTimeoutMs = Math.max(plan.deploymentTimeoutMs, plan.hostLostAfterMs + 600_000);
    const label = extraRevision(plan, 'slow');
    const ms = atTheEnd(plan, plan.hostLostAfterMs + 200_000);
    return [
      at(ms, { ...deploy(chance), revision: label, configName: 'CodeDeployDefault.OneAtATime' }),
      {
        trigger: since(ms, 'host-began', chance.whole(1, 2), chance.whole(0, 3_000)),
        action: { kind: 'kill-coordinator', ms: chance.pick([20_000, plan.hostLostAfterMs + 30_000]) },
      },
    ];
  },
  /** Journals are written anew every few deployments, and agents die all the while. */
  'journal-written-anew'(chance, plan) {
    plan.compactJournalAboveBytes = chance.pick([1_000, 4_000]);
    const ms = atTheEnd(plan, 60_000);
    return [
      at(ms, { ...deploy(chance), configName: 'CodeDeployDefault.AllAtOnce' }),
      at(ms + 20_000, { ...deploy(chance), configName: 'CodeDeployDefault.HalfAtATime' }),
      ...times(3, () => ({
        trigger: since(ms, 'script-ended', chance.whole(1, 24), chance.whole(0, 5)),
        action: { kind: 'kill-agent' as const, machine: -1 },
      })),
    ];
  },
  /** All that is old is removed, in the middle of a rollback and once it is quiet. */
  'days-pass'(chance, plan) {
    plan.keepsLittle = true;
    const [group] = plan.groups;
    if (group !== undefined) group.autoRollback = { enabled: true, events: ['DEPLOYMENT_FAILURE'] };
    const good = extraRevision(plan, 'none');
    const bad = extraRevision(plan, 'everywhere');
    const ms = atTheEnd(plan, 150_000);
    const retention = { kind: 'retention' } as const;
    return [
      at(ms, { ...deploy(chance), revision: good, configName: 'CodeDeployDefault.AllAtOnce' }),
      at(ms + 20_000, { kind: 'days-pass', days: chance.pick([2, 100, 400]) }),
      at(ms + 75_000, { ...deploy(chance), revision: bad, configName: 'CodeDeployDefault.OneAtATime' }),
      { trigger: since(ms + 74_000, 'rollback-created', 1, chance.whole(0, 50)), action: retention },
      at(ms + 140_000, retention),
    ];
  },
  /** Groups tell triggers all that happens; whoever is told is often not well. */
  'told-to-triggers'(_chance, plan) {
    plan.hasTriggers = true;
    return [];
  },
};
