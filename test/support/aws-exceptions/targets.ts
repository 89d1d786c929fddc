import { type CasesOf, changed, deploymentCases, FOR_LAMBDA_AND_ECS, never, type Send, times } from './cases.ts';

const LIST: Send = async (world) => ({ deploymentId: await world.ended() });
const TARGET: Send = async (world) => ({ deploymentId: await world.ended(), targetId: 'web-1' });
const TARGETS: Send = async (world) => ({ deploymentId: await world.ended(), targetIds: ['web-1'] });
const INSTANCE: Send = async (world) => ({ deploymentId: await world.ended(), instanceId: 'web-1' });
const INSTANCES: Send = async (world) => ({ deploymentId: await world.ended(), instanceIds: ['web-1'] });
const UNSTARTED: Send = async (world) => ({ deploymentId: await world.unstarted() });
const WHEN_UNSTARTED = 'a deployment that has not begun';
const ARN_OF_NONE = 'arn:aws:codedeploy:us-east-1:123456789012:instance:a b';

export const targetExceptions: CasesOf<
  | 'ListDeploymentTargets'
  | 'GetDeploymentTarget'
  | 'BatchGetDeploymentTargets'
  | 'ListDeploymentInstances'
  | 'GetDeploymentInstance'
  | 'BatchGetDeploymentInstances'
> = {
  ListDeploymentTargets: {
    ...deploymentCases(LIST),
    DeploymentNotStartedException: changed(WHEN_UNSTARTED, LIST, UNSTARTED),
    InvalidNextTokenException: changed('a token that is none', LIST, { nextToken: 'x' }),
    InvalidInstanceStatusException: changed('a status that is not known', LIST, {
      targetFilters: { TargetStatus: ['Done'] },
    }),
    InvalidInstanceTypeException: changed('a label that is not known', LIST, {
      targetFilters: { ServerInstanceLabel: ['Red'] },
    }),
    InvalidDeploymentInstanceTypeException: changed('a label of blue/green', LIST, {
      targetFilters: { ServerInstanceLabel: ['Blue'] },
    }),
    InvalidTargetFilterNameException: changed('a filter that is not known', LIST, { targetFilters: { Colour: ['x'] } }),
  },
  GetDeploymentTarget: {
    ...deploymentCases(TARGET),
    DeploymentNotStartedException: changed(WHEN_UNSTARTED, TARGET, UNSTARTED),
    DeploymentTargetIdRequiredException: changed('a request without targetId', TARGET, { targetId: undefined }),
    InvalidDeploymentTargetIdException: changed('a target with a space', TARGET, { targetId: 'a b' }),
    DeploymentTargetDoesNotExistException: changed('a host that is not in the deployment', TARGET, {
      targetId: 'web-9',
    }),
    InvalidInstanceNameException: changed('an ARN of an instance that names none', TARGET, { targetId: ARN_OF_NONE }),
  },
  BatchGetDeploymentTargets: {
    ...deploymentCases(TARGETS),
    DeploymentNotStartedException: changed(WHEN_UNSTARTED, TARGETS, UNSTARTED),
    DeploymentTargetIdRequiredException: changed('an empty list', TARGETS, { targetIds: [] }),
    InvalidDeploymentTargetIdException: changed('a target with a space', TARGETS, { targetIds: ['web-9', 'a b'] }),
    DeploymentTargetDoesNotExistException: changed('a host that is not in the deployment', TARGETS, {
      targetIds: ['web-1', 'web-9'],
    }),
    DeploymentTargetListSizeExceededException: changed('26 targets', TARGETS, { targetIds: times(26, 'web-1') }),
    InstanceDoesNotExistException: never('a host that is not in the deployment is DeploymentTargetDoesNotExist'),
  },
  ListDeploymentInstances: {
    ...deploymentCases(LIST),
    DeploymentNotStartedException: changed(WHEN_UNSTARTED, LIST, UNSTARTED),
    InvalidNextTokenException: changed('a token that is none', LIST, { nextToken: 'x' }),
    InvalidInstanceStatusException: changed('a status that is not known', LIST, { instanceStatusFilter: ['Done'] }),
    InvalidInstanceTypeException: changed('a label that is not known', LIST, { instanceTypeFilter: ['Red'] }),
    InvalidDeploymentInstanceTypeException: changed('a label of blue/green', LIST, { instanceTypeFilter: ['Green'] }),
    InvalidTargetFilterNameException: never('this older operation takes no filters by name'),
    InvalidComputePlatformException: FOR_LAMBDA_AND_ECS,
  },
  GetDeploymentInstance: {
    ...deploymentCases(INSTANCE),
    InstanceIdRequiredException: changed('a request without instanceId', INSTANCE, { instanceId: undefined }),
    InstanceDoesNotExistException: changed('a host that is not in the deployment', INSTANCE, { instanceId: 'web-9' }),
    InvalidInstanceNameException: changed('an instance with a space', INSTANCE, { instanceId: 'a b' }),
    InvalidComputePlatformException: FOR_LAMBDA_AND_ECS,
  },
  BatchGetDeploymentInstances: {
    ...deploymentCases(INSTANCES),
    InstanceIdRequiredException: changed('an empty list', INSTANCES, { instanceIds: [] }),
    InvalidInstanceNameException: changed('an instance with a space', INSTANCES, { instanceIds: ['a b'] }),
    BatchLimitExceededException: changed('26 instances', INSTANCES, { instanceIds: times(26, 'web-1') }),
    InvalidComputePlatformException: FOR_LAMBDA_AND_ECS,
  },
};
