import type { Core } from '../../coordinator/core.ts';
import type { History } from './history.ts';
import { checkUpdateMade } from './invariants/agent-versions.ts';
import { expectNoMore } from './invariants/stops.ts';
import type { Operators } from './operators.ts';
import { agentUpdateUnderWay } from './stored.ts';
import type { World } from './world/world.ts';
import { OPERATOR } from './world/world.ts';

/** Asks, and tells the answer when there is one. */
type Ask = <Answer>(
  what: string,
  perform: (core: Core) => Promise<Answer>,
  answered?: (answer: Answer) => void,
) => void;

/** Making a revision of the packages takes no time, unless its coordinator ends meanwhile and it is never made, ms. */
const MADE_WITHIN_MS = 1_000;

/** What operators ask for that concerns the agents themselves. */
export function createAgentOperators(history: History, ask: Ask): Pick<Operators, 'updateAgents' | 'stopAgentUpdate'> {
  const { world, notice, agentStops } = history;

  return {
    updateAgents({ version: number, downgrade }) {
      const planned = world.plan.agentUpdates;
      const offered = planned?.offered[number % planned.offered.length];
      if (planned === undefined || offered === undefined) return;
      const { version, flaw } = offered;
      const what = `${downgrade ? 'sets back' : 'updates'} agents to ${version} (${flaw})`;
      ask(
        what,
        (core) => startAgentUpdate(world, core, { version, downgrade }),
        (update) => {
          checkUpdateMade(history, update.id, { version, downgrade });
          if (downgrade) notice('agents are set back to an older version');
        },
      );
    },

    stopAgentUpdate() {
      const update = agentUpdateUnderWay(history);
      if (update === undefined) return;
      if (world.coordinator.core !== null) agentStops.asked.add(update.id);
      ask(
        `stops the agent update ${update.id}`,
        (core) => core.services.agentUpdates.stop(update.id, OPERATOR),
        () => {
          agentStops.answered.add(update.id);
          world.trace.say('operator', `stop of the agent update ${update.id} answered`);
          if (update.wave === null) return;
          expectNoMore(history, update.wave);
          notice('an agent update is stopped in the middle of a wave');
        },
      );
    },
  };
}

export function startAgentUpdate(
  { plan, timeline }: World,
  core: Core,
  asked: { version: string; downgrade: boolean },
): ReturnType<Core['services']['agentUpdates']['start']> {
  const { agentUpdates } = plan;
  if (agentUpdates === undefined) throw new Error('the plan updates no agents');
  const { waves, budget, healthyWithinSeconds } = agentUpdates;
  const started = core.services.agentUpdates.start({ ...asked, waves, budget, healthyWithinSeconds }, OPERATOR);
  const tooLong = new Promise<void>((resolve) => {
    timeline.after(MADE_WITHIN_MS, resolve);
  });
  void timeline.streaming(Promise.race([started.then(nothing, nothing), tooLong]));
  return started;
}

function nothing(): void {}
