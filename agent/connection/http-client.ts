import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { Clock } from '../../shared/core/clock.ts';
import { AppError } from '../../shared/core/errors.ts';
import { networkError } from '../../shared/sdk/network-errors.ts';
import { problemToError } from '../../shared/sdk/problem.ts';

/** The largest answer that is read whole, bytes: a long poll may carry 64 frames. */
const MAX_ANSWER_BYTES = 20 * 1_024 * 1_024;
const MAX_PROBLEM_BYTES = 64 * 1_024;

interface HttpRequest {
  method: 'GET' | 'POST';
  path: string;
  body?: unknown;
  bearer?: string;
  headers?: Readonly<Record<string, string>>;
  /** Until the answer begins (stream), or has arrived (json). */
  timeoutMs: number;
  signal?: AbortSignal;
}

/** Node's own HTTP: `fetch` would cost an idle agent 8 MB. */
export interface HttpClient {
  /** The parsed answer of a 2xx. @throws AppError with the coordinator's own code, or `unavailable` when none came. */
  json(request: HttpRequest): Promise<unknown>;
  /** The answer of a 2xx, its body unread. @throws AppError as `json`. */
  stream(request: HttpRequest): Promise<IncomingMessage>;
  close(): void;
}

export interface HttpClientParts {
  coordinatorUrl: string;
  /** PEM of the authorities to trust instead of the system's. */
  ca: string | null;
  clock: Clock;
}

export function createHttpClient(parts: HttpClientParts): HttpClient {
  const base = new URL(parts.coordinatorUrl);
  const isSecure = base.protocol === 'https:';
  // One connection held by a long poll, one for what is sent, one for a download.
  const agent = isSecure
    ? new HttpsAgent({ keepAlive: true, maxSockets: 4, ...(parts.ca === null ? {} : { ca: parts.ca }) })
    : new HttpAgent({ keepAlive: true, maxSockets: 4 });

  async function open(request: HttpRequest, timeout: AbortSignal): Promise<IncomingMessage> {
    const url = new URL(base.pathname.replace(/\/$/, '') + request.path, base);
    const body = request.body === undefined ? null : Buffer.from(JSON.stringify(request.body));
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const send = isSecure ? httpsRequest : httpRequest;
      const outgoing = send(url, {
        method: request.method,
        agent,
        signal: request.signal === undefined ? timeout : AbortSignal.any([timeout, request.signal]),
        headers: {
          ...request.headers,
          ...(request.bearer === undefined ? {} : { authorization: `Bearer ${request.bearer}` }),
          ...(body === null ? {} : { 'content-type': 'application/json', 'content-length': body.length }),
        },
      });
      outgoing.once('response', resolve);
      outgoing.once('error', (error) => reject(networkError(base.origin, error)));
      outgoing.end(body);
    });
    const status = answer.statusCode ?? 0;
    if (status >= 200 && status < 300) return answer;
    throw problemToError(status, await readText(answer, MAX_PROBLEM_BYTES), `${request.method} ${url.href}`);
  }

  async function timed<Result>(
    request: HttpRequest,
    perform: (timeout: AbortSignal) => Promise<Result>,
  ): Promise<Result> {
    const timeout = new AbortController();
    const timer = parts.clock.setTimer(request.timeoutMs, () => timeout.abort());
    try {
      return await perform(timeout.signal);
    } catch (error) {
      if (timeout.signal.aborted && request.signal?.aborted !== true)
        throw new AppError('unavailable', `no answer from ${base.origin} within ${request.timeoutMs} ms`, {
          hint: 'Check the network, and whether the coordinator is busy.',
          cause: error,
        });
      throw error;
    } finally {
      timer.cancel();
    }
  }

  return {
    json: (request) =>
      timed(request, async (timeout) => {
        const text = await readText(await open(request, timeout), MAX_ANSWER_BYTES);
        try {
          return JSON.parse(text);
        } catch (error) {
          throw new AppError('unavailable', `${base.origin}${request.path} answered with something that is not JSON`, {
            hint: 'Is this the address of the coordinator? A proxy in between may have answered.',
            cause: error,
          });
        }
      }),
    stream: (request) => timed(request, (timeout) => open(request, timeout)),
    close: () => agent.destroy(),
  };
}

async function readText(answer: IncomingMessage, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of answer) {
      // Without an encoding set, a response yields Buffers.
      const buffer = chunk as Buffer;
      bytes += buffer.length;
      if (bytes > maxBytes) throw new AppError('too_large', `an answer of more than ${maxBytes} bytes`);
      chunks.push(buffer);
    }
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw new AppError('unavailable', 'the answer ended early', { cause: error });
  }
  return Buffer.concat(chunks).toString('utf8');
}
