import { type Clock, sleep, type Timer } from '../../shared/core/clock.ts';
import { AppError } from '../../shared/core/errors.ts';
import { newSecret } from '../../shared/core/ids.ts';
import type { Randomness } from '../../shared/core/randomness.ts';
import type { Channel, ChannelReceiver } from './channel.ts';

export interface ExchangeRequest {
  connectionId?: string | undefined;
  frames: string[];
  hold: boolean;
}
export interface ExchangeReply {
  connectionId: string;
  frames: string[];
  closed: string | null;
}

export interface LongPoll {
  /**
   * Takes frames up and gives frames down; held while there are none.
   * @throws AppError `not_found` when the connection is not known (any more): open another one; `unavailable` when no more
   * are taken
   */
  exchange(request: ExchangeRequest, remoteAddress: string, signal: AbortSignal): Promise<ExchangeReply>;
  /** Whether a connection of this id is open, or its last frames wait to be fetched. */
  has(connectionId: string): boolean;
  /** Ends every connection, and gives clients that are just between two calls a moment to fetch their last frames. */
  stop(): Promise<void>;
}

/** The longest that a poll without news is held: below the 30 s at which many proxies give up. */
const HOLD_MS = 25_000;
/** How long a call that brings frames waits while reading is paused: agents give a call that only sends 15 s. */
const PAUSED_MS = 10_000;
/** How long a connection's last frames wait to be fetched after its end. */
const LINGER_MS = 30_000;
/** How long a stop waits for that. */
const LAST_CALL_MS = 1_000;
const LAST_CALL_LOOK_MS = 20;
/** The most frames and bytes in one answer. */
const MAX_ANSWER_FRAMES = 64;
const MAX_ANSWER_BYTES = 1_024 * 1_024;
/** Frames that may wait while reading is paused. */
const MAX_WAITING_FRAMES = 128;

/** Connections for networks that break WebSockets: the same frames, carried by requests that are held until there is news. */
export function createLongPoll(parts: {
  clock: Clock;
  randomness: Randomness;
  accept(channel: Channel, remoteAddress: string): ChannelReceiver | null;
}): LongPoll {
  const { clock, randomness, accept } = parts;
  const channels = new Map<string, LongPollChannel>();

  function open(remoteAddress: string): [string, LongPollChannel] {
    const id = newSecret('poll', randomness);
    const channel = new LongPollChannel(() => {
      clock.setTimer(LINGER_MS, () => channels.delete(id));
    });
    const receiver = accept(channel, remoteAddress);
    if (receiver === null)
      throw new AppError('unavailable', 'the coordinator takes no more connections', { hint: 'Try again later.' });
    channel.receiver = receiver;
    channels.set(id, channel);
    return [id, channel];
  }

  function find(id: string): LongPollChannel {
    const channel = channels.get(id);
    if (channel === undefined)
      throw new AppError('not_found', 'there is no such connection (any more)', { hint: 'Open another one.' });
    return channel;
  }

  return {
    async exchange({ connectionId, frames, hold }, remoteAddress, signal) {
      const [id, channel] = connectionId === undefined ? open(remoteAddress) : [connectionId, find(connectionId)];
      if (hold) channel.pollBegins();
      for (const frame of frames) channel.deliver(frame);
      // Answered only once the frames are taken, so that a host that sends too fast waits.
      await channel.change(clock, PAUSED_MS, signal, () => !channel.isPaused);
      if (hold) await channel.change(clock, HOLD_MS, signal, () => channel.hasNews);
      if (signal.aborted) throw new AppError('unavailable', 'the caller has gone');
      if (hold) channel.pollEnds();
      const answer = channel.take();
      if (answer.closed !== null) channels.delete(id);
      return { connectionId: id, ...answer };
    },
    has: (connectionId) => channels.has(connectionId),
    async stop() {
      for (const channel of channels.values()) channel.close('stopping');
      for (let waitedMs = 0; channels.size > 0 && waitedMs < LAST_CALL_MS; waitedMs += LAST_CALL_LOOK_MS)
        await sleep(clock, LAST_CALL_LOOK_MS);
    },
  };
}

class LongPollChannel implements Channel {
  receiver: ChannelReceiver | null = null;
  isPaused = false;
  readonly #onEnd: () => void;
  #outgoing: string[] = [];
  #outgoingBytes = 0;
  #waiting: string[] = [];
  #closed: string | null = null;
  /** A ping is `wanted` until a held poll is ended for it, and `asked` until the client comes back. */
  #ping: 'none' | 'wanted' | 'asked' = 'none';
  /** Polls that are held; the newest gets the news. */
  #wakes: (() => void)[] = [];

  constructor(onEnd: () => void) {
    this.#onEnd = onEnd;
  }

  send(frame: string): boolean {
    if (this.#closed !== null) return false;
    this.#outgoing.push(frame);
    this.#outgoingBytes += frame.length;
    this.#wake();
    return true;
  }

  get queuedBytes(): number {
    return this.#outgoingBytes;
  }

  get hasNews(): boolean {
    return this.#outgoing.length > 0 || this.#closed !== null || this.#ping === 'wanted';
  }

  /** Ends the held poll: a client that lives comes back at once. */
  ping(): void {
    this.#ping = 'wanted';
    this.#wake();
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const frame of waiting) this.deliver(frame);
    this.#wake();
  }

  close(reason: string): void {
    if (this.#closed !== null) return;
    this.#closed = reason;
    this.isPaused = false;
    this.#waiting = [];
    this.#wake();
    this.#onEnd();
    this.receiver?.onClosed(reason);
  }

  /** The poll after the one that was ended is the answer to a ping; all others may have been sent before it. */
  pollBegins(): void {
    if (this.#ping !== 'asked') return;
    this.#ping = 'none';
    this.receiver?.onAlive();
  }

  pollEnds(): void {
    if (this.#ping === 'wanted') this.#ping = 'asked';
  }

  deliver(frame: string): void {
    if (this.#closed !== null) return;
    if (!this.isPaused) this.receiver?.onFrame(frame);
    else if (this.#waiting.length < MAX_WAITING_FRAMES) this.#waiting.push(frame);
    else this.close('flooding');
  }

  /** Waits until `isIt`, for at most `limitMs`, or until the caller goes or another poll takes over. */
  async change(clock: Clock, limitMs: number, signal: AbortSignal, isIt: () => boolean): Promise<void> {
    if (isIt() || signal.aborted) return;
    // An older poll that is still held belongs to a client that has given it up: it gets an empty answer.
    this.#wake();
    await new Promise<void>((resolve) => {
      let timer: Timer | null = null;
      const done = () => {
        timer?.cancel();
        signal.removeEventListener('abort', done);
        this.#wakes = this.#wakes.filter((wake) => wake !== done);
        resolve();
      };
      timer = clock.setTimer(limitMs, done);
      signal.addEventListener('abort', done, { once: true });
      this.#wakes.push(done);
    });
  }

  take(): { frames: string[]; closed: string | null } {
    let count = 0;
    let bytes = 0;
    while (count < Math.min(this.#outgoing.length, MAX_ANSWER_FRAMES)) {
      bytes += this.#outgoing[count]?.length ?? 0;
      if (count > 0 && bytes > MAX_ANSWER_BYTES) break;
      count++;
    }
    const frames = this.#outgoing.splice(0, count);
    for (const frame of frames) this.#outgoingBytes -= frame.length;
    return { frames, closed: this.#outgoing.length === 0 ? this.#closed : null };
  }

  #wake(): void {
    for (const wake of [...this.#wakes]) wake();
  }
}
