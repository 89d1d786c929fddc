import type { RolloutView } from './view.ts';

/*
 * T hosts, m of them must stay in service, f failed, r in progress. CodeDeploy's documented examples all follow from
 * c = T - m - f: while hosts remain, c <= 0 ends the deployment, else at most c are in flight.
 * Source: AWS user guide, "Minimum healthy instances", examples with 9 and 10 instances.
 *
 * A host that had the revision and was forgotten serves nobody any more: it is not of T, and m is that of the hosts left.
 *
 * A single host that has to run under OneAtATime or a percentage has m = 0 (minimum-healthy.ts), so the same formula holds.
 */

/** T, without the hosts that were forgotten after they had the revision. */
export function hostsLeft({ deployment }: RolloutView): number {
  return deployment.totalHosts - deployment.forgottenHosts;
}

/** False when no further host may be attempted: the deployment has to end. */
export function hasCapacityLeft(view: RolloutView): boolean {
  const { deployment, counts } = view;
  if (isRollback(view) && counts.pendingUnhealthy > 0) return true;
  return hostsLeft(view) - deployment.minimumHealthyCount - counts.failed > 0;
}

/** Hosts that may start although they are not healthy: the batch size bounds them, no service is lost. */
export function capacityForUnhealthy(view: RolloutView): number {
  const { deployment, counts } = view;
  const batch = hostsLeft(view) - deployment.minimumHealthyCount;
  // A rollback heals: a host that could not be healed must not keep the others from it.
  if (isRollback(view)) return Math.max(1, batch) - counts.inProgress;
  return batch - counts.failed - counts.inProgress;
}

/**
 * Healthy hosts that may start. Beyond the formula, what is out of service for other reasons counts: unhealthy hosts that
 * wait for their turn, hosts that went offline, and hosts that another deployment is bringing in (invariant I1).
 */
export function capacityForHealthy(view: RolloutView): number {
  const { deployment, counts, offlineInService, busyInService } = view;
  return (
    hostsLeft(view) -
    deployment.minimumHealthyCount -
    busyInService -
    counts.failed -
    counts.inProgress -
    counts.pendingUnhealthy -
    offlineInService.count
  );
}

function isRollback(view: RolloutView): boolean {
  return view.deployment.creator === 'codeDeployRollback';
}
