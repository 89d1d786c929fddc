import type { Action } from './plan.ts';
import { atTheEnd, cut, extraRevision, since, times } from './scene-parts.ts';
import { at, deploy, type Scene } from './scenes.ts';
import type { Chance } from './world/chance.ts';

/** Timed scenes of a coordinator that can write nothing for a while. */
export const STORAGE_SCENES: Readonly<Record<string, Scene>> = {
  /** In the middle of a deployment, while hosts report, come and go, and operators ask. */
  'no-room-for-what-is-told'(chance, plan) {
    const [first, second] = [extraRevision(plan, 'none'), extraRevision(plan, chance.pick(['none', 'some-hosts']))];
    const ms = atTheEnd(plan, 180_000);
    const full = (sinceMs: number) => ({
      trigger: since(
        sinceMs,
        chance.pick(['script-began', 'script-ended', 'host-began', 'deployment-created']),
        chance.whole(1, 4),
        chance.whole(0, 300),
      ),
      action: {
        kind: 'full-database' as const,
        at: chance.pick(['write', 'commit'] as const),
        ms: chance.pick([50, 700, 4_000, 20_000, 50_000]),
      },
    });
    const meanwhile = (sinceMs: number) =>
      times(3, () => ({
        trigger: since(sinceMs, 'script-ended', chance.whole(1, 6), chance.whole(0, 6_000)),
        action: something(chance),
      }));
    return [
      at(ms, { ...deploy(chance), revision: first, configName: 'CodeDeployDefault.AllAtOnce' }),
      full(ms),
      ...meanwhile(ms),
      at(ms + 80_000, {
        ...deploy(chance),
        revision: second,
        configName: chance.pick(['CodeDeployDefault.HalfAtATime', 'CodeDeployDefault.OneAtATime']),
      }),
      full(ms + 80_000),
      ...meanwhile(ms + 80_000),
    ];
  },
  /** Hosts come back, and others are gone, while that cannot be written; and then they are deployed to. */
  'no-room-for-who-comes'(chance, plan) {
    const revision = extraRevision(plan, 'none');
    const ms = atTheEnd(plan, 120_000);
    return [
      at(ms, cut([0], 6_000)),
      at(ms + 4_000, { kind: 'full-database', at: chance.pick(['write', 'commit'] as const), ms: 40_000 }),
      at(ms + chance.whole(5_000, 40_000), cut([1], chance.pick([10_000, 70_000]))),
      at(ms + chance.whole(42_000, 60_000), { ...deploy(chance), revision }),
    ];
  },
};

function something(chance: Chance): Action {
  return chance.pick<Action>([
    { kind: 'kill-agent', machine: -1 },
    { kind: 'reset', machine: -1 },
    { kind: 'half-open', machine: -1 },
    cut([-1], chance.pick([2_000, 40_000])),
    { kind: 'kill-coordinator', ms: chance.pick([500, 10_000]) },
    { kind: 'restart-coordinator', ms: 500 },
    { kind: 'stop', group: 0, rollback: chance.pick([null, true]) },
    { kind: 'retag', machine: chance.whole(0, 3), role: chance.pick(['web', 'idle']) },
    { kind: 'scale-out', count: 1, role: 'web' },
    { kind: 'rollback', group: 0 },
    { ...deploy(chance), revision: 0 },
    { kind: 'forget', machine: -1 },
  ]);
}
