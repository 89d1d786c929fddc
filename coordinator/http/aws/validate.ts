import type * as z from 'zod';
import { resourceName } from '../../../shared/model/application.ts';
import { hostName, scalingGroupName } from '../../../shared/model/host.ts';
import { s3BucketName, s3KeyPrefix } from '../../domain/revision-location.ts';
import { AwsException } from './exceptions.ts';
import { OPERATIONS, type OperationName, type Shape, shapeNamed } from './model.ts';

/** What is thrown for a member: when it has to be there and is not, and when it is not as it should be. */
interface Names {
  required: string;
  invalid: string;
}
const named = (required: string, invalid: string): Names => ({
  required: `${required}Exception`,
  invalid: `${invalid}Exception`,
});
const invalid = (name: string): Names => named(name, name);

/**
 * By the shape of an input's member, or of its items. The model names each operation's exceptions but does not say which
 * member each belongs to: this table does, and a test holds that every name in it is one of the model's.
 * Source: the exceptions' descriptions in the CodeDeploy API Reference.
 */
const BY_SHAPE: Readonly<Record<string, Names>> = {
  ApplicationName: named('ApplicationNameRequired', 'InvalidApplicationName'),
  DeploymentGroupName: named('DeploymentGroupNameRequired', 'InvalidDeploymentGroupName'),
  DeploymentConfigName: named('DeploymentConfigNameRequired', 'InvalidDeploymentConfigName'),
  DeploymentId: named('DeploymentIdRequired', 'InvalidDeploymentId'),
  InstanceName: named('InstanceNameRequired', 'InvalidInstanceName'),
  InstanceId: named('InstanceIdRequired', 'InvalidInstanceName'),
  TargetId: named('DeploymentTargetIdRequired', 'InvalidDeploymentTargetId'),
  RevisionLocation: named('RevisionRequired', 'InvalidRevision'),
  Role: named('RoleRequired', 'InvalidRole'),
  Arn: named('ResourceArnRequired', 'InvalidArn'),
  GitHubAccountTokenName: named('GitHubAccountTokenNameRequired', 'InvalidGitHubAccountTokenName'),
  Tag: named('TagRequired', 'InvalidTag'),
  Key: named('TagRequired', 'InvalidTagsToAdd'),
  Description: invalid('DescriptionTooLong'),
  ComputePlatform: invalid('InvalidComputePlatform'),
  EC2TagFilter: invalid('InvalidEC2Tag'),
  EC2TagSet: invalid('InvalidEC2Tag'),
  TagFilter: invalid('InvalidTag'),
  OnPremisesTagSet: invalid('InvalidTag'),
  AutoScalingGroupName: invalid('InvalidAutoScalingGroup'),
  TriggerConfig: invalid('InvalidTriggerConfig'),
  AlarmConfiguration: invalid('InvalidAlarmConfig'),
  AutoRollbackConfiguration: invalid('InvalidAutoRollbackConfig'),
  LoadBalancerInfo: invalid('InvalidLoadBalancerInfo'),
  DeploymentStyle: invalid('InvalidDeploymentStyle'),
  BlueGreenDeploymentConfiguration: invalid('InvalidBlueGreenDeploymentConfiguration'),
  ECSService: invalid('InvalidECSService'),
  OutdatedInstancesStrategy: invalid('InvalidInput'),
  FileExistsBehavior: invalid('InvalidFileExistsBehavior'),
  TargetInstances: invalid('InvalidTargetInstances'),
  MinimumHealthyHosts: invalid('InvalidMinimumHealthyHostValue'),
  TrafficRoutingConfig: invalid('InvalidTrafficRoutingConfiguration'),
  ZonalConfig: invalid('InvalidZonalDeploymentConfiguration'),
  NextToken: invalid('InvalidNextToken'),
  ApplicationRevisionSortBy: invalid('InvalidSortBy'),
  SortOrder: invalid('InvalidSortOrder'),
  S3Bucket: invalid('InvalidBucketNameFilter'),
  S3Key: invalid('InvalidKeyPrefixFilter'),
  ListStateFilterAction: invalid('InvalidDeployedStateFilter'),
  ExternalId: invalid('InvalidExternalId'),
  DeploymentStatus: invalid('InvalidDeploymentStatus'),
  TimeRange: invalid('InvalidTimeRange'),
  InstanceStatus: invalid('InvalidInstanceStatus'),
  InstanceType: invalid('InvalidInstanceType'),
  TargetFilters: invalid('InvalidTargetFilterName'),
  DeploymentWaitType: invalid('InvalidDeploymentWaitType'),
  RegistrationStatus: invalid('InvalidRegistrationStatus'),
  IamSessionArn: invalid('InvalidIamSessionArn'),
  IamUserArn: invalid('InvalidIamUserArn'),
  LifecycleEventHookExecutionId: invalid('InvalidLifecycleEventHookExecutionId'),
  LifecycleEventStatus: invalid('InvalidLifecycleEventHookExecutionStatus'),
};

