import type { AgentFlaw } from './world/agent-updater.ts';
import type { CoordinatorFailpoint } from './world/coordinator.ts';
import type { DiskMoment } from './world/disk.ts';
import type { FullAt } from './world/full-database.ts';
import type { Flaw } from './world/hooks.ts';

/**
 * All that a seed decides before its history begins, as data: what there is, what operators do and what goes wrong. The
 * same plan gives the same history, and a plan with something left out is a smaller history.
 */
export interface Plan {
  seed: number;
  machines: number;
  /** The machines from here on exist and have not enrolled: they join when a scale-out says so. */
  spareMachines: number;
  heartbeatIntervalMs: number;
  hostLostAfterMs: number;
  deploymentTimeoutMs: number;
  network: { latencyMs: number; spikes: number; spikeMs: number };
  /** The so-many-th downloads of bundles are damaged on their way. */
  damagedDownloads?: number[];
  /** Of each machine, by number. */
  clockOffsetsMs: number[];
  refusingWebSockets: number[];
  syncDelayMs: number;
  restartAfterMs: number;
  /** Makes a port break its word, so that a promise cannot be kept: for seeing that this is noticed. */
  sabotage: 'lying-sync' | 'forgotten-starts' | null;
  /** Agents write their journal anew once it is longer; so long as it gets in a history, they never do otherwise. */
  compactJournalAboveBytes?: number;
  /** Retention removes all that is not needed and older than a day. */
  keepsLittle?: true;
  /** Revisions have most of their files in common, and agents fetch what they lack of them, however small it is. */
  hasDeltas?: true;
  /** Scripts print all along, and not only at their beginning. */
  printsInParts?: true;
  /** Groups have a trigger for everything that happens. */
  hasTriggers?: true;
  agentUpdates?: PlannedAgentUpdates;
  groups: PlannedGroup[];
  revisions: { application: string; label: string; flaw: Flaw; scriptsPerEvent: number }[];
  items: PlanItem[];
  /** When faults and operators end, ms. */
  horizonMs: number;
}

/** Versions of the agent that the coordinator offers, and how operators bring them to the hosts. */
export interface PlannedAgentUpdates {
  offered: { version: string; flaw: AgentFlaw; isSomewhere: boolean }[];
  /** What machines begin with, by number, counted round. */
  installed: string[];
  /** Of each machine, by number, counted round. */
  packages: ('deb' | 'archive' | null)[];
  waves: string[];
  budget: string;
  healthyWithinSeconds: number;
}

export interface PlannedGroup {
  application: string;
  name: string;
  /** Hosts with this role are in it. */
  role: string;
  /** Hosts with these roles as well: another group may have them, too. */
  alsoRoles?: string[];
  /** No host enrols for it: those that it has come from other groups. */
  startsEmpty?: true;
  configName: string;
  minimum: { type: 'HOST_COUNT' | 'FLEET_PERCENT'; value: number } | null;
  autoRollback: { enabled: boolean; events: ('DEPLOYMENT_FAILURE' | 'DEPLOYMENT_STOP_ON_REQUEST')[] };
  outdatedInstancesStrategy: 'UPDATE' | 'IGNORE';
}

/** What a host enrols as: each group gets some, but for those that begin without any. */
export function roleOfNumber({ groups }: Plan, number: number): string {
  const first = groups.filter((group) => group.startsEmpty !== true);
  return first[number % first.length]?.role ?? 'web';
}

export interface PlanItem {
  id: number;
  trigger: Trigger;
  action: Action;
}

export type Trigger =
  | { kind: 'at'; ms: number }
  /** So long after the so-many-th time that this happened, counted from `sinceMs` on; at bad moments, that is. */
  | { kind: 'on'; signal: Signal | InnerSignal | SceneSignal; nth: number; delayMs: number; sinceMs?: number };

