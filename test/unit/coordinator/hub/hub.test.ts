import { expect } from 'chai';
import type { Channel, ChannelReceiver } from '../../../../coordinator/hub/channel.ts';
import { createHub, type HubCallbacks } from '../../../../coordinator/hub/hub.ts';
import { silentLogger } from '../../../../shared/core/logger.ts';
import { type CoordinatorMessage, coordinatorMessage, MAX_FRAME_BYTES } from '../../../../shared/protocol/messages.ts';
import { PROTOCOL_VERSION } from '../../../../shared/protocol/versions.ts';
import { createFakeClock, settle } from '../../../support/fake-clock.ts';
import { seededRandomness } from '../../../support/fake-randomness.ts';

class FakeChannel implements Channel {
  readonly sent: CoordinatorMessage[] = [];
  queuedBytes = 0;
  isPaused = false;
  closedFor: string | null = null;
  /** Answers pings when somebody is at the other end. */
  isAlive = true;
  receiver: ChannelReceiver | null = null;

  send(frame: string): boolean {
    this.sent.push(coordinatorMessage.parse(JSON.parse(frame)));
    return true;
  }
  ping(): void {
    if (this.isAlive) queueMicrotask(() => this.receiver?.onAlive());
  }
  pause(): void {
    this.isPaused = true;
  }
  resume(): void {
    this.isPaused = false;
  }
  close(reason: string): void {
    this.closedFor ??= reason;
    this.receiver?.onClosed(reason);
  }
  frame(message: object): void {
    this.receiver?.onFrame(JSON.stringify(message));
  }
  last(): CoordinatorMessage | undefined {
    return this.sent.at(-1);
  }
}

function aWorld(changes: { hasRoom?: () => boolean; framesPerSecond?: number; maxConnections?: number } = {}) {
  const clock = createFakeClock();
  const told: string[] = [];
  const callbacks: HubCallbacks = {
    newNonce: () => 'nonce-of-this-test',
    authenticate: async (hello) =>
      hello.signature === 'Z29vZA=='
        ? { ok: true, hostId: hello.hostId, hostName: `name of ${hello.hostId}` }
        : { ok: false, code: 'unauthorized', message: 'wrong signature' },
    admit: async ({ hostId }) => ({ sessionToken: `session of ${hostId}`, acknowledgedSequence: 7 }),
    connected: (hostId) => told.push(`connected ${hostId}`),
    disconnected: (hostId) => told.push(`disconnected ${hostId}`),
    sessionEnded: (token) => told.push(`ended ${token}`),
    reports: (hostId, items) => told.push(`${items.length} reports of ${hostId}`),
    installed: (hostId, installed) => told.push(`${installed.length} installed of ${hostId}`),
    output: (hostId) => told.push(`output of ${hostId}`),
    drift: (hostId, { requestId }) => told.push(`drift of ${hostId} for ${requestId}`),
    hasRoom: changes.hasRoom ?? (() => true),
    cloneRefused: (hostId) => told.push(`clone of ${hostId}`),
    counted: () => {},
  };
  const hub = createHub({
    clock,
    randomness: seededRandomness(),
    logger: silentLogger,
    callbacks,
    settings: {
      coordinatorId: 'c-1',
      heartbeatIntervalMs: 5_000,
      silenceLimitMs: 15_000,
      framesPerSecond: changes.framesPerSecond ?? 100,
      maxConnections: changes.maxConnections ?? 10,
    },
  });
  const open = () => {
    const channel = new FakeChannel();
    channel.receiver = hub.accept(channel, '192.0.2.1');
    return channel;
  };
  const connect = async (changesOfHello: object = {}) => {
    const channel = open();
    channel.frame(aHello(changesOfHello));
    await settle();
    return channel;
  };
  return { clock, hub, told, open, connect };
}

function aHello(changes: object = {}) {
  return {
    kind: 'hello',
    protocol: { major: 1, minor: 0 },
    agentVersion: '0.1.0',
    hostId: 'h-1',
    signature: 'Z29vZA==',
    journalId: 'journal-1',
    processId: 'process-1',
    at: 0,
    facts: {},
    deployments: [],
    ...changes,
  };
}

const noReports = { kind: 'reports', items: [] };

