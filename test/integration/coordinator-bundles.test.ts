import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, request as httpRequest, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { sleep } from '../../shared/core/clock.ts';
import { foregroundClock } from '../../shared/core/system-clock.ts';
import { at, startTestCoordinator, type TestCoordinator, textAt } from '../support/coordinator.ts';
import {
  connectWebSocket,
  enrolHost,
  openSession,
  type RawConnection,
  type RawHost,
  sayHello,
  untilOnline,
} from '../support/raw-agent.ts';
import { watchConnections } from '../support/silent-connections.ts';

const sha256 = (bytes: Uint8Array | string) => createHash('sha256').update(bytes).digest('hex');
const MIB = 1_024 * 1_024;

describe('revisions', () => {
  let coordinator: TestCoordinator;
  before(async () => {
    coordinator = await startTestCoordinator({ limits: { bundleBytes: 200 * MIB } });
    await coordinator.call('POST', '/v1/applications', { body: { name: 'web' } });
  });
  after(() => coordinator.remove());
  const upload = (bytes: Uint8Array, query: string) =>
    coordinator.call('POST', `/v1/applications/web/revisions/upload?bundleType=tgz&${query}`, { body: bytes });

  it('are uploaded, and found by id, label, digest prefix and latest', async () => {
    const bundle = Buffer.from('a bundle');
    const { status, body } = await upload(bundle, `digest=${sha256(bundle)}&label=1.0.0`);
    expect(status).to.equal(201);
    expect(body).to.deep.include({
      label: '1.0.0',
      digest: sha256(bundle),
      sizeBytes: 8,
      registeredBy: 'first-operator',
    });
    for (const reference of [textAt(body, 'id'), '1.0.0', sha256(bundle).slice(0, 8), 'latest'])
      expect(at((await coordinator.call('GET', `/v1/applications/web/revisions/${reference}`)).body, 'label')).to.equal(
        '1.0.0',
      );
    const missing = await coordinator.call('GET', '/v1/applications/web/revisions/1.0.1');
    expect(textAt(missing.body, 'hint')).to.equal('Did you mean 1.0.0?');
  });

  it('answer a digest that is known with the revision that has it', async () => {
    const bundle = Buffer.from('known');
    const first = await upload(bundle, `digest=${sha256(bundle)}`);
    const again = await upload(bundle, `digest=${sha256(bundle)}&label=another`);
    expect(at(again.body, 'id')).to.equal(at(first.body, 'id'));
    expect(textAt(first.body, 'label')).to.contain(sha256(bundle).slice(0, 8));
  });

  it('are latest once they are pushed again, with their bytes or, where those are known to be here, without', async () => {
    const [one, two] = [Buffer.from('good'), Buffer.from('bad')];
    const latest = async () =>
      at((await coordinator.call('GET', '/v1/applications/web/revisions/latest')).body, 'label');
    const listed = async () =>
      (at((await coordinator.call('GET', '/v1/applications/web/revisions')).body, 'items') as { label: string }[])
        .map(({ label }) => label)
        .slice(0, 2);
    const nextMoment = () => sleep(foregroundClock, 2);
    await upload(one, `digest=${sha256(one)}&label=good`);
    await nextMoment();
    await upload(two, `digest=${sha256(two)}&label=bad`);
    expect(await latest()).to.equal('bad');

    await nextMoment();
    const again = await upload(one, `digest=${sha256(one)}`);
    expect(await latest()).to.equal('good');
    expect(at(again.body, 'lastPushedAt')).to.be.above(at(again.body, 'registeredAt') as number);
    expect(await listed()).to.deep.equal(['good', 'bad']);

    await nextMoment();
    expect((await coordinator.call('POST', '/v1/applications/web/revisions/bad/push')).status).to.equal(200);
    expect(await latest()).to.equal('bad');
    expect(await listed()).to.deep.equal(['bad', 'good']);
    const audit = await coordinator.call('GET', '/v1/audit?subject=web/bad');
    expect((at(audit.body, 'items') as { action: string }[]).map(({ action }) => action)).to.deep.equal([
      'revision.push',
      'revision.register',
    ]);
    expect((await coordinator.call('POST', '/v1/applications/web/revisions/worse/push')).status).to.equal(404);
  });

  it('keep a label with the contents it was given to', async () => {
    const [one, two] = [Buffer.from('one'), Buffer.from('two')];
    await upload(one, `digest=${sha256(one)}&label=fixed`);
    expect((await upload(two, `digest=${sha256(two)}&label=fixed`)).status).to.equal(409);
    expect((await upload(two, `digest=${sha256(two)}&label=latest`)).status).to.equal(400);
  });

  it('refuse bytes that are not those of the digest', async () => {
    const { status, body } = await upload(Buffer.from('tampered'), `digest=${sha256('original')}`);
    expect(status).to.equal(400);
    expect(textAt(body, 'detail')).to.contain(sha256('tampered'));
  });

  it('are counted in bytes, as far as they were taken in', async () => {
    const counted = async () => {
      const { body } = await coordinator.call('GET', '/metrics');
      return Number(/^drover_bundle_bytes_total\{direction="in"\} (\S+)$/m.exec(String(body))?.[1] ?? 0);
    };
    const before = await counted();
    const bundle = Buffer.alloc(100_000, 'counted');
    await upload(bundle, `digest=${sha256(bundle)}`);
    await upload(bundle, `digest=${sha256('another')}`);
    expect((await counted()) - before).to.equal(100_000);
  });

  it('refuse a bundle past the bound before it is sent', async () => {
    const request = httpRequest(
      `${coordinator.url}/v1/applications/web/revisions/upload?bundleType=tgz&digest=${sha256('')}`,
      {
        method: 'POST',
        headers: {
          authorization: `Bearer ${coordinator.adminToken}`,
          'content-type': 'application/octet-stream',
          'content-length': String(300 * MIB),
        },
      },
    );
    request.on('error', () => {});
    request.flushHeaders();
    const [response] = await once(request, 'response');
    expect(response.statusCode).to.equal(413);
    request.destroy();
  });

  it('refuse a bundle that would be read into memory as JSON, before it is sent', async () => {
    const request = httpRequest(
      `${coordinator.url}/v1/applications/web/revisions/upload?bundleType=tgz&digest=${sha256('')}`,
      {
        method: 'POST',
        headers: {
          authorization: `Bearer ${coordinator.adminToken}`,
          'content-type': 'application/json',
          'content-length': String(100 * MIB),
        },
      },
    );
    request.on('error', () => {});
    request.flushHeaders();
    const [response] = await once(request, 'response');
    expect(response.statusCode).to.equal(400);
    request.destroy();
  });

  it('stream through memory: a bundle of 150 MiB does not stay in it', async () => {
    const chunk = Buffer.alloc(MIB, 'x');
    const chunks = 150;
    const hash = createHash('sha256');
    for (let i = 0; i < chunks; i++) hash.update(chunk);
    const before = process.memoryUsage().rss;
    let peak = before;
    const request = httpRequest(
      `${coordinator.url}/v1/applications/web/revisions/upload?bundleType=tar&digest=${hash.digest('hex')}`,
      {
        method: 'POST',
        headers: { authorization: `Bearer ${coordinator.adminToken}`, 'content-type': 'application/octet-stream' },
      },
    );
    const answered = once(request, 'response');
    for (let i = 0; i < chunks; i++) {
      if (!request.write(chunk)) await once(request, 'drain');
      peak = Math.max(peak, process.memoryUsage().rss);
    }
    request.end();
    const [response] = await answered;
    expect(response.statusCode).to.equal(201);
    expect((peak - before) / MIB).to.be.lessThan(100);
  });

  it('can be deleted as long as nothing counts on them', async () => {
    const bundle = Buffer.from('short-lived');
    await upload(bundle, `digest=${sha256(bundle)}&label=short-lived`);
    expect((await coordinator.call('DELETE', '/v1/applications/web/revisions/short-lived')).status).to.equal(204);
    expect((await coordinator.call('GET', '/v1/applications/web/revisions/short-lived')).status).to.equal(404);
  });

  describe('from a URL', () => {
    let server: Server;
    let base: string;
    /** Called before `/slow` is answered. */
    let atSlow = () => {};
    before(async () => {
      server = createServer((request, response) => {
        if (request.url === '/slow') atSlow();
        if (request.url === '/bundle') response.end('from afar');
        else if (request.url === '/private?token=hunter2') response.end('for those who know');
        else if (request.url === '/slow') response.end('late');
        else if (request.url === '/moved') response.writeHead(302, { location: '/bundle' }).end();
        else if (request.url === '/loop') response.writeHead(302, { location: '/loop' }).end();
        else if (request.url === '/to-file') response.writeHead(302, { location: 'file:///etc/passwd' }).end();
        else response.writeHead(404).end();
      }).listen(0, '127.0.0.1');
      await once(server, 'listening');
      base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    });
    after(() => server.close());
    const register = (body: object) =>
      coordinator.call('POST', '/v1/applications/web/revisions', { body: { bundleType: 'zip', ...body } });

    it('are fetched now and pinned by their digest, redirects followed', async () => {
      const { status, body } = await register({ url: `${base}/moved`, label: 'afar' });
      expect(status).to.equal(201);
      expect(body).to.deep.include({ digest: sha256('from afar'), source: { kind: 'url', url: `${base}/moved` } });
    });

    it('are waited for, also longer than a connection may be silent', async () => {
      const connections = watchConnections();
      const isOpen: boolean[] = [];
      atSlow = () => void isOpen.push(connections.pass('POST', '/v1/applications/web/revisions'));
      expect((await register({ url: `${base}/slow` })).status).to.equal(201);
      connections.stop();
      expect(isOpen).to.deep.equal([true]);
    });

    it('keep no secret that the address has', async () => {
      const { host } = new URL(base);
      const { status, body } = await register({ url: `http://user:hunter2@${host}/private?token=hunter2` });
      expect(status).to.equal(201);
      expect(at(body, 'source.url')).to.equal(`${base}/private`);
      const { body: audit } = await coordinator.call('GET', '/v1/audit');
      expect(JSON.stringify(audit)).to.contain('/private').and.not.to.contain('hunter2');
    });

    it('are refused when they cannot be had, or are something else', async () => {
      expect((await register({ url: `${base}/nothing` })).status).to.equal(503);
      expect((await register({ url: `${base}/loop` })).status).to.equal(503);
      expect((await register({ url: `${base}/to-file` })).status).to.equal(400);
      expect((await register({ url: 'file:///etc/passwd' })).status).to.equal(400);
      expect((await register({ url: 'http://127.0.0.1:1/x' })).status).to.equal(503);
      expect((await register({ url: `${base}/bundle`, digest: sha256('else') })).status).to.equal(400);
    });
  });
});

