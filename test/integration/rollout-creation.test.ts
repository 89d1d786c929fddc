import { expect } from 'chai';
import { AppError, isAppError } from '../../shared/core/errors.ts';
import { PlayedHerd } from '../support/played-herd.ts';
import { until } from '../support/real-herd.ts';

/** Presence that a test can wait for. */
const QUICK_TO_MISS = { heartbeatIntervalMs: 250, silenceLimitMs: 2_000, offlineAfterMs: 2_000 };

describe('creating a deployment', () => {
  let herd: PlayedHerd;
  beforeEach(async () => {
    herd = await PlayedHerd.start(4, {}, { autoRollback: { enabled: false, events: [] } });
    await herd.deploy('v1');
  });
  afterEach(() => herd.close());

  const hold = (event: string | null) => {
    for (const host of herd.hosts)
      if (event === null) host.release();
      else host.holdAt = event;
  };
  const refusalOf = (promise: Promise<unknown>) =>
    promise.then(
      () => expect.fail('it was not refused'),
      (error: unknown) => (error instanceof AppError ? error : expect.fail(String(error))),
    );

  it('answers the same key with the same deployment, also when asked at once, and also after its end', async () => {
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => herd.create('v2', { idempotencyKey: 'release-2' })),
    );
    expect(new Set(answers.map((deployment) => deployment.id))).to.have.length(1);
    const ended = await herd.ended(answers[0]?.id ?? '');
    expect((await herd.create('v2', { idempotencyKey: 'release-2' })).id).to.equal(ended.id);
    expect((await herd.client.listDeployments({})).items.filter((d) => d.creator === 'user')).to.have.length(2);
    for (const host of herd.hosts) expect(host.assigned.map((a) => a.revision.label)).to.deep.equal(['v1', 'v2']);
  });

  it('tells hosts what the group says of hooks at that moment, and what is under way keeps it', async () => {
    const place = { application: 'app', group: 'all' };
    await herd.client.updateDeploymentGroup({ ...place, hookEnvironment: { STAGE: 'prod' }, transientUnits: true });
    hold('AfterInstall');
    const { id } = await herd.create('v2', { deploymentConfigName: 'CodeDeployDefault.OneAtATime' });
    await until('one host is in it', 10_000, async () => herd.hosts.some((host) => host.assigned.length === 2));
    await herd.client.updateDeploymentGroup({ ...place, hookEnvironment: {}, transientUnits: false });
    hold(null);
    await herd.ended(id);
    for (const host of herd.hosts)
      expect(host.assigned.at(-1)).to.deep.include({ hookEnvironment: { STAGE: 'prod' }, transientUnits: true });
    await herd.deploy('v3');
    for (const host of herd.hosts) {
      expect(host.assigned.at(-1)).to.deep.include({ hookEnvironment: {} });
      expect(host.assigned.at(-1)).not.to.have.property('transientUnits');
    }
  });

  it('refuses the key for another group', async () => {
    await herd.client.createDeploymentGroup({ application: 'app', name: 'other', selection: { hostNames: ['web-1'] } });
    await herd.deploy('v2', { idempotencyKey: 'release-2' });
    const refusal = await refusalOf(herd.create('v2', { deploymentGroup: 'other', idempotencyKey: 'release-2' }));
    expect(refusal).to.include({ code: 'conflict' });
  });

  it('has one winner when many ask at once; the others learn its name', async () => {
    hold('AfterInstall');
    const answers = await Promise.allSettled(Array.from({ length: 8 }, () => herd.create('v2')));
    const created = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value.id] : []));
    expect(created).to.have.length(1);
    for (const answer of answers) {
      if (answer.status === 'fulfilled') continue;
      expect(isAppError(answer.reason, 'conflict')).to.equal(true);
      expect(answer.reason.details).to.include({ reason: 'active_deployment', activeDeploymentId: created[0] });
    }
    hold(null);
    expect((await herd.ended(created[0] ?? '')).status).to.equal('Succeeded');
    expect((await herd.deploy('v3')).status, 'the group is free again').to.equal('Succeeded');
  });

  it('retries on the hosts that failed or were skipped, and on no other', async () => {
    herd.host('web-2').fails.add('v2');
    const first = await herd.create('v2', { deploymentConfigName: 'CodeDeployDefault.OneAtATime' });
    const failed = await herd.ended(first.id);
    expect(failed.status).to.equal('Failed');
    const before = await herd.targets(first.id);
    herd.host('web-2').fails.clear();
    const retry = await herd.deploy('v2', { onlyFailedOf: first.id });
    expect(retry.status).to.equal('Succeeded');
    const again = Object.keys(before).filter((name) => before[name] !== 'Succeeded');
    expect(again).to.include('web-2').and.have.length(3);
    expect(Object.keys(await herd.targets(retry.id))).to.have.members(again);
    expect(Object.values(await herd.revisions())).to.deep.equal(['v2', 'v2', 'v2', 'v2']);
    const group = await herd.client.getDeploymentGroup({ application: 'app', group: 'all' });
    expect(group.lastGoodRevisionLabel, 'with the retry the whole group runs it').to.equal('v2');
  });

  it('refuses to retry what did not fail, and what is of another group', async () => {
    const { id } = await herd.deploy('v2');
    expect(await refusalOf(herd.create('v2', { onlyFailedOf: id }))).to.include({ code: 'conflict' });
    expect(await refusalOf(herd.create('v2', { onlyFailedOf: 'd-000000000' }))).to.include({ code: 'invalid' });
  });

  it('deploys any revision of the history again', async () => {
    await herd.deploy('v2');
    await herd.deploy('v3');
    const again = await herd.deploy('v1');
    expect(again).to.include({
      status: 'Succeeded',
      revisionLabel: 'v1',
      previousRevisionLabel: 'v3',
      creator: 'user',
    });
    expect(Object.values(await herd.revisions())).to.deep.equal(['v1', 'v1', 'v1', 'v1']);
    const group = { application: 'app', group: 'all' };
    expect((await herd.client.getRollbackRevision(group)).revision.label, 'the good one before').to.equal('v3');
    const back = await herd.client.rollbackGroup({ ...group, idempotencyKey: 'incident-7' });
    expect((await herd.ended(back.id)).revisionLabel).to.equal('v3');
    // A command that is repeated does not go back one more.
    expect((await herd.client.rollbackGroup({ ...group, idempotencyKey: 'incident-7' })).id).to.equal(back.id);
    expect((await herd.client.getRollbackRevision(group)).revision.label).to.equal('v1');
  });

  it('fails a host that is offline at its turn by name, and goes on with the others', async () => {
    const short = await PlayedHerd.start(2, { timings: QUICK_TO_MISS });
    try {
      await short.host('web-2').disconnect();
      await until(
        'it is offline',
        10_000,
        async () => (await short.client.getHost({ host: 'web-2' })).presence === 'Offline',
      );
      const { id } = await short.deploy('v1');
      expect(await short.targets(id)).to.deep.equal({ 'web-1': 'Succeeded', 'web-2': 'Failed' });
      const target = await short.client.getTarget({ deployment: id, host: 'web-2' });
      expect(target.errorCode).to.equal('HOST_OFFLINE');
      expect(target.message).to.match(/offline since/);
    } finally {
      await short.close();
    }
  });
});
