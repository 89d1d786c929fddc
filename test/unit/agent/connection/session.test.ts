import { expect } from 'chai';
import { createSession, type SessionParts } from '../../../../agent/connection/session.ts';
import type { ConnectionHandlers, Transport } from '../../../../agent/connection/transport.ts';
import type { Clock } from '../../../../shared/core/clock.ts';
import { silentLogger } from '../../../../shared/core/logger.ts';
import { encodeFrame } from '../../../../shared/protocol/codec.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';
import { seededRandomness } from '../../../support/fake-randomness.ts';

const SILENCE_LIMIT_MS = 15_000;

describe('a session', () => {
  it('notices a silent coordinator also when its own clock was set back meanwhile', async () => {
    const clock = createFakeClock();
    let offsetMs = 0;
    const connections: ConnectionHandlers[] = [];
    const transport: Transport = {
      name: 'websocket',
      async connect(handlers) {
        connections.push(handlers);
        return { send: () => true, queuedBytes: 0, close() {} };
      },
    };
    const session = aSession(
      { now: () => clock.now() + offsetMs, setTimer: clock.setTimer },
      { websocket: transport, longPoll: transport },
    );
    session.start();
    await clock.advance(0);
    connections[0]?.onFrame(
      encodeFrame({
        kind: 'welcome',
        protocol: { major: 1, minor: 0 },
        coordinatorVersion: '0',
        hostName: 'web-1',
        sessionToken: 't',
        heartbeatIntervalMs: 5_000,
        silenceLimitMs: SILENCE_LIMIT_MS,
        acknowledgedSequence: 0,
        at: clock.now(),
      }),
    );
    expect(session.status.state).to.equal('connected');

    offsetMs = -3_600_000;
    await clock.advance(3 * SILENCE_LIMIT_MS);

    expect(connections.length).to.be.above(1);
    session.stop('the test is over');
  });

  describe('behind a proxy that opens WebSockets and passes nothing on', () => {
    const MINUTE_MS = 60_000;

    function behindSuchAProxy() {
      const clock = createFakeClock();
      const attempts: { name: Transport['name']; at: number }[] = [];
      const transport = (name: Transport['name']): Transport => ({
        name,
        async connect(handlers) {
          attempts.push({ name, at: clock.now() });
          const connection = { send: () => true, queuedBytes: 0, close() {} };
          if (name === 'long-poll') clock.setTimer(1, () => handlers.onFrame(aWelcome(clock.now())));
          return connection;
        },
      });
      const session = aSession(clock, { websocket: transport('websocket'), longPoll: transport('long-poll') });
      return { clock, session, attempts };
    }

    it('goes on by long poll', async () => {
      const { clock, session, attempts } = behindSuchAProxy();
      session.start();
      await clock.advance(2 * MINUTE_MS);
      expect(attempts.map(({ name }) => name)).to.deep.equal(['websocket', 'websocket', 'websocket', 'long-poll']);
      expect(session.status).to.include({ state: 'connected', transport: 'long-poll' });
      session.stop('the test is over');
    });

    it('is away for one attempt only when it tries a WebSocket again', async () => {
      const { clock, session, attempts } = behindSuchAProxy();
      session.start();
      await clock.advance(7.5 * MINUTE_MS);
      expect(attempts.slice(4).map(({ name }) => name)).to.deep.equal(['websocket', 'long-poll']);
      expect(session.status).to.include({ state: 'connected', transport: 'long-poll' });
      session.stop('the test is over');
    });

    it('does not take a coordinator that refuses this agent for such a proxy', async () => {
      const clock = createFakeClock();
      const attempts: string[] = [];
      const refusing = (name: Transport['name']): Transport => ({
        name,
        async connect(handlers) {
          attempts.push(name);
          clock.setTimer(1, () =>
            handlers.onFrame(encodeFrame({ kind: 'problem', code: 'host_unknown', message: 'no', fatal: true })),
          );
          return { send: () => true, queuedBytes: 0, close() {} };
        },
      });
      const session = aSession(clock, { websocket: refusing('websocket'), longPoll: refusing('long-poll') });
      session.start();
      await clock.advance(10 * MINUTE_MS);
      expect(attempts.length).to.be.above(5);
      expect(attempts).to.not.include('long-poll');
      session.stop('the test is over');
    });
  });
});

function aWelcome(at: number): string {
  return encodeFrame({
    kind: 'welcome',
    protocol: { major: 1, minor: 0 },
    coordinatorVersion: '0',
    hostName: 'web-1',
    sessionToken: 't',
    heartbeatIntervalMs: 5_000,
    // Longer than any test, whose coordinator says nothing more.
    silenceLimitMs: 3_600_000,
    acknowledgedSequence: 0,
    at,
  });
}

function aSession(clock: Clock, transports: SessionParts['transports']) {
  return createSession({
    transports,
    clock,
    randomness: seededRandomness(),
    logger: silentLogger,
    agentVersion: '0',
    processId: 'p-12345678',
    hostId: 'h-1',
    prove: () => 'AAAA',
    facts: async () => ({}),
    journal: () => ({ journalId: 'j-12345678', deployments: [] }),
    health: () => ({ load1: 0 }),
    onWelcome() {},
    onAssignment() {},
    onCancel() {},
    onFindDrift: () => {},
    onAcknowledged() {},
    onDisconnected() {},
    onStatus() {},
  });
}