describe('a session of the hub', () => {
  it('is challenge, hello, welcome, and connected afterwards', async () => {
    const { hub, told, open } = aWorld();
    const channel = open();
    expect(channel.sent).to.deep.equal([{ kind: 'challenge', nonce: 'nonce-of-this-test', coordinatorId: 'c-1' }]);

    channel.frame(aHello());
    await settle();

    expect(channel.last()).to.include({ kind: 'welcome', sessionToken: 'session of h-1', acknowledgedSequence: 7 });
    expect(told).to.deep.equal(['connected h-1']);
    expect(hub.connectedHostIds()).to.deep.equal(['h-1']);
  });

  it('sends to a connected host, and to no other', async () => {
    const { hub, connect } = aWorld();
    const channel = await connect();

    expect(hub.send('h-1', { kind: 'heartbeat', at: 1 })).to.equal(true);
    expect(channel.last()).to.deep.equal({ kind: 'heartbeat', at: 1 });
    expect(hub.send('h-2', { kind: 'heartbeat', at: 1 })).to.equal(false);
  });

  it('sends nothing to a host that does not read what is queued already', async () => {
    const { hub, connect } = aWorld();
    const channel = await connect();
    channel.queuedBytes = 2 * 1_024 * 1_024;

    expect(hub.send('h-1', { kind: 'heartbeat', at: 1 })).to.equal(false);
  });

  it('sends nothing that no agent takes', async () => {
    const { hub, connect } = aWorld();
    const channel = await connect();
    const tooLarge = { kind: 'cancel', deploymentId: 'd-ABCDEFGH1', reason: 'x'.repeat(MAX_FRAME_BYTES) } as const;

    expect(hub.send('h-1', tooLarge)).to.equal(false);
    expect(channel.last()).to.include({ kind: 'welcome' });
    expect(channel.closedFor).to.equal(null);
  });

  it('answers heartbeats and hands reports on', async () => {
    const { clock, told, connect } = aWorld();
    const channel = await connect();

    channel.frame({ kind: 'heartbeat', at: 5 });
    channel.frame(noReports);

    expect(channel.last()).to.deep.equal({ kind: 'heartbeat', at: clock.now() });
    expect(told).to.include('0 reports of h-1');
  });

  it('keeps frames that come with the hello until the welcome is out', async () => {
    const { told, open } = aWorld();
    const channel = open();

    channel.frame(aHello());
    channel.frame(noReports);
    expect(told).to.deep.equal([]);
    await settle();

    expect(told).to.deep.equal(['connected h-1', '0 reports of h-1']);
  });

  it('ends when somebody floods it before the welcome', async () => {
    const { open } = aWorld();
    const channel = open();

    channel.frame(aHello());
    for (let i = 0; i < 100; i++) channel.frame(noReports);
    await settle();

    expect(channel.closedFor).to.equal('flooding');
    expect(channel.sent.map((message) => message.kind)).not.to.include('welcome');
  });

  it('ends when no hello comes within ten seconds', async () => {
    const { clock, open } = aWorld();
    const channel = open();

    await clock.advance(9_000);
    expect(channel.closedFor).to.equal(null);
    await clock.advance(3_000);

    expect(channel.last()).to.include({ kind: 'problem', fatal: true });
    expect(channel.closedFor).to.equal('no hello');
  });

  it('ends after silence, and lives as long as heartbeats come', async () => {
    const { clock, told, connect } = aWorld();
    const channel = await connect();

    for (let i = 0; i < 10; i++) {
      await clock.advance(5_000);
      channel.frame({ kind: 'heartbeat', at: 0 });
    }
    expect(channel.closedFor).to.equal(null);
    await clock.advance(17_000);

    expect(channel.last()).to.include({ kind: 'goodbye', reason: 'silent' });
    expect(told.slice(-2)).to.deep.equal(['ended session of h-1', 'disconnected h-1']);
  });

  it('refuses a wrong proof and another major version, and closes', async () => {
    const { told, connect } = aWorld();

    const unproven = await connect({ signature: 'YmFk' });
    expect(unproven.last()).to.include({ kind: 'problem', code: 'unauthorized', fatal: true });
    expect(unproven.closedFor).to.equal('refused');
    const fromTheFuture = await connect({ protocol: { major: 2, minor: 0 } });
    expect(fromTheFuture.last()).to.include({ kind: 'problem', code: 'version', fatal: true });

    expect(told).to.deep.equal([]);
  });

  it('speaks with the minor version before and after its own', async () => {
    const { connect } = aWorld();
    const { major, minor } = PROTOCOL_VERSION;
    for (const near of [minor - 1, minor, minor + 1])
      expect((await connect({ protocol: { major, minor: near } })).last()).to.include({ kind: 'welcome' });
    expect((await connect({ protocol: { major, minor: minor + 2 } })).last()).to.include({ code: 'version' });
  });

  it('knows which version a host speaks, and tells what the host found out about drift', async () => {
    const { hub, told, connect } = aWorld();
    expect(hub.protocolMinor('h-1')).to.equal(null);
    const channel = await connect({ protocol: PROTOCOL_VERSION });
    await connect({ hostId: 'h-2', protocol: { ...PROTOCOL_VERSION, minor: PROTOCOL_VERSION.minor - 1 } });
    expect(hub.protocolMinor('h-1')).to.equal(PROTOCOL_VERSION.minor);
    expect(hub.protocolMinor('h-2')).to.equal(PROTOCOL_VERSION.minor - 1);

    hub.send('h-1', { kind: 'find-drift', requestId: 'q-1' });
    expect(channel.last()).to.deep.equal({ kind: 'find-drift', requestId: 'q-1' });
    channel.frame({ kind: 'drift', requestId: 'q-1', groups: [], isTruncated: false });
    expect(told.at(-1)).to.equal('drift of h-1 for q-1');

    channel.frame({ kind: 'drift', requestId: 'q-2', groups: 'all' });
    expect(channel.last()).to.include({ kind: 'problem', code: 'malformed' });
    channel.close('gone');
    expect(hub.protocolMinor('h-1')).to.equal(null);
  });

  it('refuses frames before hello and a second hello, without ending for the first time', async () => {
    const { open, connect } = aWorld();
    const early = open();
    early.frame(noReports);
    expect(early.last()).to.include({ kind: 'problem', code: 'out_of_order', fatal: false });

    const channel = await connect();
    channel.frame(aHello());
    expect(channel.last()).to.include({ kind: 'problem', code: 'out_of_order', fatal: false });
    expect(channel.closedFor).to.equal(null);
  });

  it('ends after the fifth bad frame', async () => {
    const { connect } = aWorld();
    const channel = await connect();

    for (let i = 0; i < 4; i++) channel.receiver?.onFrame('{');
    expect(channel.last()).to.include({ kind: 'problem', code: 'malformed', fatal: false });
    expect(channel.closedFor).to.equal(null);
    channel.receiver?.onFrame('{');

    expect(channel.last()).to.include({ kind: 'problem', code: 'malformed', fatal: true });
    expect(channel.closedFor).to.equal('too many bad frames');
  });

  it('answers kinds that it does not know as often as they come: the wire grows', async () => {
    const { connect } = aWorld();
    const channel = await connect();

    for (let i = 0; i < 20; i++) channel.frame({ kind: 'from-a-newer-agent' });

    expect(channel.last()).to.include({ kind: 'problem', code: 'unknown_kind', fatal: false });
    expect(channel.closedFor).to.equal(null);
  });
});

