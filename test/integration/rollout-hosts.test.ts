import { once } from 'node:events';
import { createServer, request, type Server } from 'node:http';
import { expect } from 'chai';
import { MAX_FRAME_BYTES } from '../../shared/protocol/messages.ts';
import { PROTOCOL_VERSION } from '../../shared/protocol/versions.ts';
import { AgentProcess, hooksAppSpec, makeBundle } from '../support/agent-process.ts';
import type { FakeCoordinator } from '../support/fake-coordinator.ts';
import { PlayedHerd } from '../support/played-herd.ts';
import { PlayedHost } from '../support/played-host.ts';
import { createJoinToken } from '../support/raw-agent.ts';
import { until } from '../support/real-herd.ts';

const HOUR_MS = 3_600_000;

describe('hosts in the middle of a deployment', function () {
  this.timeout(60_000);
  let herd: PlayedHerd;
  beforeEach(async () => {
    herd = await PlayedHerd.start(2);
    await herd.deploy('v1');
  });
  afterEach(() => herd.close());

  /** All hosts have begun v2 and wait before AfterInstall. */
  async function inTheMiddle(): Promise<string> {
    for (const host of herd.hosts) host.holdAt = 'AfterInstall';
    const { id } = await herd.create('v2');
    await until('all hosts are in the middle', 10_000, () =>
      herd.hosts.every((host) => host.assigned.at(-1)?.deploymentId === id && host.unacknowledged === 0),
    );
    return id;
  }
  const release = () => {
    for (const host of herd.hosts) host.release();
  };
  const web1 = () => herd.host('web-1');
  const aReport = (deploymentId: string, event: string, status: 'Failed' | 'Skipped' = 'Failed') => ({
    kind: 'event' as const,
    deploymentId,
    event,
    status,
    startedAt: 0,
    durationMs: 0,
  });

  it('may have clocks that are hours wrong: the coordinator tells how much, and uses its own', async () => {
    for (const [host, error] of [
      [herd.hosts[0], 5 * HOUR_MS],
      [herd.hosts[1], -7 * HOUR_MS],
    ] as const) {
      await host?.disconnect();
      if (host !== undefined) host.clockErrorMs = error;
      await host?.connect();
    }
    const before = Date.now();
    const { id } = await herd.deploy('v2');
    const after = Date.now();
    for (const [name, error] of [
      ['web-1', 5 * HOUR_MS],
      ['web-2', -7 * HOUR_MS],
    ] as const) {
      const { clockOffsetMs } = await herd.client.getHost({ host: name });
      expect(clockOffsetMs).to.be.closeTo(error, HOUR_MS / 6);
      const target = await herd.client.getTarget({ deployment: id, host: name });
      expect(target.status).to.equal('Succeeded');
      for (const at of [target.startedAt, target.completedAt, ...target.lifecycleEvents.map((event) => event.endedAt)])
        expect(at).to.be.within(before, after);
    }
  });

  it('may report on deployments that are gone: it is acknowledged, and changes nothing', async () => {
    const gone = 'd-GONE00000';
    for (let index = 0; index < 3; index++) web1().report(aReport(gone, 'AfterInstall'));
    web1().report({ kind: 'finished', deploymentId: gone, status: 'Failed', at: 0, installedRevisionId: 'r-nothing' });
    await until('it is acknowledged', 10_000, () => web1().unacknowledged === 0);
    expect((await herd.revisions())['web-1']).to.equal('v1');
    expect((await herd.deploy('v2')).status).to.equal('Succeeded');
  });

  it('are shown with what they say they have installed, and brought on from there', async () => {
    const [v1] = (await herd.client.listDeployments({ limit: 1 })).items;
    await herd.deploy('v2');
    const groupId = web1().assigned.at(-1)?.deploymentGroupId;
    const { id: revisionId } = web1().assigned.find(({ deploymentId }) => deploymentId === v1?.id)!.revision;
    await web1().disconnect();
    await web1().connect();
    // What it had when a snapshot was made of it.
    const installed = [{ deploymentGroupId: groupId, deploymentId: v1?.id, revisionId }];
    web1().sendRaw(JSON.stringify({ kind: 'reports', items: [], installed }));
    const [followOn] = await herd.allEnded('CodeDeployAutoUpdate', 1);
    expect(followOn).to.include({ status: 'Succeeded' });
    expect(
      (await herd.client.listTargets({ deployment: followOn!.id })).items.map((target) => target.hostName),
    ).to.deep.equal(['web-1']);
    expect((await herd.revisions())['web-1']).to.equal('v2');
  });

  it('cannot change a deployment that has ended, nor the part of another host', async () => {
    const id = await inTheMiddle();
    await herd.client.stopDeployment({ deployment: id });
    release();
    const ended = await herd.ended(id);
    const target = await herd.client.getTarget({ deployment: id, host: 'web-1' });
    web1().report(aReport(id, 'AfterInstall'));
    web1().report({ kind: 'finished', deploymentId: id, status: 'Failed', at: 0, installedRevisionId: null });
    await until('it is acknowledged', 10_000, () => web1().unacknowledged === 0);
    const after = await herd.client.getTarget({ deployment: id, host: 'web-1' });
    expect(after.status).to.equal(target.status);
    expect(after.lifecycleEvents).to.deep.equal(target.lifecycleEvents);
    expect(after.message, 'but the history has it').to.include('reported Failed afterwards');
    expect(await herd.client.getDeployment({ deployment: id })).to.deep.include({
      status: ended.status,
      overview: ended.overview,
    });
    expect((await herd.client.getTarget({ deployment: id, host: 'web-2' })).message).to.equal(null);
  });

  it('may repeat their reports: each counts once', async () => {
    const id = await inTheMiddle();
    const said = Array.from({ length: 4 }, (_, index) => ({
      ...aReport(id, 'AfterInstall', 'Skipped'),
      sequence: index + 1,
    }));
    for (let round = 0; round < 5; round++) web1().sendRaw(JSON.stringify({ kind: 'reports', items: said }));
    release();
    expect((await herd.ended(id)).overview).to.include({ Succeeded: 2, Failed: 0, Skipped: 0 });
    const { lifecycleEvents } = await herd.client.getTarget({ deployment: id, host: 'web-1' });
    expect(new Set(lifecycleEvents.map((event) => event.status))).to.deep.equal(new Set(['Succeeded']));
  });

  it('are told when a report is missing before another, and nothing of that frame counts', async () => {
    const id = await inTheMiddle();
    const early = {
      kind: 'finished',
      sequence: 1_000,
      deploymentId: id,
      status: 'Failed',
      at: 0,
      installedRevisionId: null,
    };
    web1().sendRaw(JSON.stringify({ kind: 'reports', items: [early] }));
    await until('the host is told', 10_000, () => web1().problems.includes('out_of_order'));
    expect((await herd.targets(id))['web-1']).to.equal('InProgress');
    release();
    expect((await herd.ended(id)).status).to.equal('Succeeded');
  });

  it('lose nothing but a connection by frames that are too large or make no sense', async () => {
    const id = await inTheMiddle();
    web1().sendRaw('{"kind":"reports","items":[{"kind":"finished"}]}');
    web1().sendRaw('not JSON');
    web1().sendRaw(JSON.stringify({ kind: 'teleport' }));
    await until('the host is told', 10_000, () => web1().problems.length === 3);
    expect(web1().problems).to.deep.equal(['malformed', 'malformed', 'unknown_kind']);
    web1().sendRaw(JSON.stringify({ kind: 'heartbeat', at: 1, padding: 'x'.repeat(2 * MAX_FRAME_BYTES) }));
    await until('the connection is gone', 10_000, () => !web1().isConnected);
    release();
    await web1().connect();
    expect((await herd.ended(id)).overview).to.include({ Succeeded: 2 });
  });

  it('may be one minor version newer, and not two', async () => {
    const { major, minor } = PROTOCOL_VERSION;
    await web1().disconnect();
    await web1().connect({ protocol: { major, minor: minor + 1 }, novelty: ['of', 1.1] });
    expect((await herd.deploy('v2')).overview).to.include({ Succeeded: 2 });
    await web1().disconnect();
    const refusal = await web1()
      .connect({ protocol: { major, minor: minor + 2 } })
      .catch((error: Error) => error.message);
    expect(refusal).to.match(/version/);
  });

  it('may come back again and again: each gets its assignment once, and none is lost', async () => {
    const id = await inTheMiddle();
    release();
    for (let round = 0; round < 10; round++) {
      await Promise.all(herd.hosts.map((host) => host.disconnect()));
      await Promise.all(herd.hosts.map((host) => host.connect()));
    }
    expect((await herd.ended(id)).overview).to.include({ Succeeded: 2 });
    for (const host of herd.hosts) expect(host.assigned.filter((a) => a.deploymentId === id)).to.have.length(1);
  });

  it('cannot be played by a copy: it is refused, and the deployment goes on where it was', async () => {
    const id = await inTheMiddle();
    const copy = new PlayedHost(herd.coordinator, web1().raw);
    const refusal = await copy.connect({ processId: 'the-process-of-a-copy' }).catch((error: Error) => error.message);
    expect(refusal).to.match(/host_cloned/);
    expect(copy.assigned).to.deep.equal([]);
    release();
    expect((await herd.ended(id)).overview).to.include({ Succeeded: 2 });
  });

  it('enrol twice under one name in vain, and the one that was there stays in service', async () => {
    const id = await inTheMiddle();
    const second = await PlayedHost.enrol(herd.coordinator, 'web-1').catch((error: Error) => error);
    expect(second).to.be.an('error');
    release();
    expect((await herd.ended(id)).overview).to.include({ Succeeded: 2 });
  });

  it('go on while the coordinator stops in good order, and are finished by the next one', async () => {
    const id = await inTheMiddle();
    await herd.restartCoordinator();
    expect(herd.hosts.map((host) => host.goodbyes)).to.deep.equal([['stopping'], ['stopping']]);
    release();
    await Promise.all(herd.hosts.map((host) => host.connect()));
    const ended = await herd.ended(id);
    expect(ended).to.include({ status: 'Succeeded' });
    expect(ended.overview).to.include({ Succeeded: 2 });
    for (const host of herd.hosts) expect(host.assigned.filter((a) => a.deploymentId === id)).to.have.length(1);
  });
});