describe('the download of a bundle', () => {
  let coordinator: TestCoordinator;
  let assigned: RawHost;
  let connection: RawConnection;
  const bundle = Buffer.from('0123456789');
  const digest = sha256(bundle);
  before(async () => {
    coordinator = await startTestCoordinator();
    await coordinator.call('POST', '/v1/applications', { body: { name: 'web' } });
    await coordinator.call('POST', `/v1/applications/web/revisions/upload?bundleType=tar&digest=${digest}&label=v1`, {
      body: bundle,
    });
    assigned = await enrolHost(coordinator, 'assigned', { token: { tags: { role: 'web' } } });
    connection = await connectWebSocket(coordinator);
    await sayHello(connection, assigned);
    await untilOnline(coordinator, assigned);
    await coordinator.call('POST', '/v1/applications/web/deployment-groups', {
      body: {
        name: 'prod',
        selection: { tagFilters: [{ type: 'KEY_AND_VALUE', key: 'role', value: 'web' }] },
        deploymentConfigName: 'CodeDeployDefault.AllAtOnce',
      },
    });
    const created = await coordinator.call('POST', '/v1/deployments', {
      body: { application: 'web', deploymentGroup: 'prod', revision: 'v1' },
    });
    expect(created.status, JSON.stringify(created.body)).to.equal(201);
    expect((await connection.next('assignment')).assignment.revision.digest).to.equal(digest);
  });
  after(() => {
    connection.close();
    return coordinator.remove();
  });
  const download = (token: string, range?: string, of = digest) =>
    coordinator.call('GET', `/v1/hosts/self/bundles/${of}`, {
      token,
      ...(range === undefined ? {} : { headers: { range } }),
    });

  it('is for the host that has to install it, whole or in part', async () => {
    const token = await openSession(coordinator, assigned);
    const whole = await download(token);
    expect(whole).to.deep.include({ status: 200, body: '0123456789' });
    expect(whole.headers.get('content-length')).to.equal('10');

    const part = await download(token, 'bytes=4-');
    expect(part).to.deep.include({ status: 206, body: '456789' });
    expect(part.headers.get('content-range')).to.equal('bytes 4-9/10');
    const beyond = await download(token, 'bytes=10-');
    expect(beyond.status).to.equal(416);
    expect(beyond.headers.get('content-range')).to.equal('bytes */10');
  });

  it('is not for another host, nor for another digest', async () => {
    const stranger = await openSession(coordinator, await enrolHost(coordinator, 'stranger'));
    const refused = await download(stranger);
    const missing = await download(stranger, undefined, sha256('never'));
    expect([refused.status, missing.status]).to.deep.equal([404, 404]);
    expect(textAt(refused.body, 'detail').replace(digest, '')).to.equal(
      textAt(missing.body, 'detail').replace(sha256('never'), ''),
    );
    expect((await download(await openSession(coordinator, assigned), undefined, sha256('never'))).status).to.equal(404);
  });

  it('ends with the part of the host in the deployment', async () => {
    const deploymentId = textAt((await coordinator.call('GET', '/v1/deployments')).body, 'items.0.id');
    const reports = [
      { kind: 'accepted', sequence: 1, deploymentId, at: 1 },
      { kind: 'finished', sequence: 2, deploymentId, status: 'Succeeded', at: 2, installedRevisionId: null },
    ];
    await connection.send({ kind: 'reports', items: reports });
    let acknowledged = 0;
    while (acknowledged < 2) acknowledged = (await connection.next('acknowledged')).sequence;

    expect((await download(await openSession(coordinator, assigned))).status).to.equal(404);
  });
});
