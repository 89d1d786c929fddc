import type { Action, Trigger } from './plan.ts';
import { atTheEnd, cut, extraRevision, since, times } from './scene-parts.ts';
import { at, deploy, type Scene } from './scenes.ts';

/** Timed scenes of what goes wrong on hosts, and of what is known of them by then. */
export const HOST_SCENES: Readonly<Record<string, Scene>> = {
  /** The power goes while a deployment is under way and after it, and the next one needs what that has left on the disk. */
  'power-between-deployments'(chance, plan) {
    const ms = atTheEnd(plan, 90_000);
    const power = (machine: number, afterMs: number) =>
      at(ms + afterMs, { kind: 'power', machine, how: 'power-cut', ms: chance.pick([500, 5_000]) });
    return [
      at(ms, { ...deploy(chance), configName: 'CodeDeployDefault.AllAtOnce' }),
      power(0, chance.whole(100, 1_500)),
      power(1, 20_000),
      power(2, 20_000),
      at(ms + 40_000, { ...deploy(chance), configName: 'CodeDeployDefault.AllAtOnce' }),
    ];
  },
  /**
   * Half of the hosts fall silent in a deployment that breaks some, until its time is over. They tell that they serve its revision when the
   * next one has been stopped and waits for its only host, and is about to be rolled back: by its plan they are down.
   */
  'told-before-the-rollback'(chance, plan) {
    const [group] = plan.groups;
    if (group !== undefined) group.autoRollback = { enabled: false, events: [] };
    plan.machines = Math.max(plan.machines, 7);
    plan.deploymentTimeoutMs = 120_000;
    const good = extraRevision(plan, 'none');
    const second = extraRevision(plan, 'some-hosts');
    const third = extraRevision(plan, 'slow');
    const ms = atTheEnd(plan, 300_000);
    const secondMs = ms + 45_000;
    return [
      at(ms, { ...deploy(chance), revision: good, configName: 'CodeDeployDefault.AllAtOnce' }),
      at(secondMs, { ...deploy(chance), revision: second, configName: 'CodeDeployDefault.AllAtOnce' }),
      ...[1, 3, 5, 7].map((nth) => ({
        trigger: since(secondMs, 'host-began', nth, chance.whole(0, 100)),
        action: { kind: 'disk-hangs' as const, machine: -1, ms: plan.deploymentTimeoutMs + 6_000 },
      })),
      {
        trigger: since(secondMs, 'deployment-ended', 1, 500),
        action: { ...deploy(chance), revision: third, configName: 'CodeDeployDefault.OneAtATime' },
      },
      { trigger: since(secondMs, 'deployment-ended', 1, 2_000), action: { kind: 'stop', group: 0, rollback: true } },
    ];
  },
  /** Disks hang under an assignment that has arrived, until the hosts were given up, of which one is away meanwhile. */
  'given-up-before-it-begins'(chance, plan) {
    plan.hostLostAfterMs = 60_000;
    plan.deploymentTimeoutMs = Math.max(plan.deploymentTimeoutMs, 600_000);
    const ms = atTheEnd(plan, 200_000);
    return [
      ...[0, 1, 2].map((machine) => at(ms, { kind: 'disk-hangs', machine, ms: 130_000 + chance.whole(0, 10_000) })),
      at(ms + 100, { ...deploy(chance), configName: 'CodeDeployDefault.AllAtOnce' }),
      at(ms + 10_000, cut([1], chance.whole(70_000, 90_000))),
    ];
  },
  /** What is installed becomes read-only in the middle of an install, which cannot be undone either, and nobody deploys to it again. */
  'read-only-in-an-install'(chance, plan) {
    const [group] = plan.groups;
    if (group !== undefined) group.autoRollback = { enabled: false, events: [] };
    const first = extraRevision(plan, 'none');
    const second = extraRevision(plan, 'none');
    const ms = atTheEnd(plan, 90_000);
    return [
      at(ms, { ...deploy(chance), revision: first, configName: 'CodeDeployDefault.AllAtOnce' }),
      ...[0, 1].map((machine) =>
        at(ms + 44_000, { kind: 'read-only', machine, names: chance.whole(2, 3), ms: 200_000 }),
      ),
      at(ms + 45_000, { ...deploy(chance), revision: second, configName: 'CodeDeployDefault.AllAtOnce' }),
    ];
  },
  /** File systems run out of inodes before a deployment and in the middle of it: their journals can be written, and nothing be made. */
  'no-inode-left'(chance, plan) {
    const ms = atTheEnd(plan, 120_000);
    const without = (machine: number, trigger: Trigger) => ({
      trigger,
      action: { kind: 'no-inodes' as const, machine, ms: chance.pick([2_000, 30_000, 90_000]) },
    });
    return [
      at(ms, {
        ...deploy(chance),
        configName: chance.pick(['CodeDeployDefault.AllAtOnce', 'CodeDeployDefault.HalfAtATime']),
      }),
      without(0, { kind: 'at', ms: ms - 1_000 }),
      without(1, { kind: 'at', ms: ms + chance.whole(0, 20_000) }),
      without(-1, since(ms, 'script-began', chance.whole(1, 2 * plan.machines), chance.whole(0, 100))),
      at(ms + 60_000, { ...deploy(chance), configName: 'CodeDeployDefault.AllAtOnce' }),
    ];
  },
  /** Machines are set back to what they were before the last deployment, while nothing happens. */
  'set-back-to-a-snapshot'(chance, plan) {
    const first = extraRevision(plan, 'none');
    const second = extraRevision(plan, 'none');
    const ms = atTheEnd(plan, 120_000);
    const machines = [0, 1, 2].slice(0, chance.whole(1, 3));
    return [
      at(ms, { ...deploy(chance), revision: first, configName: 'CodeDeployDefault.AllAtOnce' }),
      ...machines.map((machine) => at(ms + 34_000 + chance.whole(0, 5_000), { kind: 'snapshot', machine })),
      at(ms + 40_000, { ...deploy(chance), revision: second, configName: 'CodeDeployDefault.AllAtOnce' }),
      ...machines.map((machine) =>
        at(ms + 75_000 + chance.whole(0, 5_000), { kind: 'set-back', machine, ms: chance.pick([100, 5_000, 40_000]) }),
      ),
    ];
  },
  /** Scripts take their time and print all along, while connections break, agents die and the coordinator is started again. */
  'printed-while-cut'(chance, plan) {
    plan.printsInParts = true;
    plan.deploymentTimeoutMs = Math.max(plan.deploymentTimeoutMs, 600_000);
    const slow = extraRevision(plan, 'slow');
    const ms = atTheEnd(plan, 120_000);
    const breaks = (action: Action) => ({
      trigger: since(ms, 'script-began', chance.whole(1, 3 * plan.machines), chance.whole(100, 6_000)),
      action,
    });
    return [
      at(ms, { ...deploy(chance), revision: slow, configName: 'CodeDeployDefault.AllAtOnce' }),
      ...times(4, () => breaks({ kind: chance.pick(['reset', 'half-open', 'kill-agent', 'stop-agent']), machine: -1 })),
      ...times(3, () => breaks(cut([-1], chance.pick([300, 3_000, 12_000])))),
      breaks({ kind: chance.pick(['kill-coordinator', 'restart-coordinator']), ms: 400 }),
    ];
  },
  /** The good revision is deployed once more and breaks hosts that served it: they have it, and are down. */
  'broken-with-the-good-one'(chance, plan) {
    const label = extraRevision(plan, 'none');
    const ms = atTheEnd(plan, 90_000);
    const whole = { ...deploy(chance), revision: label, configName: 'CodeDeployDefault.AllAtOnce' };
    return [
      at(ms, whole),
      { trigger: since(ms, 'deployment-ended', 1, 1_000), action: whole },
      // Some three or four scripts run on each host, twice.
      ...times(5, () => ({
        trigger: since(ms, 'script-began', chance.whole(3 * plan.machines, 7 * plan.machines), chance.whole(1, 4)),
        action: { kind: 'kill-hook' as const, machine: -1 },
      })),
    ];
  },
};