describe('two hundred hosts that reconnect like a storm', function () {
  this.timeout(120_000);

  it('all end their deployment, each having it once', async () => {
    const herd = await PlayedHerd.start(1);
    try {
      const joinToken = { tags: { role: 'web' } };
      const hosts = await Promise.all(
        Array.from({ length: 199 }, (_, index) => PlayedHost.enrol(herd.coordinator, `storm-${index}`, joinToken)),
      );
      herd.hosts.push(...hosts);
      await Promise.all(hosts.map((host) => host.connect()));
      await until('all are online', 30_000, async () => {
        const { items } = await herd.client.listHosts({ presence: 'Online', limit: 500 });
        return items.length === 200;
      });
      for (const host of herd.hosts) host.holdAt = 'AfterInstall';
      const { id } = await herd.create('v1');
      await until('all have begun', 30_000, () => herd.hosts.every((host) => host.assigned.length === 1));
      for (const host of herd.hosts) host.release();
      for (let wave = 0; wave < 5; wave++)
        await Promise.all(
          herd.hosts.map(async (host) => {
            await host.disconnect();
            await host.connect();
          }),
        );
      const deployment = await herd.ended(id);
      expect(deployment.overview).to.include({ Succeeded: 200, Failed: 0, Skipped: 0 });
      for (const host of herd.hosts) expect(host.assigned).to.have.length(1);
    } finally {
      await herd.close();
    }
  });
});

