import { AwsException } from '../exceptions.ts';
import { getDeployment } from './deployments.ts';
import type { OperationsOf } from './operation.ts';

/** What an account without Lambda, ECS, CloudFormation and linked GitHub accounts gets. */
export const notServedOperations: OperationsOf<
  | 'PutLifecycleEventHookExecutionStatus'
  | 'ListGitHubAccountTokenNames'
  | 'DeleteGitHubAccountToken'
  | 'DeleteResourcesByExternalId'
> = {
  PutLifecycleEventHookExecutionStatus: {
    role: 'deployer',
    async run({ deploymentId }, context) {
      const { id } = await getDeployment(deploymentId, context);
      throw new AwsException(
        'UnsupportedActionForDeploymentTypeException',
        `${id} is a Server deployment: only Lambda and ECS validate by functions that report here`,
      );
    },
  },
  // Tokens are linked in AWS's console alone; here the coordinator's configuration has one for all.
  ListGitHubAccountTokenNames: {
    role: 'viewer',
    async run({ nextToken }) {
      if (nextToken !== undefined)
        throw new AwsException('InvalidNextTokenException', 'nextToken: no list of tokens has a second page');
      return { tokenNameList: [] };
    },
  },
  DeleteGitHubAccountToken: {
    role: 'admin',
    async run({ tokenName }) {
      if (tokenName === undefined || tokenName === '')
        throw new AwsException('GitHubAccountTokenNameRequiredException', 'tokenName is required');
      throw new AwsException(
        'GitHubAccountTokenDoesNotExistException',
        `there is no GitHub token ${tokenName.slice(0, 128)}`,
      );
    },
  },
  // CloudFormation's own clean-up: nothing here is made by it.
  DeleteResourcesByExternalId: { role: 'admin', run: async () => ({}) },
};
