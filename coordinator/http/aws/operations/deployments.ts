import { AppError, isAppError } from '../../../../shared/core/errors.ts';
import { type Deployment, isTerminal } from '../../../../shared/model/deployment.ts';
import { AwsException, refusedAs } from '../exceptions.ts';
import type { Input } from '../model.ts';
import { checkBatch } from '../translate/batches.ts';
import { toDeploymentInfos } from '../translate/deployments.ts';
import { checkAlarms, toAutoRollback } from '../translate/groups.ts';
import { PAGE_ITEMS, paged } from '../translate/paging.ts';
import { toLocation } from '../translate/revisions.ts';
import type { Context, OperationsOf } from './operation.ts';
import { checkDescription } from './revisions.ts';

const MAX_BATCH = 25;

export const deploymentOperations: OperationsOf<
  | 'CreateDeployment'
  | 'GetDeployment'
  | 'BatchGetDeployments'
  | 'ListDeployments'
  | 'StopDeployment'
  | 'ContinueDeployment'
  | 'SkipWaitTimeForInstanceTermination'
> = {
  CreateDeployment: {
    role: 'deployer',
    async run(input, context) {
      checkCreation(input);
      const { applicationName: application, deploymentGroupName: group = '' } = input;
      // Before a bundle is fetched for a group that is not there.
      await context.deploymentGroups.get({ application, group });
      const body = {
        application,
        deploymentGroup: group,
        deploymentConfigName: input.deploymentConfigName,
        description: input.description ?? '',
        ignoreApplicationStopFailures: input.ignoreApplicationStopFailures ?? false,
        updateOutdatedInstancesOnly: input.updateOutdatedInstancesOnly ?? false,
        fileExistsBehavior: input.fileExistsBehavior ?? ('DISALLOW' as const),
        autoRollback:
          input.autoRollbackConfiguration === undefined ? undefined : toAutoRollback(input.autoRollbackConfiguration),
      };
      const made =
        input.revision === undefined
          ? await context.deployments.createOfLastGood(body, context.caller)
          : await context.deployments.create(
              { ...body, revision: await resolve(input.revision, application, context) },
              context.caller,
            );
      return { deploymentId: made.id };
    },
  },
  GetDeployment: {
    role: 'viewer',
    async run({ deploymentId }, context) {
      const [info] = await toDeploymentInfos([await getDeployment(deploymentId, context)], context);
      return { deploymentInfo: info };
    },
  },
  BatchGetDeployments: {
    role: 'viewer',
    async run({ deploymentIds }, context) {
      checkBatch(deploymentIds, MAX_BATCH, 'DeploymentIdRequiredException');
      for (const id of deploymentIds) checkDeploymentId(id);
      const found = await context.deploymentHistory.find(deploymentIds);
      const inOrder = deploymentIds.flatMap((id) => found.find((one) => one.id === id) ?? []);
      return { deploymentsInfo: await toDeploymentInfos(inOrder, context) };
    },
  },
  ListDeployments: {
    role: 'viewer',
    async run(input, { deploymentGroups, deploymentHistory }) {
      const { applicationName: application, deploymentGroupName: group, createTimeRange: range } = input;
      if (application === undefined && group !== undefined)
        throw new AwsException('ApplicationNameRequiredException', 'deploymentGroupName needs applicationName');
      if (application !== undefined && group === undefined)
        throw new AwsException('DeploymentGroupNameRequiredException', 'applicationName needs deploymentGroupName');
      if (range?.start !== undefined && range.end !== undefined && range.start > range.end)
        throw new AwsException('InvalidTimeRangeException', 'createTimeRange starts after its end');
      if (application !== undefined && group !== undefined) await deploymentGroups.get({ application, group });
      // Nothing here is made by CloudFormation: no deployment has an external id.
      if (input.externalId !== undefined || input.includeOnlyStatuses?.length === 0) return { deployments: [] };
      const page = await paged(() =>
        deploymentHistory.list({
          limit: PAGE_ITEMS,
          cursor: input.nextToken,
          application,
          deploymentGroup: group,
          since: range?.start,
          until: range?.end,
          ...(input.includeOnlyStatuses === undefined ? {} : { statuses: input.includeOnlyStatuses }),
        }),
      );
      return { deployments: page.items.map((one) => one.id), nextToken: page.nextCursor ?? undefined };
    },
  },
  StopDeployment: {
    role: 'deployer',
    async run({ deploymentId, autoRollbackEnabled }, { deployments, caller }) {
      checkDeploymentId(deploymentId);
      const { stopStatus } = await deployments.stop(
        deploymentId,
        { rollback: autoRollbackEnabled, reason: '' },
        caller,
      );
      return {
        status: stopStatus,
        statusMessage:
          stopStatus === 'Pending'
            ? 'No further host starts; the hosts in progress go on to their end.'
            : 'No host is in progress; no further one starts.',
      };
    },
  },
  ContinueDeployment: {
    role: 'deployer',
    run: async ({ deploymentId }, context) => refuseWait(deploymentId, context),
  },
  SkipWaitTimeForInstanceTermination: {
    role: 'deployer',
    run: async ({ deploymentId }, context) => refuseWait(deploymentId, context),
  },
};