describe('an agent behind a proxy that refuses WebSockets', function () {
  this.timeout(60_000);

  it('deploys over long poll, hooks and their output included', async () => {
    const herd = await PlayedHerd.start(0);
    const proxy = await proxyWithoutWebSockets(herd.coordinator.url);
    // It asks its coordinator for the address only, unless it is told to enrol there by itself.
    const agent = new AgentProcess({ url: proxy.url } as FakeCoordinator, { name: 'far-1' });
    try {
      const bundle = await makeBundle(hooksAppSpec({ AfterInstall: ['say.sh'] }), {
        'say.sh': '#!/bin/sh\necho over long poll\n',
      });
      await herd.client.uploadBundle({
        application: 'app',
        from: { stream: new Blob([Uint8Array.from(bundle.bytes)]).stream(), sizeBytes: bundle.bytes.byteLength },
        digest: bundle.digest,
        bundleType: bundle.bundleType,
        label: 'real',
      });
      const secret = await createJoinToken(herd.coordinator, { tags: { role: 'web' } });
      const enrolled = await agent.command('enrol', '--coordinator', proxy.url, '--token', secret, '--name', 'far-1');
      expect(enrolled.code, enrolled.stderr).to.equal(0);
      agent.start();
      await herd.online('far-1');
      const { id, status } = await herd.deploy('real');
      expect(status).to.equal('Succeeded');
      const place = { deployment: id, host: 'far-1', event: 'AfterInstall' };
      await until('its output is there', 10_000, async () => (await herd.client.getOutput(place)).length > 0);
      expect((await herd.client.getOutput(place)).text).to.equal('over long poll\n');
      expect(proxy.refusedUpgrades()).to.be.at.least(1);
    } finally {
      await agent.remove();
      await proxy.close();
      await herd.close();
    }
  });
});

async function proxyWithoutWebSockets(target: string) {
  let refused = 0;
  const server: Server = createServer((incoming, outgoing) => {
    const forward = request(
      `${target}${incoming.url}`,
      { method: incoming.method ?? 'GET', headers: { ...incoming.headers, connection: 'close' } },
      (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      },
    );
    forward.on('error', () => outgoing.destroy());
    outgoing.on('close', () => forward.destroy());
    incoming.pipe(forward);
  });
  server.on('upgrade', (_request, socket) => {
    refused++;
    socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('a TCP server has an address');
  return {
    url: `http://127.0.0.1:${address.port}`,
    refusedUpgrades: () => refused,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
