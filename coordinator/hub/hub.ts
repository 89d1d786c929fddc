import type { Clock, Timer } from '../../shared/core/clock.ts';
import { errorMessage } from '../../shared/core/errors.ts';
import { unreachable } from '../../shared/core/invariant.ts';
import type { Logger } from '../../shared/core/logger.ts';
import type { Randomness } from '../../shared/core/randomness.ts';
import { AGENT_MESSAGE_KINDS, decodeFrame, encodeFrame } from '../../shared/protocol/codec.ts';
import {
  type AgentMessage,
  agentMessage,
  type CoordinatorMessage,
  type DriftAnswer,
  type Hello,
  type InstalledRevision,
  MAX_FRAME_BYTES,
  type OutputChunk,
  type Report,
  type RunningEvent,
} from '../../shared/protocol/messages.ts';
import { type CloneDetails, createAdmission, type HelloAnswer } from './admission.ts';
import type { Channel, ChannelReceiver } from './channel.ts';
import { Session } from './session.ts';

export interface HubSettings {
  coordinatorId: string;
  heartbeatIntervalMs: number;
  /** A connection that says nothing for longer is dead. */
  silenceLimitMs: number;
  /** Frames of one host, on average; reading from it pauses beyond. */
  framesPerSecond: number;
  maxConnections: number;
}

/** What the hub asks and tells; nothing here may throw. */
export interface HubCallbacks {
  newNonce(): string;
  /** Is this hello's proof good? Changes nothing. */
  authenticate(hello: Hello, nonce: string): Promise<HelloAnswer>;
  /** The host is let in: opens its session and its journal. Called once for each connection that is welcomed. */
  admit(
    host: { hostId: string; hostName: string },
    hello: Hello,
  ): Promise<{ sessionToken: string; acknowledgedSequence: number }>;
  /** The welcome is out. */
  connected(hostId: string, hello: Hello): void;
  /** The host has no connection any more. Not called when another one replaced it, nor when the hub stops. */
  disconnected(hostId: string): void;
  /** A session's token opens nothing any more. */
  sessionEnded(sessionToken: string): void;
  reports(hostId: string, items: Report[], running: RunningEvent[]): void;
  /** As of the reports before it. */
  installed(hostId: string, installed: InstalledRevision[]): void;
  output(hostId: string, chunks: OutputChunk[]): void;
  drift(hostId: string, answer: DriftAnswer): void;
  /** False: stop reading from hosts for a while. */
  hasRoom(): boolean;
  /** A copy of a host was refused. */
  cloneRefused(hostId: string, details: CloneDetails): void;
  counted(what: 'frame' | 'bad_frame' | 'refused_hello' | 'refused_connection' | 'slowed' | 'full_queue'): void;
}

export interface Hub {
  /** Takes an open channel and says who must hear it, or null when there are too many: it has been closed then. */
  accept(channel: Channel, remoteAddress: string): ChannelReceiver | null;
  /**
   * False when the host is not connected, or so slow that its queue is full: nothing was sent, and level will tell. So it is for
   * what no agent takes.
   */
  send(hostId: string, message: CoordinatorMessage): boolean;
  isConnected(hostId: string): boolean;
  /** Minor version of the protocol that the host speaks; null when it is not connected. */
  protocolMinor(hostId: string): number | null;
  connectedHostIds(): string[];
  connectionCount(): number;
  /** Ends a host's connection, for instance because it was forgotten. */
  disconnect(hostId: string, message: CoordinatorMessage): void;
  /** Reads nothing more; what was read is still answered. */
  pauseAll(): void;
  /** Says goodbye to all and closes. */
  stop(): Promise<void>;
}

/** A connection has this long to say hello. */
const HELLO_TIMEOUT_MS = 10_000;
/** Bytes that may wait for a host that reads slowly. */
const MAX_QUEUED_BYTES = 1_024 * 1_024;
/**
 * Bytes beyond which a host that asks for answers does not read them. One that is slow does not come here: what it is sent unasked
 * passes the bound above by one frame at the most, and the rest is room for thousands of answers.
 */
const MAX_UNREAD_BYTES = 1.5 * MAX_QUEUED_BYTES;
/** Refused frames after which a connection is closed. */
const MAX_BAD_FRAMES = 5;
/** Frames that may come while a hello is looked at: an agent that waits for its welcome sends none. */
const MAX_HELD_FRAMES = 64;
/** How often room for reports is looked for while there was none. */
const ROOM_LOOK_MS = 20;
/** Hosts come back after a stop spread over this time. */
const RECONNECT_SPREAD_MS = 2_000;

/**
 * Who is connected. It speaks the order of a session (challenge, hello, welcome, then frames both ways) and bounds what a
 * host may cost; what frames mean is told to callbacks. One timer looks after all connections, since a timer per host would
 * cost more than the host.
 */
