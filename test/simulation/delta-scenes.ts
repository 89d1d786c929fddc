import type { Action } from './plan.ts';
import { atTheEnd, cut, extraRevision, since, times } from './scene-parts.ts';
import { at, deploy, type Scene } from './scenes.ts';
import type { Chance } from './world/chance.ts';

/** Timed scenes of bundles that are put together from what is on a host and what it lacks: all of such a history fetches them so. */
export const DELTA_SCENES: Readonly<Record<string, Scene>> = {
  /** Just when hosts have stopped what serves, and fetch what they lack, something breaks; and then they go back to what they had. */
  'most-is-here-already'(chance, plan) {
    plan.hasDeltas = true;
    const [first, second] = [extraRevision(plan, 'none'), extraRevision(plan, 'none')];
    const ms = atTheEnd(plan, 150_000);
    const broken = (sinceMs: number) =>
      times(2, () => ({
        trigger: since(
          sinceMs,
          'script-ended',
          chance.whole(1, plan.machines),
          chance.whole(0, 12 * plan.network.latencyMs),
        ),
        action: breaks(chance),
      }));
    return [
      at(ms, { ...deploy(chance), revision: first, configName: 'CodeDeployDefault.AllAtOnce' }),
      at(ms + 35_000, { ...deploy(chance), revision: second, configName: 'CodeDeployDefault.AllAtOnce' }),
      ...broken(ms + 35_000),
      at(ms + 80_000, {
        ...deploy(chance),
        revision: first,
        configName: chance.pick(['CodeDeployDefault.AllAtOnce', 'CodeDeployDefault.HalfAtATime']),
      }),
      ...broken(ms + 80_000),
      at(ms + 115_000, { kind: 'rollback', group: 0 }),
    ];
  },
  /** Hooks have written into the bundles that they came with, and agents die while they put the next one together. */
  'unpacked-and-changed'(chance, plan) {
    plan.hasDeltas = true;
    const { latencyMs } = plan.network;
    const [first, second] = [extraRevision(plan, 'none'), extraRevision(plan, 'none')];
    const ms = atTheEnd(plan, 90_000);
    return [
      at(ms, { ...deploy(chance), revision: first, configName: 'CodeDeployDefault.AllAtOnce' }),
      ...[0, 1, 2].map((machine) => at(ms + 34_000, { kind: 'spoil-unpacked', machine })),
      ...[1, 2].map((machine) =>
        at(ms + 34_500, { kind: 'agent-failpoint', machine, countdown: chance.whole(1, 11), moment: 'assembled' }),
      ),
      at(ms + 35_000, { ...deploy(chance), revision: second, configName: 'CodeDeployDefault.AllAtOnce' }),
      ...times(3, () => ({
        trigger: since(ms + 35_000, 'script-ended', chance.whole(1, plan.machines), chance.whole(0, 12 * latencyMs)),
        action: { kind: 'spoil-unpacked' as const, machine: -1 },
      })),
      at(ms + 65_000, { kind: 'rollback', group: 0 }),
    ];
  },
};

function breaks(chance: Chance): Action {
  return chance.pick<Action>([
    { kind: 'kill-agent', machine: -1 },
    { kind: 'stop-agent', machine: -1 },
    { kind: 'power', machine: -1, how: 'power-cut', ms: 2_000 },
    { kind: 'disk-full', machine: -1, ms: 1_000 },
    { kind: 'no-inodes', machine: -1, ms: 1_000 },
    { kind: 'kill-coordinator', ms: 500 },
    { kind: 'restart-coordinator', ms: 500 },
    cut([-1], 4_000),
  ]);
}
