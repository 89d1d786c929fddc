import { agentRoutes } from '../../shared/api/agents.ts';
import type { Clock } from '../../shared/core/clock.ts';
import { AppError, errorMessage } from '../../shared/core/errors.ts';
import type { HttpClient } from './http-client.ts';
import type { Connection, ConnectionHandlers, Transport } from './transport.ts';

/** The coordinator holds a call for up to 25 s; one that takes this long is lost. */
const HELD_TIMEOUT_MS = 40_000;
const SEND_TIMEOUT_MS = 15_000;
const MAX_FRAMES_PER_CALL = 64;
/** Frames that wait for a call, bytes. */
const MAX_QUEUED_BYTES = 1_024 * 1_024;
/** A coordinator that answers held calls at once and with nothing is not asked more often than this, ms. */
const EMPTY_PAUSE_MS = 250;

/**
 * The same frames over HTTPS, for networks that break WebSockets: one call is held by the coordinator until it has
 * something to say, another goes up whenever this side has.
 */
export function createLongPollTransport(parts: { http: HttpClient; clock: Clock }): Transport {
  return {
    name: 'long-poll',
    async connect(handlers) {
      const first = await exchange(parts.http, { frames: [] }, SEND_TIMEOUT_MS);
      const connection = new LongPollConnection(parts, first.connectionId, handlers);
      connection.begin(first);
      return connection;
    },
  };
}

interface ExchangeRequest {
  connectionId?: string;
  frames: string[];
  hold?: boolean;
}
type ExchangeAnswer = Awaited<ReturnType<typeof exchange>>;

async function exchange(http: HttpClient, body: ExchangeRequest, timeoutMs: number, signal?: AbortSignal) {
  const { method, path, reply } = agentRoutes.exchange;
  const answer = await http.json({ method: asPost(method), path, body, timeoutMs, ...(signal ? { signal } : {}) });
  const parsed = reply.safeParse(answer);
  if (!parsed.success) throw new AppError('unavailable', 'the long poll was answered in an unknown form');
  return parsed.data;
}

class LongPollConnection implements Connection {
  readonly #parts: { http: HttpClient; clock: Clock };
  readonly #connectionId: string;
  readonly #handlers: ConnectionHandlers;
  readonly #ending = new AbortController();
  #queue: string[] = [];
  #queuedBytes = 0;
  #isSending = false;
  #isClosed = false;

  constructor(parts: { http: HttpClient; clock: Clock }, connectionId: string, handlers: ConnectionHandlers) {
    this.#parts = parts;
    this.#connectionId = connectionId;
    this.#handlers = handlers;
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  begin(first: ExchangeAnswer): void {
    // The caller must hold the connection before its first frame comes.
    queueMicrotask(() => {
      this.#receive(first);
      void this.#hold();
    });
  }

  send(frame: string): boolean {
    const bytes = Buffer.byteLength(frame);
    if (this.#isClosed || this.#queuedBytes + bytes > MAX_QUEUED_BYTES) return false;
    this.#queue.push(frame);
    this.#queuedBytes += bytes;
    if (!this.#isSending) void this.#flush();
    return true;
  }

  close(reason: string): void {
    this.#end(reason);
  }

  async #hold(): Promise<void> {
    while (!this.#isClosed) {
      const startedAt = this.#parts.clock.now();
      const answer = await this.#call({ connectionId: this.#connectionId, frames: [] }, HELD_TIMEOUT_MS);
      if (answer === null) return;
      if (answer.frames.length === 0 && this.#parts.clock.now() - startedAt < EMPTY_PAUSE_MS)
        await new Promise<void>((resolve) => this.#parts.clock.setTimer(EMPTY_PAUSE_MS, resolve));
    }
  }

  /** One call at a time, so that frames stay in order. */
  async #flush(): Promise<void> {
    this.#isSending = true;
    // What is sent in the same tick rides in one call.
    await Promise.resolve();
    while (this.#queue.length > 0 && !this.#isClosed) {
      const frames = this.#queue.splice(0, MAX_FRAMES_PER_CALL);
      const request = { connectionId: this.#connectionId, frames, hold: false };
      if ((await this.#call(request, SEND_TIMEOUT_MS)) === null) break;
      this.#queuedBytes -= frames.reduce((sum, frame) => sum + Buffer.byteLength(frame), 0);
    }
    this.#isSending = false;
  }

  async #call(request: ExchangeRequest, timeoutMs: number): Promise<ExchangeAnswer | null> {
    try {
      const answer = await exchange(this.#parts.http, request, timeoutMs, this.#ending.signal);
      this.#receive(answer);
      return this.#isClosed ? null : answer;
    } catch (error) {
      this.#end(errorMessage(error));
      return null;
    }
  }

  #receive(answer: ExchangeAnswer): void {
    for (const frame of answer.frames) if (!this.#isClosed) this.#handlers.onFrame(frame);
    if (answer.closed !== null) this.#end(answer.closed);
  }

  #end(reason: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#ending.abort();
    this.#handlers.onClosed(reason);
  }
}

function asPost(method: string): 'GET' | 'POST' {
  return method === 'GET' ? 'GET' : 'POST';
}
