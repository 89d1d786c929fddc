import { applicationCases, type CasesOf, changed, type Send, times, without } from './cases.ts';

const ONE: Send = ({ revision }) => ({ applicationName: 'app', revision });
const BATCH: Send = ({ revision }) => ({ applicationName: 'app', revisions: [revision] });
const LIST = { applicationName: 'app' };
const HALF = { revisionType: 'S3' };
const NOT_REGISTERED = {
  revisionType: 'S3',
  s3Location: { bucket: 'drover', key: 'app/none.tgz', bundleType: 'tgz' },
};

export const revisionExceptions: CasesOf<
  'RegisterApplicationRevision' | 'GetApplicationRevision' | 'BatchGetApplicationRevisions' | 'ListApplicationRevisions'
> = {
  RegisterApplicationRevision: {
    ...applicationCases(ONE),
    DescriptionTooLongException: changed('a description of 257 characters', ONE, { description: 'x'.repeat(257) }),
    RevisionRequiredException: without('revision', ONE),
    InvalidRevisionException: changed('a bundle that is not there', ONE, { revision: NOT_REGISTERED }),
  },
  GetApplicationRevision: {
    ...applicationCases(ONE),
    RevisionDoesNotExistException: changed('a revision that is not registered', ONE, { revision: NOT_REGISTERED }),
    RevisionRequiredException: without('revision', ONE),
    InvalidRevisionException: changed('a revision without its location', ONE, { revision: HALF }),
  },
  BatchGetApplicationRevisions: {
    ...applicationCases(BATCH),
    RevisionRequiredException: changed('an empty list', BATCH, { revisions: [] }),
    InvalidRevisionException: changed('a revision without its location', BATCH, { revisions: [HALF] }),
    BatchLimitExceededException: changed('26 revisions', BATCH, { revisions: times(26, NOT_REGISTERED) }),
  },
  ListApplicationRevisions: {
    ...applicationCases(LIST),
    InvalidSortByException: changed('an order that is not known', LIST, { sortBy: 'name' }),
    InvalidSortOrderException: changed('a direction that is not known', LIST, {
      sortBy: 'registerTime',
      sortOrder: 'up',
    }),
    InvalidBucketNameFilterException: changed('a bucket of two letters', LIST, { s3Bucket: 'ab' }),
    InvalidKeyPrefixFilterException: changed('a prefix of 1025 characters', LIST, {
      s3Bucket: 'drover',
      s3KeyPrefix: 'x'.repeat(1_025),
    }),
    BucketNameFilterRequiredException: changed('a prefix without its bucket', LIST, { s3KeyPrefix: 'app/' }),
    InvalidDeployedStateFilterException: changed('a state that is not known', LIST, { deployed: 'maybe' }),
    InvalidNextTokenException: changed('a token that is none', LIST, { nextToken: 'x' }),
  },
};
