import { expect } from 'chai';
import { createSession } from '../../../../agent/connection/session.ts';
import type { ConnectionHandlers, Transport } from '../../../../agent/connection/transport.ts';
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
    const session = createSession({
      transports: { websocket: transport, longPoll: transport },
      clock: { now: () => clock.now() + offsetMs, setTimer: clock.setTimer },
      randomness: seededRandomness(),
      logger: silentLogger,
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
    });
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
});
