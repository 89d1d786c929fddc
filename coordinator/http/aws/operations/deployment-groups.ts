import { isAppError } from '../../../../shared/core/errors.ts';
import type { Deployment } from '../../../../shared/model/deployment.ts';
import { DEFAULT_CONFIG_NAME } from '../../../../shared/model/deployment-config.ts';
import type { DeploymentGroup } from '../../../../shared/model/deployment-group.ts';
import type { AwsGroupSettings } from '../../../domain/aws-group-settings.ts';
import { refusedAs } from '../exceptions.ts';
import type { Value } from '../model.ts';
import { checkBatch } from '../translate/batches.ts';
import {
  changedForms,
  changesSelection,
  checkForms,
  formsOf,
  fromTriggers,
  toAutoRollback,
  toSelection,
  toTriggers,
} from '../translate/groups.ts';
import { PAGE_ITEMS, paged } from '../translate/paging.ts';
import { fromLocation } from '../translate/revisions.ts';
import { toTags } from '../translate/tags.ts';
import type { Context, OperationsOf } from './operation.ts';

const MAX_BATCH = 100;

export const deploymentGroupOperations: OperationsOf<
  | 'CreateDeploymentGroup'
  | 'UpdateDeploymentGroup'
  | 'GetDeploymentGroup'
  | 'BatchGetDeploymentGroups'
  | 'ListDeploymentGroups'
  | 'DeleteDeploymentGroup'
> = {
  CreateDeploymentGroup: {
    role: 'deployer',
    async run(input, { deploymentGroups, caller }) {
      checkForms(input);
      const { applicationName: application, deploymentGroupName: name } = input;
      const forms = changedForms({}, input);
      const resourceTags = toTags(input.tags ?? [], 'InvalidTagsToAddException');
      const body = {
        name,
        selection: toSelection(forms, input.autoScalingGroups ?? [], { hostNames: [] }),
        deploymentConfigName: input.deploymentConfigName ?? DEFAULT_CONFIG_NAME,
        autoRollback: toAutoRollback(input.autoRollbackConfiguration),
        outdatedInstancesStrategy: input.outdatedInstancesStrategy ?? ('UPDATE' as const),
        hookEnvironment: {},
        transientUnits: false,
        triggers: toTriggers(input.triggerConfigurations ?? []),
      };
      const group = await refusedAs('InvalidTagsToAddException', () =>
        deploymentGroups.create({ application }, body, caller, { aws: forms, resourceTags }),
      );
      return { deploymentGroupId: group.id };
    },
  },
  UpdateDeploymentGroup: {
    role: 'deployer',
    async run(input, { deploymentGroups, caller }) {
      checkForms(input);
      const params = { application: input.applicationName, group: input.currentDeploymentGroupName };
      await deploymentGroups.updateWith(params, caller, ({ settings, aws }) => {
        const before = formsOf(settings, aws);
        const forms = changedForms(before, input);
        return {
          aws: forms,
          body: {
            name: input.newDeploymentGroupName,
            selection: changesSelection(input)
              ? toSelection(forms, input.autoScalingGroups ?? settings.selection.scalingGroups, settings.selection)
              : undefined,
            deploymentConfigName: input.deploymentConfigName,
            autoRollback:
              input.autoRollbackConfiguration === undefined
                ? undefined
                : toAutoRollback(input.autoRollbackConfiguration),
            outdatedInstancesStrategy: input.outdatedInstancesStrategy,
            triggers: input.triggerConfigurations === undefined ? undefined : toTriggers(input.triggerConfigurations),
          },
        };
      });
      return { hooksNotCleanedUp: [] };
    },
  },
  GetDeploymentGroup: {
    role: 'viewer',
    async run({ applicationName, deploymentGroupName }, context) {
      const params = { application: applicationName, group: deploymentGroupName };
      // For its error: the other look-up leaves out what is not there.
      const { name } = await context.deploymentGroups.get(params);
      const [info] = await infosOf(context, applicationName, [name]);
      return { deploymentGroupInfo: info };
    },
  },
  BatchGetDeploymentGroups: {
    role: 'viewer',
    async run({ applicationName, deploymentGroupNames }, context) {
      checkBatch(deploymentGroupNames, MAX_BATCH, 'DeploymentGroupNameRequiredException');
      const infos = await infosOf(context, applicationName, deploymentGroupNames);
      const missing = deploymentGroupNames.filter((name) => !infos.some((info) => info.deploymentGroupName === name));
      return {
        deploymentGroupsInfo: infos,
        errorMessage: missing.length === 0 ? undefined : `There is no deployment group ${missing.join(', ')}`,
      };
    },
  },
  ListDeploymentGroups: {
    role: 'viewer',
    async run({ applicationName, nextToken }, { deploymentGroups }) {
      const page = await paged(() =>
        deploymentGroups.list({ application: applicationName }, { cursor: nextToken, limit: PAGE_ITEMS }),
      );
      return {
        applicationName,
        deploymentGroups: page.items.map((one) => one.name),
        nextToken: page.nextCursor ?? undefined,
      };
    },
  },
  DeleteDeploymentGroup: {
    role: 'admin',
    async run({ applicationName, deploymentGroupName }, { deploymentGroups, caller }) {
      try {
        await deploymentGroups.delete({ application: applicationName, group: deploymentGroupName }, caller);
      } catch (error) {
        // Deleting what is not there is fine, as in CodeDeploy.
        if (!isAppError(error, 'not_found')) throw error;
      }
      return { hooksNotCleanedUp: [] };
    },
  },
};

