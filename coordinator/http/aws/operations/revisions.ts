import { isAppError } from '../../../../shared/core/errors.ts';
import { AwsException, refusedAs } from '../exceptions.ts';
import { checkBatch } from '../translate/batches.ts';
import { PAGE_ITEMS, paged } from '../translate/paging.ts';
import { fromLocation, fromRevisionInfo, toLocation } from '../translate/revisions.ts';
import type { OperationsOf } from './operation.ts';

const MAX_BATCH = 25;
/** Source: CodeDeploy User Guide, "Limits". */
const MAX_DESCRIPTION = 256;

export const revisionOperations: OperationsOf<
  'RegisterApplicationRevision' | 'GetApplicationRevision' | 'BatchGetApplicationRevisions' | 'ListApplicationRevisions'
> = {
  RegisterApplicationRevision: {
    role: 'deployer',
    async run({ applicationName, description = '', revision }, { revisionLocations, caller, signal }) {
      checkDescription(description);
      const location = toLocation(revision);
      await refusedAs('InvalidRevisionException', async () => {
        try {
          await revisionLocations.register(applicationName, location, description, caller, signal);
        } catch (error) {
          // What is to be registered and is not there cannot be told as a revision that does not exist.
          if (isAppError(error, 'not_found') && error.details['noun'] === 'revision')
            throw new AwsException('InvalidRevisionException', error.message);
          throw error;
        }
      });
    },
  },
  GetApplicationRevision: {
    role: 'viewer',
    async run({ applicationName, revision }, { revisionLocations }) {
      const located = await revisionLocations.get(applicationName, toLocation(revision));
      return {
        applicationName,
        revision: fromLocation(located.location),
        revisionInfo: fromRevisionInfo(located),
      };
    },
  },
  BatchGetApplicationRevisions: {
    role: 'viewer',
    async run({ applicationName, revisions }, { revisionLocations }) {
      checkBatch(revisions, MAX_BATCH, 'RevisionRequiredException');
      const found = await revisionLocations.find(applicationName, revisions.map(toLocation));
      const missing = found.filter((one) => one === null).length;
      return {
        applicationName,
        errorMessage: missing === 0 ? undefined : `${missing} of the revisions are not registered`,
        revisions: found
          .filter((one) => one !== null)
          .map((one) => ({
            revisionLocation: fromLocation(one.location),
            genericRevisionInfo: fromRevisionInfo(one),
          })),
      };
    },
  },
  ListApplicationRevisions: {
    role: 'viewer',
    async run(input, { revisionLocations }) {
      if (input.s3KeyPrefix !== undefined && input.s3Bucket === undefined)
        throw new AwsException('BucketNameFilterRequiredException', 's3KeyPrefix needs s3Bucket');
      const filter = {
        bucket: input.s3Bucket,
        keyPrefix: input.s3KeyPrefix,
        deployed: input.deployed ?? 'ignore',
        sortBy: input.sortBy ?? null,
        isDescending: input.sortOrder === 'descending',
      };
      const { items, nextCursor } = await paged(() =>
        revisionLocations.list(input.applicationName, filter, { cursor: input.nextToken, limit: PAGE_ITEMS }),
      );
      return { revisions: items.map((one) => fromLocation(one.location)), nextToken: nextCursor ?? undefined };
    },
  },
};

/** @throws AwsException `DescriptionTooLongException` */
export function checkDescription(description: string): void {
  if (description.length > MAX_DESCRIPTION)
    throw new AwsException(
      'DescriptionTooLongException',
      `the description has ${description.length} characters; ${MAX_DESCRIPTION} are allowed`,
    );
}
