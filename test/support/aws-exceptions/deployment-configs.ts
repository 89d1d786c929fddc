import { type CasesOf, changed, NO_LIMIT, never, without } from './cases.ts';

const minimumHealthyHosts = { type: 'HOST_COUNT', value: 1 };
const CREATE = { deploymentConfigName: 'new', minimumHealthyHosts };
const GET = { deploymentConfigName: 'mine' };

export const deploymentConfigExceptions: CasesOf<
  'CreateDeploymentConfig' | 'GetDeploymentConfig' | 'ListDeploymentConfigs' | 'DeleteDeploymentConfig'
> = {
  CreateDeploymentConfig: {
    InvalidDeploymentConfigNameException: changed("the prefix of CodeDeploy's own", CREATE, {
      deploymentConfigName: 'CodeDeployDefault.Mine',
    }),
    DeploymentConfigNameRequiredException: without('deploymentConfigName', CREATE),
    DeploymentConfigAlreadyExistsException: changed('a name that is taken', CREATE, { deploymentConfigName: 'mine' }),
    InvalidMinimumHealthyHostValueException: changed('100 percent of healthy hosts', CREATE, {
      minimumHealthyHosts: { type: 'FLEET_PERCENT', value: 100 },
    }),
    DeploymentConfigLimitExceededException: NO_LIMIT,
    InvalidComputePlatformException: changed('the compute platform ECS', CREATE, { computePlatform: 'ECS' }),
    InvalidTrafficRoutingConfigurationException: changed('traffic that is routed in steps', CREATE, {
      trafficRoutingConfig: { type: 'AllAtOnce' },
    }),
    InvalidZonalDeploymentConfigurationException: changed('zones, which are not served', CREATE, {
      zonalConfig: { monitorDurationInSeconds: 1 },
    }),
  },
  GetDeploymentConfig: {
    InvalidDeploymentConfigNameException: changed('a name with a space', GET, { deploymentConfigName: 'a b' }),
    DeploymentConfigNameRequiredException: without('deploymentConfigName', GET),
    DeploymentConfigDoesNotExistException: changed('a config that is not there', GET, {
      deploymentConfigName: 'no-such',
    }),
    InvalidComputePlatformException: never('a config of Lambda or ECS cannot be created'),
  },
  ListDeploymentConfigs: {
    InvalidNextTokenException: changed('a token that is none', {}, { nextToken: 'x' }),
  },
  DeleteDeploymentConfig: {
    InvalidDeploymentConfigNameException: changed('a name with a space', GET, { deploymentConfigName: 'a b' }),
    DeploymentConfigNameRequiredException: without('deploymentConfigName', GET),
    DeploymentConfigInUseException: changed('a config that a group uses', GET, {}),
    InvalidOperationException: changed('a predefined one', GET, {
      deploymentConfigName: 'CodeDeployDefault.OneAtATime',
    }),
  },
};
