import { decodeCursor, encodeCursor, nameCursor } from '../../../domain/cursor.ts';
import type { OnPremisesInstance } from '../../../services/on-premises-instances.ts';
import { AwsException } from '../exceptions.ts';
import type { Input, Value } from '../model.ts';
import type { Arns } from '../translate/arns.ts';
import { checkBatch } from '../translate/batches.ts';
import { PAGE_ITEMS, paged } from '../translate/paging.ts';
import { fromTags, toTagFilter, toTags } from '../translate/tags.ts';
import type { OperationsOf } from './operation.ts';

const MAX_BATCH = 100;
/** Source: CodeDeploy API Reference, InstanceLimitExceededException. */
const MAX_TAGGED_INSTANCES = 100;
const USER_ARN = /^arn:[a-z-]+:iam::\d{12}:user\/.{1,512}$/;
const SESSION_ARN = /^arn:[a-z-]+:sts::\d{12}:assumed-role\/[^/]{1,128}\/[^/]{1,128}$/;

export const onPremisesOperations: OperationsOf<
  | 'RegisterOnPremisesInstance'
  | 'DeregisterOnPremisesInstance'
  | 'GetOnPremisesInstance'
  | 'BatchGetOnPremisesInstances'
  | 'ListOnPremisesInstances'
  | 'AddTagsToOnPremisesInstances'
  | 'RemoveTagsFromOnPremisesInstances'
> = {
  RegisterOnPremisesInstance: {
    role: 'admin',
    async run(input, { onPremisesInstances, caller }) {
      await onPremisesInstances.register({ name: input.instanceName, iamArn: iamArnOf(input) }, caller);
    },
  },
  DeregisterOnPremisesInstance: {
    role: 'admin',
    async run({ instanceName }, { onPremisesInstances, caller }) {
      await onPremisesInstances.deregister(instanceName, caller);
    },
  },
  GetOnPremisesInstance: {
    role: 'viewer',
    run: async ({ instanceName }, { onPremisesInstances, arns }) => ({
      instanceInfo: toInfo(await onPremisesInstances.get(instanceName), arns),
    }),
  },
  BatchGetOnPremisesInstances: {
    role: 'viewer',
    async run({ instanceNames }, { onPremisesInstances, arns }) {
      checkBatch(instanceNames, MAX_BATCH, 'InstanceNameRequiredException');
      const found = await onPremisesInstances.find(instanceNames);
      return { instanceInfos: found.map((one) => toInfo(one, arns)) };
    },
  },
  ListOnPremisesInstances: {
    role: 'viewer',
    async run({ registrationStatus, tagFilters = [], nextToken }, { onPremisesInstances }) {
      const filters = tagFilters.map((one) => toTagFilter(one, 'InvalidTagFilterException'));
      const after = await paged(async () => decodeCursor(nameCursor, nextToken)?.[0] ?? '');
      const names = await onPremisesInstances.listNames({
        status: registrationStatus ?? null,
        tagFilters: filters,
        after,
        limit: PAGE_ITEMS + 1,
      });
      const shown = names.slice(0, PAGE_ITEMS);
      return {
        instanceNames: shown,
        nextToken: names.length > PAGE_ITEMS ? encodeCursor([shown.at(-1) ?? '']) : undefined,
      };
    },
  },
  AddTagsToOnPremisesInstances: {
    role: 'deployer',
    async run(input, { onPremisesInstances, caller }) {
      checkTagging(input);
      const set = toTags(input.tags, 'InvalidTagException');
      await onPremisesInstances.changeTags(input.instanceNames, { set, remove: [] }, caller);
    },
  },
  RemoveTagsFromOnPremisesInstances: {
    role: 'deployer',
    async run(input, { onPremisesInstances, caller }) {
      checkTagging(input);
      const remove = input.tags.map(({ Key: key, Value: value }) => {
        if (!key) throw new AwsException('InvalidTagException', 'a tag needs a Key');
        return { key, value: value || null };
      });
      await onPremisesInstances.changeTags(input.instanceNames, { set: {}, remove }, caller);
    },
  },
};

function checkTagging({ tags, instanceNames }: { tags: readonly unknown[]; instanceNames: readonly unknown[] }): void {
  if (tags.length === 0) throw new AwsException('TagRequiredException', 'tags is empty');
  if (instanceNames.length === 0) throw new AwsException('InstanceNameRequiredException', 'instanceNames is empty');
  if (instanceNames.length > MAX_TAGGED_INSTANCES)
    throw new AwsException('InstanceLimitExceededException', `at most ${MAX_TAGGED_INSTANCES} instances at a time`);
}

function iamArnOf({ iamUserArn = '', iamSessionArn = '' }: Input<'RegisterOnPremisesInstance'>): string {
  if (iamUserArn !== '' && iamSessionArn !== '')
    throw new AwsException('MultipleIamArnsProvidedException', 'give iamUserArn or iamSessionArn, not both');
  if (iamUserArn !== '') {
    if (USER_ARN.test(iamUserArn)) return iamUserArn;
    throw new AwsException('InvalidIamUserArnException', 'iamUserArn is arn:aws:iam::<12 digits>:user/<name>');
  }
  if (iamSessionArn === '') throw new AwsException('IamArnRequiredException', 'give iamUserArn or iamSessionArn');
  if (SESSION_ARN.test(iamSessionArn)) return iamSessionArn;
  throw new AwsException(
    'InvalidIamSessionArnException',
    'iamSessionArn is arn:aws:sts::<12 digits>:assumed-role/<role>/<session>',
  );
}

function toInfo(instance: OnPremisesInstance, arns: Arns): Value<'InstanceInfo'> {
  const isUser = instance.iamArn !== null && USER_ARN.test(instance.iamArn);
  return {
    instanceName: instance.name,
    iamUserArn: isUser ? (instance.iamArn ?? undefined) : undefined,
    iamSessionArn: isUser ? undefined : (instance.iamArn ?? undefined),
    instanceArn: arns.instance(instance.name),
    registerTime: instance.registeredAt,
    deregisterTime: instance.deregisteredAt ?? undefined,
    tags: fromTags(instance.tags),
  };
}
