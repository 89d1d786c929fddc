import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { expect } from 'chai';
import { FaultProxy, type LinkFault, type Truncation } from '../support/fault-proxy.ts';
import { until } from '../support/real-herd.ts';

const REQUEST = 'GET /v1/hosts/self/bundles/0123 HTTP/1.1\r\n\r\n';
const UNDISTURBED_MS = 200;

/** Both ends of a connection that the proxy carries, and what has arrived at each. */
interface Ends {
  host: Socket;
  coordinator: Socket;
  atHost(): string;
  atCoordinator(): string;
}

describe('the fault proxy', () => {
  let server: Server;
  let proxy: FaultProxy;
  const accepted: Socket[] = [];
  const opened: Socket[] = [];

  beforeEach(async () => {
    server = createServer({ allowHalfOpen: true }, (socket) => accepted.push(socket)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (typeof address !== 'object' || address === null) throw new Error('a TCP server has an address');
    proxy = await FaultProxy.listen(address.port, '127.0.83.1');
  });
  afterEach(async () => {
    await proxy.close();
    for (const socket of [...accepted.splice(0), ...opened.splice(0)]) socket.destroy();
    server.close();
    await once(server, 'close');
  });

  async function open(): Promise<Ends> {
    const known = accepted.length;
    const host = connect({ port: proxy.port, host: proxy.host, allowHalfOpen: true });
    opened.push(host);
    await once(host, 'connect');
    await until('the connection is carried', 5_000, () => accepted.length > known);
    const coordinator = accepted[known];
    if (coordinator === undefined) throw new Error('it was accepted');
    return { host, coordinator, atHost: reader(host), atCoordinator: reader(coordinator) };
  }

  const arrives = (what: string, read: () => string) =>
    until(`${JSON.stringify(what)} arrives`, 5_000, () => read() === what);

  /** Set, and something was sent through another connection meanwhile: what has not arrived by then is held back. */
  async function staysAway(read: () => string, known: string): Promise<void> {
    const other = await FaultProxy.listen(portOf(server), '127.0.83.2');
    const count = accepted.length;
    const probe = connect(other.port, other.host);
    opened.push(probe);
    await until('another connection is carried', 5_000, () => accepted.length > count);
    await new Promise((resolve) => setTimeout(resolve, UNDISTURBED_MS));
    await other.close();
    expect(read()).to.equal(known);
  }

  it('carries both directions and the end of each', async () => {
    const ends = await open();
    ends.host.end('up');
    await arrives('up', ends.atCoordinator);
    await until('the end arrives', 5_000, () => ends.coordinator.readableEnded);
    ends.coordinator.end('down');
    await arrives('down', ends.atHost);
    await until('both are closed', 5_000, () => ends.host.destroyed && ends.coordinator.destroyed);
  });

  it('delays each piece', async () => {
    const ends = await open();
    await proxy.set({ kind: 'delay', delayMs: 300 });
    const sentAt = performance.now();
    ends.host.write('late');
    await arrives('late', ends.atCoordinator);
    expect(performance.now() - sentAt).to.be.at.least(290);
  });

  it('lets through no more than a throttled link has room for, and all of it in the end', async () => {
    const ends = await open();
    await proxy.set({ kind: 'throttle', bytesPerSecond: 20_000 });
    const sentAt = performance.now();
    ends.coordinator.write('x'.repeat(10_000));
    await arrives('x'.repeat(10_000), ends.atHost);
    expect(performance.now() - sentAt).to.be.at.least(350);
  });

  it('stalls a direction and delivers everything when that is over', async () => {
    const ends = await open();
    await proxy.set({ kind: 'stall', direction: 'up' });
    ends.host.write('held');
    ends.coordinator.write('free');
    await arrives('free', ends.atHost);
    await staysAway(ends.atCoordinator, '');
    await proxy.set({ kind: 'none' });
    await arrives('held', ends.atCoordinator);
  });

  for (const direction of ['up', 'down'] as const)
    it(`swallows what goes ${direction} when half-open, and never again carries what would follow on it`, async () => {
      const ends = await open();
      const [from, read] = direction === 'up' ? [ends.host, ends.atCoordinator] : [ends.coordinator, ends.atHost];
      const [back, readBack] = direction === 'up' ? [ends.coordinator, ends.atHost] : [ends.host, ends.atCoordinator];
      from.write('before ');
      await arrives('before ', read);
      await proxy.set({ kind: 'half-open', direction });
      from.write('lost');
      back.write('other way');
      await arrives('other way', readBack);
      await until('it is swallowed', 5_000, () => proxy.counts.swallowedBytes === 4);
      await proxy.set({ kind: 'none' });
      from.write('after');
      await until('it is swallowed', 5_000, () => proxy.counts.swallowedBytes === 9);
      expect(read()).to.equal('before ');
      const fresh = await open();
      fresh.host.write('anew');
      await arrives('anew', fresh.atCoordinator);
    });

  it('keeps a half-open connection open when the other end has gone', async () => {
    const ends = await open();
    await proxy.set({ kind: 'half-open', direction: 'both' });
    ends.host.destroy();
    await staysAway(ends.atCoordinator, '');
    expect(ends.coordinator.readableEnded).to.equal(false);
    expect(ends.coordinator.destroyed).to.equal(false);
  });

  it('accepts a connection while half-open and lets nothing come of it', async () => {
    await proxy.set({ kind: 'half-open', direction: 'both' });
    const ends = await open();
    ends.host.write('anyone?');
    await until('it is swallowed', 5_000, () => proxy.counts.swallowedBytes === 7);
    expect(ends.atCoordinator()).to.equal('');
  });

  it('refuses connections, keeps those that stand, and listens at the same address afterwards', async () => {
    const ends = await open();
    await proxy.set({ kind: 'refuse' });
    const refused = connect(proxy.port, proxy.host);
    opened.push(refused);
    const [error] = await once(refused, 'error');
    expect(error).to.have.property('code', 'ECONNREFUSED');
    ends.host.write('still here');
    await arrives('still here', ends.atCoordinator);
    const { port } = proxy;
    await proxy.set({ kind: 'none' });
    expect(proxy.port).to.equal(port);
    const fresh = await open();
    fresh.host.write('again');
    await arrives('again', fresh.atCoordinator);
  });

  it('cuts with a reset at both ends', async () => {
    const ends = await open();
    const [atHost, atCoordinator] = [errorOf(ends.host), errorOf(ends.coordinator)];
    proxy.cut('rst');
    expect([await atHost, await atCoordinator]).to.deep.equal(['ECONNRESET', 'ECONNRESET']);
  });

  it('cuts with an orderly end at both ends', async () => {
    const ends = await open();
    const problems: unknown[] = [];
    for (const socket of [ends.host, ends.coordinator]) socket.on('error', (error) => problems.push(error));
    ends.host.write('unread');
    proxy.cut('fin');
    await until('both hear of it', 5_000, () => ends.host.readableEnded && ends.coordinator.readableEnded);
    expect(problems).to.deep.equal([]);
  });

  for (const how of ['fin', 'rst', 'silence'] as const)
    it(`ends a download in the middle: ${how}`, async () => {
      const truncation: Truncation = { afterBytes: 10, how };
      proxy.truncateNextDownloads(truncation);
      const ends = await open();
      ends.host.write('GET /other HTTP/1.1\r\n\r\n');
      ends.coordinator.write('untouched ');
      await arrives('untouched ', ends.atHost);
      ends.host.write(REQUEST);
      await until('it is asked for', 5_000, () => ends.atCoordinator().endsWith(REQUEST));
      ends.coordinator.write('0123456789 and more');
      await until('it is truncated', 5_000, () => proxy.counts.truncatedDownloads === 1);
      // A reset that comes together with bytes is told as an end by Node, and may take the bytes with it.
      if (how === 'rst') await until('it is over', 5_000, () => ends.host.destroyed || ends.host.readableEnded);
      else await arrives('untouched 0123456789', ends.atHost);
      if (how === 'fin') await until('the end arrives', 5_000, () => ends.host.readableEnded);
      expect('untouched 0123456789').to.match(new RegExp(`^${ends.atHost()}`));
      if (how === 'silence') await staysAway(ends.atHost, 'untouched 0123456789');
      const next = await open();
      next.host.write(REQUEST);
      await until('it is asked for', 5_000, () => next.atCoordinator() === REQUEST);
      next.coordinator.write('whole this time');
      await arrives('whole this time', next.atHost);
    });

  it('takes one fault in place of another', async () => {
    const ends = await open();
    const faults: LinkFault[] = [{ kind: 'stall', direction: 'both' }, { kind: 'delay', delayMs: 1 }, { kind: 'none' }];
    for (const [index, fault] of faults.entries()) {
      await proxy.set(fault);
      ends.host.write(`${index}`);
    }
    await arrives('012', ends.atCoordinator);
  });
});

function reader(socket: Socket): () => string {
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1');
  });
  socket.on('error', () => {});
  return () => text;
}

async function errorOf(socket: Socket): Promise<unknown> {
  return new Promise((resolve) => socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code)));
}

function portOf(server: Server): number {
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('a TCP server has an address');
  return address.port;
}