export const SIGNALS = [
  'deployment-created',
  'rollback-created',
  'scale-out-created',
  'deployment-ended',
  'assignment-sent',
  'host-began',
  'script-began',
  'script-ended',
  'stop-answered',
  'coordinator-ended',
  'agent-ended',
] as const;
export type Signal = (typeof SIGNALS)[number];
/**
 * Given in the middle of a step of the coordinator's: it has committed that hosts start, or that a host, or all, of a wave of an agent
 * update have ended, and nobody has heard of it. What waits for it without a delay is carried out in that very moment, as a request is that
 * comes in just then.
 */
export type InnerSignal = 'starts-committed' | 'wave-host-committed' | 'wave-end-committed';
/** What scenes alone wait for: beside {@link SIGNALS}, of which chance picks. */
export type SceneSignal =
  | 'follow-on-created'
  | 'wave-created'
  | 'updater-begins'
  | 'agent-replaced'
  | 'agent-put-back'
  | 'updater-ended';

/** Machines and groups are numbers: what is too large is counted round. */
export type Action =
  // What operators do.
  | {
      kind: 'deploy';
      group: number;
      revision: number;
      overwrite: boolean;
      configName: string | null;
      onlyOutdated: boolean;
      key: boolean;
      /** To the first two hosts only. */
      part: boolean;
    }
  | { kind: 'stop'; group: number; rollback: boolean | null }
  /** Of what brings a host in to the group. */
  | { kind: 'stop-bringing-in'; group: number }
  | { kind: 'rollback'; group: number }
  | { kind: 'retag'; machine: number; role: string }
  | { kind: 'forget'; machine: number }
  | { kind: 'enrol-again'; machine: number }
  | { kind: 'recreate-group'; group: number }
  | { kind: 'change-config'; group: number; configName: string }
  | { kind: 'scale-out'; count: number; role: string }
  | { kind: 'scale-in'; count: number }
  | { kind: 'retention' }
  /** To one of the versions that are offered, by its number. */
  | { kind: 'update-agents'; version: number; downgrade: boolean }
  | { kind: 'stop-agent-update' }
  // What goes wrong.
  | { kind: 'partition'; machines: number[]; direction: 'both' | 'up' | 'down'; isNoticed: boolean; ms: number }
  /** No sync returns: the agent is there, and cannot accept anything. */
  | { kind: 'disk-hangs'; machine: number; ms: number }
  | { kind: 'reset'; machine: number }
  | { kind: 'half-open'; machine: number }
  | { kind: 'kill-agent'; machine: number }
  | { kind: 'stop-agent'; machine: number }
  | { kind: 'agent-failpoint'; machine: number; countdown: number; moment: DiskMoment }
  | { kind: 'kill-hook'; machine: number }
  | { kind: 'kill-updater'; machine: number }
  | { kind: 'power'; machine: number; how: 'power-cut' | 'shutdown'; ms: number }
  | { kind: 'gone'; machine: number }
  | { kind: 'clone'; machine: number; hasOwnMachineId: boolean }
  /** Of a host that has nothing to do. */
  | { kind: 'remove-journal'; machine: number }
  /** Of its disk, while it has nothing to do and serves. */
  | { kind: 'snapshot'; machine: number }
  /** To its snapshot, also while it has nothing to do. It is back so much later. */
  | { kind: 'set-back'; machine: number; ms: number }
  /** A file of each bundle that lies unpacked on it is changed, as a hook may do. */
  | { kind: 'spoil-unpacked'; machine: number }
  | { kind: 'disk-full'; machine: number; ms: number }
  /** Its file system can make no file more. */
  | { kind: 'no-inodes'; machine: number; ms: number }
  /** What is installed becomes read-only, in the middle of the next install, as a file system does that has met an error. */
  | { kind: 'read-only'; machine: number; names: number; ms: number }
  | { kind: 'clock-jump'; machine: number; ms: number }
  | { kind: 'coordinator-clock'; ms: number }
  /** The coordinator is turned off, and started again so many days later. */
  | { kind: 'days-pass'; days: number }
  | { kind: 'kill-coordinator'; ms: number }
  /** Its database can write nothing. */
  | { kind: 'full-database'; at: FullAt; ms: number }
  | { kind: 'restart-coordinator'; ms: number }
  | { kind: 'coordinator-failpoint'; moment: CoordinatorFailpoint['moment']; countdown: number; ms: number };
