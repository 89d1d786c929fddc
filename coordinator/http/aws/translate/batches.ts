import { AwsException } from '../exceptions.ts';

/** @throws AwsException for no item at all, by the name given, or for more than CodeDeploy takes */
export function checkBatch(items: readonly unknown[], max: number, whenNone: string): void {
  if (items.length === 0) throw new AwsException(whenNone, 'the list is empty');
  if (items.length > max)
    throw new AwsException('BatchLimitExceededException', `at most ${max} at a time; there are ${items.length}`);
}
