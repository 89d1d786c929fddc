import type { Assignment } from '../../../shared/protocol/messages.ts';
import { ownLocation } from '../../domain/revision-location.ts';

/**
 * The bucket that bundles appear in for AWS's agent. Its underscore keeps S3 clients from putting it in front of the host's
 * name, where neither DNS nor the certificate would know it: a name that is no DNS label always goes into the path.
 */
export const BUNDLE_BUCKET = 'drover_bundles';

/** What AWS's agent has to know of a deployment, as JSON. Source: the agent's parser of deployment specifications. */
export function specificationText(assignment: Assignment): string {
  const { application, revision } = assignment;
  const { key, bundleType } = ownLocation(BUNDLE_BUCKET, { application, ...revision });
  return JSON.stringify({
    DeploymentId: assignment.deploymentId,
    DeploymentGroupId: assignment.deploymentGroupId,
    DeploymentGroupName: assignment.deploymentGroupName,
    ApplicationName: application,
    DeploymentCreator: assignment.creator,
    DeploymentType: 'IN_PLACE',
    AppSpecFilename: assignment.appSpecFilename,
    AgentActionOverrides: { AgentOverrides: { FileExistsBehavior: assignment.fileExistsBehavior } },
    Revision: {
      RevisionType: 'S3',
      S3Revision: {
        Bucket: BUNDLE_BUCKET,
        Key: key,
        BundleType: bundleType,
        // The agent compares it with what the download says.
        ETag: revision.digest,
      },
    },
  });
}

/** The agent only hands it back; its model asks for three slashes. */
export function toExecutionId(deploymentId: string): string {
  return `CodeDeploy/drover/Prod/deployment/${deploymentId}`;
}

/** The id of the deployment, which every form of an execution id ends with. */
export function deploymentIdOf(executionId: string): string {
  return executionId.slice(executionId.lastIndexOf('/') + 1);
}
