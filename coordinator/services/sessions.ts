import { dropOldest } from '../../shared/core/bounded.ts';
import type { Clock } from '../../shared/core/clock.ts';
import { AppError } from '../../shared/core/errors.ts';
import { type HostId, newSecret } from '../../shared/core/ids.ts';
import type { Randomness } from '../../shared/core/randomness.ts';
import type { Hello } from '../../shared/protocol/messages.ts';
import type { Caller } from '../auth/caller.ts';
import { isValidHostProof } from '../auth/host-proof.ts';
import { hashSecret } from '../auth/tokens.ts';
import type { Database } from '../storage/database.ts';
import { insertAudit } from '../storage/rows/audit.ts';
import { CloneNotes } from './clone-notes.ts';

const CHALLENGE_MS = 60_000;
const SESSION_MS = 3_600_000;
/** About 4 MB at the most. A host whose challenge was pushed out by a flood asks for another one. */
const MAX_CHALLENGES = 20_000;
/** Of one host without a connection; its oldest goes first, and what used that asks for another one. */
const MAX_SESSIONS_OF_HOST = 64;
/** Of all hosts together, about 60 MB at the most; again the oldest go first. */
const MAX_SESSIONS = 200_000;

interface Parts {
  database: Database;
  clock: Clock;
  randomness: Randomness;
  coordinatorId: string;
}
interface SessionHost {
  hostId: string;
  hostName: string;
}
type Session = SessionHost & { expiresAt: number };

/** Whether a connection's hello is good; `problem` fields when it is not. */
export type HelloAnswer =
  | { ok: true; hostId: string; hostName: string }
  | { ok: false; code: 'unauthorized' | 'host_unknown' | 'host_cloned'; message: string; hint?: string };

/**
 * Who a host is, proven by its key. Challenges and sessions live in memory: after a restart of the coordinator hosts
 * connect anew anyway, and asking for another session costs one signature.
 */
