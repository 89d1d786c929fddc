import { createHash } from 'node:crypto';
import { isAppError } from '../../../../shared/core/errors.ts';
import { type DeploymentConfig, minimumHealthyHosts } from '../../../../shared/model/deployment-config.ts';
import { AwsException, refusedAs } from '../exceptions.ts';
import type { Value } from '../model.ts';
import { PAGE_ITEMS, paged } from '../translate/paging.ts';
import type { OperationsOf } from './operation.ts';

export const deploymentConfigOperations: OperationsOf<
  'CreateDeploymentConfig' | 'GetDeploymentConfig' | 'ListDeploymentConfigs' | 'DeleteDeploymentConfig'
> = {
  CreateDeploymentConfig: {
    role: 'deployer',
    async run(input, { deploymentConfigs, caller }) {
      const { deploymentConfigName: name, computePlatform = 'Server' } = input;
      if (computePlatform !== 'Server')
        throw new AwsException(
          'InvalidComputePlatformException',
          `Drover deploys to hosts: computePlatform is Server; ${computePlatform} is not served`,
        );
      if (input.trafficRoutingConfig !== undefined)
        throw new AwsException(
          'InvalidTrafficRoutingConfigurationException',
          'trafficRoutingConfig is for Lambda and ECS, not for Server',
        );
      if (input.zonalConfig !== undefined)
        throw new AwsException(
          'InvalidZonalDeploymentConfigurationException',
          'zones are not served yet: leave zonalConfig out',
        );
      const parsed = minimumHealthyHosts.safeParse(input.minimumHealthyHosts);
      if (!parsed.success)
        throw new AwsException(
          'InvalidMinimumHealthyHostValueException',
          'minimumHealthyHosts is {type: HOST_COUNT, value: 0 or more} or {type: FLEET_PERCENT, value: 0 to 99}',
        );
      const made = await refusedAs('InvalidDeploymentConfigNameException', () =>
        deploymentConfigs.create({ name, minimumHealthyHosts: parsed.data }, caller),
      );
      return { deploymentConfigId: idOf(made) };
    },
  },
  GetDeploymentConfig: {
    role: 'viewer',
    run: async ({ deploymentConfigName }, { deploymentConfigs }) => ({
      deploymentConfigInfo: toInfo(await deploymentConfigs.get(deploymentConfigName)),
    }),
  },
  ListDeploymentConfigs: {
    role: 'viewer',
    async run({ nextToken }, { deploymentConfigs }) {
      const page = await paged(() => deploymentConfigs.list({ cursor: nextToken, limit: PAGE_ITEMS }));
      return { deploymentConfigsList: page.items.map((one) => one.name), nextToken: page.nextCursor ?? undefined };
    },
  },
  DeleteDeploymentConfig: {
    role: 'admin',
    async run({ deploymentConfigName }, { deploymentConfigs, caller }) {
      try {
        await deploymentConfigs.delete(deploymentConfigName, caller);
      } catch (error) {
        // Deleting what is not there is fine, as in CodeDeploy.
        if (!isAppError(error, 'not_found')) throw error;
      }
    },
  },
};

function toInfo(config: DeploymentConfig): Value<'DeploymentConfigInfo'> {
  return {
    deploymentConfigId: idOf(config),
    deploymentConfigName: config.name,
    // OneAtATime has a type of its own in answers, which the model's enumeration for requests does not list.
    minimumHealthyHosts: config.minimumHealthyHosts as Value<'MinimumHealthyHosts'>,
    createTime: config.isPredefined ? undefined : config.createdAt,
    computePlatform: 'Server',
  };
}

/** In the form of a UUID. A config never changes and its name is its key, so nothing has to be kept for it. */
function idOf({ name, createdAt }: DeploymentConfig): string {
  const hex = createHash('sha256').update(`${name}\n${createdAt}`).digest('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), `4${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20, 32)].join(
    '-',
  );
}
