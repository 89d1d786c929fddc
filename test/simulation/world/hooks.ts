import type { Script } from './bundle.ts';
import { type Chance, chanceOf } from './chance.ts';

/** What is wrong with a revision, if anything. */
export type Flaw = 'none' | 'everywhere' | 'some-hosts' | 'flapping' | 'slow' | 'hangs' | 'stop-fails';

export interface ScriptBehaviour {
  durationMs: number;
  /** `hang`: runs until it is stopped. */
  outcome: 'succeed' | 'fail' | 'hang';
  /** What it waits for, and looks at each second: true when it has succeeded, null while there is nothing yet. Absent: for its time only. */
  look?: () => boolean | null;
  /** A script that hangs may also not care about TERM. */
  ignoresTerm: boolean;
  outputBytes: number;
}

/** What a script does on a host: the same for the same seed, host, script and deployment. */
export function behaviourOf(
  seed: number,
  flawOf: (script: Script) => Flaw,
  run: { script: Script; machine: string; deploymentId: string },
): ScriptBehaviour {
  const { script, machine } = run;
  const chance = chanceOf(
    seed,
    `hook ${machine} ${run.deploymentId} ${script.event} ${script.index} ${script.revision}`,
  );
  const flaw = flawOf(script);
  const isSlow = flaw === 'slow' && chance.is(0.5);
  return {
    durationMs: isSlow ? chance.whole(2_000, 25_000) : chance.whole(5, 400),
    outcome: outcomeOf(seed, flaw, run, chance),
    ignoresTerm: chance.is(0.3),
    outputBytes: chance.is(0.2) ? chance.whole(1, 3_000) : 20,
  };
}

function outcomeOf(
  seed: number,
  flaw: Flaw,
  { script, machine }: { script: Script; machine: string },
  chance: Chance,
): ScriptBehaviour['outcome'] {
  const isLast = script.event === 'ValidateService' || script.event === 'ApplicationStart';
  switch (flaw) {
    case 'none':
    case 'slow':
      return 'succeed';
    case 'everywhere':
      return script.event === 'ValidateService' ? 'fail' : 'succeed';
    case 'some-hosts':
      return script.event === 'ValidateService' && chanceOf(seed, `flaw ${machine} ${script.revision}`).is(0.4)
        ? 'fail'
        : 'succeed';
    case 'flapping':
      return isLast && chance.is(0.3) ? 'fail' : 'succeed';
    case 'hangs':
      return script.event === 'ApplicationStart' && chance.is(0.5) ? 'hang' : 'succeed';
    case 'stop-fails':
      return script.event === 'ApplicationStop' && chance.is(0.6) ? 'fail' : 'succeed';
  }
}
