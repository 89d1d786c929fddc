import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { serveWebSockets } from '../../coordinator/hub/websocket-channel.ts';
import { makeCertificate } from '../support/certificates.ts';
import { at, startTestCoordinator, type TestCoordinator } from '../support/coordinator.ts';
import { createFakeClock, settle } from '../support/fake-clock.ts';

const OFFER = 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n';

function connectTo(url: string, allowHalfOpen = false): Socket {
  const { hostname, port } = new URL(url);
  // A reset is an end like any other here.
  return connect({ host: hostname, port: Number(port), allowHalfOpen }).on('error', () => {});
}

/** Resolves once all that was read holds this. */
function reader(socket: Socket): (text: string) => Promise<string> {
  let read = '';
  const waiting = new Set<() => void>();
  socket.on('data', (data) => {
    read += data;
    for (const look of waiting) look();
  });
  return (text) =>
    new Promise((resolve, reject) => {
      const look = () => {
        if (read.includes(text)) resolve(read);
      };
      waiting.add(look);
      socket.once('close', () => reject(new Error(`closed, after ${JSON.stringify(read)}`)));
      look();
    });
}

describe('an offer of another protocol than HTTP/1.1', () => {
  let coordinator: TestCoordinator;
  let authorization: string;
  before(async () => {
    coordinator = await startTestCoordinator();
    authorization = `Authorization: Bearer ${coordinator.adminToken}`;
  });
  after(() => coordinator.remove());

  const headersOf = (body = '') =>
    `Host: x\r\n${authorization}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n`;

  it('is passed over: the request is served, its body is read, and the connection stays', async () => {
    const socket = connectTo(coordinator.url);
    const read = reader(socket);
    // Longer than what comes with the headers.
    const body = JSON.stringify({ name: 'raw', description: 'y'.repeat(200) });
    socket.write(`POST /v1/applications HTTP/1.1\r\n${headersOf(body)}${OFFER}\r\n${body.slice(0, 10)}`);
    socket.write(body.slice(10));
    expect(await read('"raw"')).to.match(/^HTTP\/1\.1 201 /);
    socket.write(`GET /v1/whoami HTTP/1.1\r\n${headersOf()}${OFFER}\r\n`);
    await read('"admin"');
    socket.write(`GET /v1/nowhere HTTP/1.1\r\n${headersOf()}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`);
    expect(await read('there is no GET /v1/nowhere')).to.contain('HTTP/1.1 404 ');
    socket.destroy();
  });

  it('is passed over when it is from curl', async function () {
    const run = promisify(execFile);
    const curl = (args: string[]) => run('curl', args);
    const version = await curl(['--version']).catch(() => null);
    // Without one that knows HTTP/2 there is no offer.
    if (version?.stdout.includes('HTTP2') !== true) return this.skip();
    const ask = async (...args: string[]) =>
      (await curl(['-sS', '--http2', '-w', ' %{http_code}', '-H', authorization, ...args])).stdout;
    expect(await ask(`${coordinator.url}/healthz`)).to.match(/ 200$/);
    const json = ['-H', 'content-type: application/json'];
    expect(await ask(...json, '-d', '{"name":"curled"}', `${coordinator.url}/v1/applications`)).to.match(/ 201$/);
    expect(at((await coordinator.call('GET', '/v1/applications/curled')).body, 'name')).to.equal('curled');
  });
});

describe('a WebSocket that is refused', () => {
  for (const sends of ['nothing', 'more'])
    it(`gives its connection back, also when the other end sends ${sends} and never hangs up`, async () => {
      const clock = createFakeClock();
      const server = createServer();
      serveWebSockets({ server, clock, accept: () => null, isOpen: () => false, addressOf: () => 'x' });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const accepted = once(server, 'connection');
      const client = connectTo(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, true);
      client.write('GET /v1/agents/connect HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
      const [socket] = (await accepted) as [Socket];
      const closed = once(socket, 'close');
      await reader(client)('503 Service Unavailable');
      if (sends === 'more') client.write('what nobody reads');
      await settle();
      await clock.advance(60_000);
      await closed;
      client.destroy();
      server.close();
      await once(server, 'close');
    });

  it('gives it back when the other end hangs up, too', async () => {
    const server = createServer();
    const clock = createFakeClock();
    serveWebSockets({ server, clock, accept: () => null, isOpen: () => false, addressOf: () => 'x' });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const accepted = once(server, 'connection');
    const client = connectTo(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    client.write('GET /v1/agents/connect HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nmore');
    client.resume();
    const [socket] = (await accepted) as [Socket];
    await once(socket, 'close');
    server.close();
    await once(server, 'close');
  });
});

describe('a coordinator that stops', () => {
  it('ends a WebSocket that was refused by its protocol and never hangs up', async () => {
    const coordinator = await startTestCoordinator();
    const client = connectTo(coordinator.url, true);
    client.write('GET /v1/agents/connect HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    await reader(client)('400 Bad Request');
    await coordinator.remove();
    client.destroy();
  });

  it('waits for no TLS handshake that stands still', async function () {
    const directory = mkdtempSync(join(tmpdir(), 'drover-upgrades-'));
    try {
      const tls = makeCertificate(directory, { from: new Date(), to: new Date(Date.now() + 86_400_000) });
      // Without openssl there is no certificate to serve with.
      if (tls === null) return this.skip();
      const coordinator = await startTestCoordinator({ tls });
      const client = connectTo(coordinator.url);
      await once(client, 'connect');
      // Whoever is accepted after it shows that it was.
      const later = connectTo(coordinator.url);
      later.end('this is no TLS');
      await once(later.resume(), 'close');
      await coordinator.remove();
      client.destroy();
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
