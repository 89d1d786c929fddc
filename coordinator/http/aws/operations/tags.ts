import { isAppError } from '../../../../shared/core/errors.ts';
import { tagKey } from '../../../../shared/model/host.ts';
import { AwsException, refusedAs } from '../exceptions.ts';
import { fromTags, toTags } from '../translate/tags.ts';
import type { OperationsOf } from './operation.ts';

export const tagOperations: OperationsOf<'TagResource' | 'UntagResource' | 'ListTagsForResource'> = {
  TagResource: {
    role: 'deployer',
    async run({ ResourceArn, Tags: list }, { resourceTags, arns, caller }) {
      if (list.length === 0) throw new AwsException('TagRequiredException', 'Tags is empty');
      const set = toTags(list, 'InvalidTagsToAddException');
      await refusedAs('InvalidTagsToAddException', () =>
        resourceTags.change(arns.parseResource(ResourceArn), { set, remove: [] }, caller),
      );
      return {};
    },
  },
  UntagResource: {
    role: 'deployer',
    async run({ ResourceArn, TagKeys: remove }, { resourceTags, arns, caller }) {
      if (remove.length === 0) throw new AwsException('TagRequiredException', 'TagKeys is empty');
      if (remove.some((key) => !tagKey.safeParse(key).success))
        throw new AwsException('InvalidTagsToAddException', 'a key of a tag has 1 to 128 characters');
      await resourceTags.change(arns.parseResource(ResourceArn), { set: {}, remove }, caller);
      return {};
    },
  },
  ListTagsForResource: {
    role: 'viewer',
    // At most 50: one page.
    async run({ ResourceArn }, { resourceTags, arns }) {
      try {
        return { Tags: fromTags(await resourceTags.list(arns.parseResource(ResourceArn))) };
      } catch (error) {
        // The one operation on tags that has no exception for a resource that is not there.
        if (isAppError(error, 'not_found')) throw new AwsException('InvalidArnException', error.message);
        throw error;
      }
    },
  },
};
