import { createHash } from 'node:crypto';
import { expect } from 'chai';
import { feedItem } from '../../shared/model/deployment-feed.ts';
import { at, startTestCoordinator, type TestCoordinator, textAt } from '../support/coordinator.ts';
import { connectWebSocket, enrolHost, type RawConnection, sayHello, untilOnline } from '../support/raw-agent.ts';
import { until } from '../support/real-herd.ts';

const bundle = Buffer.from('a bundle');
const digest = createHash('sha256').update(bundle).digest('hex');
const EVENTS = [
  'ApplicationStop',
  'DownloadBundle',
  'BeforeInstall',
  'Install',
  'AfterInstall',
  'ApplicationStart',
  'ValidateService',
];

describe('a deployment, from end to end of the coordinator', () => {
  let coordinator: TestCoordinator;
  let connection: RawConnection;
  before(async () => {
    coordinator = await startTestCoordinator();
    await coordinator.call('POST', '/v1/applications', { body: { name: 'web' } });
    await coordinator.call('POST', `/v1/applications/web/revisions/upload?bundleType=tar&digest=${digest}&label=v1`, {
      body: bundle,
    });
    const host = await enrolHost(coordinator, 'web-1', { token: { tags: { role: 'web' } } });
    connection = await connectWebSocket(coordinator);
    await sayHello(connection, host);
    await untilOnline(coordinator, host);
    const group = await coordinator.call('POST', '/v1/applications/web/deployment-groups', {
      body: { name: 'prod', selection: { tagFilters: [{ type: 'KEY_ONLY', key: 'role' }] } },
    });
    expect(group.status).to.equal(201);
  });
  after(() => {
    connection.close();
    return coordinator.remove();
  });

  it('is told live until it ends, and resumes where a watcher left', async () => {
    const created = await coordinator.call('POST', '/v1/deployments', {
      body: { application: 'web', deploymentGroup: 'prod', revision: 'latest' },
    });
    const id = textAt(created.body, 'id');
    const watching = watch(id);
    const { assignment } = await connection.next('assignment');
    expect(assignment.lifecycleEvents).to.deep.equal(EVENTS);
    const reports = [
      { kind: 'accepted', sequence: 1, deploymentId: id, at: 1 },
      ...EVENTS.map((event, index) => ({
        kind: 'event',
        sequence: index + 2,
        deploymentId: id,
        event,
        status: 'Succeeded',
        startedAt: 1,
        durationMs: 1,
      })),
      {
        kind: 'finished',
        sequence: EVENTS.length + 2,
        deploymentId: id,
        status: 'Succeeded',
        at: 2,
        installedRevisionId: assignment.revision.id,
      },
    ];
    await connection.send({ kind: 'reports', items: reports });

    const items = await watching;
    const last = items.at(-1);
    expect(last?.kind).to.equal('ended');
    expect(at(last, 'deployment.status')).to.equal('Succeeded');
    const sequences = items.map((item) => item.sequence);
    expect(sequences).to.deep.equal([...sequences].sort((a, b) => a - b));

    const resumed = await watch(id, { 'last-event-id': String(sequences[0]) });
    expect(resumed.at(-1)?.kind).to.equal('ended');
    const lastId = { 'last-event-id': String(sequences.at(-1)) };
    const again = await itemsOf(await openFeed(`${id}/events?after=${sequences[0]}`, lastId));
    expect(again.map((item) => item.kind)).to.deep.equal(['deployment', 'ended']);
    const target = await coordinator.call('GET', `/v1/deployments/${id}/targets/web-1`);
    expect((at(target.body, 'lifecycleEvents') as { status: string }[]).map((event) => event.status)).to.deep.equal(
      EVENTS.map(() => 'Succeeded'),
    );
    const group = await coordinator.call('GET', '/v1/applications/web/deployment-groups/prod');
    expect(at(group.body, 'lastGoodRevisionLabel')).to.equal('v1');
  });

  it('keeps what counts from being deleted', async () => {
    expect((await coordinator.call('DELETE', '/v1/applications/web/revisions/v1')).status).to.equal(409);
    const config = { name: 'slow', minimumHealthyHosts: { type: 'HOST_COUNT', value: 1 } };
    await coordinator.call('POST', '/v1/deployment-configs', { body: config });
    await coordinator.call('PATCH', '/v1/applications/web/deployment-groups/prod', {
      body: { deploymentConfigName: 'slow' },
    });
    const refused = await coordinator.call('DELETE', '/v1/deployment-configs/slow');
    expect(refused.status).to.equal(409);
    expect(textAt(refused.body, 'detail')).to.contain('web/prod');
    expect((await coordinator.call('DELETE', '/v1/deployment-configs/CodeDeployDefault.OneAtATime')).status).to.equal(
      409,
    );
    const reserved = { name: 'CodeDeployDefault.Mine', minimumHealthyHosts: { type: 'HOST_COUNT', value: 1 } };
    expect((await coordinator.call('POST', '/v1/deployment-configs', { body: reserved })).status).to.equal(400);
  });

  it('is not found under another id', async () => {
    const answer = await coordinator.call('GET', '/v1/deployments/d-NONENONE1/events');
    expect(answer.status).to.equal(404);
    expect(answer.headers.get('content-type')).to.contain('problem+json');
  });

  it('ends the feeds of its watchers when the coordinator stops', async () => {
    const created = await coordinator.call('POST', '/v1/deployments', {
      body: {
        application: 'web',
        deploymentGroup: 'prod',
        revision: 'v1',
        deploymentConfigName: 'CodeDeployDefault.AllAtOnce',
      },
    });
    const feed = await openFeed(`${textAt(created.body, 'id')}/events`);
    await connection.next('assignment');
    const watching = itemsOf(feed);

    await coordinator.stop();

    expect((await watching).at(-1)?.kind).not.to.equal('ended');
  });

  async function watch(id: string, headers: Record<string, string> = {}) {
    return itemsOf(await openFeed(`${id}/events`, headers));
  }

  async function openFeed(path: string, headers: Record<string, string> = {}) {
    const response = await fetch(`${coordinator.url}/v1/deployments/${path}`, {
      headers: { authorization: `Bearer ${coordinator.adminToken}`, ...headers },
    });
    expect(response.headers.get('content-type')).to.contain('text/event-stream');
    return response;
  }
});

