import {
  applicationCases,
  type CasesOf,
  changed,
  FOR_LAMBDA_AND_ECS,
  NO_LIMIT,
  NO_ROLE_IS_ASSUMED,
  never,
  ROLE,
  type Send,
  times,
  without,
} from './cases.ts';

const CREATE = { applicationName: 'app', deploymentGroupName: 'new', serviceRoleArn: ROLE };
const UPDATE = { applicationName: 'app', currentDeploymentGroupName: 'other' };
const ONE = { applicationName: 'app', deploymentGroupName: 'all' };
const BATCH = { applicationName: 'app', deploymentGroupNames: ['all'] };
const WEB = { Key: 'role', Value: 'web', Type: 'KEY_AND_VALUE' };
const NUMBERED = Array.from({ length: 11 }, (_, at) => `number-${at}`);
const CONFIG_IN_USE = never('a config that a group uses cannot be deleted');

/** What creating a group and changing one refuse alike. */
const settingsCases = (base: Send) => ({
  InvalidEC2TagException: changed('an EC2 filter without its key', base, { ec2TagFilters: [{ Type: 'KEY_ONLY' }] }),
  InvalidTagException: changed('an on-premises filter of no type that is known', base, {
    onPremisesInstanceTagFilters: [{ Key: 'a', Type: 'LIKE' }],
  }),
  InvalidAutoScalingGroupException: changed('eleven scaling groups', base, { autoScalingGroups: NUMBERED }),
  InvalidDeploymentConfigNameException: changed('a config with a space', base, { deploymentConfigName: 'a b' }),
  DeploymentConfigDoesNotExistException: changed('a config that is not there', base, {
    deploymentConfigName: 'no-such',
  }),
  InvalidRoleException: changed('a role that is no ARN', base, { serviceRoleArn: 'x' }),
  LifecycleHookLimitExceededException: never('no hook is made at Auto Scaling'),
  InvalidTriggerConfigException: changed('a trigger without events', base, {
    triggerConfigurations: [{ triggerName: 't', triggerTargetArn: 'arn:aws:sns:us-east-1:123456789012:t' }],
  }),
  TriggerTargetsLimitExceededException: changed('eleven triggers', base, {
    triggerConfigurations: NUMBERED.map((triggerName) => ({
      triggerName,
      triggerTargetArn: 'arn:aws:sns:us-east-1:123456789012:t',
      triggerEvents: ['DeploymentFailure'],
    })),
  }),
  InvalidAlarmConfigException: changed('alarms, which nobody watches', base, {
    alarmConfiguration: { enabled: true, alarms: [{ name: 'a' }] },
  }),
  AlarmsLimitExceededException: changed('eleven alarms', base, {
    alarmConfiguration: { enabled: false, alarms: NUMBERED.map((name) => ({ name })) },
  }),
  InvalidAutoRollbackConfigException: changed('a rollback on nothing', base, {
    autoRollbackConfiguration: { enabled: true, events: [] },
  }),
  InvalidLoadBalancerInfoException: changed('a load balancer without a name', base, {
    loadBalancerInfo: { elbInfoList: [{}] },
  }),
  InvalidDeploymentStyleException: changed('blue/green, which is not served', base, {
    deploymentStyle: { deploymentType: 'BLUE_GREEN' },
  }),
  InvalidBlueGreenDeploymentConfigurationException: changed('an action on blue hosts that is not known', base, {
    blueGreenDeploymentConfiguration: { terminateBlueInstancesOnDeploymentSuccess: { action: 'SELL' } },
  }),
  InvalidEC2TagCombinationException: changed('both forms of EC2 tags', base, {
    ec2TagFilters: [WEB],
    ec2TagSet: { ec2TagSetList: [[WEB]] },
  }),
  InvalidOnPremisesTagCombinationException: changed('both forms of on-premises tags', base, {
    onPremisesInstanceTagFilters: [WEB],
    onPremisesTagSet: { onPremisesTagSetList: [[WEB]] },
  }),
  TagSetListLimitExceededException: changed('four lists in a set', base, {
    ec2TagSet: { ec2TagSetList: times(4, [WEB]) },
  }),
  InvalidInputException: changed('a strategy that is not known', base, { outdatedInstancesStrategy: 'MAYBE' }),
  ThrottlingException: { ...changed('one request too many', base, {}), isThrottled: true as const },
  InvalidECSServiceException: changed('a service of ECS', base, {
    ecsServices: [{ serviceName: 's', clusterName: 'c' }],
  }),
  InvalidTargetGroupPairException: changed('a pair of target groups, which is for ECS', base, {
    loadBalancerInfo: { targetGroupPairInfoList: [{ targetGroups: [{ name: 'a' }] }] },
  }),
  ECSServiceMappingLimitExceededException: FOR_LAMBDA_AND_ECS,
  InvalidTrafficRoutingConfigurationException: never('a config that routes traffic cannot be created'),
});