/** Drover's own rules for what the model calls just a string: the same schemas as the native API's. */
const FORMATS: Readonly<Record<string, z.ZodType>> = {
  ApplicationName: resourceName,
  DeploymentGroupName: resourceName,
  DeploymentConfigName: resourceName,
  InstanceName: hostName,
  AutoScalingGroupName: scalingGroupName,
  GitHubAccountTokenName: resourceName,
  S3Bucket: s3BucketName,
  S3Key: s3KeyPrefix,
};

/** Where one operation says it in another way than the others: the same member, another exception. */
const BY_OPERATION: Readonly<Record<string, Names>> = {
  'CreateApplication.tags': invalid('InvalidTagsToAdd'),
  'CreateDeploymentGroup.tags': invalid('InvalidTagsToAdd'),
  'TagResource.Tags': named('TagRequired', 'InvalidTagsToAdd'),
  'ListOnPremisesInstances.tagFilters': invalid('InvalidTagFilter'),
  'CreateDeployment.ignoreApplicationStopFailures': invalid('InvalidIgnoreApplicationStopFailuresValue'),
  'CreateDeployment.updateOutdatedInstancesOnly': invalid('InvalidUpdateOutdatedInstancesOnlyValue'),
};

/**
 * A request's body as the model wants it: unknown members and nulls left out, timestamps in epoch ms.
 * @throws AwsException with the name that this operation has for the member; `SerializationException` for another JSON type
 */
export function validateInput(operation: OperationName, body: unknown): Record<string, unknown> {
  const { input } = OPERATIONS[operation];
  if (!isObject(body)) throw new AwsException('SerializationException', 'the request is no JSON object');
  if (input === null) return {};
  const shape = shapeNamed(input);
  if (shape.type !== 'structure') return {};
  const value: Record<string, unknown> = {};
  for (const [member, of] of Object.entries(shape.members)) {
    const names = namesFor(operation, member, of);
    const given = body[member];
    const isAbsent = given === undefined || given === null || given === '';
    if (isAbsent && shape.required.includes(member)) throw new AwsException(names.required, `${member} is required`);
    if (given === undefined || given === null) continue;
    value[member] = checked(given, of, { path: member, invalid: names.invalid });
  }
  return value;
}

/** Every exception name that this file can give, for the test that compares them with the model's. */
export function exceptionNames(): string[] {
  return [...Object.values(BY_SHAPE), ...Object.values(BY_OPERATION)].flatMap((names) => [
    names.required,
    names.invalid,
  ]);
}

function namesFor(operation: OperationName, member: string, shapeName: string): Names {
  const names = BY_OPERATION[`${operation}.${member}`] ?? BY_SHAPE[shapeName] ?? BY_SHAPE[itemOf(shapeName)];
  const known: readonly string[] = OPERATIONS[operation].errors;
  const orCommon = (name: string | undefined) =>
    name !== undefined && known.includes(name) ? name : 'ValidationException';
  return { required: orCommon(names?.required), invalid: orCommon(names?.invalid) };
}

