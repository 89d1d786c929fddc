import { once } from 'node:events';
import { expect } from 'chai';
import { WebSocket } from 'ws';
import { MAX_FRAME_BYTES } from '../../shared/protocol/messages.ts';
import { at, startTestCoordinator, type TestCoordinator } from '../support/coordinator.ts';
import {
  connectLongPoll,
  connectWebSocket,
  enrolHost,
  helloOf,
  proofOf,
  type RawConnection,
  sayHello,
} from '../support/raw-agent.ts';

const WAYS: Record<string, (coordinator: TestCoordinator) => Promise<RawConnection>> = {
  'a WebSocket': connectWebSocket,
  'a long poll': connectLongPoll,
};

for (const [way, connect] of Object.entries(WAYS))
  describe(`a host over ${way}`, () => {
    let coordinator: TestCoordinator;
    const connections: RawConnection[] = [];
    const open = async () => {
      const connection = await connect(coordinator);
      connections.push(connection);
      return connection;
    };
    before(async () => {
      coordinator = await startTestCoordinator();
    });
    afterEach(() => {
      for (const connection of connections.splice(0)) connection.close();
    });
    after(() => coordinator.remove());

    it('is welcomed, becomes Online, and gets its heartbeats answered', async () => {
      const host = await enrolHost(coordinator, 'online');
      const connection = await open();
      const welcome = await sayHello(connection, host);
      expect(welcome).to.include({ hostName: 'online', acknowledgedSequence: 0 });

      await connection.send({ kind: 'heartbeat', at: 1 });
      expect(await connection.next('heartbeat')).to.have.property('at');
      await untilPresence(coordinator, 'online', 'Online');
    });

    it('may use the session token of its welcome, until the connection ends', async () => {
      const host = await enrolHost(coordinator, 'token-user');
      const connection = await open();
      const { sessionToken } = await sayHello(connection, host);
      const ask = async () =>
        (await coordinator.call('GET', '/v1/hosts/self/readiness', { token: sessionToken })).status;
      expect(await ask()).to.equal(200);

      await coordinator.call('DELETE', '/v1/hosts/token-user');

      const problem = await connection.next('problem');
      expect(problem).to.include({ code: 'host_unknown', fatal: true });
      expect(problem.hint).to.match(/enrol --force .*restart the agent/);
      await connection.closed;
      expect(await ask()).to.equal(401);
    });

    it('is refused with a wrong signature', async () => {
      const host = await enrolHost(coordinator, 'forger');
      const connection = await open();
      const challenge = await connection.next('challenge');
      await connection.send(await helloOf(host, challenge, { signature: Buffer.alloc(64).toString('base64') }));
      expect(await connection.next('problem')).to.include({ code: 'unauthorized', fatal: true });
      await connection.closed;
    });

    it('is refused with the proof of another connection', async () => {
      const host = await enrolHost(coordinator, 'replayer');
      const first = await open();
      const challenge = await first.next('challenge');
      const hello = await helloOf(host, challenge);
      await first.send(hello);
      await first.next('welcome');

      const second = await open();
      await second.next('challenge');
      await second.send(hello);

      expect(await second.next('problem')).to.include({ code: 'unauthorized', fatal: true });
    });

    it('is refused with a signature for another coordinator', async () => {
      const host = await enrolHost(coordinator, 'traveller');
      const connection = await open();
      const { nonce, coordinatorId } = await connection.next('challenge');
      const signature = proofOf(host, nonce, 'another-coordinator');
      await connection.send(await helloOf(host, { nonce, coordinatorId }, { signature }));
      expect(await connection.next('problem')).to.include({ code: 'unauthorized', fatal: true });
    });

    it('is refused when it is not known', async () => {
      const host = { ...(await enrolHost(coordinator, 'unknown')), hostId: 'h-000000000000' };
      const connection = await open();
      await connection.send(await helloOf(host, await connection.next('challenge')));
      const problem = await connection.next('problem');
      expect(problem).to.include({ code: 'host_unknown', fatal: true });
      expect(problem.hint).to.match(/enrol --force .*restart the agent/);
    });

    it('is refused from a future major version', async () => {
      const host = await enrolHost(coordinator, 'from-the-future');
      const connection = await open();
      const challenge = await connection.next('challenge');
      await connection.send(await helloOf(host, challenge, { protocol: { major: 2, minor: 0 } }));
      expect(await connection.next('problem')).to.include({ code: 'version', fatal: true });
    });

    it('is told what is wrong with a frame, and which place of it', async () => {
      const connection = await open();
      await sayHello(connection, await enrolHost(coordinator, 'clumsy'));

      await connection.sendRaw('not json');
      expect(await connection.next('problem')).to.include({ code: 'malformed', fatal: false });
      await connection.send({ kind: 'reports', items: [{ kind: 'accepted', sequence: 0 }] });
      expect((await connection.next('problem')).message).to.contain('items.0');
      await connection.send({ kind: 'telepathy' });
      expect(await connection.next('problem')).to.include({ code: 'unknown_kind' });
      await connection
        .sendRaw(JSON.stringify({ kind: 'heartbeat', at: 1, padding: 'x'.repeat(MAX_FRAME_BYTES) }))
        .catch(() => {});
      if (connection.kind === 'websocket') {
        expect(await connection.next('problem')).to.include({ code: 'too_large', fatal: false });
        await connection.sendRaw('[]');
        expect(await connection.next('problem')).to.include({ fatal: false });
        await connection.sendRaw('{}');
        expect(await connection.next('problem')).to.include({ fatal: true });
        await connection.closed;
      }
    });

    it('passes over fields that it does not know', async () => {
      const connection = await open();
      await sayHello(connection, await enrolHost(coordinator, 'newer'), { fieldFromTheFuture: [1, 2, 3] });
      await connection.send({ kind: 'heartbeat', at: 1, mood: 'fine' });
      await connection.next('heartbeat');
    });

    it('replaces its earlier connection when it reconnects', async () => {
      const host = await enrolHost(coordinator, 'reconnecting');
      const first = await open();
      await sayHello(first, host);
      const second = await open();
      await sayHello(second, host);
      expect(await first.next('goodbye')).to.include({ reason: 'replaced' });
      await first.closed;
    });

    it('refuses a copy of a host that is connected, and writes it down', async () => {
      const host = await enrolHost(coordinator, 'original');
      const original = await open();
      await sayHello(original, host);
      const copy = await open();
      await copy.send(await helloOf(host, await copy.next('challenge'), { processId: 'process-of-the-copy' }));

      expect(await copy.next('problem')).to.include({ code: 'host_cloned', fatal: true });
      await original.send({ kind: 'heartbeat', at: 1 });
      await original.next('heartbeat');
      const { body } = await coordinator.call('GET', '/v1/audit?subject=original');
      expect((at(body, 'items') as { action: string }[]).map((record) => record.action)).to.include(
        'host.clone-refused',
      );
    });

    it('refuses a key that comes from another machine than it enrolled on', async () => {
      const host = await enrolHost(coordinator, 'moved', { facts: { machineId: 'a'.repeat(64) } });
      const connection = await open();
      const challenge = await connection.next('challenge');
      await connection.send(await helloOf(host, challenge, { facts: { machineId: 'b'.repeat(64) } }));
      const problem = await connection.next('problem');
      expect(problem).to.include({ code: 'host_cloned', fatal: true });
      expect(problem.hint).to.contain('drover hosts forget moved');
    });

    it('writes a copy down once, however often it comes back', async () => {
      const name = 'copied';
      const host = await enrolHost(coordinator, name, { facts: { machineId: 'a'.repeat(64) } });
      for (let attempt = 0; attempt < 3; attempt++) {
        const connection = await open();
        const challenge = await connection.next('challenge');
        await connection.send(await helloOf(host, challenge, { facts: { machineId: 'b'.repeat(64) } }));
        await connection.next('problem');
      }
      const { body } = await coordinator.call('GET', `/v1/audit?subject=${name}`);
      const noted = (at(body, 'items') as { action: string; details: object }[]).filter(
        ({ action }) => action === 'host.clone-refused',
      );
      expect(noted).to.have.length(1);
      expect(noted[0]?.details).to.deep.include({ attempts: 1, connected: null });
    });

    it('is told goodbye when the coordinator stops, and is welcome at the next one', async () => {
      const host = await enrolHost(coordinator, 'patient');
      const connection = await open();
      await sayHello(connection, host);

      await coordinator.restart();

      expect(await connection.next('goodbye')).to.include({ reason: 'stopping' });
      const again = await open();
      await sayHello(again, host);
      await untilPresence(coordinator, 'patient', 'Online');
    });
  });