export const deploymentGroupExceptions: CasesOf<
  | 'CreateDeploymentGroup'
  | 'UpdateDeploymentGroup'
  | 'GetDeploymentGroup'
  | 'BatchGetDeploymentGroups'
  | 'ListDeploymentGroups'
  | 'DeleteDeploymentGroup'
> = {
  CreateDeploymentGroup: {
    ...applicationCases(CREATE),
    ...settingsCases(CREATE),
    DeploymentGroupNameRequiredException: without('deploymentGroupName', CREATE),
    InvalidDeploymentGroupNameException: changed('a name with a slash', CREATE, { deploymentGroupName: 'a/b' }),
    DeploymentGroupAlreadyExistsException: changed('a name that is taken', CREATE, { deploymentGroupName: 'all' }),
    RoleRequiredException: without('serviceRoleArn', CREATE),
    DeploymentGroupLimitExceededException: NO_LIMIT,
    InvalidTagsToAddException: changed('a tag without a key', CREATE, { tags: [{ Value: 'x' }] }),
  },
  UpdateDeploymentGroup: {
    ...applicationCases(UPDATE),
    ...settingsCases(UPDATE),
    DeploymentGroupNameRequiredException: without('currentDeploymentGroupName', UPDATE),
    InvalidDeploymentGroupNameException: changed('a new name with a slash', UPDATE, { newDeploymentGroupName: 'a/b' }),
    DeploymentGroupAlreadyExistsException: changed('a new name that is taken', UPDATE, {
      newDeploymentGroupName: 'all',
    }),
    DeploymentGroupDoesNotExistException: changed('a group that is not there', UPDATE, {
      currentDeploymentGroupName: 'no-such',
    }),
  },
  GetDeploymentGroup: {
    ...applicationCases(ONE),
    DeploymentGroupNameRequiredException: without('deploymentGroupName', ONE),
    InvalidDeploymentGroupNameException: changed('a name with a slash', ONE, { deploymentGroupName: 'a/b' }),
    DeploymentGroupDoesNotExistException: changed('a group that is not there', ONE, { deploymentGroupName: 'no-such' }),
    DeploymentConfigDoesNotExistException: CONFIG_IN_USE,
  },
  BatchGetDeploymentGroups: {
    ...applicationCases(BATCH),
    DeploymentGroupNameRequiredException: changed('an empty list', BATCH, { deploymentGroupNames: [] }),
    InvalidDeploymentGroupNameException: changed('a name with a slash', BATCH, { deploymentGroupNames: ['a/b'] }),
    BatchLimitExceededException: changed('101 names', BATCH, { deploymentGroupNames: times(101, 'all') }),
    DeploymentConfigDoesNotExistException: CONFIG_IN_USE,
  },
  ListDeploymentGroups: {
    ...applicationCases({ applicationName: 'app' }),
    InvalidNextTokenException: changed('a token that is none', { applicationName: 'app' }, { nextToken: 'x' }),
  },
  DeleteDeploymentGroup: {
    ApplicationNameRequiredException: without('applicationName', ONE),
    InvalidApplicationNameException: changed('an application with a space', ONE, { applicationName: 'a b' }),
    DeploymentGroupNameRequiredException: without('deploymentGroupName', ONE),
    InvalidDeploymentGroupNameException: changed('a name with a slash', ONE, { deploymentGroupName: 'a/b' }),
    InvalidRoleException: NO_ROLE_IS_ASSUMED,
  },
};
