import { expect } from 'chai';
import fc from 'fast-check';
import { encodeOutput } from '../../../../../coordinator/http/aws/encode.ts';
import { AwsException, refusedAs, toAwsException } from '../../../../../coordinator/http/aws/exceptions.ts';
import { OPERATIONS, type OperationName } from '../../../../../coordinator/http/aws/model.ts';
import { validateInput } from '../../../../../coordinator/http/aws/validate.ts';
import { AppError } from '../../../../../shared/core/errors.ts';

/** The exception's name, or the value. */
function outcome(operation: OperationName, body: unknown): unknown {
  try {
    return validateInput(operation, body);
  } catch (error) {
    if (error instanceof AwsException) return error.exception;
    throw error;
  }
}

describe('the validation of a request', () => {
  it('names what is missing by the exception of that member', () => {
    expect(outcome('GetApplication', {})).to.equal('ApplicationNameRequiredException');
    expect(outcome('GetApplication', { applicationName: null })).to.equal('ApplicationNameRequiredException');
    expect(outcome('GetDeployment', { deploymentId: '' })).to.equal('DeploymentIdRequiredException');
    expect(outcome('BatchGetApplicationRevisions', { applicationName: 'a' })).to.equal('RevisionRequiredException');
    expect(outcome('GetDeploymentInstance', { deploymentId: 'd-123456789' })).to.equal('InstanceIdRequiredException');
    expect(outcome('AddTagsToOnPremisesInstances', { instanceNames: ['a'] })).to.equal('TagRequiredException');
    expect(outcome('TagResource', { Tags: [] })).to.equal('ResourceArnRequiredException');
  });

  it('names what is not as it should be, wherever it is inside of the member', () => {
    expect(outcome('GetApplication', { applicationName: 'x'.repeat(101) })).to.equal('InvalidApplicationNameException');
    const config = (minimumHealthyHosts: object) => ({ deploymentConfigName: 'c', minimumHealthyHosts });
    expect(outcome('CreateDeploymentConfig', config({ type: 'PERCENT' }))).to.equal(
      'InvalidMinimumHealthyHostValueException',
    );
    const revision = { revisionType: 'S3', s3Location: { bundleType: 'rar' } };
    expect(outcome('RegisterApplicationRevision', { applicationName: 'a', revision })).to.equal(
      'InvalidRevisionException',
    );
    expect(outcome('ListDeployments', { includeOnlyStatuses: ['Done'] })).to.equal('InvalidDeploymentStatusException');
    expect(outcome('ListOnPremisesInstances', { tagFilters: [{ Type: 'x' }] })).to.equal('InvalidTagFilterException');
    expect(outcome('ListDeploymentTargets', { deploymentId: 'd-1', targetFilters: { Colour: ['x'] } })).to.equal(
      'InvalidTargetFilterNameException',
    );
  });

  it('tells another type of JSON from a wrong value', () => {
    expect(outcome('GetApplication', { applicationName: 1 })).to.equal('SerializationException');
    expect(outcome('GetApplication', [])).to.equal('SerializationException');
    expect(outcome('BatchGetApplications', { applicationNames: 'a' })).to.equal('SerializationException');
    expect(outcome('StopDeployment', { deploymentId: 'd-1', autoRollbackEnabled: 'yes' })).to.equal(
      'SerializationException',
    );
  });

  it('leaves out what is null or not known, and reads times as epoch ms', () => {
    expect(
      outcome('ListDeployments', {
        createTimeRange: { start: 1446744188.595, end: '2026-11-26T00:00:00Z', middle: 1 },
        nextToken: null,
        colour: 'red',
      }),
    ).to.deep.equal({ createTimeRange: { start: 1_446_744_188_595, end: Date.UTC(2026, 10, 26) } });
  });

  it('gives nothing but exceptions of the operation or common ones, whatever comes', () => {
    const common = ['SerializationException', 'ValidationException'];
    const operations = Object.keys(OPERATIONS) as OperationName[];
    const members = fc.constantFrom('applicationName', 'deploymentId', 'revision', 'tags', 'ec2TagSet', 'nextToken');
    const values = fc.oneof(fc.jsonValue(), fc.string(), fc.constantFrom({ s3Location: {} }, [[null]], { Key: 1 }));
    fc.assert(
      fc.property(fc.constantFrom(...operations), fc.dictionary(members, values), (operation, body) => {
        const result = outcome(operation, body);
        const modelled: readonly string[] = OPERATIONS[operation].errors;
        return typeof result === 'object' || [...common, ...modelled].includes(String(result));
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('an answer', () => {
  it('has times in epoch seconds with their fraction, and nothing that is absent or not modelled', () => {
    const application = {
      applicationName: 'a',
      createTime: 1_446_744_188_595,
      gitHubAccountName: undefined,
      secret: 1,
    };
    expect(encodeOutput('GetApplication', { application })).to.equal(
      '{"application":{"applicationName":"a","createTime":1446744188.595}}',
    );
  });

  it('is empty where the operation has none, and an object where it has', () => {
    expect(encodeOutput('DeleteApplication', undefined)).to.equal('');
    expect(encodeOutput('TagResource', {})).to.equal('{}');
  });
});

describe("a failure in CodeDeploy's words", () => {
  it('is told from what it is about', () => {
    const missing = new AppError('not_found', 'there is none', { details: { noun: 'application' }, hint: 'Make it.' });
    expect(toAwsException(missing)).to.include({
      exception: 'ApplicationDoesNotExistException',
      message: 'there is none. Make it.',
      status: 400,
    });
  });

  it('keeps the message about the active deployment as clients parse it', () => {
    const active = new AppError('conflict', "The Deployment Group 'g' already has an active Deployment 'd-1'", {
      hint: 'Wait.',
      details: { reason: 'active_deployment' },
    });
    expect(toAwsException(active)).to.include({
      exception: 'DeploymentLimitExceededException',
      message: "The Deployment Group 'g' already has an active Deployment 'd-1'",
    });
  });

  it("is a refusal when a revision's source cannot be reached, and none when the coordinator's own disk is full", async () => {
    const failing = (reason: string) =>
      refusedAs('InvalidRevisionException', () =>
        Promise.reject(new AppError('unavailable', 'it failed', { details: { reason } })),
      ).catch((error: unknown) => error);
    expect(await failing('no_bucket'))
      .to.be.instanceOf(AwsException)
      .with.property('status', 400);
    const own = await failing('revision_store_failed');
    expect(own).to.be.instanceOf(AppError);
    expect(toAwsException(own as AppError)).to.include({ exception: 'ServiceUnavailable', status: 503 });
  });

  it('tells nothing of what went wrong inside', () => {
    expect(toAwsException(new AppError('internal', 'secret path /x'))).to.include({
      exception: 'InternalFailure',
      status: 500,
      message: 'the coordinator failed to answer this request',
    });
  });
});
