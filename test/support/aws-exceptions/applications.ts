import { applicationCases, type CasesOf, changed, NO_LIMIT, NO_ROLE_IS_ASSUMED, times, without } from './cases.ts';

const CREATE = { applicationName: 'third' };
const GET = { applicationName: 'app' };
const BATCH = { applicationNames: ['app'] };
const UPDATE = { applicationName: 'app', newApplicationName: 'renamed' };

export const applicationExceptions: CasesOf<
  | 'CreateApplication'
  | 'GetApplication'
  | 'BatchGetApplications'
  | 'ListApplications'
  | 'UpdateApplication'
  | 'DeleteApplication'
> = {
  CreateApplication: {
    ApplicationNameRequiredException: without('applicationName', CREATE),
    InvalidApplicationNameException: changed('a name of 101 characters', CREATE, { applicationName: 'x'.repeat(101) }),
    ApplicationAlreadyExistsException: changed('a name that is taken', CREATE, { applicationName: 'app' }),
    ApplicationLimitExceededException: NO_LIMIT,
    InvalidComputePlatformException: changed('the compute platform Lambda', CREATE, { computePlatform: 'Lambda' }),
    InvalidTagsToAddException: changed('a tag without a key', CREATE, { tags: [{ Value: 'x' }] }),
  },
  GetApplication: applicationCases(GET),
  BatchGetApplications: {
    ApplicationNameRequiredException: changed('an empty list', BATCH, { applicationNames: [] }),
    InvalidApplicationNameException: changed('a name with a space', BATCH, { applicationNames: ['a b'] }),
    ApplicationDoesNotExistException: changed('a name that is not there', BATCH, {
      applicationNames: ['app', 'no-such'],
    }),
    BatchLimitExceededException: changed('101 names', BATCH, { applicationNames: times(101, 'app') }),
  },
  ListApplications: {
    InvalidNextTokenException: changed('a token that is none', {}, { nextToken: 'x' }),
  },
  UpdateApplication: {
    ...applicationCases(UPDATE),
    ApplicationAlreadyExistsException: changed('a new name that is taken', UPDATE, { newApplicationName: 'second' }),
  },
  DeleteApplication: {
    ApplicationNameRequiredException: without('applicationName', GET),
    InvalidApplicationNameException: changed('a name with a space', GET, { applicationName: 'a b' }),
    InvalidRoleException: NO_ROLE_IS_ASSUMED,
  },
};