describe('a deployment that is watched for long', function () {
  this.timeout(60_000);
  let coordinator: TestCoordinator;
  let connection: RawConnection;
  let id: string;
  before(async () => {
    coordinator = await startTestCoordinator();
    await coordinator.call('POST', '/v1/applications', { body: { name: 'web' } });
    await coordinator.call('POST', `/v1/applications/web/revisions/upload?bundleType=tar&digest=${digest}&label=v1`, {
      body: bundle,
    });
    const host = await enrolHost(coordinator, 'web-1');
    connection = await connectWebSocket(coordinator);
    await sayHello(connection, host);
    await untilOnline(coordinator, host);
    await coordinator.call('POST', '/v1/applications/web/deployment-groups', {
      body: { name: 'prod', selection: { hostNames: ['web-1'] } },
    });
    const created = await coordinator.call('POST', '/v1/deployments', {
      body: { application: 'web', deploymentGroup: 'prod', revision: 'v1' },
    });
    id = textAt(created.body, 'id');
    await connection.next('assignment');
  });
  after(() => coordinator.remove());

  it('tells what its hooks print in pieces that end with whole characters', async () => {
    const printed = 'a é € 😀 z';
    const path = `/v1/deployments/${id}/targets/web-1/events/BeforeInstall/output`;
    const send = async (from: number, to: number) => {
      const data = Buffer.from(printed).subarray(from, to).toString('base64');
      const chunk = { deploymentId: id, event: 'BeforeInstall', offset: from, data };
      await connection.send({ kind: 'output', chunks: [chunk] });
      await until('it is there', 10_000, async () => at((await coordinator.call('GET', path)).body, 'length') === to);
    };
    // In the middle of 😀, the rest of which is still to be printed.
    await send(0, 12);
    const first = await coordinator.call('GET', path);
    expect(first.body).to.deep.include({ text: 'a é € ', nextOffset: 9, length: 12 });
    const nothingYet = await coordinator.call('GET', `${path}?offset=9`);
    expect(nothingYet.body).to.deep.include({ text: '', nextOffset: 9, length: 12 });

    await send(12, Buffer.byteLength(printed));

    for (let limitBytes = 4; limitBytes < 20; limitBytes++) {
      let text = '';
      let offset = 0;
      let length = 1;
      while (offset < length) {
        const { body } = await coordinator.call('GET', `${path}?offset=${offset}&limitBytes=${limitBytes}`);
        text += textAt(body, 'text');
        offset = at(body, 'nextOffset') as number;
        length = at(body, 'length') as number;
      }
      expect(text, `in pieces of ${limitBytes}`).to.equal(printed);
    }
  });

  it('is not told any more to who has lost the right to', async () => {
    const { body } = await coordinator.call('POST', '/v1/operator-tokens', {
      body: { name: 'leaver', role: 'viewer' },
    });
    const feed = await fetch(`${coordinator.url}/v1/deployments/${id}/events`, {
      headers: { authorization: `Bearer ${textAt(body, 'secret')}` },
    });
    await coordinator.call('DELETE', `/v1/operator-tokens/${textAt(body, 'id')}`);

    const kinds = (await itemsOf(feed)).map((item) => item.kind);

    expect(kinds).to.include('deployment').and.not.to.include('ended');
    expect(at((await coordinator.call('GET', `/v1/deployments/${id}`)).body, 'status')).to.equal('InProgress');
  });
});

async function itemsOf(feed: Response) {
  return [...(await feed.text()).matchAll(/^data: (.*)$/gm)].map((match) => feedItem.parse(JSON.parse(match[1] ?? '')));
}
