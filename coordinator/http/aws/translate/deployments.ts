import type { Deployment } from '../../../../shared/model/deployment.ts';
import type { Value } from '../model.ts';
import type { Context } from '../operations/operation.ts';
import { fromLocation } from './revisions.ts';

/** Deployments as CodeDeploy tells them, in their order: two look-ups for all of them. */
export async function toDeploymentInfos(
  deployments: readonly Deployment[],
  context: Pick<Context, 'revisionLocations' | 'deploymentHistory'>,
): Promise<Value<'DeploymentInfo'>[]> {
  const locations = await context.revisionLocations.locationsOf(
    deployments.flatMap((one) => [
      one.revisionId,
      ...(one.previousRevisionId === null ? [] : [one.previousRevisionId]),
    ]),
  );
  const followers = await context.deploymentHistory.followersOf(deployments.map((one) => one.id));
  const locationOf = (revisionId: string | null) => {
    const location = locations.get(revisionId ?? '');
    return location === undefined ? undefined : fromLocation(location);
  };
  return deployments.map((deployment) => ({
    ...toInfo(deployment),
    revision: locationOf(deployment.revisionId),
    previousRevision: locationOf(deployment.previousRevisionId),
    relatedDeployments: relatedOf(deployment, followers.get(deployment.id) ?? []),
  }));
}

function toInfo(deployment: Deployment): Value<'DeploymentInfo'> {
  const { rollbackDeploymentId, rollbackTriggeringDeploymentId, rollbackMessage } = deployment.rollbackInfo;
  const hasRollback = (rollbackDeploymentId ?? rollbackTriggeringDeploymentId ?? rollbackMessage) !== null;
  return {
    applicationName: deployment.application,
    deploymentGroupName: deployment.deploymentGroup,
    deploymentConfigName: deployment.deploymentConfigName,
    deploymentId: deployment.id,
    status: deployment.status,
    errorInformation: deployment.errorInformation ?? undefined,
    createTime: deployment.createdAt,
    startTime: deployment.startedAt ?? undefined,
    completeTime: deployment.completedAt ?? undefined,
    deploymentOverview: { ...deployment.overview, Ready: 0 },
    description: deployment.description === '' ? undefined : deployment.description,
    creator: deployment.creator,
    ignoreApplicationStopFailures: deployment.ignoreApplicationStopFailures,
    autoRollbackConfiguration: deployment.autoRollback,
    updateOutdatedInstancesOnly: deployment.updateOutdatedInstancesOnly,
    rollbackInfo: hasRollback
      ? {
          rollbackDeploymentId: rollbackDeploymentId ?? undefined,
          rollbackTriggeringDeploymentId: rollbackTriggeringDeploymentId ?? undefined,
          rollbackMessage: rollbackMessage ?? undefined,
        }
      : undefined,
    deploymentStyle: { deploymentType: 'IN_PLACE', deploymentOption: 'WITHOUT_TRAFFIC_CONTROL' },
    instanceTerminationWaitTimeStarted: false,
    fileExistsBehavior: deployment.fileExistsBehavior,
    deploymentMode: deployment.isRestart === true ? 'RESTART' : undefined,
    deploymentStatusMessages: [],
    computePlatform: 'Server',
  };
}

function relatedOf(deployment: Deployment, followers: string[]): Value<'RelatedDeployments'> | undefined {
  const root = deployment.followsDeploymentId;
  if (root === null && followers.length === 0) return undefined;
  return {
    autoUpdateOutdatedInstancesRootDeploymentId: root ?? undefined,
    autoUpdateOutdatedInstancesDeploymentIds: followers.length === 0 ? undefined : followers,
  };
}
