import { errorMessage, isAppError } from '../../shared/core/errors.ts';
import { startAgentUpdate } from './agent-operators.ts';
import type { Until } from './heal.ts';
import type { History } from './history.ts';
import { checkAllRun } from './invariants/agent-versions.ts';

/** Some waves, each of hosts one after another, and of each its script, a restart and a connection, ms. */
const LIMIT_MS = 3_600_000;

/** When all is mended, a good version of the agent is brought to all hosts, which has to succeed. */
export async function updateAgentsLast(history: History, until: Until, isQuiet: () => boolean): Promise<void> {
  const { world, violate, violations } = history;
  const good = world.plan.agentUpdates?.offered.find(({ flaw }) => flaw === 'none');
  const { core } = world.coordinator;
  if (good === undefined || core === null || violations.length > 0) return;
  const { version } = good;
  let id: string | null = null;
  let failure: unknown = null;
  startAgentUpdate(world, core, { version, downgrade: true }).then(
    (update) => {
      id = update.id;
    },
    (error: unknown) => {
      failure = error;
    },
  );
  await until(() => id !== null || failure !== null, 10_000);
  const isThere = isAppError(failure) && failure.details['reason'] === 'nothing_to_do';
  if (id === null && !isThere) violate('agents', `${version} cannot be brought to the hosts: ${errorMessage(failure)}`);
  if (id !== null && !(await until(isQuiet, LIMIT_MS)) && violations.length === 0)
    violate('agents', `the last agent update ${id} does not end`);
  if (violations.length === 0) checkAllRun(history, { id, version });
}
