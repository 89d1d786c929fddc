import { createHash } from 'node:crypto';
import { expect } from 'chai';
import { at, startTestCoordinator, type TestCoordinator, textAt } from '../support/coordinator.ts';
import { connectWebSocket, enrolHost, sayHello, untilOnline } from '../support/raw-agent.ts';

const namesIn = (body: unknown) =>
  (at(body, 'items') as { name?: string; hostName?: string }[]).map((i) => i.name ?? i.hostName);

describe('hosts and groups over the API', () => {
  let coordinator: TestCoordinator;
  before(async () => {
    coordinator = await startTestCoordinator();
    await coordinator.call('POST', '/v1/applications', { body: { name: 'web' } });
    for (const [name, token] of [
      ['web-1', { tags: { role: 'web', 'a=b': 'c' }, zone: 'z1' }],
      ['web-2', { tags: { role: 'web' }, scalingGroup: 'asg' }],
      ['db-1', { tags: { role: 'db' } }],
    ] as const)
      await enrolHost(coordinator, name, { token });
    await coordinator.call('POST', '/v1/applications/web/deployment-groups', {
      body: { name: 'prod', selection: { tagFilters: [{ type: 'KEY_AND_VALUE', key: 'role', value: 'web' }] } },
    });
  });
  after(() => coordinator.remove());

  const list = async (query: string) => namesIn((await coordinator.call('GET', `/v1/hosts?${query}`)).body);
  const groupHosts = async (query = '') =>
    namesIn((await coordinator.call('GET', `/v1/applications/web/deployment-groups/prod/hosts?${query}`)).body);

  it('are listed by tag, key, scaling group, presence and prefix', async () => {
    expect(await list('')).to.deep.equal(['db-1', 'web-1', 'web-2']);
    expect(await list('tag=role=web')).to.deep.equal(['web-1', 'web-2']);
    expect(await list('tag=role')).to.have.length(3);
    expect(await list(`tag=${encodeURIComponent('a=b=c')}`)).to.deep.equal(['web-1']);
    expect(await list('scalingGroup=asg')).to.deep.equal(['web-2']);
    expect(await list('namePrefix=web-')).to.deep.equal(['web-1', 'web-2']);
    expect(await list('presence=Online')).to.deep.equal([]);
  });

  it('are listed in pages under a filter too', async () => {
    const first = await coordinator.call('GET', '/v1/hosts?tag=role&limit=2');
    expect(namesIn(first.body)).to.deep.equal(['db-1', 'web-1']);
    const cursor = textAt(first.body, 'nextCursor');
    const second = await coordinator.call('GET', `/v1/hosts?tag=role&limit=2&cursor=${cursor}`);
    expect(second.body).to.deep.include({ nextCursor: null });
    expect(namesIn(second.body)).to.deep.equal(['web-2']);
  });

  it('enter and leave groups as their tags change, which only an operator can do', async () => {
    expect(await groupHosts()).to.deep.equal(['web-1', 'web-2']);
    await coordinator.call('PATCH', '/v1/hosts/db-1', { body: { tags: { role: 'web' } } });
    expect(await groupHosts()).to.deep.equal(['db-1', 'web-1', 'web-2']);
    expect(await groupHosts('limit=1')).to.deep.equal(['db-1']);
    const { body } = await coordinator.call('PATCH', '/v1/hosts/db-1', { body: { tags: {}, zone: 'z2' } });
    expect(body).to.deep.include({ tags: {}, zone: 'z2' });
    expect(await groupHosts()).to.deep.equal(['web-1', 'web-2']);
  });

  it('keep the tags of two operators who change others at the same time', async () => {
    const change = (body: object) => coordinator.call('PATCH', '/v1/hosts/db-1', { body });
    await change({ tags: { a: '1', b: '1' } });
    await Promise.all([change({ setTags: { c: '2' } }), change({ removeTags: ['a', 'never'], setTags: { d: '2' } })]);
    const { body } = await change({});
    expect(at(body, 'tags')).to.deep.equal({ b: '1', c: '2', d: '2' });
    const many = Object.fromEntries(Array.from({ length: 48 }, (_, number) => [`t${number}`, '']));
    const refused = await change({ setTags: many });
    expect(refused.status).to.equal(400);
    expect(textAt(refused.body, 'detail')).to.contain('the host would have 51 tags');
    await change({ tags: {} });
  });

  it('follow the selection of a group when that changes, and the rest of the group stays', async () => {
    const path = '/v1/applications/web/deployment-groups/prod';
    const before = (await coordinator.call('GET', path)).body;
    const { body } = await coordinator.call('PATCH', path, { body: { selection: { hostNames: ['db-1'] } } });
    expect(await groupHosts()).to.deep.equal(['db-1']);
    expect(at(body, 'autoRollback')).to.deep.equal(at(before, 'autoRollback'));
    expect(at(body, 'id')).to.equal(at(before, 'id'));
  });

  it('are in a group only with a config that exists', async () => {
    const { status, body } = await coordinator.call('PATCH', '/v1/applications/web/deployment-groups/prod', {
      body: { deploymentConfigName: 'CodeDeployDefault.HalfATime' },
    });
    expect(status).to.equal(404);
    expect(textAt(body, 'hint')).to.equal('Did you mean CodeDeployDefault.HalfAtATime?');
  });

  it('fail in a running deployment when they are forgotten, and the history stays', async () => {
    const host = await enrolHost(coordinator, 'leaving', { token: { tags: { role: 'web' } } });
    const connection = await connectWebSocket(coordinator);
    await sayHello(connection, host);
    await untilOnline(coordinator, host);
    const path = '/v1/applications/web/deployment-groups/prod';
    await coordinator.call('PATCH', path, { body: { selection: { hostNames: ['leaving'] } } });
    const bundle = Buffer.from('bundle');
    const digest = createHash('sha256').update(bundle).digest('hex');
    const upload = `/v1/applications/web/revisions/upload?bundleType=tar&digest=${digest}`;
    await coordinator.call('POST', upload, { body: bundle });
    const created = await coordinator.call('POST', '/v1/deployments', {
      body: {
        application: 'web',
        deploymentGroup: 'prod',
        revision: 'latest',
        deploymentConfigName: 'CodeDeployDefault.AllAtOnce',
      },
    });
    await connection.next('assignment');
    expect((await coordinator.call('DELETE', '/v1/applications/web')).status).to.equal(409);
    expect((await coordinator.call('DELETE', path)).status).to.equal(409);

    expect((await coordinator.call('DELETE', '/v1/hosts/leaving')).status).to.equal(204);

    const id = textAt(created.body, 'id');
    const feed = await fetch(`${coordinator.url}/v1/deployments/${id}/events`, {
      headers: { authorization: `Bearer ${coordinator.adminToken}` },
    });
    expect(await feed.text()).to.contain('"ended"');
    const target = await coordinator.call('GET', `/v1/deployments/${id}/targets/leaving`);
    expect(target.body).to.deep.include({ status: 'Failed', errorCode: 'HOST_REMOVED' });
    expect((await coordinator.call('DELETE', '/v1/applications/web')).status).to.equal(204);
    expect((await coordinator.call('GET', `/v1/deployments/${id}`)).status).to.equal(200);
  });
});
