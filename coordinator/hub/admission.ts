import type { Clock } from '../../shared/core/clock.ts';
import type { CoordinatorMessage, Hello } from '../../shared/protocol/messages.ts';
import { PROGRAM_VERSION, PROTOCOL_VERSION, speaksWith } from '../../shared/protocol/versions.ts';
import { identityOf, type Session, type SessionIdentity } from './session.ts';

export type HelloAnswer =
  | { ok: true; hostId: string; hostName: string }
  | { ok: false; code: 'unauthorized' | 'host_unknown' | 'host_cloned'; message: string; hint?: string };

/** Who was refused, and beside whom; null: the machine is not the one that enrolled. */
export interface CloneDetails {
  hostId: string;
  refused: { remoteAddress: string } & SessionIdentity;
  connected: ({ remoteAddress: string } & Partial<SessionIdentity>) | null;
}

interface Parts {
  clock: Clock;
  settings: { heartbeatIntervalMs: number; silenceLimitMs: number };
  callbacks: {
    authenticate(hello: Hello, nonce: string): Promise<HelloAnswer>;
    admit(
      host: { hostId: string; hostName: string },
      hello: Hello,
    ): Promise<{ sessionToken: string; acknowledgedSequence: number }>;
    connected(hostId: string, hello: Hello): void;
    sessionEnded(sessionToken: string): void;
    cloneRefused(hostId: string, details: CloneDetails): void;
  };
  /** The connected session of each host. */
  hosts: Map<string, Session>;
  refuse(session: Session, message: CoordinatorMessage): void;
  end(session: Session, reason: string): void;
}

/** How long a host's first connection has to show that somebody is at its other end. */
const SIGN_OF_LIFE_MS = 3_000;
/** Rounds of looking at the connection that would be replaced: it may itself be replaced meanwhile. */
const MAX_ROUNDS = 3;

/** From hello to welcome: the version, the proof, and whether this is the host itself or a copy of it. */
export function createAdmission({ clock, settings, callbacks, hosts, refuse, end }: Parts) {
  return {
    /** True when the session is connected now; otherwise it has been told why and closed. */
    async consider(session: Session, hello: Hello): Promise<boolean> {
      const nonce = session.nonce;
      session.nonce = null;
      if (!speaksWith(PROTOCOL_VERSION, hello.protocol)) return no(session, versionProblem(hello));
      if (nonce === null) return no(session, fatal('unauthorized', 'the challenge has been answered already'));
      const answer = await callbacks.authenticate(hello, nonce);
      if (isClosed(session)) return false;
      if (!answer.ok) {
        if (answer.code === 'host_cloned') callbacks.cloneRefused(hello.hostId, cloneDetails(session, hello, null));
        return no(session, fatal(answer.code, answer.message, answer.hint));
      }
      const rival = await rivalThatLives(session, hello, answer.hostId);
      if (isClosed(session)) return false;
      if (rival !== null) {
        callbacks.cloneRefused(answer.hostId, cloneDetails(session, hello, rival));
        return no(session, cloneProblem(answer.hostName, rival.remoteAddress));
      }
      await welcome(session, hello, answer);
      return !isClosed(session);
    },
  };

  async function welcome(session: Session, hello: Hello, host: { hostId: string; hostName: string }): Promise<void> {
    const { sessionToken, acknowledgedSequence } = await callbacks.admit(host, hello);
    if (isClosed(session)) return callbacks.sessionEnded(sessionToken);
    const previous = hosts.get(host.hostId);
    session.hostId = host.hostId;
    session.sessionToken = sessionToken;
    session.identity = identityOf(hello);
    session.protocolMinor = hello.protocol.minor;
    session.state = 'connected';
    // Before the old one ends: the host is not away for an instant.
    hosts.set(host.hostId, session);
    if (previous !== undefined) {
      previous.send({ kind: 'goodbye', reason: 'replaced', reconnectAfterMs: 0 });
      end(previous, 'replaced');
    }
    session.send({
      kind: 'welcome',
      protocol: PROTOCOL_VERSION,
      coordinatorVersion: PROGRAM_VERSION,
      hostName: host.hostName,
      sessionToken,
      heartbeatIntervalMs: settings.heartbeatIntervalMs,
      silenceLimitMs: settings.silenceLimitMs,
      acknowledgedSequence,
      at: clock.now(),
    });
    callbacks.connected(host.hostId, hello);
  }

  /**
   * Another connection of the same host whose other end answers and is not the process that says hello now: one key is in
   * two places. A process that has just been restarted does not answer on its old connection, and a reconnection comes from
   * the same process.
   */
  async function rivalThatLives(session: Session, hello: Hello, hostId: string): Promise<Session | null> {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const existing = hosts.get(hostId);
      if (existing === undefined || existing.identity?.processId === hello.processId) return null;
      const isAlive = await hasSignOfLife(existing);
      if (isClosed(session)) return null;
      if (hosts.get(hostId) !== existing) continue;
      return isAlive ? existing : null;
    }
    // Three processes took turns within seconds: none of them is a reconnection.
    return hosts.get(hostId) ?? null;
  }

  function hasSignOfLife(session: Session): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = clock.setTimer(SIGN_OF_LIFE_MS, () => finish(false));
      const heard = () => finish(!isClosed(session));
      const finish = (isAlive: boolean) => {
        timer.cancel();
        session.awaitingLife = session.awaitingLife.filter((other) => other !== heard);
        resolve(isAlive);
      };
      session.awaitingLife = [...session.awaitingLife, heard];
      session.channel.ping();
    });
  }

  function no(session: Session, message: CoordinatorMessage): false {
    refuse(session, message);
    return false;
  }
}

/** A function, since the state changes while a promise is awaited, which the compiler does not know. */
function isClosed(session: Session): boolean {
  return session.state === 'closed';
}

type ProblemCode = Extract<CoordinatorMessage, { kind: 'problem' }>['code'];
function fatal(code: ProblemCode, message: string, hint?: string): CoordinatorMessage {
  return { kind: 'problem', code, message, ...(hint === undefined ? {} : { hint }), fatal: true };
}

function versionProblem(hello: Hello): CoordinatorMessage {
  const { major, minor } = hello.protocol;
  return fatal(
    'version',
    `this coordinator speaks protocol ${PROTOCOL_VERSION.major}.${PROTOCOL_VERSION.minor}, the agent ${major}.${minor}`,
    'Install an agent and a coordinator that are at most one minor version apart.',
  );
}

function cloneProblem(hostName: string, rivalAddress: string): CoordinatorMessage {
  return fatal(
    'host_cloned',
    `${hostName} is connected already from ${rivalAddress}, by another process with the same key`,
    "Was its disk copied, or is the agent started twice? On a copy, remove the agent's state and enrol it under its own name.",
  );
}

function cloneDetails(session: Session, hello: Hello, rival: Session | null): CloneDetails {
  return {
    hostId: hello.hostId,
    refused: { remoteAddress: session.remoteAddress, ...identityOf(hello) },
    connected: rival === null ? null : { remoteAddress: rival.remoteAddress, ...rival.identity },
  };
}
