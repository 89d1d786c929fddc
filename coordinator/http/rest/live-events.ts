import { Readable } from 'node:stream';
import type { Clock } from '../../../shared/core/clock.ts';
import { AppError, errorMessage } from '../../../shared/core/errors.ts';
import type { Logger } from '../../../shared/core/logger.ts';
import type { FeedItem } from '../../../shared/model/deployment-feed.ts';
import { type HttpContext, StreamedReply } from './handler.ts';

/** A comment this often keeps proxies and watchers from giving up; as often it is asked whether they may still watch. */
const HEARTBEAT_MS = 15_000;
/** Text that may wait for a watcher; beyond it the feed is not read on, and what changed twice meanwhile is told once. */
const MAX_BUFFERED_BYTES = 64 * 1_024;

interface Parts {
  clock: Clock;
  logger: Logger;
  follow(deploymentId: string, after: number, signal: AbortSignal): AsyncIterable<FeedItem>;
  /** Whether who asks may still follow: a token is revoked, or expires, while its stream is open. */
  mayFollow(http: Pick<HttpContext, 'header' | 'remoteAddress'>): Promise<boolean>;
  maxWatchers: number;
  /** Aborts when the coordinator stops. */
  stopping: AbortSignal;
}

/** Deployments live, as server-sent events: `id` is the item's sequence, where a watcher resumes. */
export function createLiveEvents({ clock, logger, follow, mayFollow, maxWatchers, stopping }: Parts) {
  let watchers = 0;
  return {
    /** @throws AppError `unavailable` when there are too many watchers */
    open(deploymentId: string, after: number | undefined, http: HttpContext): StreamedReply {
      if (watchers >= maxWatchers)
        throw new AppError('unavailable', `${maxWatchers} watchers follow deployments already`, {
          hint: 'Try again later, or ask for the deployment from time to time.',
        });
      // Whatever ends the stream ends the feed too. Not AbortSignal.any: what that leaves at a signal that outlives it, it leaves for good.
      const ended = new AbortController();
      const { signal } = ended;
      const end = () => ended.abort();
      for (const source of [http.signal, stopping]) {
        source.addEventListener('abort', end, { once: true });
        if (source.aborted) end();
      }
      // An EventSource that connects again sends the header with the address that it began with.
      const items = follow(deploymentId, lastEventId(http) ?? after ?? 0, signal);
      const body = Readable.from(asText(items, { http, signal, end }), {
        objectMode: false,
        highWaterMark: MAX_BUFFERED_BYTES,
      });
      watchers++;
      body.once('close', () => {
        watchers--;
        for (const source of [http.signal, stopping]) source.removeEventListener('abort', end);
        end();
      });
      return new StreamedReply({
        headers: {
          'content-type': 'text/event-stream; charset=utf-8',
          'cache-control': 'no-store',
          // Says to nginx that it must not collect this.
          'x-accel-buffering': 'no',
        },
        body,
      });
    },
  };

  async function* asText(
    items: AsyncIterable<FeedItem>,
    { http, signal, end }: { http: HttpContext; signal: AbortSignal; end(): void },
  ): AsyncGenerator<string> {
    let allowedAt = clock.now();
    yield ': drover\n\n';
    const iterator = items[Symbol.asyncIterator]();
    let next = iterator.next();
    const wait = waitsUntil(signal);
    // The wait below may end for another reason: a failure is met by whoever awaits it, here or after the loop.
    next.catch(() => {});
    try {
      while (!signal.aborted) {
        const result = await wait(next);
        if (Math.abs(clock.now() - allowedAt) >= HEARTBEAT_MS) {
          // It ends as if the connection were lost: who comes back is told why.
          if (!(await mayFollow(http))) return;
          allowedAt = clock.now();
        }
        if (result === 'heartbeat') {
          yield ': still here\n\n';
          continue;
        }
        if (result === 'aborted' || result.done === true) return;
        yield `id: ${result.value.sequence}\ndata: ${JSON.stringify(result.value)}\n\n`;
        if (result.value.kind === 'ended') return;
        next = iterator.next();
        next.catch(() => {});
      }
    } catch (error) {
      // The status has been sent: all that can be done is to end, and the watcher comes back for the rest.
      logger.error({ error: errorMessage(error) }, 'live feed broke');
    } finally {
      // A feed that waits for a change ends by its signal alone.
      end();
      await iterator.return?.().catch(() => {});
    }
  }

  /** Waits for the next item, but no longer than to the next heartbeat or the end; one listener for all that a stream waits for. */
  function waitsUntil(signal: AbortSignal) {
    type Result = IteratorResult<FeedItem> | 'heartbeat' | 'aborted';
    let settle: (result: Result) => void = () => {};
    signal.addEventListener('abort', () => settle('aborted'), { once: true });
    return (next: Promise<IteratorResult<FeedItem>>): Promise<Result> =>
      new Promise<Result>((resolve, reject) => {
        const heartbeat = clock.setTimer(HEARTBEAT_MS, () => resolve('heartbeat'));
        settle = resolve;
        next.then(resolve, reject).finally(() => heartbeat.cancel());
        if (signal.aborted) resolve('aborted');
      });
  }
}
export type LiveEvents = ReturnType<typeof createLiveEvents>;

function lastEventId(http: HttpContext): number | undefined {
  const text = http.header('last-event-id') ?? '';
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
