import type { DeploymentId, HostId, RevisionId } from '../../shared/core/ids.ts';
import type { DeploymentCreator, DeploymentStatus, ErrorInformation } from '../../shared/model/deployment.ts';
import type { AutoRollback } from '../../shared/model/deployment-group.ts';
import type { HostPresence } from '../../shared/model/host.ts';

/**
 * All that one decision knows about a deployment. It carries counts and the few targets that can be acted on now, never all
 * targets, so that the cost of a decision does not grow with the fleet.
 */
export interface RolloutView {
  deployment: {
    id: DeploymentId;
    status: DeploymentStatus;
    creator: DeploymentCreator;
    revisionId: RevisionId;
    /** Hosts that must stay in service, of those that are left; see minimum-healthy.ts. */
    minimumHealthyCount: number;
    /** T of the arithmetic: targets plus hosts that run the revision already. */
    totalHosts: number;
    alreadyCurrentHosts: number;
    /** Of the hosts that run the revision by this deployment's count, those that were forgotten since it was made. */
    forgottenHosts: number;
    /** Set once an end has been decided, while hosts in progress are waited for. */
    ending: { as: 'Failed' | 'Stopped'; error: ErrorInformation } | null;
    stopRequest: { by: string; rollback: boolean | null } | null;
    autoRollback: AutoRollback;
    deadlineAt: number;
    /** Of what a host is sent for it, about: a few KiB more than it has. */
    assignmentBytes: number;
  };
  counts: TargetCounts;
  /**
   * The first pending targets in the order of the plan, without those whose host is busy with another deployment; at most
   * {@link VIEW_CHUNK}. Those behind the ones that may start can be missing, when nothing keeps these from it; those that are down come
   * first when a whole chunk is healthy and none of it may start.
   */
  next: readonly PendingTarget[];
  /** Targets in progress that are due: their deadline has passed, or their host stayed away too long; at most a chunk. */
  overdue: readonly OverdueTarget[];
  /** The earliest instant at which a target in progress becomes due. */
  nextDeadlineAt: number | null;
  /**
   * Hosts that count as in service (pending and healthy, or succeeded) but are offline now: down, though not our doing. While it is they who keep
   * the next host from starting, since when that one is away without which none may start; those that went last may be back first.
   */
  offlineInService: { count: number; awaitedSince: number | null };
  /** Hosts that count as in service but are down now since another deployment of the group, or of another one of the application, is at work on them. */
  busyInService: number;
  /** True once any host was touched. */
  hasTouchedHosts: boolean;
  /** True when a host that could be reached failed. */
  hasReachableFailures: boolean;
  /** The revision of the group's last successful deployment. */
  lastGoodRevisionId: RevisionId | null;
  settings: RolloutSettings;
}

/** How many targets one decision looks at and starts. More work is another round of the same loop. */
export const VIEW_CHUNK = 256;

export interface TargetCounts {
  pending: number;
  /** Of the pending ones, those that were not healthy when the deployment was created. */
  pendingUnhealthy: number;
  inProgress: number;
  succeeded: number;
  failed: number;
  skipped: number;
}

export interface PendingTarget {
  targetId: number;
  hostId: HostId;
  hostName: string;
  wasHealthy: boolean;
  presence: HostPresence;
  presenceSince: number;
}

export interface OverdueTarget {
  targetId: number;
  hostName: string;
  wasHealthy: boolean;
  cause:
    | { kind: 'lost'; awaySince: number }
    | { kind: 'not-accepted'; startedAt: number }
    | { kind: 'no-progress'; lifecycleEvent: string | null };
}

export interface RolloutSettings {
  /** How long a host may take to accept an assignment. Source: 5 minutes, AWS user guide, "Limits". */
  acceptTimeoutMs: number;
  /** How long a host may stay away inside a deployment, or hosts that count as in service may be down. */
  hostLostAfterMs: number;
  /** Since when the coordinator is there, or goes on. Who has been away since before may only have had no chance to come back. */
  upSince: number;
  /** Who goes offline until then may have been lost before: it takes a while to find out which connections ended while the coordinator stood still. */
  missedUntil: number;
}
