import {
  type CodeDeploy,
  paginateListDeployments,
  type RevisionLocation,
  waitUntilDeploymentSuccessful,
} from '@aws-sdk/client-codedeploy';
import { expect } from 'chai';
import { codeDeployClient, newAccessKey } from '../support/aws-tools.ts';
import { PlayedHerd } from '../support/played-herd.ts';
import { until } from '../support/real-herd.ts';

const GROUP = { applicationName: 'app', deploymentGroupName: 'all' };
const AT_ONCE = { ...GROUP, deploymentConfigName: 'CodeDeployDefault.AllAtOnce' };
const NO_DEPLOYMENT = 'd-000000000';

describe('CodeDeploy deployments by the SDK', function () {
  this.timeout(40_000);
  let herd: PlayedHerd;
  let aws: CodeDeploy;
  /** Where v1 to v4 are. */
  const revisions: Record<string, RevisionLocation> = {};
  before(async () => {
    herd = await PlayedHerd.start(
      3,
      { timings: { offlineAfterMs: 1_000 } },
      { autoRollback: { enabled: false, events: [] } },
    );
    aws = codeDeployClient(herd.coordinator.url, await newAccessKey(herd.coordinator));
    for (const label of ['v1', 'v2', 'v3', 'v4']) {
      const { digest } = await herd.client.getRevision({ application: 'app', revision: label });
      revisions[label] = {
        revisionType: 'S3',
        s3Location: { bucket: 'drover', key: `app/${digest}.tgz`, bundleType: 'tgz' },
      };
    }
  });
  after(() => herd.close());

  const failure = (work: Promise<unknown>) =>
    work.then(
      () => 'no failure',
      (error: Error) => `${error.name}: ${error.message}`,
    );
  const revision = (label: string): RevisionLocation => revisions[label] ?? {};
  const create = async (label: string, more: object = {}) =>
    (await aws.createDeployment({ ...AT_ONCE, revision: revision(label), ...more })).deploymentId ?? '';
  const succeeded = (deploymentId: string) =>
    waitUntilDeploymentSuccessful({ client: aws, maxWaitTime: 30, minDelay: 1, maxDelay: 1 }, { deploymentId });
  const info = async (deploymentId: string) => (await aws.getDeployment({ deploymentId })).deploymentInfo ?? {};
  const groupInfo = async () => (await aws.getDeploymentGroup(GROUP)).deploymentGroupInfo ?? {};

  it('succeed, for the waiter and in every part of the answer', async () => {
    const id = await create('v1', { description: 'the first' });
    expect(id).to.match(/^d-[A-Z0-9]{9}$/);
    expect((await succeeded(id)).state).to.equal('SUCCESS');
    const deployment = await info(id);
    expect(deployment).to.deep.include({
      ...AT_ONCE,
      deploymentId: id,
      status: 'Succeeded',
      creator: 'user',
      description: 'the first',
      revision: revision('v1'),
      deploymentOverview: { Pending: 0, InProgress: 0, Succeeded: 3, Failed: 0, Skipped: 0, Ready: 0 },
      deploymentStyle: { deploymentType: 'IN_PLACE', deploymentOption: 'WITHOUT_TRAFFIC_CONTROL' },
      fileExistsBehavior: 'DISALLOW',
      computePlatform: 'Server',
    });
    for (const time of [deployment.createTime, deployment.startTime, deployment.completeTime])
      expect(time).to.be.instanceOf(Date);
    const group = await groupInfo();
    expect(group.targetRevision).to.deep.equal(revision('v1'));
    expect(group.lastSuccessfulDeployment).to.include({ deploymentId: id, status: 'Succeeded' });
    const { revisionInfo } = await aws.getApplicationRevision({ applicationName: 'app', revision: revision('v1') });
    expect(revisionInfo?.deploymentGroups).to.deep.equal(['all']);
    expect(revisionInfo?.firstUsedTime).to.be.instanceOf(Date);
  });

  it('tell each host with its lifecycle events, in the new form and in the old one', async () => {
    const id = await create('v2');
    await succeeded(id);
    expect((await info(id)).previousRevision).to.deep.equal(revision('v1'));
    const { targetIds = [] } = await aws.listDeploymentTargets({ deploymentId: id });
    expect(targetIds).to.have.members(['web-1', 'web-2', 'web-3']);
    const { deploymentTarget } = await aws.getDeploymentTarget({ deploymentId: id, targetId: 'web-1' });
    expect(deploymentTarget?.deploymentTargetType).to.equal('InstanceTarget');
    const target = deploymentTarget?.instanceTarget;
    expect(target).to.include({
      targetArn: 'arn:aws:codedeploy:us-east-1:000000000000:instance:web-1',
      status: 'Succeeded',
    });
    expect(target?.lifecycleEvents?.map((event) => `${event.lifecycleEventName} ${event.status}`)).to.deep.equal([
      'ApplicationStop Succeeded',
      'DownloadBundle Succeeded',
      'BeforeInstall Succeeded',
      'Install Succeeded',
      'AfterInstall Succeeded',
      'ApplicationStart Succeeded',
      'ValidateService Succeeded',
    ]);
    const { deploymentTargets } = await aws.batchGetDeploymentTargets({ deploymentId: id, targetIds });
    expect(deploymentTargets).to.have.length(3);
    expect((await aws.listDeploymentInstances({ deploymentId: id })).instancesList).to.have.members(targetIds);
    for (const instanceId of ['web-1', target?.targetArn ?? '']) {
      const { instanceSummary } = await aws.getDeploymentInstance({ deploymentId: id, instanceId });
      expect(instanceSummary).to.include({ instanceId: target?.targetArn, status: 'Succeeded' });
    }
    const batch = await aws.batchGetDeploymentInstances({ deploymentId: id, instanceIds: ['web-1', 'web-9'] });
    expect(batch.instancesSummary).to.have.length(1);
    expect(batch.errorMessage).to.contain('web-9');
    const filtered = await aws.listDeploymentTargets({
      deploymentId: id,
      targetFilters: { TargetStatus: ['Failed', 'Skipped'] },
    });
    expect(filtered.targetIds).to.deep.equal([]);
  });

  it('fail with the script, its message and its output, and are rolled back when that was asked for', async () => {
    for (const host of herd.hosts) host.fails.add('v3');
    const id = await create('v3', { autoRollbackConfiguration: { enabled: true, events: ['DEPLOYMENT_FAILURE'] } });
    await until(`${id} has failed`, 20_000, async () => (await info(id)).status === 'Failed');
    expect(await failure(succeeded(id))).to.contain('FAILURE');
    const deployment = await info(id);
    expect(deployment.errorInformation?.code).to.equal('HEALTH_CONSTRAINTS');
    const rollbackId = deployment.rollbackInfo?.rollbackDeploymentId ?? '';
    await succeeded(rollbackId);
    const rollback = await info(rollbackId);
    expect(rollback).to.deep.include({ creator: 'codeDeployRollback', revision: revision('v2') });
    expect(rollback.rollbackInfo?.rollbackTriggeringDeploymentId).to.equal(id);
    const { deploymentTarget } = await aws.getDeploymentTarget({ deploymentId: id, targetId: 'web-1' });
    const failed = deploymentTarget?.instanceTarget?.lifecycleEvents?.find((event) => event.status === 'Failed');
    expect(failed?.lifecycleEventName).to.equal('ValidateService');
    expect(failed?.diagnostics?.errorCode).to.equal('ScriptFailed');
    expect(failed?.diagnostics?.message).not.to.equal('');
    expect((await groupInfo()).lastSuccessfulDeployment?.deploymentId).to.equal(rollbackId);
  });

  it('run one at a time in a group, as clients read from the message, and stop on request', async () => {
    for (const host of herd.hosts) host.holdAt = 'AfterInstall';
    const id = await create('v4');
    await until(
      'hosts are in progress',
      10_000,
      async () => ((await info(id)).deploymentOverview?.InProgress ?? 0) > 0,
    );
    expect(await failure(create('v1'))).to.equal(
      `DeploymentLimitExceededException: The Deployment Group 'all' already has an active Deployment '${id}'`,
    );
    expect(await failure(aws.continueDeployment({ deploymentId: id }))).to.match(
      /^UnsupportedActionForDeploymentTypeException/,
    );
    expect(await failure(aws.skipWaitTimeForInstanceTermination({ deploymentId: id }))).to.match(
      /^UnsupportedActionForDeploymentTypeException/,
    );
    expect(
      await failure(
        aws.putLifecycleEventHookExecutionStatus({
          deploymentId: id,
          lifecycleEventHookExecutionId: 'x',
          status: 'Succeeded',
        }),
      ),
    ).to.match(/^UnsupportedActionForDeploymentTypeException/);
    const stopped = await aws.stopDeployment({ deploymentId: id, autoRollbackEnabled: false });
    expect(stopped.status).to.equal('Pending');
    for (const host of herd.hosts) host.release();
    await until(`${id} has stopped`, 20_000, async () => (await info(id)).status === 'Stopped');
    expect((await info(id)).errorInformation?.code).to.equal('MANUAL_STOP');
    for (const again of [aws.stopDeployment({ deploymentId: id }), aws.continueDeployment({ deploymentId: id })])
      expect(await failure(again)).to.match(/^DeploymentAlreadyCompletedException/);
  });

  it('deploy the last good revision once more, on all hosts or on those that lack it', async () => {
    const lacking = (await aws.createDeployment({ ...AT_ONCE, updateOutdatedInstancesOnly: true })).deploymentId ?? '';
    await succeeded(lacking);
    expect(await info(lacking)).to.deep.include({ updateOutdatedInstancesOnly: true, revision: revision('v2') });
    expect(await failure(aws.createDeployment({ ...AT_ONCE, updateOutdatedInstancesOnly: true }))).to.match(
      /^InvalidUpdateOutdatedInstancesOnlyValueException: no host is left/,
    );
    const restart = (await aws.createDeployment({ ...AT_ONCE, deploymentMode: 'RESTART' })).deploymentId ?? '';
    await succeeded(restart);
    expect(await info(restart)).to.deep.include({ deploymentMode: 'RESTART', revision: revision('v2') });
    expect((await info(restart)).deploymentOverview?.Succeeded).to.equal(3);
    const refused = (more: object) => failure(aws.createDeployment({ ...AT_ONCE, deploymentMode: 'RESTART', ...more }));
    expect(await refused({ revision: revision('v1') })).to.match(/^InvalidRevisionException/);
    expect(await refused({ updateOutdatedInstancesOnly: true })).to.match(
      /^InvalidUpdateOutdatedInstancesOnlyValueException/,
    );
  });

  it('are listed by group, status and time, the newest first', async () => {
    const list = async (filter: object) => (await aws.listDeployments(filter)).deployments ?? [];
    const all: string[] = [];
    for await (const page of paginateListDeployments({ client: aws }, GROUP)) all.push(...(page.deployments ?? []));
    expect(all).to.have.length.above(6);
    const failed = await list({ ...GROUP, includeOnlyStatuses: ['Failed', 'Stopped'] });
    expect(failed).to.have.length(2);
    // More than a statement of SQLite takes values.
    const repeated = Array.from({ length: 40_000 }, () => 'Failed');
    expect(await list({ ...GROUP, includeOnlyStatuses: ['Stopped', ...repeated] })).to.deep.equal(failed);
    const targets = { deploymentId: failed[0], targetFilters: { TargetStatus: repeated } };
    expect((await aws.listDeploymentTargets(targets)).targetIds).to.be.an('array');
    expect(await failure(list({ ...GROUP, nextToken: '' }))).to.match(/^InvalidNextTokenException/);
    expect(await list({ createTimeRange: { start: new Date(Date.now() + 3_600_000) } })).to.deep.equal([]);
    expect(await list({ createTimeRange: { end: new Date(Date.now() + 3_600_000) } })).to.deep.equal(all);
    expect(await list({ externalId: 'x' })).to.deep.equal([]);
    const { deploymentsInfo } = await aws.batchGetDeployments({ deploymentIds: [...failed, NO_DEPLOYMENT] });
    expect(deploymentsInfo?.map((one) => one.deploymentId)).to.deep.equal(failed);
    expect(await failure(list({ applicationName: 'app' }))).to.match(/^DeploymentGroupNameRequiredException/);
    expect(await failure(list({ deploymentGroupName: 'all' }))).to.match(/^ApplicationNameRequiredException/);
    expect(await failure(list({ includeOnlyStatuses: ['Done'] }))).to.match(/^InvalidDeploymentStatusException/);
    const backwards = { start: new Date(2_000), end: new Date(1_000) };
    expect(await failure(list({ createTimeRange: backwards }))).to.match(/^InvalidTimeRangeException/);
    expect(await failure(list({ nextToken: 'x' }))).to.match(/^InvalidNextTokenException/);
  });

  const refused: [string, string, object][] = [
    ['a group that is not there', 'DeploymentGroupDoesNotExistException', { deploymentGroupName: 'no-such' }],
    ['an application that is not there', 'ApplicationDoesNotExistException', { applicationName: 'no-such' }],
    ['no group', 'DeploymentGroupNameRequiredException', { deploymentGroupName: undefined }],
    ['no revision', 'RevisionRequiredException', { revision: undefined }],
    ['half a revision', 'InvalidRevisionException', { revision: { revisionType: 'S3' } }],
    ['a config that is not there', 'DeploymentConfigDoesNotExistException', { deploymentConfigName: 'no-such' }],
    ['a long description', 'DescriptionTooLongException', { description: 'x'.repeat(257) }],
    ['targets of its own', 'InvalidTargetInstancesException', { targetInstances: { autoScalingGroups: ['a'] } }],
    ['a behaviour that is not known', 'InvalidFileExistsBehaviorException', { fileExistsBehavior: 'MERGE' }],
    ['a rollback on nothing', 'InvalidAutoRollbackConfigException', { autoRollbackConfiguration: { enabled: true } }],
    ['alarms that nobody watches', 'InvalidAlarmConfigException', { overrideAlarmConfiguration: { enabled: true } }],
  ];
  for (const [what, exception, more] of refused)
    it(`are refused for ${what} with ${exception}`, async () => {
      expect(await failure(create('v1', more))).to.match(new RegExp(`^${exception}: `));
    });

  it('that are not there, or hosts of them, are told by name', async () => {
    const id = (await aws.listDeployments(GROUP)).deployments?.[0] ?? '';
    for (const work of [
      aws.getDeployment({ deploymentId: NO_DEPLOYMENT }),
      aws.stopDeployment({ deploymentId: NO_DEPLOYMENT }),
      aws.listDeploymentTargets({ deploymentId: NO_DEPLOYMENT }),
      aws.getDeploymentInstance({ deploymentId: NO_DEPLOYMENT, instanceId: 'web-1' }),
    ])
      expect(await failure(work)).to.match(/^DeploymentDoesNotExistException/);
    expect(await failure(aws.getDeployment({ deploymentId: 'd-1' }))).to.match(/^InvalidDeploymentIdException/);
    expect(await failure(aws.continueDeployment({}))).to.match(/^DeploymentIdRequiredException/);
    expect(await failure(aws.getDeploymentTarget({ deploymentId: id, targetId: 'web-9' }))).to.match(
      /^DeploymentTargetDoesNotExistException/,
    );
    expect(await failure(aws.getDeploymentInstance({ deploymentId: id, instanceId: 'web-9' }))).to.match(
      /^InstanceDoesNotExistException/,
    );
    expect(
      await failure(aws.batchGetDeploymentTargets({ deploymentId: id, targetIds: Array(26).fill('web-1') })),
    ).to.match(/^DeploymentTargetListSizeExceededException/);
    const filter = (targetFilters: Record<string, string[]>) =>
      failure(aws.listDeploymentTargets({ deploymentId: id, targetFilters }));
    expect(await filter({ TargetStatus: ['Done'] })).to.match(/^InvalidInstanceStatusException/);
    expect(await filter({ ServerInstanceLabel: ['Red'] })).to.match(/^InvalidInstanceTypeException/);
    expect(await filter({ ServerInstanceLabel: ['Blue'] })).to.match(/^InvalidDeploymentInstanceTypeException/);
    expect(await filter({ Colour: ['Blue'] })).to.match(/^InvalidTargetFilterNameException/);
  });

  it('tell of a host that failed outside of every event why it did', async () => {
    const away = herd.hosts.at(-1);
    await away?.disconnect();
    await until('web-3 is offline', 30_000, async () => {
      return (await herd.client.getHost({ host: 'web-3' })).presence === 'Offline';
    });
    const id = await create('v1');
    await until(`${id} has ended`, 20_000, async () => (await info(id)).completeTime !== undefined);
    const { deploymentTarget } = await aws.getDeploymentTarget({ deploymentId: id, targetId: 'web-3' });
    const [first] = deploymentTarget?.instanceTarget?.lifecycleEvents ?? [];
    expect(first).to.include({ lifecycleEventName: 'ApplicationStop', status: 'Failed' });
    expect(first?.diagnostics?.message).to.match(/offline/i);
  });

  it('know nothing of linked accounts and stacks', async () => {
    expect((await aws.listGitHubAccountTokenNames({})).tokenNameList).to.deep.equal([]);
    expect(await failure(aws.deleteGitHubAccountToken({ tokenName: 'x' }))).to.match(
      /^GitHubAccountTokenDoesNotExistException/,
    );
    expect(await failure(aws.deleteGitHubAccountToken({}))).to.match(/^GitHubAccountTokenNameRequiredException/);
    expect(await aws.deleteResourcesByExternalId({ externalId: 'x' })).to.be.an('object');
  });
});
