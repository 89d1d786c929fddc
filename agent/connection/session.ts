import { type BackoffPolicy, backoffMs } from '../../shared/core/backoff.ts';
import type { Clock, Timer } from '../../shared/core/clock.ts';
import { errorMessage, isAppError } from '../../shared/core/errors.ts';
import type { Logger } from '../../shared/core/logger.ts';
import type { Randomness } from '../../shared/core/randomness.ts';
import type { HostFacts } from '../../shared/model/host.ts';
import { COORDINATOR_MESSAGE_KINDS, decodeFrame, encodeFrame } from '../../shared/protocol/codec.ts';
import {
  type AgentMessage,
  type Assignment,
  type Cancel,
  type CoordinatorMessage,
  coordinatorMessage,
  type Hello,
} from '../../shared/protocol/messages.ts';
import { PROTOCOL_VERSION } from '../../shared/protocol/versions.ts';
import type { Connection, Transport } from './transport.ts';
import { type Attempt, afterAttempt, FRESH_CHOICE, nextTransport, ONE_MORE_CHANCE } from './transport-choice.ts';

/** A connection that was not welcomed by then is given up, ms. */
const WELCOME_TIMEOUT_MS = 20_000;
const RECONNECT: BackoffPolicy = { baseMs: 500, maxMs: 30_000 };
/** After a refusal that will not go away by itself (a version, a key), ms. */
const AFTER_FATAL_MS = 60_000;
/** On long poll, WebSocket gets another chance this often, ms. */
const RETRY_WEBSOCKET_MS = 5 * 60_000;
/** Frames that make no sense, in one connection. */
const MAX_BAD_FRAMES = 16;

type Welcome = Extract<CoordinatorMessage, { kind: 'welcome' }>;
type Acknowledged = Extract<CoordinatorMessage, { kind: 'acknowledged' }>;

export interface SessionParts {
  transports: { websocket: Transport; longPoll: Transport };
  clock: Clock;
  randomness: Randomness;
  logger: Logger;
  agentVersion: string;
  /** Random per process: tells a reconnection from a second process with the same key. */
  processId: string;
  hostId: string;
  prove(challenge: { nonce: string; coordinatorId: string }): string;
  facts(): Promise<HostFacts>;
  /** From the journal, at every hello. */
  journal(): Pick<Hello, 'journalId' | 'deployments'>;
  health(): { load1: number };
  onWelcome(welcome: Welcome): void;
  onAssignment(assignment: Assignment): void;
  onCancel(cancel: Cancel): void;
  onFindDrift(question: { requestId: string }): void;
  onAcknowledged(acknowledged: Acknowledged): void;
  onDisconnected(): void;
  /** The status is another one than before. */
  onStatus(): void;
}

interface SessionState {
  state: 'stopped' | 'connecting' | 'connected' | 'waiting';
  transport: 'websocket' | 'long-poll' | null;
  /** Since when, epoch ms. */
  since: number;
  /** Why there is no connection, if there was a reason. */
  reason: string | null;
}

/**
 * The agent's standing with its coordinator: connecting -> challenged -> hello sent -> welcomed -> silence, goodbye or a cut
 * -> waiting (with jitter, so that a fleet does not come back as one wave) -> connecting. Nothing here survives a restart, and
 * nothing needs to: what must arrive is in the journal.
 */
export interface Session {
  start(): void;
  /** False when there is no welcomed connection, or when its queue is full. */
  send(message: AgentMessage): boolean;
  readonly queuedBytes: number;
  readonly token: string | null;
  readonly status: SessionState;
  /** Ends this connection and opens the next at once. */
  reconnect(reason: string): void;
  stop(reason: string): void;
}

