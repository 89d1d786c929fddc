import type { AgentUpdateStatus } from '../../shared/model/agent-update.ts';

/** Everything that a decision about an agent update stands on. */
export interface AgentUpdateView {
  version: string;
  /** How many hosts have had their turn after each wave: `1`, `10%`. A wave that adds none is passed over. */
  waves: readonly string[];
  /** How many hosts of a wave may be out at once, or have failed: `1`, `10%`. */
  budget: string;
  /** Outdated hosts when it began, at least 1. */
  totalHosts: number;
  stopRequestedBy: string | null;
  /** So far, in order. Only the last one may be under way. */
  progress: readonly WaveProgress[];
  /** Outdated hosts that have not had their turn. */
  waiting: {
    online: number;
    /** Silent for a moment, or the coordinator has just started: here or away in seconds. */
    reconnecting: number;
    offline: number;
  };
}

export interface WaveProgress {
  deploymentId: string;
  /** Its deployment has ended so; null while it runs. */
  ended: { status: 'Succeeded' | 'Failed' | 'Stopped'; at: number } | null;
  /** Somebody, or this update, has asked its deployment to stop. */
  isStopping: boolean;
  hosts: number;
  failed: number;
  /** Names of hosts that succeeded and whose agents have not said since that they are of the new version; a few of them. */
  unconfirmed: readonly string[];
}

export type AgentUpdateDecision =
  /** Nothing now; look again after so long at the latest. */
  | { kind: 'wait'; lookAgainInMs: number }
  /** The next `hosts` of those that wait and are online, at most `atOnce` of them out at the same time. */
  | { kind: 'start-wave'; hosts: number; atOnce: number }
  | { kind: 'stop-deployment'; deploymentId: string }
  | { kind: 'end'; status: Exclude<AgentUpdateStatus, 'InProgress'>; message: string };

/** A host's last report may be stored a moment before the hello of the agent that sent it, ms. */
export const CONFIRM_WITHIN_MS = 60_000;
/** Changes are told; this only makes up for one that was missed, ms. */
const LOOK_AGAIN_MS = 10_000;
const SOON_MS = 1_000;

/** What is to be done next about an agent update. The same view gives the same decision: it may be made again at any time. */
export function decideAgentUpdate(view: AgentUpdateView, now: number): AgentUpdateDecision {
  const last = view.progress.at(-1);
  if (last !== undefined && last.ended === null) {
    const mustStop = view.stopRequestedBy !== null && !last.isStopping;
    return mustStop ? { kind: 'stop-deployment', deploymentId: last.deploymentId } : wait(LOOK_AGAIN_MS);
  }
  if (last?.ended != null) {
    const verdict = judgeWave(view, { ...last, ended: last.ended }, now);
    if (verdict !== null) return verdict;
  }
  if (view.stopRequestedBy !== null) return end('Stopped', `stopped by ${view.stopRequestedBy}`);
  return nextWave(view);
}

/** Null when the next wave may follow. */
function judgeWave(
  view: AgentUpdateView,
  wave: WaveProgress & { ended: NonNullable<WaveProgress['ended']> },
  now: number,
): AgentUpdateDecision | null {
  const number = view.progress.length;
  const { status, at } = wave.ended;
  if (status === 'Stopped') {
    const by = view.stopRequestedBy === null ? '' : ` by ${view.stopRequestedBy}`;
    return end('Stopped', `stopped${by} in wave ${number} (${wave.deploymentId})`);
  }
  if (status === 'Failed' || wave.failed >= hostsOf(view.budget, wave.hosts))
    return end(
      'Failed',
      `wave ${number} (${wave.deploymentId}): ${wave.failed} of ${count(wave.hosts)} failed; no other host is touched`,
    );
  if (wave.unconfirmed.length === 0) return null;
  if (now < at + CONFIRM_WITHIN_MS) return wait(SOON_MS);
  return end(
    'Failed',
    `wave ${number} (${wave.deploymentId}) succeeded, but ${wave.unconfirmed.join(', ')} did not connect as ${view.version}`,
  );
}

function nextWave(view: AgentUpdateView): AgentUpdateDecision {
  const { waiting, totalHosts } = view;
  const had = view.progress.reduce((sum, wave) => sum + wave.hosts, 0);
  // Who is here is not known yet: a coordinator that has just started must not take its fleet for gone.
  if (waiting.reconnecting > 0) return wait(SOON_MS);
  const goal = view.waves.map((share) => hostsOf(share, totalHosts)).find((hosts) => hosts > had);
  if (goal === undefined || waiting.online === 0) return succeeded(view);
  const hosts = Math.min(goal - had, waiting.online);
  return { kind: 'start-wave', hosts, atOnce: hostsOf(view.budget, hosts) };
}

function succeeded({ version, progress, waiting }: AgentUpdateView): AgentUpdateDecision {
  const had = progress.reduce((sum, wave) => sum + wave.hosts - wave.failed, 0);
  if (progress.length === 0) return end('Failed', 'no host that it concerns is online any more');
  const failed = progress.reduce((sum, wave) => sum + wave.failed, 0);
  const left = waiting.online + waiting.offline;
  const rest = [
    ...(failed === 0 ? [] : [`${count(failed)} failed`]),
    ...(left === 0 ? [] : [`${count(left)} had no turn`]),
  ];
  return end('Succeeded', [`${count(had)} run ${version}`, ...rest].join('; '));
}

/** Of a share such as `10%` or `5`, at least 1 and at most all. */
export function hostsOf(share: string, totalHosts: number): number {
  const number = Number.parseInt(share, 10);
  const hosts = share.endsWith('%') ? Math.ceil((number * totalHosts) / 100) : number;
  return Math.max(1, Math.min(hosts, totalHosts));
}

function wait(lookAgainInMs: number): AgentUpdateDecision {
  return { kind: 'wait', lookAgainInMs };
}

function end(status: Exclude<AgentUpdateStatus, 'InProgress'>, message: string): AgentUpdateDecision {
  return { kind: 'end', status, message };
}

function count(hosts: number): string {
  return hosts === 1 ? '1 host' : `${hosts} hosts`;
}
