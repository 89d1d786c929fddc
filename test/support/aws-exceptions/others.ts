import { type CasesOf, changed, deploymentCases, FOR_LAMBDA_AND_ECS, never, type Send, without } from './cases.ts';

const ARN = 'arn:aws:codedeploy:us-east-1:123456789012';
const TAG = { ResourceArn: `${ARN}:application:app`, Tags: [{ Key: 'team', Value: 'a' }] };
const UNTAG = { ResourceArn: `${ARN}:application:app`, TagKeys: ['team'] };
const TAGS = { ResourceArn: `${ARN}:application:app` };
const TOKEN = { tokenName: 'mine' };
const STATUS: Send = async (world) => ({
  deploymentId: await world.ended(),
  lifecycleEventHookExecutionId: 'x',
  status: 'Succeeded',
});
const CONFIGS_HAVE_NO_TAGS = never('configs have no tags: ArnNotSupported');
const ONLY_IN_AWS = never('of the accounts that are linked in the console of AWS; here there are none');

const resourceCases = (base: Send) => ({
  ResourceArnRequiredException: without('ResourceArn', base),
  ArnNotSupportedException: changed('the ARN of a config', base, { ResourceArn: `${ARN}:deploymentconfig:mine` }),
  InvalidArnException: changed('what is no ARN', base, { ResourceArn: 'x' }),
});
const taggedCases = (base: Send) => ({
  ...resourceCases(base),
  ApplicationDoesNotExistException: changed('an application that is not there', base, {
    ResourceArn: `${ARN}:application:no-such`,
  }),
  DeploymentGroupDoesNotExistException: changed('a group that is not there', base, {
    ResourceArn: `${ARN}:deploymentgroup:app/no-such`,
  }),
  DeploymentConfigDoesNotExistException: CONFIGS_HAVE_NO_TAGS,
});

export const otherExceptions: CasesOf<
  | 'TagResource'
  | 'UntagResource'
  | 'ListTagsForResource'
  | 'PutLifecycleEventHookExecutionStatus'
  | 'ListGitHubAccountTokenNames'
  | 'DeleteGitHubAccountToken'
  | 'DeleteResourcesByExternalId'
> = {
  TagResource: {
    ...taggedCases(TAG),
    TagRequiredException: changed('an empty list of tags', TAG, { Tags: [] }),
    InvalidTagsToAddException: changed('51 tags', TAG, {
      Tags: Array.from({ length: 51 }, (_, at) => ({ Key: `key-${at}`, Value: '' })),
    }),
  },
  UntagResource: {
    ...taggedCases(UNTAG),
    TagRequiredException: changed('an empty list of keys', UNTAG, { TagKeys: [] }),
    InvalidTagsToAddException: changed('a key of 129 characters', UNTAG, { TagKeys: ['x'.repeat(129)] }),
  },
  ListTagsForResource: resourceCases(TAGS),
  PutLifecycleEventHookExecutionStatus: {
    ...deploymentCases(STATUS),
    InvalidLifecycleEventHookExecutionStatusException: changed('a status that is not known', STATUS, {
      status: 'Done',
    }),
    InvalidLifecycleEventHookExecutionIdException: FOR_LAMBDA_AND_ECS,
    LifecycleEventAlreadyCompletedException: FOR_LAMBDA_AND_ECS,
    UnsupportedActionForDeploymentTypeException: changed('a deployment to hosts', STATUS, {}),
  },
  ListGitHubAccountTokenNames: {
    InvalidNextTokenException: changed('a token that is none', {}, { nextToken: 'x' }),
    ResourceValidationException: ONLY_IN_AWS,
    OperationNotSupportedException: ONLY_IN_AWS,
  },
  DeleteGitHubAccountToken: {
    GitHubAccountTokenNameRequiredException: without('tokenName', TOKEN),
    GitHubAccountTokenDoesNotExistException: changed('a token that is not there', TOKEN, {}),
    InvalidGitHubAccountTokenNameException: changed('a name with a space', TOKEN, { tokenName: 'a b' }),
    ResourceValidationException: ONLY_IN_AWS,
    OperationNotSupportedException: ONLY_IN_AWS,
  },
  DeleteResourcesByExternalId: {},
};