export function createSessions({ database, clock, randomness, coordinatorId }: Parts) {
  /** Nonce to expiry, the oldest first. */
  const challenges = new Map<string, number>();
  /** By the hash of the token. Each ends with its connection: there are no more of them than the hub takes of those. */
  const ofConnections = new Map<string, SessionHost>();
  /** Those for one-shot commands, the oldest first. */
  const sessions = new Map<string, Session>();
  const cloneNotes = new CloneNotes();
  /** Their hashes by host, the oldest first. */
  const byHost = new Map<string, Set<string>>();

  const newToken = () => {
    const token = newSecret('drover_session', randomness);
    return { token, hash: hashSecret(token) };
  };

  function add(hash: string, session: Session): void {
    const own = byHost.get(session.hostId) ?? new Set();
    byHost.set(session.hostId, own.add(hash));
    sessions.set(hash, session);
    if (own.size > MAX_SESSIONS_OF_HOST) drop(own.keys().next().value);
    if (sessions.size > MAX_SESSIONS) drop(sessions.keys().next().value);
  }

  function drop(hash: string | undefined): void {
    const session = hash === undefined ? undefined : sessions.get(hash);
    if (hash === undefined || session === undefined) return;
    sessions.delete(hash);
    const own = byHost.get(session.hostId);
    own?.delete(hash);
    if (own?.size === 0) byHost.delete(session.hostId);
  }

  const hostById = (hostId: string) =>
    database.query.selectFrom('hosts').selectAll().where('id', '=', hostId).executeTakeFirst();

  return {
    newNonce: (): string => newSecret('nonce', randomness),

    createChallenge(): { nonce: string; coordinatorId: string } {
      const nonce = newSecret('nonce', randomness);
      challenges.set(nonce, clock.now() + CHALLENGE_MS);
      dropOldest(challenges, MAX_CHALLENGES);
      return { nonce, coordinatorId };
    },

    /** @throws AppError `unauthorized`, always the same one, so that host ids cannot be guessed by it */
    async createSession(proof: { hostId: string; nonce: string; signature: string }) {
      const challengeExpiresAt = challenges.get(proof.nonce);
      challenges.delete(proof.nonce);
      const host = await hostById(proof.hostId);
      const isFresh = challengeExpiresAt !== undefined && challengeExpiresAt > clock.now();
      if (!isFresh || host === undefined || !isValidHostProof({ ...proof, coordinatorId, publicKey: host.public_key }))
        throw new AppError('unauthorized', 'the host is unknown, its challenge has passed, or its signature is wrong', {
          hint: 'Ask for a new challenge and sign that; a forgotten host has to enrol again.',
        });
      const expiresAt = clock.now() + SESSION_MS;
      const { token, hash } = newToken();
      add(hash, { hostId: host.id, hostName: host.name, expiresAt });
      return { sessionToken: token, expiresAt };
    },

    /** A connection's hello, for a nonce that the hub gave to this connection alone and takes once. */
    async answerHello(hello: Hello, nonce: string): Promise<HelloAnswer> {
      const host = await hostById(hello.hostId);
      if (host === undefined)
        return {
          ok: false,
          code: 'host_unknown',
          message: `there is no host ${hello.hostId} here`,
          hint: 'It was forgotten, or enrolled elsewhere: drover-agent enrol --force with a new token, then restart the agent.',
        };
      const { hostId, signature } = hello;
      if (!isValidHostProof({ hostId, signature, nonce, coordinatorId, publicKey: host.public_key }))
        return {
          ok: false,
          code: 'unauthorized',
          message: 'the signature is not one of this host over this challenge',
          hint: 'Is this the key that the host enrolled with, and the coordinator that it enrolled at?',
        };
      const { machineId } = hello.facts;
      if (host.machine_id !== null && machineId !== undefined && machineId !== host.machine_id)
        return {
          ok: false,
          code: 'host_cloned',
          message: `this key belongs to ${host.name}, which is another machine`,
          hint: `Was its disk copied? Remove the agent's state on the copy and enrol it under its own name. If the machine was changed on purpose: drover hosts forget ${host.name}, then enrol it again.`,
        };
      return { ok: true, hostId: host.id, hostName: host.name };
    },

    /** A token that ends with its connection: the caller closes it. */
    openForConnection({ hostId, hostName }: SessionHost): string {
      const { token, hash } = newToken();
      ofConnections.set(hash, { hostId, hostName });
      return token;
    },

    /** Two machines with one key are for somebody to look at. Each attempt of the same one is not. */
    async noteClone(
      hostId: string,
      details: { refused: { remoteAddress: string; machineId?: string | undefined } },
    ): Promise<void> {
      const { remoteAddress, machineId } = details.refused;
      const copy = { hostId, remoteAddress, machineId };
      const attempts = cloneNotes.attempt(copy, clock.now());
      if (attempts === null) return;
      try {
        const host = await hostById(hostId);
        await insertAudit(database.query, {
          at: clock.now(),
          caller: { kind: 'coordinator' },
          action: 'host.clone-refused',
          subject: host?.name ?? hostId,
          details: { ...details, attempts },
        });
      } catch (error) {
        cloneNotes.notWritten(copy, attempts);
        throw error;
      }
    },

    /** The host that a session token belongs to; null for none. */
    authenticate(token: string, remoteAddress: string): Caller | null {
      const hash = hashSecret(token);
      const session = sessions.get(hash);
      if (session !== undefined && session.expiresAt <= clock.now()) drop(hash);
      const host = ofConnections.get(hash) ?? sessions.get(hash);
      if (host === undefined) return null;
      // Only rows' ids are put into sessions.
      return { kind: 'host', hostId: host.hostId as HostId, hostName: host.hostName, remoteAddress };
    },

    /** The connection of this token has ended. */
    close(token: string): void {
      ofConnections.delete(hashSecret(token));
    },

    /** All of a host's sessions, when it is forgotten: rare enough to look at every connection. */
    closeAllOf(hostId: string): void {
      for (const [hash, host] of ofConnections) if (host.hostId === hostId) ofConnections.delete(hash);
      for (const hash of [...(byHost.get(hostId) ?? [])]) drop(hash);
    },

    /** Forgets what has expired. */
    sweep(): void {
      const now = clock.now();
      for (const [nonce, expiresAt] of challenges) if (expiresAt <= now) challenges.delete(nonce);
      for (const [hash, session] of sessions) if (session.expiresAt <= now) drop(hash);
    },
  };
}
export type Sessions = ReturnType<typeof createSessions>;
