import type { Decision } from './decision.ts';
import type { RolloutView } from './view.ts';

/**
 * Whether a deployment that ended badly is followed by a rollback, a new deployment of the group's last good revision, and
 * if not, why: the operator is told either way. Empty when no rollback was asked for.
 * Source: AWS user guide, "Redeploy and roll back a deployment".
 */
export function rollbackDecisions(view: RolloutView, status: 'Failed' | 'Stopped'): Decision[] {
  const { deployment, lastGoodRevisionId } = view;
  if (!isWanted(view, status)) return [];
  if (deployment.creator === 'codeDeployRollback') return no('A rollback is not rolled back.');
  if (deployment.creator === 'autoscaling')
    return no('A new host is not rolled back: it does not count as in service until a deployment to it succeeds.');
  if (!view.hasTouchedHosts) return no('No host was touched: there is nothing to roll back.');
  if (lastGoodRevisionId === null) return no('The group has no earlier successful deployment to roll back to.');
  if (lastGoodRevisionId === deployment.revisionId)
    return no("The revision that failed is the group's last good one: rolling back would bring the same again.");
  return [{ kind: 'create-rollback', revisionId: lastGoodRevisionId }];
}

function isWanted({ deployment }: RolloutView, status: 'Failed' | 'Stopped'): boolean {
  const { autoRollback, stopRequest } = deployment;
  // Also when it had begun to fail before the stop: an operator has said what is wanted.
  if (stopRequest !== null && stopRequest.rollback !== null) return stopRequest.rollback;
  const event = status === 'Failed' ? 'DEPLOYMENT_FAILURE' : 'DEPLOYMENT_STOP_ON_REQUEST';
  return autoRollback.enabled && autoRollback.events.includes(event);
}

function no(message: string): Decision[] {
  return [{ kind: 'no-rollback', message }];
}