/** @throws AppError, AwsException when it is not there or its id is none */
export async function getDeployment(
  id: string | undefined,
  context: Pick<Context, 'deploymentHistory'>,
): Promise<Deployment> {
  checkDeploymentId(id);
  return context.deploymentHistory.get(id);
}

/** @throws AwsException `DeploymentIdRequiredException`, `InvalidDeploymentIdException` */
export function checkDeploymentId(id: string | undefined): asserts id is string {
  if (id === undefined || id === '')
    throw new AwsException('DeploymentIdRequiredException', 'deploymentId is required');
  if (!/^d-[A-Z0-9]{9}$/.test(id))
    throw new AwsException(
      'InvalidDeploymentIdException',
      `deploymentId is d- and nine capitals or digits; got '${id.slice(0, 64)}'`,
    );
}

function checkCreation(input: Input<'CreateDeployment'>): void {
  if (input.deploymentGroupName === undefined)
    throw new AwsException('DeploymentGroupNameRequiredException', 'deploymentGroupName is required');
  checkDescription(input.description ?? '');
  checkAlarms(input.overrideAlarmConfiguration);
  const { autoScalingGroups = [], ec2TagSet, tagFilters = [] } = input.targetInstances ?? {};
  if (autoScalingGroups.length + tagFilters.length + (ec2TagSet?.ec2TagSetList?.length ?? 0) > 0)
    throw new AwsException(
      'InvalidTargetInstancesException',
      'targetInstances is for blue/green; this one is in place',
    );
  if (input.deploymentMode === 'RESTART') {
    if (input.revision !== undefined)
      throw new AwsException('InvalidRevisionException', 'a RESTART takes the revision of the last success: give none');
    if (input.updateOutdatedInstancesOnly === true)
      throw new AwsException(
        'InvalidUpdateOutdatedInstancesOnlyValueException',
        'a RESTART is for all hosts of the group',
      );
  } else if (input.revision === undefined && input.updateOutdatedInstancesOnly !== true)
    throw new AwsException('RevisionRequiredException', 'revision is required');
}

/** The revision's id. What cannot be fetched is no revision; what is named in Drover's own bucket and not there, does not exist. */
async function resolve(
  revision: NonNullable<Input<'CreateDeployment'>['revision']>,
  application: string,
  { revisionLocations, caller, signal }: Context,
): Promise<string> {
  const location = toLocation(revision);
  const { id } = await refusedAs('InvalidRevisionException', async () => {
    try {
      return await revisionLocations.resolve(application, location, caller, signal);
    } catch (error) {
      if (isAppError(error, 'unavailable') && error.details['reason'] === 'github_token_refused')
        throw new AwsException('InvalidGitHubAccountTokenException', error.message);
      throw error;
    }
  });
  return id;
}

/** Waits are a part of blue/green: here there is never one to end. */
async function refuseWait(deploymentId: string | undefined, context: Context): Promise<undefined> {
  const { id, status } = await getDeployment(deploymentId, context);
  if (isTerminal(status))
    throw new AppError('conflict', `${id} has ended already: it is ${status}`, {
      details: { reason: 'deployment_ended' },
    });
  throw new AwsException(
    'UnsupportedActionForDeploymentTypeException',
    `${id} is in place: only a blue/green deployment waits to be continued`,
  );
}
