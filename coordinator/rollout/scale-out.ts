import type { DeploymentId, HostId, RevisionId } from '../../shared/core/ids.ts';
import type { HostPresence } from '../../shared/model/host.ts';

/**
 * What a group owes to hosts that entered it outside of a fleet deployment.
 *
 * `entering`: the host gets the group's last good revision in a one-host deployment before it counts as in service; so does
 * a host that was offline or lost when its turn came, once it is back. `behind`: the group moved on while the host was being
 * brought in, so it follows on in an ordinary deployment of the group's config.
 * Source: AWS user guide, "Integrating CodeDeploy with Amazon EC2 Auto Scaling", and outdatedInstancesStrategy.
 */
export interface ScaleOutView {
  lastGoodRevisionId: RevisionId | null;
  /** What the group says by now of hosts that are behind: they are left as they are. */
  leavesOutdatedAlone: boolean;
  /** The deployment that occupies the group now. */
  activeDeploymentId: DeploymentId | null;
  /** Hosts that are owed something, not part of a running deployment of this group; at most a chunk. */
  owed: readonly OwedHost[];
}

export interface OwedHost {
  hostId: HostId;
  converge: 'entering' | 'behind';
  /** What the host reported as installed last. */
  revisionId: RevisionId | null;
  /** The last deployment to it failed. */
  isUnhealthy: boolean;
  presence: HostPresence;
}

export type ScaleOutDecision =
  /** The host runs the last good revision already, there is none, or it is to stay as it is: it is owed nothing. */
  | { kind: 'settle'; hostId: HostId }
  /** One deployment each, creator `autoscaling`. */
  | { kind: 'bring-in'; hostId: HostId; revisionId: RevisionId }
  /** One deployment for all of them, creator `CodeDeployAutoUpdate`; it occupies the group. */
  | { kind: 'follow-on'; hostIds: HostId[]; revisionId: RevisionId };

export function decideScaleOut(view: ScaleOutView): ScaleOutDecision[] {
  const decisions: ScaleOutDecision[] = [];
  const behind: HostId[] = [];
  for (const host of view.owed) {
    if (view.lastGoodRevisionId === null || (host.revisionId === view.lastGoodRevisionId && !host.isUnhealthy))
      decisions.push({ kind: 'settle', hostId: host.hostId });
    else if (host.converge === 'behind' && view.leavesOutdatedAlone)
      decisions.push({ kind: 'settle', hostId: host.hostId });
    else if (host.presence !== 'Online') continue;
    else if (host.converge === 'entering')
      decisions.push({ kind: 'bring-in', hostId: host.hostId, revisionId: view.lastGoodRevisionId });
    else behind.push(host.hostId);
  }
  if (behind.length > 0 && view.activeDeploymentId === null && view.lastGoodRevisionId !== null)
    decisions.push({ kind: 'follow-on', hostIds: behind, revisionId: view.lastGoodRevisionId });
  return decisions;
}
