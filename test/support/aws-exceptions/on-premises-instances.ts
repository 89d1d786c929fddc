import { type CasesOf, changed, never, SESSION_ARN, times, USER_ARN, without } from './cases.ts';

const NEW_ARN = `${USER_ARN}-of-another`;
const REGISTER = { instanceName: 'new-1', iamUserArn: NEW_ARN };
const ONE = { instanceName: 'user-1' };
const BATCH = { instanceNames: ['user-1'] };
const TAGGING = { instanceNames: ['user-1'], tags: [{ Key: 'role', Value: 'web' }] };

const taggingCases = {
  InstanceNameRequiredException: changed('an empty list of instances', TAGGING, { instanceNames: [] }),
  InvalidInstanceNameException: changed('a name with a space', TAGGING, { instanceNames: ['a b'] }),
  TagRequiredException: changed('an empty list of tags', TAGGING, { tags: [] }),
  InvalidTagException: changed('a tag without a key', TAGGING, { tags: [{ Value: 'web' }] }),
  InstanceLimitExceededException: changed('101 instances', TAGGING, { instanceNames: times(101, 'user-1') }),
  InstanceNotRegisteredException: changed('an instance that is not registered', TAGGING, { instanceNames: ['none-1'] }),
};

export const onPremisesExceptions: CasesOf<
  | 'RegisterOnPremisesInstance'
  | 'DeregisterOnPremisesInstance'
  | 'GetOnPremisesInstance'
  | 'BatchGetOnPremisesInstances'
  | 'ListOnPremisesInstances'
  | 'AddTagsToOnPremisesInstances'
  | 'RemoveTagsFromOnPremisesInstances'
> = {
  RegisterOnPremisesInstance: {
    InstanceNameAlreadyRegisteredException: changed('a name that is taken', REGISTER, { instanceName: 'user-1' }),
    IamArnRequiredException: changed('neither of the two ARNs', REGISTER, { iamUserArn: undefined }),
    IamSessionArnAlreadyRegisteredException: changed("another instance's session", REGISTER, {
      iamUserArn: undefined,
      iamSessionArn: SESSION_ARN,
    }),
    IamUserArnAlreadyRegisteredException: changed("another instance's user", REGISTER, { iamUserArn: USER_ARN }),
    InstanceNameRequiredException: without('instanceName', REGISTER),
    IamUserArnRequiredException: never('a session will do instead of a user; neither of them is IamArnRequired'),
    InvalidInstanceNameException: changed('a name with a space', REGISTER, { instanceName: 'a b' }),
    InvalidIamSessionArnException: changed('a session that is no ARN', REGISTER, {
      iamUserArn: undefined,
      iamSessionArn: 'x',
    }),
    InvalidIamUserArnException: changed('a user that is no ARN', REGISTER, { iamUserArn: 'x' }),
    MultipleIamArnsProvidedException: changed('both ARNs', REGISTER, { iamSessionArn: SESSION_ARN }),
  },
  DeregisterOnPremisesInstance: {
    InstanceNameRequiredException: without('instanceName', ONE),
    InvalidInstanceNameException: changed('a name with a space', ONE, { instanceName: 'a b' }),
  },
  GetOnPremisesInstance: {
    InstanceNameRequiredException: without('instanceName', ONE),
    InstanceNotRegisteredException: changed('an instance that was never registered', ONE, { instanceName: 'none-1' }),
    InvalidInstanceNameException: changed('a name with a space', ONE, { instanceName: 'a b' }),
  },
  BatchGetOnPremisesInstances: {
    InstanceNameRequiredException: changed('an empty list', BATCH, { instanceNames: [] }),
    InvalidInstanceNameException: changed('a name with a space', BATCH, { instanceNames: ['a b'] }),
    BatchLimitExceededException: changed('101 names', BATCH, { instanceNames: times(101, 'user-1') }),
  },
  ListOnPremisesInstances: {
    InvalidRegistrationStatusException: changed('a status that is not known', {}, { registrationStatus: 'Maybe' }),
    InvalidTagFilterException: changed('a filter without its value', {}, { tagFilters: [{ Type: 'VALUE_ONLY' }] }),
    InvalidNextTokenException: changed('a token that is none', {}, { nextToken: 'x' }),
  },
  AddTagsToOnPremisesInstances: {
    ...taggingCases,
    TagLimitExceededException: changed('an eleventh tag', TAGGING, {
      tags: Array.from({ length: 11 }, (_, at) => ({ Key: `key-${at}`, Value: '' })),
    }),
  },
  RemoveTagsFromOnPremisesInstances: {
    ...taggingCases,
    TagLimitExceededException: never('an instance with fewer tags exceeds no limit'),
  },
};
