import { type Chance, chanceOf } from '../world/chance.ts';

/** All that a seed decides before the history begins, as data. What agents and their scripts do has streams of chance of its own. */
export interface Plan {
  seed: number;
  hosts: number;
  isOneAtATime: boolean;
  rollsBack: boolean;
  /** How often the reply to a host's request is lost, and a lifecycle event fails. */
  lossRate: number;
  failureRate: number;
  steps: Step[];
}

/** Something happens, and then time passes. */
export interface Step {
  action: Action;
  thenMs: number;
}

export type Action =
  | DeployAction
  | { kind: 'stop' }
  /** Cuts a host off, or joins it again. */
  | { kind: 'cut'; host: number }
  | { kind: 'agent-dies'; host: number; awayMs: number }
  | { kind: 'coordinator-restarts' }
  /** At a statement of what hosts, the engine and, if there is one, an operator then ask for; at the latest after `withinMs`. */
  | { kind: 'coordinator-dies'; death: Death; withinMs: number; awayMs: number; deploy: DeployAction | null }
  /** The coordinator's is set forward. */
  | { kind: 'clock-leaps'; byMs: number }
  | { kind: 'nothing' };

export interface DeployAction {
  kind: 'deploy';
  label: string;
  ignoresStopFailures: boolean;
}

export interface Death {
  when: 'before' | 'after';
  statement: 'any' | 'commit';
  /** The so-many-th of them from now on. */
  nth: number;
}

const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;
const STEPS = 40;

/** What everything ends with, once all is mended. */
export const LAST_LABEL = 'last';

export function planHistory(seed: number): Plan {
  const chance = chanceOf(seed, 'aws-agents plan');
  const isFaulty = { cuts: chance.is(0.5), deaths: chance.is(0.5), coordinator: chance.is(0.9), leaps: chance.is(0.2) };
  const plan = {
    seed,
    hosts: chance.whole(2, 4),
    isOneAtATime: chance.is(0.5),
    rollsBack: chance.is(0.6),
    lossRate: chance.is(0.5) ? 0.1 : 0,
    failureRate: chance.is(0.6) ? 0.05 : 0,
  };
  const deploy = planDeploys(chance);
  const steps: Step[] = [{ action: deploy(), thenMs: pause(chance) }];
  while (steps.length < STEPS) steps.push({ action: nextAction(), thenMs: pause(chance) });
  return { ...plan, steps };

  function nextAction(): Action {
    const kind = chance.whole(1, 100);
    const host = chance.whole(0, plan.hosts - 1);
    if (kind <= 15) return deploy();
    if (kind <= 20) return { kind: 'stop' };
    if (kind <= 30 && isFaulty.cuts) return { kind: 'cut', host };
    if (kind <= 40 && isFaulty.deaths) return { kind: 'agent-dies', host, awayMs: absence(chance) };
    if (kind <= 48 && isFaulty.coordinator) return { kind: 'coordinator-restarts' };
    if (kind <= 60 && isFaulty.coordinator) return coordinatorDies();
    if (kind <= 64 && isFaulty.leaps) return { kind: 'clock-leaps', byMs: chance.whole(SECOND_MS, 180 * MINUTE_MS) };
    return { kind: 'nothing' };
  }

  function coordinatorDies(): Action {
    const statement = chance.is(0.5) ? 'any' : 'commit';
    const nth = chance.whole(1, statement === 'any' ? 60 : 6);
    return {
      kind: 'coordinator-dies',
      death: { when: chance.is(0.5) ? 'before' : 'after', statement, nth },
      withinMs: chance.whole(1, 3_000),
      awayMs: chance.is(0.7) ? chance.whole(0, 2_000) : chance.whole(0, 10 * MINUTE_MS),
      deploy: chance.is(0.3) ? deploy() : null,
    };
  }
}

/** Mostly a new revision, now and then the same again. */
function planDeploys(chance: Chance): () => DeployAction {
  let revisions = 0;
  return () => {
    if (revisions === 0 || chance.is(0.7)) revisions++;
    return { kind: 'deploy', label: `v${revisions}`, ignoresStopFailures: chance.is(0.2) };
  };
}

/** From what lies within one event to what agents and timeouts need. */
function pause(chance: Chance): number {
  if (chance.is(0.5)) return chance.whole(0, 500);
  return chance.whole(0, chance.is(0.6) ? 20 * SECOND_MS : 6 * MINUTE_MS);
}

/** Of an agent: a restart, or one that makes its host a lost one. */
function absence(chance: Chance): number {
  return chance.whole(0, chance.is(0.7) ? 20 * SECOND_MS : 20 * MINUTE_MS);
}