describe('the WebSocket entrance', () => {
  let coordinator: TestCoordinator;
  before(async () => {
    coordinator = await startTestCoordinator({ timings: { heartbeatIntervalMs: 100, silenceLimitMs: 400 } });
  });
  after(() => coordinator.remove());

  it('is at one path only', async () => {
    const socket = new WebSocket(`${coordinator.url.replace('http', 'ws')}/v1/agents/conect`);
    const [error] = (await once(socket, 'error').catch((thrown: unknown) => [thrown])) as [Error];
    expect(error.message).to.contain('404');
  });

  it('ends a connection with a frame far past the bound', async () => {
    const connection = await connectWebSocket(coordinator);
    await connection.next('challenge');
    await connection.sendRaw('x'.repeat(3 * MAX_FRAME_BYTES));
    expect(await connection.closed).to.equal('1009');
  });

  it('ends a connection of a host that has gone silent', async () => {
    const host = await enrolHost(coordinator, 'silent');
    const connection = await connectWebSocket(coordinator);
    await sayHello(connection, host);
    expect(await connection.next('goodbye')).to.include({ reason: 'silent' });
    await connection.closed;
    await untilPresence(coordinator, 'silent', 'Reconnecting');
  });
});

async function untilPresence(coordinator: TestCoordinator, name: string, presence: string): Promise<void> {
  const until = Date.now() + 8_000;
  for (;;) {
    const found = at((await coordinator.call('GET', `/v1/hosts/${name}`)).body, 'presence');
    if (found === presence) return;
    if (Date.now() > until) throw new Error(`${name} is ${String(found)}, not ${presence}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
