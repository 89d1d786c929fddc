import { type Mutant, one } from './mutant.ts';

const ADVANCE = 'coordinator/services/agent-updates/advance.ts';
const DECISION = 'coordinator/rollout/agent-update.ts';
const SERVICE = 'coordinator/services/agent-updates/agent-updates.ts';

/** Bugs in updates of the agents themselves. */
export const AGENT_MUTANTS: readonly Mutant[] = [
  one('agent-budget-ignored', 'all hosts of a wave are given another agent at the same time', ADVANCE, [
    'const minimum = hosts.length - decision.atOnce;',
    'const minimum = hosts.length - Math.max(hosts.length, decision.atOnce);',
  ]),
  one(
    'agent-failures-do-not-end',
    'an update goes on after a wave in which as many hosts have failed as may',
    DECISION,
    [
      "if (status === 'Failed' || wave.failed >= hostsOf(view.budget, wave.hosts))",
      "if (status === 'Failed' && wave.failed > hostsOf(view.budget, wave.hosts))",
    ],
  ),
  one(
    'unconfirmed-agents-believed',
    'the next wave begins while hosts of the one before run an older agent',
    DECISION,
    ['if (wave.unconfirmed.length === 0) return null;', 'if (wave.unconfirmed.length >= 0) return null;'],
  ),
  one('second-agent-update', 'two updates of agents are under way at the same time, or an error is told', SERVICE, [
    'if (active === undefined) return;',
    "if (active?.version !== '') return;",
  ]),
  one('agent-stop-between-waves', 'an update that was stopped goes on with its next wave', DECISION, [
    'if (view.stopRequestedBy !== null) return end(',
    "if (view.stopRequestedBy === '') return end(",
  ]),
  one('agent-stop-answered-early', 'hosts start after the stop of an update of agents was answered', SERVICE, [
    'if (wave !== undefined) await stopWave(wave.id);',
    'if (wave === null) await stopWave(row.id);',
  ]),
  one('agent-update-not-taken-up', 'an update of agents stands still once the coordinator was restarted', SERVICE, [
    'isRunning = true;\n      lookSoon();',
    'isRunning = true;',
  ]),
  one('agents-have-two-turns', 'a host on which the update has failed is tried again by its next wave', ADVANCE, [
    "if (one.judgement !== 'outdated' || hadTheirTurn.has(one.hostId)) continue;",
    "if (one.judgement !== 'outdated' || hadTheirTurn.has(row.id)) continue;",
  ]),
  one('agents-gone-in-a-restart', 'an update ends early, since its hosts are not back yet after a restart', DECISION, [
    'if (waiting.reconnecting > 0) return wait(SOON_MS);',
    'if (waiting.reconnecting > totalHosts) return wait(SOON_MS);',
  ]),
  one('away-agents-taken', 'a wave takes hosts that are away', ADVANCE, [
    "if (one.presence === 'Online') waiting.push",
    "if (one.presence !== 'Reconnecting') waiting.push",
  ]),
  one(
    'newer-agents-set-back',
    'hosts with a newer agent are set back unasked',
    'coordinator/domain/agent-packages.ts',
    [
      "return isNewer && !wanted.downgrade ? 'newer' : 'outdated';",
      "return isNewer && wanted.downgrade ? 'newer' : 'outdated';",
    ],
  ),
  one('agent-waves-at-once', 'the first wave is the whole fleet', DECISION, [
    'const hosts = Math.min(goal - had, waiting.online);',
    'const hosts = Math.max(goal - had, waiting.online);',
  ]),
  one(
    'agent-waves-removed',
    'retention removes waves of an update that is under way, whose hosts are tried again',
    'coordinator/services/retention.ts',
    [".where('agent_updates.status', '=', 'InProgress'),", ".where('agent_updates.status', '=', ''),"],
  ),
];
