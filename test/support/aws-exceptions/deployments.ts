import {
  applicationCases,
  type CasesOf,
  changed,
  deploymentCases,
  NO_ROLE_IS_ASSUMED,
  never,
  type Send,
  times,
  without,
} from './cases.ts';

const CREATE: Send = ({ revision }) => ({ applicationName: 'app', deploymentGroupName: 'other', revision });
const ENDED: Send = async (world) => ({ deploymentId: await world.ended() });
const RUNNING: Send = async (world) => ({ deploymentId: await world.running() });
const LIST = { applicationName: 'app', deploymentGroupName: 'all' };
const IN_PLACE = 'a running deployment, since it is in place';
const ONLY_BLUE_GREEN = never('for blue/green, which is not served: an operation in place is refused before');
const ALARMS = Array.from({ length: 11 }, (_, at) => ({ name: `alarm-${at}` }));
const GITHUB = {
  revisionType: 'GitHub',
  gitHubLocation: { repository: 'acme/shop', commitId: '0123456789abcdef0123456789abcdef01234567' },
};
const NONE = { revisionType: 'S3', s3Location: { bucket: 'drover', key: 'app/none.tgz', bundleType: 'tgz' } };

export const deploymentExceptions: CasesOf<
  | 'CreateDeployment'
  | 'GetDeployment'
  | 'BatchGetDeployments'
  | 'ListDeployments'
  | 'StopDeployment'
  | 'ContinueDeployment'
  | 'SkipWaitTimeForInstanceTermination'
> = {
  CreateDeployment: {
    ...applicationCases(CREATE),
    DeploymentGroupNameRequiredException: without('deploymentGroupName', CREATE),
    InvalidDeploymentGroupNameException: changed('a group with a space', CREATE, { deploymentGroupName: 'a b' }),
    DeploymentGroupDoesNotExistException: changed('a group that is not there', CREATE, {
      deploymentGroupName: 'no-such',
    }),
    RevisionRequiredException: without('revision', CREATE),
    RevisionDoesNotExistException: changed("a bundle that Drover's own bucket has not", CREATE, { revision: NONE }),
    InvalidRevisionException: changed('a revision without its location', CREATE, { revision: { revisionType: 'S3' } }),
    InvalidDeploymentConfigNameException: changed('a config with a space', CREATE, { deploymentConfigName: 'a b' }),
    DeploymentConfigDoesNotExistException: changed('a config that is not there', CREATE, {
      deploymentConfigName: 'no-such',
    }),
    DescriptionTooLongException: changed('a description of 257 characters', CREATE, { description: 'x'.repeat(257) }),
    DeploymentLimitExceededException: changed('a group that is deploying', CREATE, async (world) => {
      await world.running();
      return { deploymentGroupName: 'all' };
    }),
    InvalidTargetInstancesException: changed('targets of its own in place', CREATE, {
      targetInstances: { autoScalingGroups: ['a'] },
    }),
    InvalidAlarmConfigException: changed('alarms, which nobody watches', CREATE, {
      overrideAlarmConfiguration: { enabled: true, alarms: [{ name: 'a' }] },
    }),
    AlarmsLimitExceededException: changed('eleven alarms', CREATE, {
      overrideAlarmConfiguration: { enabled: false, alarms: ALARMS },
    }),
    InvalidAutoRollbackConfigException: changed('a rollback on nothing', CREATE, {
      autoRollbackConfiguration: { enabled: true },
    }),
    InvalidLoadBalancerInfoException: never(
      'load balancers of a group are checked when they are given; none is driven',
    ),
    InvalidFileExistsBehaviorException: changed('a behaviour that is not known', CREATE, {
      fileExistsBehavior: 'MERGE',
    }),
    InvalidRoleException: NO_ROLE_IS_ASSUMED,
    InvalidAutoScalingGroupException: never('scaling groups of its own are refused as InvalidTargetInstances'),
    ThrottlingException: { ...changed('one request too many', CREATE, {}), isThrottled: true },
    InvalidUpdateOutdatedInstancesOnlyValueException: changed('a RESTART of outdated instances only', CREATE, {
      revision: undefined,
      deploymentMode: 'RESTART',
      updateOutdatedInstancesOnly: true,
    }),
    InvalidIgnoreApplicationStopFailuresValueException: never(
      'Server takes true and false; what is neither is Serialization',
    ),
    InvalidGitHubAccountTokenException: changed('a token that GitHub does not accept', CREATE, { revision: GITHUB }),
    InvalidTrafficRoutingConfigurationException: never('a config that routes traffic cannot be created'),
  },
  GetDeployment: deploymentCases(ENDED),
  BatchGetDeployments: {
    DeploymentIdRequiredException: changed('an empty list', {}, { deploymentIds: [] }),
    InvalidDeploymentIdException: changed('an id of another form', {}, { deploymentIds: ['d-1'] }),
    BatchLimitExceededException: changed('26 ids', {}, { deploymentIds: times(26, 'd-000000000') }),
  },
  ListDeployments: {
    ApplicationNameRequiredException: without('applicationName', LIST),
    InvalidApplicationNameException: changed('an application with a space', LIST, { applicationName: 'a b' }),
    ApplicationDoesNotExistException: changed('an application that is not there', LIST, { applicationName: 'no-such' }),
    InvalidDeploymentGroupNameException: changed('a group with a space', LIST, { deploymentGroupName: 'a b' }),
    DeploymentGroupDoesNotExistException: changed('a group that is not there', LIST, {
      deploymentGroupName: 'no-such',
    }),
    DeploymentGroupNameRequiredException: without('deploymentGroupName', LIST),
    InvalidTimeRangeException: changed('a time that ends before it begins', LIST, {
      createTimeRange: { start: 2, end: 1 },
    }),
    InvalidDeploymentStatusException: changed('a status that is not known', LIST, { includeOnlyStatuses: ['Done'] }),
    InvalidNextTokenException: changed('a token that is none', LIST, { nextToken: 'x' }),
    InvalidExternalIdException: never(
      'external ids are those of CloudFormation, of any form; no deployment here has one',
    ),
    InvalidInputException: never('each member has an exception of its own'),
  },
  StopDeployment: {
    ...deploymentCases(ENDED),
    DeploymentGroupDoesNotExistException: never('a group cannot be deleted while it is deploying'),
    DeploymentAlreadyCompletedException: changed('a deployment that has ended', ENDED, {}),
    UnsupportedActionForDeploymentTypeException: never('every deployment in place can be stopped'),
  },
  ContinueDeployment: {
    ...deploymentCases(ENDED),
    DeploymentAlreadyCompletedException: changed('a deployment that has ended', ENDED, {}),
    DeploymentIsNotInReadyStateException: ONLY_BLUE_GREEN,
    UnsupportedActionForDeploymentTypeException: changed(IN_PLACE, RUNNING, {}),
    InvalidDeploymentWaitTypeException: changed('a wait that is not known', ENDED, { deploymentWaitType: 'TEA' }),
    InvalidDeploymentStatusException: ONLY_BLUE_GREEN,
  },
  SkipWaitTimeForInstanceTermination: {
    ...deploymentCases(ENDED),
    DeploymentAlreadyCompletedException: changed('a deployment that has ended', ENDED, {}),
    DeploymentNotStartedException: ONLY_BLUE_GREEN,
    UnsupportedActionForDeploymentTypeException: changed(IN_PLACE, RUNNING, {}),
  },
};