function itemOf(shapeName: string): string {
  const shape = shapeNamed(shapeName);
  return shape.type === 'list' ? itemOf(shape.member) : shapeName;
}

interface Place {
  path: string;
  invalid: string;
}

function checked(value: unknown, shapeName: string, place: Place): unknown {
  const shape = shapeNamed(shapeName);
  switch (shape.type) {
    case 'structure':
      return structure(value, shape, place);
    case 'list':
      if (!Array.isArray(value)) throw wrongType(value, 'a list', place);
      return value.map((item, at) => {
        if (item === null) throw new AwsException(place.invalid, `${place.path}[${at}] is null`);
        return checked(item, shape.member, { ...place, path: `${place.path}[${at}]` });
      });
    case 'map': {
      if (!isObject(value)) throw wrongType(value, 'an object', place);
      const entries = Object.entries(value).filter(([, item]) => item !== null);
      return Object.fromEntries(
        entries.map(([key, item]) => [
          checked(key, shape.key, place),
          checked(item, shape.value, { ...place, path: `${place.path}.${key.slice(0, 64)}` }),
        ]),
      );
    }
    case 'string':
      return formatted(text(value, shape, place), shapeName, place);
    case 'boolean':
      if (typeof value !== 'boolean') throw wrongType(value, 'a boolean', place);
      return value;
    case 'integer':
    case 'long':
      if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw wrongType(value, 'an integer', place);
      return value;
    case 'double':
      if (typeof value !== 'number') throw wrongType(value, 'a number', place);
      return value;
    case 'timestamp':
      return instant(value, place);
  }
}

function structure(
  value: unknown,
  shape: Extract<Shape, { type: 'structure' }>,
  place: Place,
): Record<string, unknown> {
  if (!isObject(value)) throw wrongType(value, 'an object', place);
  const known: Record<string, unknown> = {};
  for (const [member, of] of Object.entries(shape.members)) {
    const given = Object.hasOwn(value, member) ? value[member] : undefined;
    if (given === undefined || given === null) continue;
    known[member] = checked(given, of, { ...place, path: `${place.path}.${member}` });
  }
  return known;
}

function text(value: unknown, shape: Extract<Shape, { type: 'string' }>, { path, invalid }: Place): string {
  if (typeof value !== 'string') throw wrongType(value, 'a string', { path, invalid });
  if (shape.enum !== undefined && !shape.enum.includes(value))
    throw new AwsException(invalid, `${path} must be one of ${shape.enum.join(', ')}; got '${value.slice(0, 64)}'`);
  const { min = 0, max = Number.POSITIVE_INFINITY } = shape;
  if (value.length < min || value.length > max)
    throw new AwsException(invalid, `${path} must have ${min} to ${max} characters; it has ${value.length}`);
  return value;
}

function formatted(value: string, shapeName: string, place: Place): string {
  const parsed = FORMATS[shapeName]?.safeParse(value);
  if (parsed === undefined || parsed.success) return value;
  throw new AwsException(place.invalid, `${place.path}: ${parsed.error.issues[0]?.message ?? 'not as expected'}`);
}

/** Epoch seconds, as the protocol has them, or an ISO 8601 text, which some clients send. */
function instant(value: unknown, place: Place): number {
  const at = typeof value === 'number' ? value * 1_000 : typeof value === 'string' ? Date.parse(value) : Number.NaN;
  if (typeof value !== 'number' && typeof value !== 'string') throw wrongType(value, 'a time', place);
  if (Number.isNaN(at) || Math.abs(at) > 8.64e15) throw new AwsException(place.invalid, `${place.path} is no time`);
  return Math.round(at);
}

function wrongType(value: unknown, expected: string, { path }: Place): AwsException {
  const got = Array.isArray(value) ? 'a list' : typeof value;
  return new AwsException('SerializationException', `${path} must be ${expected}; got ${got}`);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
