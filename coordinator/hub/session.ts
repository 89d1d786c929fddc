import type { HostFacts } from '../../shared/model/host.ts';
import { encodeFrame } from '../../shared/protocol/codec.ts';
import type { CoordinatorMessage, Hello } from '../../shared/protocol/messages.ts';
import type { Channel, ChannelReceiver } from './channel.ts';
import { TokenBucket } from './token-bucket.ts';

/** One for all sessions. */
const NOBODY: readonly (() => void)[] = [];

/**
 * The state of one connection: `challenged` until a hello comes, `admitting` while it is looked at, `connected` once the
 * welcome is out, `closed`. A class with methods on its prototype, since ten thousand of these are held: it costs some
 * hundred bytes beside its channel.
 */
export class Session implements ChannelReceiver {
  readonly channel: Channel;
  readonly remoteAddress: string;
  readonly openedAt: number;
  readonly #events: SessionEvents;
  readonly bucket: TokenBucket;
  state: 'challenged' | 'admitting' | 'connected' | 'closed' = 'challenged';
  /** Gone once a hello has used it. */
  nonce: string | null;
  hostId: string | null = null;
  /** Who it says it is, while the hello is looked at. */
  claimedHostId: string | null = null;
  /** Who is at the other end, for telling a reconnection from a copy. */
  identity: SessionIdentity | null = null;
  sessionToken: string | null = null;
  /** Of the protocol that the agent speaks, once it is connected. */
  protocolMinor = 0;
  lastHeardAt: number;
  badFrames = 0;
  /** Frames that came while the hello was looked at; null when there are none. */
  held: string[] | null = null;
  /** Wait for a sign of life: several connections of a host may say hello at once. */
  awaitingLife: readonly (() => void)[] = NOBODY;
  isSlowed = false;

  constructor(parts: {
    channel: Channel;
    remoteAddress: string;
    nonce: string;
    burst: number;
    now: number;
    events: SessionEvents;
  }) {
    this.channel = parts.channel;
    this.remoteAddress = parts.remoteAddress;
    this.nonce = parts.nonce;
    this.openedAt = parts.now;
    this.lastHeardAt = parts.now;
    this.bucket = new TokenBucket(parts.burst, parts.now);
    this.#events = parts.events;
  }

  send(message: CoordinatorMessage): boolean {
    return this.channel.send(encodeFrame(message));
  }

  onFrame(frame: string): void {
    if (this.state !== 'closed') this.#events.frame(this, frame);
  }

  /** Frames are no sign of life: they may be read long after whoever sent them has ended. */
  onAlive(): void {
    for (const heard of this.awaitingLife) heard();
  }

  onClosed(reason: string): void {
    if (this.state !== 'closed') this.#events.closed(this, reason);
  }
}

export interface SessionEvents {
  frame(session: Session, frame: string): void;
  closed(session: Session, reason: string): void;
}

export type SessionIdentity = Pick<Hello, 'processId' | 'journalId'> & Pick<HostFacts, 'bootId' | 'machineId'>;

export function identityOf(hello: Hello): SessionIdentity {
  const { processId, journalId, facts } = hello;
  // Not the whole hello: ten thousand of them would cost megabytes.
  return { processId, journalId, bootId: facts.bootId, machineId: facts.machineId };
}
