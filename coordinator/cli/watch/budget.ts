import type { Deployment } from '../../../shared/model/deployment.ts';
import type { WatchModel } from './watch-model.ts';

/** What a deployment's config allows, as far as it is known from outside. */
export interface Budget {
  /** Hosts that stay in service. */
  floor: number;
  /** Hosts that may be out of service at once: running and failed together. */
  mayBeOut: number;
  /** The failure with this number ends the deployment; null when none does before the last host. */
  endsAtFailure: number | null;
  willRollBackTo: string | null;
}

/**
 * Capacity is T - m - f: with T - m failures none is left while hosts remain. OneAtATime has one in flight and ends with
 * any failure but the last host's, which is the same with m = T - 1. Source: docs/rollout.md.
 */
export function budgetOf(deployment: Deployment): Budget {
  const total = deployment.totalHosts - (deployment.forgottenHosts ?? 0);
  const floor = Math.max(0, deployment.minimumHealthyCount ?? total - 1);
  const mayBeOut = Math.max(0, total - floor);
  return {
    floor,
    mayBeOut,
    endsAtFailure: mayBeOut > 0 && mayBeOut < total ? mayBeOut : null,
    willRollBackTo: rollbackTarget(deployment),
  };
}

function rollbackTarget(deployment: Deployment): string | null {
  const { autoRollback, creator, previousRevisionId, previousRevisionLabel, revisionId } = deployment;
  const isWanted = autoRollback.enabled && autoRollback.events.includes('DEPLOYMENT_FAILURE');
  const isPossible =
    creator !== 'codeDeployRollback' && previousRevisionId !== null && previousRevisionId !== revisionId;
  return isWanted && isPossible ? previousRevisionLabel : null;
}

/** How long the rest may take, ms, from how long hosts took; null before that can be said. */
export function remainingMs(model: WatchModel): number | null {
  const median = model.medianDurationMs;
  const { Pending, InProgress, Failed } = model.counts;
  const left = Pending + InProgress;
  if (median === null || left === 0 || model.durationCount < Math.min(2, model.size)) return null;
  const { mayBeOut, endsAtFailure } = budgetOf(model.deployment);
  // It ends soon, and not by going on.
  if (model.deployment.endingAs !== null || (endsAtFailure !== null && Failed >= endsAtFailure)) return null;
  const atOnce = Math.max(1, mayBeOut - Failed);
  return Math.ceil(left / atOnce) * median;
}
