import type { TagFilter } from '../../../../shared/model/deployment-group.ts';
import { type Tags, tagKey, tagValue } from '../../../../shared/model/host.ts';
import { AwsException } from '../exceptions.ts';
import type { Value } from '../model.ts';

/** Tags as an object; the later of two with the same key wins. @throws AwsException with the given name */
export function toTags(list: Value<'TagList'>, exception: string): Tags {
  const tags: Tags = {};
  for (const { Key: key, Value: value = '' } of list) {
    if (!tagKey.safeParse(key).success || key === undefined)
      throw new AwsException(exception, 'a tag needs a Key of 1 to 128 characters');
    if (!tagValue.safeParse(value).success)
      throw new AwsException(exception, `the Value of ${key} has more than 256 characters`);
    tags[key] = value;
  }
  return tags;
}

export function fromTags(tags: Tags): Value<'TagList'> {
  return Object.entries(tags).map(([Key, item]) => ({ Key, Value: item }));
}

type AwsFilter = Value<'TagFilter'>;

/**
 * A filter of CodeDeploy's. Without a Type it is what Key and Value make of it, as the console's are.
 * @throws AwsException with the given name when Type and what is there do not agree
 */
export function toTagFilter(filter: AwsFilter, exception: string): TagFilter {
  const { Key: key, Value: value } = filter;
  const type = filter.Type ?? (value === undefined ? 'KEY_ONLY' : key === undefined ? 'VALUE_ONLY' : 'KEY_AND_VALUE');
  if (type !== 'VALUE_ONLY' && !tagKey.safeParse(key).success)
    throw new AwsException(exception, `a filter of type ${type} needs a Key of 1 to 128 characters`);
  if (type === 'VALUE_ONLY' && value === undefined)
    throw new AwsException(exception, `a filter of type ${type} needs a Value`);
  if (value !== undefined && !tagValue.safeParse(value).success)
    throw new AwsException(exception, 'the Value of a filter has more than 256 characters');
  if (type === 'KEY_ONLY') return { type, key: key ?? '' };
  if (type === 'VALUE_ONLY') return { type, value: value ?? '' };
  return { type, key: key ?? '', value: value ?? '' };
}

export function fromTagFilter(filter: TagFilter): AwsFilter {
  return {
    ...('key' in filter ? { Key: filter.key } : {}),
    ...('value' in filter ? { Value: filter.value } : {}),
    Type: filter.type,
  };
}