export function createSession(parts: SessionParts): Session {
  const { clock, logger } = parts;
  let status: SessionState = { state: 'stopped', transport: null, since: clock.now(), reason: null };
  let choice = FRESH_CHOICE;
  let failures = 0;
  let current: Live | null = null;
  let waiting: Timer | null = null;

  interface Live {
    connection: Connection | null;
    transport: 'websocket' | 'long-poll';
    welcome: Welcome | null;
    lastFrameAt: number;
    hasHeard: boolean;
    badFrames: number;
    timers: Set<Timer>;
    /** How the coordinator said to go on, when it did. */
    next: { afterMs: number; jitter: boolean } | null;
    isOver: boolean;
  }

  function become(state: SessionState['state'], reason: string | null): void {
    status = { state, transport: current?.transport ?? null, since: clock.now(), reason };
    parts.onStatus();
  }

  async function connect(): Promise<void> {
    const transportName = nextTransport(choice);
    const transport = transportName === 'websocket' ? parts.transports.websocket : parts.transports.longPoll;
    const live: Live = {
      connection: null,
      transport: transportName,
      welcome: null,
      lastFrameAt: clock.now(),
      hasHeard: false,
      badFrames: 0,
      timers: new Set(),
      next: null,
      isOver: false,
    };
    current = live;
    become('connecting', status.reason);
    const early: string[] = [];
    try {
      const connection = await transport.connect({
        onFrame: (frame) => (live.connection === null ? void early.push(frame) : onFrame(live, frame)),
        onClosed: (reason) => over(live, reason),
      });
      if (live.isOver || current !== live) {
        connection.close('not wanted any more');
        return;
      }
      live.connection = connection;
      setTimer(live, WELCOME_TIMEOUT_MS, () => {
        if (live.welcome === null) over(live, 'the coordinator did not welcome this agent in time');
      });
      for (const frame of early) onFrame(live, frame);
    } catch (error) {
      const isRefused = isAppError(error) && error.details['upgradeStatus'] !== undefined;
      noteAttempt(live, isRefused ? 'upgrade-refused' : 'failed');
      over(live, errorMessage(error));
    }
  }

  function noteAttempt(live: Live, outcome: 'connected' | 'failed' | 'upgrade-refused'): void {
    const attempt: Attempt =
      live.transport === 'websocket'
        ? { transport: 'websocket', outcome }
        : { transport: 'long-poll', outcome: outcome === 'connected' ? 'connected' : 'failed' };
    choice = afterAttempt(choice, attempt);
  }

  function onFrame(live: Live, frame: string): void {
    if (live.isOver) return;
    live.lastFrameAt = clock.now();
    live.hasHeard = true;
    const decoded = decodeFrame(coordinatorMessage, COORDINATOR_MESSAGE_KINDS, frame);
    if (decoded.ok) {
      onMessage(live, decoded.message);
      return;
    }
    // A newer coordinator may say things that an older agent does not know, and means them to be passed over.
    if (decoded.code === 'unknown_kind') {
      logger.debug({ reason: decoded.message }, 'frame of unknown kind ignored');
      return;
    }
    logger.warn({ reason: decoded.message }, 'frame from the coordinator refused');
    if (++live.badFrames >= MAX_BAD_FRAMES) over(live, `the coordinator sent ${MAX_BAD_FRAMES} bad frames`);
  }

  function onMessage(live: Live, message: CoordinatorMessage): void {
    switch (message.kind) {
      case 'challenge':
        void sayHello(live, message);
        return;
      case 'welcome':
        onWelcome(live, message);
        return;
      case 'goodbye':
        live.next = { afterMs: message.reconnectAfterMs, jitter: true };
        over(live, `the coordinator said goodbye: ${message.reason}`);
        return;
      case 'problem':
        onProblem(live, message);
        return;
      case 'heartbeat':
        return;
      case 'assignment':
      case 'cancel':
      case 'find-drift':
      case 'acknowledged':
        if (live.welcome === null) {
          logger.warn({ kind: message.kind }, 'frame before the welcome ignored');
          return;
        }
        if (message.kind === 'assignment') parts.onAssignment(message.assignment);
        else if (message.kind === 'cancel') parts.onCancel(message);
        else if (message.kind === 'find-drift') parts.onFindDrift(message);
        else parts.onAcknowledged(message);
    }
  }

  async function sayHello(live: Live, challenge: { nonce: string; coordinatorId: string }): Promise<void> {
    if (live.welcome !== null) return;
    const { journalId, deployments } = parts.journal();
    const hello: Hello = {
      kind: 'hello',
      protocol: PROTOCOL_VERSION,
      agentVersion: parts.agentVersion,
      hostId: parts.hostId,
      signature: parts.prove(challenge),
      journalId,
      processId: parts.processId,
      at: clock.now(),
      facts: await parts.facts(),
      deployments,
    };
    if (!live.isOver) live.connection?.send(encodeFrame(hello));
  }

  function onWelcome(live: Live, welcome: Welcome): void {
    if (live.welcome !== null) return;
    live.welcome = welcome;
    failures = 0;
    noteAttempt(live, 'connected');
    become('connected', null);
    logger.info({ transport: live.transport, hostName: welcome.hostName }, 'connected to the coordinator');
    beat(live, welcome);
    watchSilence(live, welcome);
    if (live.transport === 'long-poll')
      setTimer(live, RETRY_WEBSOCKET_MS, () => {
        choice = ONE_MORE_CHANCE;
        live.next = { afterMs: 0, jitter: false };
        over(live, 'trying a WebSocket again');
      });
    parts.onWelcome(welcome);
  }

  function beat(live: Live, welcome: Welcome): void {
    setTimer(live, welcome.heartbeatIntervalMs, () => {
      send({ kind: 'heartbeat', at: clock.now(), ...parts.health() });
      beat(live, welcome);
    });
  }

  function watchSilence(live: Live, welcome: Welcome): void {
    // A clock that was set back must not make silence look short: it counts from here then.
    live.lastFrameAt = Math.min(live.lastFrameAt, clock.now());
    const quietForMs = clock.now() - live.lastFrameAt;
    if (quietForMs >= welcome.silenceLimitMs) {
      over(live, `the coordinator was silent for ${quietForMs} ms`);
      return;
    }
    setTimer(live, welcome.silenceLimitMs - quietForMs, () => watchSilence(live, welcome));
  }

  function onProblem(live: Live, problem: Extract<CoordinatorMessage, { kind: 'problem' }>): void {
    const { code, message, hint, fatal } = problem;
    if (!fatal) {
      logger.warn({ code, reason: message, hint }, 'the coordinator refused a frame');
      return;
    }
    logger.error({ code, reason: message, hint }, 'the coordinator refuses this agent');
    live.next = { afterMs: AFTER_FATAL_MS, jitter: true };
    over(live, `${code}: ${message}`);
  }

  function over(live: Live, reason: string): void {
    if (live.isOver) return;
    live.isOver = true;
    for (const timer of live.timers) timer.cancel();
    live.connection?.close(reason);
    if (current !== live) return;
    const wasWelcomed = live.welcome !== null;
    current = null;
    if (!wasWelcomed) failures++;
    // It was opened, by a proxy perhaps, and not even the challenge came through.
    if (live.connection !== null && !live.hasHeard) noteAttempt(live, 'failed');
    const delayMs = delayBefore(live);
    become('waiting', reason);
    logger.warn({ transport: live.transport, reason, retryInMs: delayMs }, 'no connection to the coordinator');
    waiting = clock.setTimer(delayMs, () => void connect());
    if (wasWelcomed) parts.onDisconnected();
  }

  function delayBefore(live: Live): number {
    const fraction = parts.randomness.fraction();
    if (live.next === null) return backoffMs(RECONNECT, Math.max(1, failures), fraction);
    // Whom the coordinator sent away, it sent away with others: a quarter of the time is spread.
    return live.next.jitter ? Math.round(live.next.afterMs * (1 + fraction / 4)) : live.next.afterMs;
  }

  function send(message: AgentMessage): boolean {
    if (current === null || current.welcome === null || current.connection === null) return false;
    return current.connection.send(encodeFrame(message));
  }

  function setTimer(live: Live, delayMs: number, fire: () => void): void {
    const timer = clock.setTimer(delayMs, () => {
      live.timers.delete(timer);
      if (!live.isOver) fire();
    });
    live.timers.add(timer);
  }

  return {
    start: () => void connect(),
    send,
    get queuedBytes() {
      return current?.connection?.queuedBytes ?? 0;
    },
    get token() {
      return current?.welcome?.sessionToken ?? null;
    },
    get status() {
      return status;
    },
    reconnect(reason) {
      if (current === null) return;
      current.next = { afterMs: 0, jitter: false };
      over(current, reason);
    },
    stop(reason) {
      const live = current;
      current = null;
      waiting?.cancel();
      if (live !== null) over(live, reason);
      become('stopped', reason);
    },
  };
}
