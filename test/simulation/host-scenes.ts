import { atTheEnd, extraRevision, since, times } from './scene-parts.ts';
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