describe('a second connection of a host', () => {
  it('replaces the first one when it comes from the same process', async () => {
    const { hub, told, connect } = aWorld();
    const first = await connect();
    const second = await connect();

    expect(first.last()).to.include({ kind: 'goodbye', reason: 'replaced' });
    expect(second.last()).to.include({ kind: 'welcome' });
    expect(told).not.to.include('disconnected h-1');
    expect(hub.connectionCount()).to.equal(1);
  });

  it('is refused as a copy when the first one still answers', async () => {
    const { told, connect } = aWorld();
    const first = await connect();
    const copy = await connect({ processId: 'process-2' });

    expect(copy.last()).to.include({ kind: 'problem', code: 'host_cloned', fatal: true });
    expect(first.closedFor).to.equal(null);
    expect(told).to.include('clone of h-1');
  });

  it('takes over after three seconds when nobody answers on the first one', async () => {
    const { clock, connect } = aWorld();
    const first = await connect();
    first.isAlive = false;
    const restarted = await connect({ processId: 'process-2' });
    expect(restarted.last()).to.include({ kind: 'challenge' });

    await clock.advance(3_000);

    expect(restarted.last()).to.include({ kind: 'welcome' });
    expect(first.last()).to.include({ kind: 'goodbye', reason: 'replaced' });
  });

  it('is no copy when what the first one had sent is read only now', async () => {
    let isRoom = true;
    const { clock, told, connect } = aWorld({ hasRoom: () => isRoom });
    const first = await connect();
    isRoom = false;
    first.frame(noReports);
    expect(first.isPaused).to.equal(true);
    first.isAlive = false;
    const restarted = await connect({ processId: 'process-2' });

    isRoom = true;
    await clock.advance(40);
    first.frame({ kind: 'heartbeat', at: 5 });
    await settle();
    first.close('closed with 1006');
    await settle();

    expect(restarted.last()).to.include({ kind: 'welcome' });
    expect(told).not.to.include('clone of h-1');
  });

  it('is refused as a copy also when another one has waited for a sign of life, and has gone', async () => {
    const { clock, told, connect } = aWorld();
    const first = await connect();
    first.isAlive = false;
    const another = await connect({ processId: 'process-2' });
    await clock.advance(1_000);
    another.close('gone');
    const copy = await connect({ processId: 'process-3' });
    await clock.advance(2_500);

    first.receiver?.onAlive();
    await settle();

    expect(copy.last()).to.include({ kind: 'problem', code: 'host_cloned' });
    expect(first.closedFor).to.equal(null);
    expect(told).to.include('clone of h-1');
  });

  it('takes over at once when the first one closes meanwhile', async () => {
    const { told, connect } = aWorld();
    const first = await connect();
    first.isAlive = false;
    const restarted = await connect({ processId: 'process-2' });

    first.close('gone');
    await settle();

    expect(restarted.last()).to.include({ kind: 'welcome' });
    expect(told.slice(-2)).to.deep.equal(['disconnected h-1', 'connected h-1']);
  });
});

