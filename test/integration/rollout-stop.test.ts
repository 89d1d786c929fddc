import { expect } from 'chai';
import { isAppError } from '../../shared/core/errors.ts';
import { PlayedHerd } from '../support/played-herd.ts';
import { until } from '../support/real-herd.ts';

describe('a deployment that is stopped', () => {
  let herd: PlayedHerd;

  beforeEach(async () => {
    herd = await PlayedHerd.start(4);
    await herd.deploy('v1');
  });
  afterEach(() => herd.close());

  /** Half at a time; the first two hosts wait in the middle of it. */
  async function inTheMiddle(options: object = {}): Promise<string> {
    for (const host of herd.hosts) host.holdAt = 'AfterInstall';
    const { id } = await herd.create('v2', { deploymentConfigName: 'CodeDeployDefault.HalfAtATime', ...options });
    await until(
      'two hosts have begun',
      10_000,
      () => herd.hosts.filter((host) => host.assigned.length > 1).length === 2,
    );
    return id;
  }
  const release = () => {
    for (const host of herd.hosts) host.release();
  };

  it('lets hosts in progress go on to their end, and starts no other', async () => {
    const id = await inTheMiddle();
    const { stopStatus } = await herd.client.stopDeployment({ deployment: id });
    expect(stopStatus).to.equal('Pending');
    const ending = await herd.deploymentOnce(id, 'is ending', (deployment) => deployment.endingAs !== null);
    expect(ending).to.include({ status: 'InProgress', endingAs: 'Stopped' });
    release();
    const ended = await herd.ended(id);
    expect(ended).to.include({ status: 'Stopped', stopRequestedBy: 'first-operator' });
    expect(ended.errorInformation?.code).to.equal('MANUAL_STOP');
    expect(ended.overview).to.include({ Succeeded: 2, Skipped: 2, Pending: 0, InProgress: 0 });
    expect(
      herd.hosts.filter((host) => host.assigned.length > 1),
      'hosts that heard of it',
    ).to.have.length(2);
    expect(ended.rollbackInfo.rollbackDeploymentId).to.equal(null);
    expect(Object.values(await herd.revisions()).sort()).to.deep.equal(['v1', 'v1', 'v2', 'v2']);
  });

  it('brings the hosts that it had reached back, when the stop asks for that', async () => {
    const id = await inTheMiddle();
    await herd.client.stopDeployment({ deployment: id, rollback: true });
    release();
    const { rollbackInfo } = await herd.ended(id);
    const rollback = await herd.ended(rollbackInfo.rollbackDeploymentId ?? 'none');
    expect(rollback).to.include({ status: 'Succeeded', creator: 'codeDeployRollback', revisionLabel: 'v1' });
    expect(rollback.rollbackInfo.rollbackTriggeringDeploymentId).to.equal(id);
    expect(rollback.overview.Succeeded, 'only those that were touched').to.equal(2);
    expect(Object.values(await herd.revisions())).to.deep.equal(['v1', 'v1', 'v1', 'v1']);
  });

  it('rolls back on stop when its settings say so, unless the stop says no', async () => {
    const autoRollback = { enabled: true, events: ['DEPLOYMENT_STOP_ON_REQUEST'] };
    const first = await inTheMiddle({ autoRollback });
    await herd.client.stopDeployment({ deployment: first });
    release();
    const stopped = await herd.ended(first);
    await herd.ended(stopped.rollbackInfo.rollbackDeploymentId ?? 'none');
    for (const host of herd.hosts) host.holdAt = 'AfterInstall';
    const { id } = await herd.create('v3', { autoRollback });
    await until('all have begun', 10_000, () => herd.hosts.every((host) => host.assigned.at(-1)?.deploymentId === id));
    await herd.client.stopDeployment({ deployment: id, rollback: false });
    release();
    expect((await herd.ended(id)).rollbackInfo.rollbackDeploymentId).to.equal(null);
  });

  it('takes the assignment back from hosts that have not begun it', async () => {
    for (const host of herd.hosts) host.holdAt = 'ApplicationStop';
    const { id } = await herd.create('v2');
    await until('all have it', 10_000, () => herd.hosts.every((host) => host.assigned.length === 2));
    await herd.client.stopDeployment({ deployment: id });
    const ended = await herd.ended(id);
    expect(ended).to.include({ status: 'Stopped' });
    expect(ended.overview).to.include({ Skipped: 4 });
    expect(Object.values(await herd.revisions()), 'nothing was touched').to.deep.equal(['v1', 'v1', 'v1', 'v1']);
    release();
  });

  it('can be stopped twice, but not once it has ended', async () => {
    const id = await inTheMiddle();
    await herd.client.stopDeployment({ deployment: id });
    await herd.client.stopDeployment({ deployment: id });
    release();
    await herd.ended(id);
    const refusal = await herd.client.stopDeployment({ deployment: id }).catch((error: unknown) => error);
    expect(isAppError(refusal, 'conflict') && refusal.message).to.include(id);
  });
});