async function infosOf(
  context: Context,
  application: string,
  names: readonly string[],
): Promise<Value<'DeploymentGroupInfo'>[]> {
  const { deploymentGroups, deploymentHistory, revisionLocations } = context;
  const groups = await deploymentGroups.withAwsSettings(application, names);
  const deployments = await deploymentHistory.find(
    groups.flatMap(({ group }) =>
      [group.lastSuccessfulDeploymentId ?? [], group.lastAttemptedDeploymentId ?? []].flat(),
    ),
  );
  const locations = await revisionLocations.locationsOf(groups.flatMap(({ group }) => group.lastGoodRevisionId ?? []));
  return groups.map(({ group, aws }) => {
    const target = locations.get(group.lastGoodRevisionId ?? '');
    return {
      ...toInfo(group, aws),
      targetRevision: target === undefined ? undefined : fromLocation(target),
      lastSuccessfulDeployment: lastOf(deployments, group.lastSuccessfulDeploymentId),
      lastAttemptedDeployment: lastOf(deployments, group.lastAttemptedDeploymentId),
    };
  });
}

function toInfo(group: DeploymentGroup, aws: AwsGroupSettings): Value<'DeploymentGroupInfo'> {
  const forms = formsOf(group, aws);
  return {
    applicationName: group.application,
    deploymentGroupId: group.id,
    deploymentGroupName: group.name,
    deploymentConfigName: group.deploymentConfigName,
    ec2TagFilters: forms.ec2TagFilters ?? [],
    onPremisesInstanceTagFilters: forms.onPremisesInstanceTagFilters ?? [],
    ec2TagSet: forms.ec2TagSet,
    onPremisesTagSet: forms.onPremisesTagSet,
    autoScalingGroups: group.selection.scalingGroups.map((name) => ({ name })),
    serviceRoleArn: forms.serviceRoleArn ?? '',
    triggerConfigurations: fromTriggers(group.triggers),
    alarmConfiguration: forms.alarmConfiguration,
    autoRollbackConfiguration: forms.autoRollbackConfiguration ?? { enabled: false, events: [] },
    deploymentStyle: {
      deploymentType: forms.deploymentStyle?.deploymentType ?? 'IN_PLACE',
      deploymentOption: forms.deploymentStyle?.deploymentOption ?? 'WITHOUT_TRAFFIC_CONTROL',
    },
    outdatedInstancesStrategy: group.outdatedInstancesStrategy,
    blueGreenDeploymentConfiguration: forms.blueGreenDeploymentConfiguration,
    loadBalancerInfo: forms.loadBalancerInfo,
    terminationHookEnabled: forms.terminationHookEnabled ?? false,
    computePlatform: 'Server',
  };
}

function lastOf(deployments: readonly Deployment[], id: string | null): Value<'LastDeploymentInfo'> | undefined {
  const deployment = deployments.find((one) => one.id === id);
  if (deployment === undefined) return undefined;
  return {
    deploymentId: deployment.id,
    status: deployment.status,
    createTime: deployment.createdAt,
    endTime: deployment.completedAt ?? undefined,
  };
}
