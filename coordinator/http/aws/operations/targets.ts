import { isAppError } from '../../../../shared/core/errors.ts';
import { hostName } from '../../../../shared/model/host.ts';
import type { TargetWithEvents } from '../../../../shared/model/target.ts';
import { AwsException } from '../exceptions.ts';
import { SHAPES } from '../model-data.ts';
import { instanceNameOf, isInstanceArn } from '../translate/arns.ts';
import { checkBatch } from '../translate/batches.ts';
import { PAGE_ITEMS, paged } from '../translate/paging.ts';
import { toInstanceSummary, toInstanceTarget } from '../translate/targets.ts';
import { getDeployment } from './deployments.ts';
import type { Context, OperationsOf } from './operation.ts';

const MAX_BATCH = 25;

export const targetOperations: OperationsOf<
  | 'ListDeploymentTargets'
  | 'GetDeploymentTarget'
  | 'BatchGetDeploymentTargets'
  | 'ListDeploymentInstances'
  | 'GetDeploymentInstance'
  | 'BatchGetDeploymentInstances'
> = {
  ListDeploymentTargets: {
    role: 'viewer',
    async run({ deploymentId, nextToken, targetFilters = {} }, context) {
      const labels: readonly string[] | undefined = targetFilters['ServerInstanceLabel'];
      if (labels !== undefined) refuseLabels(labels);
      const page = await listTargets(deploymentId, targetFilters['TargetStatus'], nextToken, context);
      return { targetIds: page.names, nextToken: page.nextToken };
    },
  },
  GetDeploymentTarget: {
    role: 'viewer',
    async run({ deploymentId, targetId }, context) {
      await startedDeployment(deploymentId, context);
      const target = await context.deploymentHistory.getTarget(
        deploymentId,
        targetNameOf(targetId, 'InvalidInstanceNameException'),
      );
      return {
        deploymentTarget: {
          deploymentTargetType: 'InstanceTarget',
          instanceTarget: toInstanceTarget(target, context.arns),
        },
      };
    },
  },
  BatchGetDeploymentTargets: {
    role: 'viewer',
    async run({ deploymentId, targetIds }, context) {
      if (targetIds.length === 0) throw new AwsException('DeploymentTargetIdRequiredException', 'targetIds is empty');
      if (targetIds.length > MAX_BATCH)
        throw new AwsException(
          'DeploymentTargetListSizeExceededException',
          `at most ${MAX_BATCH} at a time; there are ${targetIds.length}`,
        );
      const names = targetIds.map((id) => targetNameOf(id));
      await startedDeployment(deploymentId, context);
      const targets = await Promise.all(names.map((name) => context.deploymentHistory.getTarget(deploymentId, name)));
      return {
        deploymentTargets: targets.map((target) => ({
          deploymentTargetType: 'InstanceTarget',
          instanceTarget: toInstanceTarget(target, context.arns),
        })),
      };
    },
  },
  ListDeploymentInstances: {
    role: 'viewer',
    async run({ deploymentId, nextToken, instanceStatusFilter, instanceTypeFilter }, context) {
      if (instanceTypeFilter !== undefined) refuseLabels(instanceTypeFilter);
      const page = await listTargets(deploymentId, instanceStatusFilter, nextToken, context);
      return { instancesList: page.names, nextToken: page.nextToken };
    },
  },
  GetDeploymentInstance: {
    role: 'viewer',
    async run({ deploymentId, instanceId }, context) {
      await getDeployment(deploymentId, context);
      const target = await findTarget(deploymentId, instanceId, context);
      if (target === null)
        throw new AwsException('InstanceDoesNotExistException', `${instanceId} is no instance of ${deploymentId}`);
      return { instanceSummary: toInstanceSummary(target, context.arns) };
    },
  },
  BatchGetDeploymentInstances: {
    role: 'viewer',
    async run({ deploymentId, instanceIds }, context) {
      checkBatch(instanceIds, MAX_BATCH, 'InstanceIdRequiredException');
      await getDeployment(deploymentId, context);
      const found = await Promise.all(instanceIds.map((id) => findTarget(deploymentId, id, context)));
      const missing = instanceIds.filter((_id, at) => found[at] === null);
      return {
        instancesSummary: found.filter((one) => one !== null).map((one) => toInstanceSummary(one, context.arns)),
        errorMessage: missing.length === 0 ? undefined : `${missing.join(', ')} not in ${deploymentId}`,
      };
    },
  },
};

async function listTargets(
  deploymentId: string,
  statuses: readonly string[] | undefined,
  nextToken: string | undefined,
  context: Context,
): Promise<{ names: string[]; nextToken: string | undefined }> {
  const known: readonly string[] = SHAPES.TargetStatus.enum;
  const wrong = statuses?.find((status) => !known.includes(status));
  if (wrong !== undefined)
    throw new AwsException(
      'InvalidInstanceStatusException',
      `a status is one of ${known.join(', ')}; got '${wrong.slice(0, 64)}'`,
    );
  await startedDeployment(deploymentId, context);
  const page = await paged(() =>
    context.deploymentHistory.listTargets(deploymentId, {
      limit: PAGE_ITEMS,
      cursor: nextToken,
      ...(statuses === undefined || statuses.length === 0 ? {} : { statuses }),
    }),
  );
  return { names: page.items.map((one) => one.hostName), nextToken: page.nextCursor ?? undefined };
}

/** Hosts have labels in blue/green only. */
function refuseLabels(labels: readonly string[]): never {
  const known: readonly string[] = SHAPES.InstanceType.enum;
  const wrong = labels.find((label) => !known.includes(label));
  if (wrong !== undefined)
    throw new AwsException(
      'InvalidInstanceTypeException',
      `a label is one of ${known.join(', ')}; got '${wrong.slice(0, 64)}'`,
    );
  throw new AwsException(
    'InvalidDeploymentInstanceTypeException',
    'the deployment is in place: its instances are neither Blue nor Green',
  );
}

/** @throws AwsException `DeploymentNotStartedException` */
async function startedDeployment(id: string, context: Context): Promise<void> {
  const { status } = await getDeployment(id, context);
  if (status === 'Created') throw new AwsException('DeploymentNotStartedException', `${id} has not started yet`);
}

/** @param whenArn the exception for an instance's ARN that names none */
function targetNameOf(id: string, whenArn = 'InvalidDeploymentTargetIdException'): string {
  return validName(instanceNameOf(id), isInstanceArn(id) ? whenArn : 'InvalidDeploymentTargetIdException');
}

function validName(name: string, exception: string): string {
  const parsed = hostName.safeParse(name);
  if (parsed.success) return parsed.data;
  throw new AwsException(exception, `'${name.slice(0, 128)}' is no instance: ${parsed.error.issues[0]?.message}`);
}

async function findTarget(deploymentId: string, id: string, context: Context): Promise<TargetWithEvents | null> {
  const name = validName(instanceNameOf(id), 'InvalidInstanceNameException');
  try {
    return await context.deploymentHistory.getTarget(deploymentId, name);
  } catch (error) {
    if (isAppError(error, 'not_found')) return null;
    throw error;
  }
}
