/**
 * AWS's clients, as far as the import needs them: loaded by it alone. The build makes a file of its own of this one, since their
 * text in the command would cost every other command a third of its start.
 */
export {
  BatchGetApplicationsCommand,
  BatchGetDeploymentGroupsCommand,
  BatchGetOnPremisesInstancesCommand,
  CodeDeployClient,
  GetApplicationCommand,
  GetDeploymentConfigCommand,
  ListApplicationRevisionsCommand,
  ListApplicationsCommand,
  ListDeploymentConfigsCommand,
  ListDeploymentGroupsCommand,
  ListOnPremisesInstancesCommand,
} from '@aws-sdk/client-codedeploy';
export { GetObjectCommand, HeadObjectCommand, S3Client } from '@aws-sdk/client-s3';