describe('what a host may cost', () => {
  it('is read more slowly when it sends more frames than allowed, and loses none', async () => {
    const { clock, told, connect } = aWorld({ framesPerSecond: 10 });
    const channel = await connect();

    for (let i = 0; i < 30; i++) channel.frame(noReports);
    expect(channel.isPaused).to.equal(true);
    expect(told.filter((line) => line === '0 reports of h-1')).to.have.length(30);
    await clock.advance(2_000);

    expect(channel.isPaused).to.equal(false);
    expect(channel.closedFor).to.equal(null);
  });

  it('ends when it says things and does not read the answers, in frames that are known or not', async () => {
    const { told, connect } = aWorld({ framesPerSecond: 1_000_000 });
    for (const frame of [{ kind: 'heartbeat', at: 5 }, { kind: 'moon-phase' }, { kind: 'output', chunks: 'none' }]) {
      const channel = await connect();
      const answers = channel.sent.length;
      channel.queuedBytes = 1_300_000;
      channel.frame(frame);
      // A slow host, that an assignment has just gone to.
      expect(channel.sent).to.have.length(answers + 1);
      channel.queuedBytes = 2 * 1_024 * 1_024;

      channel.frame(frame);

      expect(channel.sent).to.have.length(answers + 1);
      expect(channel.closedFor).to.equal('answers are not read');
      expect(told.at(-1)).to.equal('disconnected h-1');
    }
  });

  it('is not read while there is no room for reports', async () => {
    let hasRoom = false;
    const { clock, connect } = aWorld({ hasRoom: () => hasRoom });
    const channel = await connect();

    // From its welcome on, and again when it says more.
    expect(channel.last()).to.include({ kind: 'welcome' });
    expect(channel.isPaused).to.equal(true);
    channel.frame(noReports);
    expect(channel.isPaused).to.equal(true);
    await clock.advance(20_000);
    expect(channel.isPaused).to.equal(true);
    expect(channel.closedFor).to.equal(null);
    hasRoom = true;
    await clock.advance(50);

    expect(channel.isPaused).to.equal(false);
  });

  it('takes no more connections than its bound', async () => {
    const { open } = aWorld({ maxConnections: 2 });
    open();
    open();
    expect(open().closedFor).to.equal('too many connections');
  });
});

describe('the end of the hub', () => {
  it('tells every host goodbye, and calls nobody disconnected', async () => {
    const { hub, told, connect } = aWorld();
    const channel = await connect();

    hub.pauseAll();
    await hub.stop();

    expect(channel.isPaused).to.equal(true);
    expect(channel.last()).to.include({ kind: 'goodbye', reason: 'stopping' });
    expect(channel.closedFor).to.equal('stopping');
    expect(told).not.to.include('disconnected h-1');
  });

  it('ends what a host has just asked for, too, and lets it in no more', async () => {
    const { clock, hub, told, open, connect } = aWorld();
    const first = await connect();
    first.isAlive = false;
    const second = open();
    second.frame(aHello({ processId: 'process-2' }));
    await settle();
    hub.disconnect('h-1', { kind: 'problem', code: 'host_unknown', message: 'forgotten', fatal: true });
    await clock.advance(4_000);
    expect(second.last()).to.include({ kind: 'problem', code: 'host_unknown' });
    expect(hub.connectedHostIds()).to.deep.equal([]);
    expect(told.filter((what) => what.startsWith('connected'))).to.have.length(1);
  });

  it('ends the connection of one host with a last word', async () => {
    const { hub, told, connect } = aWorld();
    const channel = await connect();

    hub.disconnect('h-1', { kind: 'problem', code: 'host_unknown', message: 'forgotten', fatal: true });

    expect(channel.last()).to.include({ kind: 'problem', code: 'host_unknown' });
    expect(told).to.include('disconnected h-1');
  });
});
