import { expect } from 'chai';
import { PlayedHerd } from '../support/played-herd.ts';
import { openSession } from '../support/raw-agent.ts';
import { until } from '../support/real-herd.ts';

describe('scale-out', () => {
  let herd: PlayedHerd;
  beforeEach(async () => {
    // Presence that a test can wait for.
    herd = await PlayedHerd.start(2, {
      timings: { heartbeatIntervalMs: 250, silenceLimitMs: 2_000, offlineAfterMs: 2_000 },
    });
    await herd.deploy('v1');
  });
  afterEach(() => herd.close());

  async function readiness(name: string): Promise<{ isReady: boolean }> {
    const token = await openSession(herd.coordinator, herd.host(name).raw);
    const { body } = await herd.coordinator.call('GET', '/v1/hosts/self/readiness', { token });
    // The route's reply, which its own tests check.
    return body as { isReady: boolean };
  }
  const areReady = (names: readonly string[]) =>
    until(`${names.join()} are ready`, 15_000, async () => {
      const answers = await Promise.all(names.map(readiness));
      return answers.every((answer) => answer.isReady);
    });

  it('brings twelve hosts that join at once to the good revision, each once', async () => {
    const names = Array.from({ length: 12 }, (_, index) => `new-${index + 1}`);
    await Promise.all(names.map((name) => herd.addHost(name)));
    await areReady(names);
    for (const name of names)
      expect(herd.host(name).assigned.map((assignment) => assignment.revision.label)).to.deep.equal(['v1']);
    const deployments = await herd.allEnded('autoscaling', names.length);
    expect(deployments).to.have.length(names.length);
    for (const deployment of deployments) expect(deployment).to.include({ status: 'Succeeded', totalHosts: 1 });
  });

  it('does not call a host ready before the revision is on it', async () => {
    const late = await herd.addHost('late', { tags: { role: 'other' } });
    late.holdAt = 'ValidateService';
    await herd.client.updateHost({ host: 'late', tags: { role: 'web' } });
    await until('it has begun', 10_000, () => late.assigned.length === 1);
    expect((await readiness('late')).isReady).to.equal(false);
    late.release();
    await areReady(['late']);
  });

  it('brings hosts that join during a deployment to its revision afterwards', async () => {
    for (const host of herd.hosts) host.holdAt = 'AfterInstall';
    const { id } = await herd.create('v2');
    await until('it runs', 10_000, () => herd.hosts.every((host) => host.assigned.length === 2));
    await Promise.all(['new-1', 'new-2', 'new-3'].map((name) => herd.addHost(name)));
    const first = await herd.allEnded('autoscaling', 3);
    expect(new Set(first.map((deployment) => deployment.revisionLabel)), 'the good one meanwhile').to.deep.equal(
      new Set(['v1']),
    );
    for (const host of herd.hosts) host.release();
    expect((await herd.ended(id)).status).to.equal('Succeeded');
    const [follow] = await herd.allEnded('CodeDeployAutoUpdate', 1);
    expect(follow).to.include({ followsDeploymentId: id, revisionLabel: 'v2', status: 'Succeeded' });
    expect(new Set(Object.values(await herd.revisions()))).to.deep.equal(new Set(['v2']));
    await areReady(['new-1', 'new-2', 'new-3']);
  });

  it('leaves hosts that join during a failing deployment on the good revision', async () => {
    for (const host of herd.hosts) {
      host.fails.add('v2');
      host.holdAt = 'AfterInstall';
    }
    const { id } = await herd.create('v2');
    await until('it runs', 10_000, () => herd.hosts.every((host) => host.assigned.length === 2));
    await herd.addHost('new-1');
    await areReady(['new-1']);
    for (const host of herd.hosts) host.release();
    const failed = await herd.ended(id);
    await herd.ended(failed.rollbackInfo.rollbackDeploymentId ?? 'none');
    expect(new Set(Object.values(await herd.revisions()))).to.deep.equal(new Set(['v1']));
    expect(herd.host('new-1').assigned.map((assignment) => assignment.revision.label)).to.deep.equal(['v1']);
  });

  it('brings a host that was away during a deployment to its revision when it is back', async () => {
    const away = herd.host('web-2');
    await away.disconnect();
    await until(
      'it is away',
      10_000,
      async () => (await herd.client.getHost({ host: 'web-2' })).presence === 'Offline',
    );
    const { id } = await herd.deploy('v2');
    expect(await herd.targets(id)).to.deep.equal({ 'web-1': 'Succeeded', 'web-2': 'Failed' });
    await away.connect();
    await areReady(['web-2']);
    expect(new Set(Object.values(await herd.revisions()))).to.deep.equal(new Set(['v2']));
  });
});
