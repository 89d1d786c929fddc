import * as z from 'zod';
import { backoffMs } from '../core/backoff.ts';
import { type Clock, sleep, type Timer } from '../core/clock.ts';
import { AppError, isAppError } from '../core/errors.ts';
import type { Randomness } from '../core/randomness.ts';
import { type FeedItem, feedItem } from '../model/deployment-feed.ts';
import type { Http } from './http.ts';
import { networkError } from './network-errors.ts';
import { type ServerSentEvent, ServerSentEventParser } from './server-sent-events.ts';

/** The follower lost its connection, or has it again. Nothing is missed in between: it resumes by sequence. */
export interface ConnectionItem {
  kind: 'connection';
  state: 'lost' | 'back';
  /** Epoch ms on this machine's clock. */
  at: number;
}
export type FollowItem = FeedItem | ConnectionItem;

export interface FollowOptions {
  /** Begin after the item with this sequence. */
  after?: number | undefined;
  signal?: AbortSignal | undefined;
  /** A connection that has been silent for this long is made anew, ms; default 60,000. */
  silenceMs?: number | undefined;
}

interface Parts {
  http: Http;
  clock: Clock;
  randomness: Randomness;
  baseUrl: string;
}

const RECONNECT = { baseMs: 250, maxMs: 5_000 };
const OPEN_TIMEOUT_MS = 15_000;
const DEFAULT_SILENCE_MS = 60_000;
const itemHead = z.object({ kind: z.string(), sequence: z.number().int() });
const KNOWN_KINDS: ReadonlySet<string> = new Set(feedItem.options.map((option) => option.shape.kind.value));

/**
 * A deployment's feed until its item `ended`. A lost connection is made again for as long as it takes: how long that may
 * be is the caller's to say, by the signal (whose reason it then throws). Items never go back in sequence; several may share one.
 * @throws AppError `not_found`, `unauthorized`, `forbidden`; not `unavailable`, which it waits out
 */
export async function* follow(parts: Parts, deploymentId: string, options: FollowOptions): AsyncGenerator<FollowItem> {
  const { clock, randomness } = parts;
  let last = options.after;
  let failures = 0;
  let isLost = false;
  for (;;) {
    try {
      for await (const event of connect(parts, deploymentId, last, options)) {
        failures = 0;
        if (isLost) {
          isLost = false;
          yield { kind: 'connection', state: 'back', at: clock.now() };
        }
        if (event === 'open') continue;
        const item = parseItem(event);
        if (item === undefined || (last !== undefined && item.sequence < last)) continue;
        last = item.sequence;
        yield item;
        if (item.kind === 'ended') return;
      }
    } catch (error) {
      if (options.signal?.aborted) throw options.signal.reason;
      if (!isAppError(error, 'unavailable') && !isAppError(error, 'rate_limited')) throw error;
    }
    if (!isLost) {
      isLost = true;
      yield { kind: 'connection', state: 'lost', at: clock.now() };
    }
    failures++;
    await sleep(clock, backoffMs(RECONNECT, failures, randomness.fraction()), options.signal);
  }
}

/**
 * One connection: `open` once the coordinator has said something, then its events; ends when the other side ends it. An answer's head alone
 * is none: a proxy may give one, and close.
 */
async function* connect(
  parts: Parts,
  deploymentId: string,
  after: number | undefined,
  options: FollowOptions,
): AsyncGenerator<'open' | ServerSentEvent> {
  const silence = new AbortController();
  const signal = options.signal === undefined ? silence.signal : AbortSignal.any([silence.signal, options.signal]);
  const silenceMs = options.silenceMs ?? DEFAULT_SILENCE_MS;
  let timer: Timer | undefined;
  const heard = () => {
    timer?.cancel();
    timer = parts.clock.setTimer(silenceMs, () => silence.abort());
  };
  try {
    const response = await parts.http.open({
      method: 'GET',
      path: `/v1/deployments/${encodeURIComponent(deploymentId)}/events`,
      query: { after },
      headers: {
        accept: 'text/event-stream',
        ...(after === undefined ? {} : { 'last-event-id': String(after) }),
      },
      timeoutMs: OPEN_TIMEOUT_MS,
      isRepeatable: false,
      signal,
    });
    heard();
    const type = response.headers.get('content-type') ?? 'nothing';
    if (!type.startsWith('text/event-stream'))
      throw new AppError('unavailable', `the live feed was answered with ${type}`, {
        hint: 'A proxy in between may have answered.',
      });
    if (response.body === null) return;
    let isOpen = false;
    const parser = new ServerSentEventParser();
    const decoder = new TextDecoder();
    for await (const chunk of response.body) {
      heard();
      if (!isOpen) yield 'open';
      isOpen = true;
      yield* parser.push(decoder.decode(chunk, { stream: true }));
    }
  } catch (error) {
    if (options.signal?.aborted) throw options.signal.reason;
    throw error instanceof AppError ? error : networkError(parts.baseUrl, error);
  } finally {
    timer?.cancel();
    // Ends the request when the reader leaves early; nothing happens when it has ended already.
    silence.abort();
  }
}

/** Undefined for a kind that this version does not know: the feed only grows. */
function parseItem(event: ServerSentEvent): FeedItem | undefined {
  let json: unknown;
  try {
    json = JSON.parse(event.data);
  } catch (error) {
    throw new AppError('internal', 'an item of the live feed is not JSON', { cause: error });
  }
  const head = itemHead.safeParse(json);
  if (head.success && !KNOWN_KINDS.has(head.data.kind)) return undefined;
  const item = feedItem.safeParse(json);
  if (item.success) return item.data;
  throw new AppError('internal', `an item of the live feed is not as expected: ${firstIssue(item.error)}`, {
    hint: 'Coordinator and client may be too far apart in version.',
  });
}

export function firstIssue(error: z.ZodError): string {
  const issue = error.issues[0];
  return issue === undefined ? 'unknown' : `${issue.path.join('.') || '(root)'}: ${issue.message}`;
}
