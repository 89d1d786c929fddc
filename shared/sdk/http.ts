import { backoffMs } from '../core/backoff.ts';
import { type Clock, sleep } from '../core/clock.ts';
import { AppError, isAppError } from '../core/errors.ts';
import type { Randomness } from '../core/randomness.ts';
import { networkError } from './network-errors.ts';
import { problemToError } from './problem.ts';

export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

export interface HttpOptions {
  /** Without a slash at its end. */
  baseUrl: string;
  token: string | undefined;
  /** @param isPatient gives up no request on its own account */
  fetch: (isPatient: boolean) => Promise<Fetch>;
  clock: Clock;
  randomness: Randomness;
  userAgent: string;
}

export interface HttpRequest {
  method: string;
  /** From the root, with its parameters filled in. */
  path: string;
  query?: Readonly<Record<string, unknown>> | undefined;
  headers?: Readonly<Record<string, string>> | undefined;
  /** JSON when it is text; sent as it comes when it is a stream. */
  body?: string | ReadableStream<Uint8Array> | undefined;
  /** Limit until the answer has come whole (`text`) or begun (`open`), ms; null: none. */
  timeoutMs: number | null;
  /** True when sending it twice does no harm. */
  isRepeatable: boolean;
  /** The answer may begin minutes later, which `fetch` does not wait for by itself. */
  isSlow?: boolean;
  signal?: AbortSignal | undefined;
}

/** Attempts at a repeatable request, the first one counted. */
export const MAX_ATTEMPTS = 3;
const RETRY: Parameters<typeof backoffMs>[0] = { baseMs: 200, maxMs: 2_000 };

/** Sends requests to one coordinator. Every failure is an AppError; an abort rejects with the signal's reason. */
export class Http {
  readonly #options: HttpOptions;
  constructor(options: HttpOptions) {
    this.#options = options;
  }

  /** The whole answer as text; repeatable requests are tried {@link MAX_ATTEMPTS} times. */
  async text(request: HttpRequest): Promise<{ status: number; text: string; headers: Headers }> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#withTimeout(request, async (signal) => {
          const response = await this.#fetch(request, signal);
          return { status: response.status, text: await response.text(), headers: response.headers };
        });
      } catch (error) {
        if (request.signal?.aborted) throw request.signal.reason;
        const isWorthAnother = isAppError(error, 'unavailable') || isAppError(error, 'rate_limited');
        if (!request.isRepeatable || !isWorthAnother || attempt >= MAX_ATTEMPTS) throw error;
        const { clock, randomness } = this.#options;
        await sleep(clock, backoffMs(RETRY, attempt, randomness.fraction()), request.signal);
      }
    }
  }

  /** An answer whose body is read by the caller, for as long as it likes. */
  open(request: HttpRequest): Promise<Response> {
    return this.#withTimeout(request, (signal) => this.#fetch(request, signal));
  }

  async #fetch(request: HttpRequest, signal: AbortSignal): Promise<Response> {
    const { baseUrl, token, userAgent } = this.#options;
    const url = `${baseUrl}${request.path}${queryText(request.query ?? {})}`;
    const headers: Record<string, string> = { accept: 'application/json', 'user-agent': userAgent, ...request.headers };
    if (token !== undefined) headers['authorization'] = `Bearer ${token}`;
    if (typeof request.body === 'string') headers['content-type'] = 'application/json';
    const init: RequestInit & { duplex?: 'half' } = { method: request.method, headers, signal, redirect: 'error' };
    if (request.body !== undefined) init.body = request.body;
    if (request.body instanceof ReadableStream) init.duplex = 'half';
    const send = await this.#options.fetch(request.isSlow === true);
    const response = await send(url, init);
    if (response.ok) return response;
    throw problemToError(response.status, await response.text(), `${request.method} ${url}`);
  }

  async #withTimeout<T>(request: HttpRequest, run: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { baseUrl, clock } = this.#options;
    const { timeoutMs } = request;
    const timeout = new AbortController();
    const timer = timeoutMs === null ? undefined : clock.setTimer(timeoutMs, () => timeout.abort());
    const signal = request.signal === undefined ? timeout.signal : AbortSignal.any([timeout.signal, request.signal]);
    try {
      return await run(signal);
    } catch (error) {
      if (request.signal?.aborted) throw request.signal.reason;
      if (timeout.signal.aborted)
        throw new AppError('unavailable', `${baseUrl} did not answer within ${timeoutMs} ms`, {
          hint: 'Is the coordinator overloaded, or the network slow? Try again.',
          details: { reason: 'timeout' },
        });
      throw error instanceof AppError ? error : networkError(baseUrl, error);
    } finally {
      timer?.cancel();
    }
  }
}

function queryText(query: Readonly<Record<string, unknown>>): string {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) if (value !== undefined) search.append(key, String(value));
  const text = search.toString();
  return text === '' ? '' : `?${text}`;
}
