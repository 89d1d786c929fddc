import { minimumHealthyCount } from '../../coordinator/rollout/minimum-healthy.ts';
import type { PendingTarget, RolloutView } from '../../coordinator/rollout/view.ts';
import type { DeploymentId, HostId, RevisionId } from '../../shared/core/ids.ts';
import type { MinimumHealthyHosts } from '../../shared/model/deployment-config.ts';

export const NOW = Date.UTC(2026, 10, 22, 3, 0, 0);

export interface ViewOptions {
  total?: number;
  minimum?: MinimumHealthyHosts;
  minimumCount?: number;
  pendingUnhealthy?: number;
  inProgress?: number;
  succeeded?: number;
  failed?: number;
  skipped?: number;
  alreadyCurrent?: number;
  deployment?: Partial<RolloutView['deployment']>;
  next?: PendingTarget[];
  view?: Partial<RolloutView>;
}

/** A deployment InProgress, OneAtATime over ten healthy hosts that are all online, unless told otherwise. */
export function aView(options: ViewOptions = {}): RolloutView {
  const total = options.total ?? 10;
  const counts = {
    inProgress: options.inProgress ?? 0,
    succeeded: options.succeeded ?? 0,
    failed: options.failed ?? 0,
    skipped: options.skipped ?? 0,
  };
  const ended = counts.inProgress + counts.succeeded + counts.failed + counts.skipped + (options.alreadyCurrent ?? 0);
  const pending = total - ended;
  const pendingUnhealthy = options.pendingUnhealthy ?? 0;
  return {
    deployment: {
      id: 'd-TESTTEST1' as DeploymentId,
      status: 'InProgress',
      creator: 'user',
      revisionId: 'r-new' as RevisionId,
      minimumHealthyCount:
        options.minimumCount ?? minimumHealthyCount(options.minimum ?? { type: 'MOST_CONCURRENCY', value: 1 }, total),
      totalHosts: total,
      alreadyCurrentHosts: options.alreadyCurrent ?? 0,
      forgottenHosts: 0,
      ending: null,
      stopRequest: null,
      autoRollback: { enabled: true, events: ['DEPLOYMENT_FAILURE'] },
      deadlineAt: NOW + 12 * 3_600_000,
      assignmentBytes: 1_000,
      ...options.deployment,
    },
    counts: { pending, pendingUnhealthy, ...counts },
    next:
      options.next ??
      Array.from({ length: pending }, (_, i) => aPending(ended + i + 1, { wasHealthy: i >= pendingUnhealthy })),
    overdue: [],
    nextDeadlineAt: null,
    offlineInService: { count: 0, awaitedSince: null },
    busyInService: 0,
    hasTouchedHosts: ended > 0,
    hasReachableFailures: counts.failed > 0,
    lastGoodRevisionId: 'r-old' as RevisionId,
    settings: { acceptTimeoutMs: 300_000, hostLostAfterMs: 300_000, upSince: 0, missedUntil: 0 },
    ...options.view,
  };
}

export function aPending(targetId: number, changes: Partial<PendingTarget> = {}): PendingTarget {
  return {
    targetId,
    hostId: `h-${targetId}` as HostId,
    hostName: `web-${targetId}`,
    wasHealthy: true,
    presence: 'Online',
    presenceSince: NOW - 3_600_000,
    ...changes,
  };
}
