import type { Trigger } from './plan.ts';
import { atTheEnd, cut, extraRevision, since } from './scene-parts.ts';
import { at, deploy, largeFleet, type Part, type Scene } from './scenes.ts';

const ALL_AT_ONCE = 'CodeDeployDefault.AllAtOnce';
const HALF_AT_A_TIME = 'CodeDeployDefault.HalfAtATime';
const ONE_AT_A_TIME = 'CodeDeployDefault.OneAtATime';

/** Timed scenes of hosts that are owed something, or are waited for: they joined, were stopped, fell silent or were forgotten. */
export const OWED_SCENES: Readonly<Record<string, Scene>> = {
  /** A rollback has more hosts to take out than may be down at once, and of those that it has left alone two are forgotten meanwhile. */
  'left-alone-and-forgotten'(chance, plan) {
    largeFleet(chance, plan, 'none');
    const good = extraRevision(plan, 'none');
    const next = extraRevision(plan, 'none');
    const ms = atTheEnd(plan, 90_000);
    return [
      at(ms, { ...deploy(chance), revision: good, configName: ALL_AT_ONCE }),
      at(ms + 30_000, { ...deploy(chance), revision: next, configName: HALF_AT_A_TIME }),
      {
        trigger: since(ms + 29_000, 'host-began', chance.whole(6, 7), 0),
        action: { kind: 'stop', group: 0, rollback: true },
      },
      ...[7, 8].map((machine) => ({
        trigger: since(ms + 30_000, 'rollback-created', 1, chance.whole(5, 200)),
        action: { kind: 'forget' as const, machine },
      })),
    ];
  },
  /** Several hosts follow on one at a time, and the first of them that fails keeps the others from their turn. */
  'passed-over-on-the-way'(chance, plan) {
    const [group] = plan.groups;
    if (group !== undefined) {
      group.outdatedInstancesStrategy = 'UPDATE';
      group.configName = ONE_AT_A_TIME;
      group.minimum = null;
    }
    plan.spareMachines += 4;
    plan.deploymentTimeoutMs = Math.max(plan.deploymentTimeoutMs, 600_000);
    const good = extraRevision(plan, 'none');
    const next = extraRevision(plan, 'some-hosts');
    const ms = atTheEnd(plan, 120_000);
    return [
      at(ms, { ...deploy(chance), revision: good, configName: ALL_AT_ONCE }),
      // The next one is long on its way, so that they join before its end.
      ...Array.from({ length: plan.machines }, (_, machine) =>
        at(ms + 30_000, { kind: 'disk-hangs', machine, ms: chance.whole(10_000, 20_000) }),
      ),
      at(ms + 30_100, { ...deploy(chance), revision: next, configName: ALL_AT_ONCE }),
      at(ms + 32_000, { kind: 'scale-out', count: 4, role: 'web' }),
    ];
  },
  /**
   * Hosts are lost in a deployment, and back, and do not tell for more than five minutes that they end it well, since their disks hang. They are
   * being brought in when they do, and the next deployment is stopped and rolled back just then: they run the good revision, and are down.
   */
  'brought-in-beside-a-stop'(chance, plan) {
    plan.hostLostAfterMs = 60_000;
    plan.deploymentTimeoutMs = Math.max(plan.deploymentTimeoutMs, 600_000);
    plan.machines = Math.max(plan.machines, 6);
    const first = extraRevision(plan, 'slow');
    const second = extraRevision(plan, 'none');
    const ms = atTheEnd(plan, 540_000);
    const whenBroughtIn = (delayMs: number) => since(ms + 320_000, 'scale-out-created', 1, delayMs);
    return [
      at(ms, { ...deploy(chance), revision: first, configName: ALL_AT_ONCE }),
      ...[1, 2].flatMap((nth) =>
        lostAndSilent(since(ms, 'host-began', nth, chance.whole(0, 1_000)), 370_000 + chance.whole(15_000, 35_000)),
      ),
      {
        trigger: whenBroughtIn(chance.whole(20_000, 30_000)),
        action: { ...deploy(chance), revision: second, configName: HALF_AT_A_TIME },
      },
      {
        trigger: whenBroughtIn(chance.whole(31_500, 36_000)),
        action: { kind: 'stop', group: 0, rollback: true },
      },
    ];
  },
  /**
   * Two hosts are lost in a deployment, and back, and their disks hang. One has ended it well, and cannot tell; the good revision is sent to it
   * again, which is given up, too. When it can tell at last a deployment is under way, and the other host is still down.
   */
  'given-up-twice'(chance, plan) {
    plan.hostLostAfterMs = 60_000;
    plan.deploymentTimeoutMs = Math.max(plan.deploymentTimeoutMs, 900_000);
    plan.machines = Math.max(plan.machines, 4);
    const first = extraRevision(plan, 'none');
    const second = extraRevision(plan, 'none');
    const ms = atTheEnd(plan, 540_000);
    const hangsMs = chance.whole(210_000, 400_000);
    return [
      at(ms, { ...deploy(chance), revision: first, configName: ALL_AT_ONCE }),
      ...lostAndSilent(since(ms, 'host-began', 1, chance.whole(500, 1_200)), hangsMs),
      ...lostAndSilent(since(ms, 'host-began', 2, chance.whole(0, 600)), 450_000),
      {
        trigger: since(ms, 'host-began', 1, hangsMs - chance.whole(0, 9_000)),
        action: { ...deploy(chance), revision: second, configName: ONE_AT_A_TIME },
      },
    ];
  },
  /** A deployment is stopped with hosts in progress, and some of those whose turn did not come leave the group and come back meanwhile. */
  'skipped-and-back'(chance, plan) {
    largeFleet(chance, plan, 'none');
    const good = extraRevision(plan, 'none');
    const next = extraRevision(plan, 'slow');
    const ms = atTheEnd(plan, 120_000);
    const on = (delayMs: number) => since(ms + 29_000, 'host-began', 4, delayMs);
    return [
      at(ms, { ...deploy(chance), revision: good, configName: ALL_AT_ONCE }),
      at(ms + 30_000, { ...deploy(chance), revision: next, configName: HALF_AT_A_TIME }),
      { trigger: on(chance.whole(0, 300)), action: { kind: 'stop', group: 0, rollback: false } },
      ...[4, 5, 6, 7, 8].flatMap((machine) => {
        const leavesMs = chance.whole(50, 2_000);
        return [
          { trigger: on(leavesMs), action: { kind: 'retag' as const, machine, role: 'idle' } },
          { trigger: on(leavesMs + 50), action: { kind: 'retag' as const, machine, role: 'web' } },
        ];
      }),
    ];
  },
  /** Every host gets a wrong role for a moment, while nothing happens, or in the middle of a deployment. */
  'all-out-for-a-moment'(chance, plan) {
    const good = extraRevision(plan, 'none');
    const next = extraRevision(plan, 'none');
    const ms = atTheEnd(plan, 90_000);
    const leavesMs = ms + chance.pick([20_000, 30_000 + chance.whole(0, 3_000)]);
    const wrongMs = chance.pick([100, 2_000, 20_000]);
    return [
      at(ms, { ...deploy(chance), revision: good, configName: ALL_AT_ONCE }),
      at(ms + 30_000, { ...deploy(chance), revision: next, configName: HALF_AT_A_TIME }),
      ...Array.from({ length: plan.machines }, (_, machine) => machine).flatMap((machine) => [
        at(leavesMs, { kind: 'retag' as const, machine, role: 'idle' }),
        at(leavesMs + wrongMs, { kind: 'retag' as const, machine, role: 'web' }),
      ]),
    ];
  },
  /** Hosts have a wrong role while their group comes to another good revision. */
  'away-for-a-deployment'(chance, plan) {
    plan.machines = Math.max(plan.machines, 4);
    const good = extraRevision(plan, 'none');
    const next = extraRevision(plan, 'none');
    const ms = atTheEnd(plan, 90_000);
    return [
      at(ms, { ...deploy(chance), revision: good, configName: ALL_AT_ONCE }),
      ...[0, 1].map((machine) => at(ms + 20_000, { kind: 'retag' as const, machine, role: 'idle' })),
      at(ms + 25_000, { ...deploy(chance), revision: next, configName: ALL_AT_ONCE }),
      ...[0, 1].map((machine) => at(ms + 45_000, { kind: 'retag' as const, machine, role: 'web' })),
    ];
  },
  /** Hosts get a wrong role before their turn comes, and are back when the deployment has failed, which nobody rolls back. */
  'deployed-to-while-away'(chance, plan) {
    largeFleet(chance, plan, 'none');
    const [group] = plan.groups;
    if (group !== undefined) group.autoRollback = { enabled: false, events: [] };
    const good = extraRevision(plan, 'none');
    const next = extraRevision(plan, 'some-hosts');
    const ms = atTheEnd(plan, 90_000);
    const on = (nth: number, delayMs: number) => since(ms + 29_000, 'host-began', nth, delayMs);
    return [
      at(ms, { ...deploy(chance), revision: good, configName: ALL_AT_ONCE }),
      at(ms + 30_000, { ...deploy(chance), revision: next, configName: HALF_AT_A_TIME }),
      ...[4, 5, 6, 7, 8].flatMap((machine) => [
        { trigger: on(1, 0), action: { kind: 'retag' as const, machine, role: 'idle' } },
        {
          trigger: since(ms + 29_000, 'deployment-ended', 1, chance.whole(50, 500)),
          action: { kind: 'retag' as const, machine, role: 'web' },
        },
      ]),
    ];
  },
  /** A host leaves its group while it is deployed to, and comes back with the new revision while others have still to get it. */
  'at-work-and-back'(chance, plan) {
    plan.machines = Math.max(plan.machines, 4);
    const good = extraRevision(plan, 'none');
    const next = extraRevision(plan, 'none');
    const ms = atTheEnd(plan, 90_000);
    const on = (nth: number, delayMs: number) => since(ms + 30_000, 'script-ended', nth, delayMs);
    return [
      at(ms, { ...deploy(chance), revision: good, configName: ALL_AT_ONCE }),
      at(ms + 30_000, { ...deploy(chance), revision: next, configName: ONE_AT_A_TIME }),
      { trigger: on(2, 10), action: { kind: 'retag' as const, machine: -1, role: 'idle' } },
      { trigger: on(4, chance.whole(300, 900)), action: { kind: 'retag' as const, machine: -1, role: 'web' } },
    ];
  },
  /** What brings a host in is stopped before that host has begun it. */
  'stopped-before-it-begins'(chance, plan) {
    const [group] = plan.groups;
    if (group !== undefined) group.outdatedInstancesStrategy = 'UPDATE';
    plan.spareMachines += 2;
    const label = extraRevision(plan, 'none');
    const ms = atTheEnd(plan, 90_000);
    const on = (delayMs: number) => since(ms + 8_000, 'scale-out-created', 1, delayMs);
    return [
      at(ms, { ...deploy(chance), revision: label, configName: ALL_AT_ONCE }),
      at(ms + 8_000, { kind: 'scale-out', count: 2, role: 'web' }),
      // Whichever of the spare machines have joined by then.
      ...Array.from({ length: plan.spareMachines }, (_, spare) => ({
        trigger: on(0),
        action: { kind: 'disk-hangs' as const, machine: plan.machines + spare, ms: 10_000 },
      })),
      { trigger: on(chance.whole(100, 5_000)), action: { kind: 'stop-bringing-in', group: 0 } },
    ];
  },
  /** A host accepts nothing and tells nothing, for far longer than the next deployment may wait for that. */
  'never-tells'(chance, plan) {
    plan.hostLostAfterMs = 60_000;
    plan.deploymentTimeoutMs = Math.max(plan.deploymentTimeoutMs, 900_000);
    const label = extraRevision(plan, 'none');
    const ms = atTheEnd(plan, 900_000);
    return [
      at(ms - 100, { kind: 'disk-hangs', machine: chance.whole(0, plan.machines - 1), ms: 800_000 }),
      at(ms, { ...deploy(chance), revision: label, configName: ALL_AT_ONCE }),
      {
        trigger: since(ms, 'deployment-ended', 1, chance.whole(100, 2_000)),
        action: { ...deploy(chance), configName: ONE_AT_A_TIME },
      },
    ];
  },
};

/** The host of the trigger is away until it counts as lost, and takes up nothing, nor tells anything, for so long. */
function lostAndSilent(trigger: Trigger, silentMs: number): Part[] {
  return [
    { trigger, action: cut([-1], 70_000) },
    { trigger, action: { kind: 'disk-hangs', machine: -1, ms: silentMs } },
  ];
}