export function createHub(parts: {
  clock: Clock;
  randomness: Randomness;
  logger: Logger;
  settings: HubSettings;
  callbacks: HubCallbacks;
}): Hub {
  const { clock, logger, settings, callbacks } = parts;
  const sessions = new Set<Session>();
  const hosts = new Map<string, Session>();
  const withoutRoom = new Set<Session>();
  const rate = { perSecond: settings.framesPerSecond, burst: settings.framesPerSecond * 2 };
  const sweepIntervalMs = Math.max(50, Math.min(1_000, Math.floor(settings.silenceLimitMs / 4)));
  let sweepTimer: Timer | null = null;
  let roomTimer: Timer | null = null;
  let isStopping = false;
  /** An assignment goes to many hosts: it is written once. */
  let lastSent: { message: CoordinatorMessage; frame: string; bytes: number } | null = null;

  const admission = createAdmission({ clock, settings, callbacks, hosts, refuse, end });
  const events = { frame: onFrame, closed: onClosed };

  function onFrame(session: Session, frame: string): void {
    const now = clock.now();
    session.lastHeardAt = now;
    callbacks.counted('frame');
    if (session.state === 'admitting') {
      hold(session, frame);
      return;
    }
    if (!session.bucket.take(rate, now) && !session.isSlowed) slowDown(session);
    const decoded = decodeFrame<AgentMessage>(agentMessage, AGENT_MESSAGE_KINDS, frame);
    if (decoded.ok) onMessage(session, decoded.message);
    else refuseFrame(session, decoded.code, decoded.message);
  }

  function onMessage(session: Session, message: AgentMessage): void {
    if (session.state === 'challenged') {
      if (message.kind === 'hello') admit(session, message);
      else refuseFrame(session, 'out_of_order', `${message.kind} before hello`);
      return;
    }
    // `connected` is the only state left: frames of the others do not come here.
    const hostId = session.hostId ?? '';
    switch (message.kind) {
      case 'hello':
        refuseFrame(session, 'out_of_order', 'a connection says hello once');
        break;
      case 'heartbeat':
        answer(session, { kind: 'heartbeat', at: clock.now() });
        break;
      case 'reports':
        callbacks.reports(hostId, message.items, message.running ?? []);
        if (message.installed !== undefined) callbacks.installed(hostId, message.installed);
        waitForRoom(session);
        break;
      case 'output':
        callbacks.output(hostId, message.chunks);
        waitForRoom(session);
        break;
      case 'drift':
        callbacks.drift(hostId, message);
        break;
      default:
        unreachable(message);
    }
  }

  function admit(session: Session, hello: Hello): void {
    session.state = 'admitting';
    session.claimedHostId = hello.hostId;
    admission.consider(session, hello).then(
      (isAdmitted) => {
        const held = session.held;
        session.held = null;
        session.claimedHostId = null;
        if (!isAdmitted) return;
        logger.debug({ hostId: session.hostId, remoteAddress: session.remoteAddress }, 'host connected');
        // Before it says anything: one that comes back again and again for want of room would bring a frame each time.
        waitForRoom(session);
        for (const frame of held ?? []) session.onFrame(frame);
      },
      (error: unknown) => {
        // Storage failed, not the host: it comes back, and by then it may be well again.
        logger.error({ hostId: hello.hostId, error: errorMessage(error) }, 'hello not answered');
        sayGoodbye(session, 'stopping');
      },
    );
  }

  function hold(session: Session, frame: string): void {
    session.held ??= [];
    session.held.push(frame);
    if (session.held.length > MAX_HELD_FRAMES) sayGoodbye(session, 'flooding');
  }

  /** More frames than allowed: the host is not cut off, it is read from more slowly. */
  function slowDown(session: Session): void {
    session.isSlowed = true;
    session.channel.pause();
    callbacks.counted('slowed');
  }

  function waitForRoom(session: Session): void {
    if (callbacks.hasRoom() || session.state === 'closed') return;
    withoutRoom.add(session);
    session.channel.pause();
    roomTimer ??= clock.setTimer(ROOM_LOOK_MS, lookForRoom);
  }

  function lookForRoom(): void {
    roomTimer = null;
    if (isStopping) return;
    if (!callbacks.hasRoom()) {
      roomTimer = clock.setTimer(ROOM_LOOK_MS, lookForRoom);
      return;
    }
    const waiting = [...withoutRoom];
    withoutRoom.clear();
    const now = clock.now();
    for (const session of waiting) {
      // Its silence was our doing.
      session.lastHeardAt = now;
      if (!session.isSlowed) session.channel.resume();
    }
  }

  function refuseFrame(
    session: Session,
    code: 'malformed' | 'unknown_kind' | 'too_large' | 'out_of_order',
    message: string,
  ): void {
    callbacks.counted('bad_frame');
    // The wire grows: a newer agent may say what we do not know yet, as often as its rate allows.
    if (code !== 'unknown_kind') session.badFrames++;
    const isLast = session.badFrames >= MAX_BAD_FRAMES;
    answer(session, { kind: 'problem', code, message, fatal: isLast });
    if (!isLast || session.state === 'closed') return;
    logger.warn({ hostId: session.hostId, remoteAddress: session.remoteAddress, code }, 'too many bad frames');
    end(session, 'too many bad frames');
  }

  /** What a host gets as often as it asks. The end, where it does not read. */
  function answer(session: Session, message: CoordinatorMessage): void {
    if (session.channel.queuedBytes <= MAX_UNREAD_BYTES) {
      session.send(message);
      return;
    }
    callbacks.counted('full_queue');
    logger.warn({ hostId: session.hostId, remoteAddress: session.remoteAddress }, 'host does not read its answers');
    end(session, 'answers are not read');
  }

  /** A last word, then the end. */
  function refuse(session: Session, message: CoordinatorMessage): void {
    if (session.state === 'closed') return;
    callbacks.counted('refused_hello');
    logger.warn({ remoteAddress: session.remoteAddress, message }, 'hello refused');
    session.send(message);
    end(session, 'refused');
  }

  function sayGoodbye(session: Session, reason: 'stopping' | 'silent' | 'flooding'): void {
    if (session.state === 'closed') return;
    const reconnectAfterMs =
      reason === 'flooding' ? 30_000 : Math.floor(parts.randomness.fraction() * RECONNECT_SPREAD_MS);
    session.send({ kind: 'goodbye', reason, reconnectAfterMs });
    end(session, reason);
  }

  /** The end of a session from this side: no callback of its channel counts any more. */
  function end(session: Session, reason: string): void {
    if (session.state === 'closed') return;
    forget(session);
    session.channel.close(reason);
  }

  function onClosed(session: Session, reason: string): void {
    logger.debug({ hostId: session.hostId, reason }, 'connection closed');
    forget(session);
  }

  function forget(session: Session): void {
    session.state = 'closed';
    session.held = null;
    for (const heard of session.awaitingLife) heard();
    sessions.delete(session);
    withoutRoom.delete(session);
    if (session.sessionToken !== null) callbacks.sessionEnded(session.sessionToken);
    if (session.hostId === null || hosts.get(session.hostId) !== session) return;
    hosts.delete(session.hostId);
    if (!isStopping) callbacks.disconnected(session.hostId);
  }

  function sweep(): void {
    const now = clock.now();
    for (const session of sessions) {
      // After a clock was set back, silence counts from here.
      session.lastHeardAt = Math.min(session.lastHeardAt, now);
      if (session.isSlowed && session.bucket.hasRecovered(rate, now)) {
        session.isSlowed = false;
        session.lastHeardAt = now;
        if (!withoutRoom.has(session)) session.channel.resume();
      }
      if (session.state === 'challenged') {
        if (now - session.openedAt > HELLO_TIMEOUT_MS) {
          session.send({ kind: 'problem', code: 'unauthorized', message: 'no hello within 10 s', fatal: true });
          end(session, 'no hello');
        }
      } else if (now - session.lastHeardAt > settings.silenceLimitMs) {
        // While we are not reading, its silence is our doing.
        if (session.isSlowed || withoutRoom.has(session) || session.state === 'admitting') continue;
        sayGoodbye(session, 'silent');
      }
    }
    sweepTimer = sessions.size === 0 || isStopping ? null : clock.setTimer(sweepIntervalMs, sweep);
  }

  return {
    accept(channel, remoteAddress) {
      if (isStopping || sessions.size >= settings.maxConnections) {
        callbacks.counted('refused_connection');
        channel.close('too many connections');
        return null;
      }
      const nonce = callbacks.newNonce();
      const session = new Session({ channel, remoteAddress, nonce, burst: rate.burst, now: clock.now(), events });
      sessions.add(session);
      sweepTimer ??= clock.setTimer(sweepIntervalMs, sweep);
      session.send({ kind: 'challenge', nonce, coordinatorId: settings.coordinatorId });
      return session;
    },

    send(hostId, message) {
      const session = hosts.get(hostId);
      if (session === undefined) return false;
      if (session.channel.queuedBytes > MAX_QUEUED_BYTES) {
        callbacks.counted('full_queue');
        return false;
      }
      if (lastSent?.message !== message) {
        const frame = encodeFrame(message);
        lastSent = { message, frame, bytes: Buffer.byteLength(frame) };
      }
      // The agent would end the connection, and get the same on the next one.
      if (lastSent.bytes > MAX_FRAME_BYTES) {
        logger.error({ hostId, kind: message.kind, bytes: lastSent.bytes }, 'frame too large to send');
        return false;
      }
      return session.channel.send(lastSent.frame);
    },

    isConnected: (hostId) => hosts.has(hostId),
    protocolMinor: (hostId) => hosts.get(hostId)?.protocolMinor ?? null,
    connectedHostIds: () => [...hosts.keys()],
    connectionCount: () => sessions.size,

    disconnect(hostId, message) {
      // A hello may have been found good a moment ago. It is rare enough to look at every session.
      for (const session of [...sessions])
        if (session.hostId === hostId || session.claimedHostId === hostId) {
          session.send(message);
          end(session, 'disconnected');
        }
    },

    pauseAll() {
      isStopping = true;
      for (const session of sessions) session.channel.pause();
    },

    async stop() {
      isStopping = true;
      sweepTimer?.cancel();
      roomTimer?.cancel();
      for (const session of [...sessions]) sayGoodbye(session, 'stopping');
    },
  };
}
