import type { IncomingMessage } from 'node:http';
import type { Clock } from '../../shared/core/clock.ts';
import { AppError, isAppError } from '../../shared/core/errors.ts';
import { networkError } from '../../shared/sdk/network-errors.ts';
import type { HttpClient } from './http-client.ts';
import type { BundleDownload } from './transport.ts';

const ANSWER_TIMEOUT_MS = 30_000;
/** The coordinator reads the whole bundle first, and those that were asked for before. */
const MAKING_TIMEOUT_MS = 120_000;
/** A path that died in the middle says nothing, and a receiver would wait for ever: it has nothing to send that could fail. */
const IDLE_TIMEOUT_MS = 30_000;

export interface BundleDownloadParts {
  http: HttpClient;
  clock: Clock;
  /** The token of the session that stands, waiting for one if there is none: only a session may download. */
  sessionToken(signal: AbortSignal): Promise<string>;
}

/** Bundles from the coordinator, with `Range` for what is missing. */
export function createBundleDownload(parts: BundleDownloadParts): BundleDownload {
  return {
    async open({ digest, delta, offset, signal }) {
      const answer = await parts.http.stream({
        method: 'GET',
        path: delta === undefined ? pathOf(digest) : `${pathOf(digest)}/deltas/${delta}`,
        bearer: await parts.sessionToken(signal),
        headers: offset === 0 ? {} : { range: `bytes=${offset}-` },
        timeoutMs: ANSWER_TIMEOUT_MS,
        signal,
      });
      const range = parseContentRange(answer.headers['content-range']);
      const begin = answer.statusCode === 206 && range !== null ? range.offset : 0;
      const length = Number(answer.headers['content-length'] ?? Number.NaN);
      const totalBytes = range?.totalBytes ?? length;
      if (!Number.isSafeInteger(totalBytes) || totalBytes < 0) {
        answer.destroy();
        throw new AppError('unavailable', 'the coordinator did not say how long the bundle is');
      }
      return { offset: begin, totalBytes, chunks: chunksOf(answer, parts.clock) };
    },

    async manifest({ digest, maxBytes, signal }) {
      const answer = await parts.http.stream({
        method: 'GET',
        path: `${pathOf(digest)}/manifest`,
        bearer: await parts.sessionToken(signal),
        timeoutMs: MAKING_TIMEOUT_MS,
        signal,
      });
      const chunks: Uint8Array[] = [];
      let bytes = 0;
      for await (const chunk of chunksOf(answer, parts.clock)) {
        bytes += chunk.length;
        if (bytes > maxBytes) {
          answer.destroy();
          throw new AppError('too_large', `the manifest has more than ${maxBytes} bytes`);
        }
        chunks.push(chunk);
      }
      const length = Number(answer.headers['content-length'] ?? Number.NaN);
      if (bytes !== length) throw new AppError('unavailable', `the manifest ended after ${bytes} of ${length} bytes`);
      return Buffer.concat(chunks);
    },

    async createDelta({ digest, files, signal }) {
      const answer = await parts.http.json({
        method: 'POST',
        path: `${pathOf(digest)}/deltas`,
        body: { files },
        bearer: await parts.sessionToken(signal),
        timeoutMs: MAKING_TIMEOUT_MS,
        signal,
      });
      // Schemas take memory, and an idle agent reads no such answer.
      const { agentRoutes } = await import('../../shared/api/agents.ts');
      const parsed = agentRoutes.createBundleDelta.reply.safeParse(answer);
      if (!parsed.success)
        throw new AppError('unavailable', 'the coordinator did not say what the delta of the bundle is');
      return parsed.data;
    },
  };
}

function pathOf(digest: string): string {
  return `/v1/hosts/self/bundles/${digest}`;
}

/** `bytes 5-9/10`. Source: RFC 9110, 14.4. */
export function parseContentRange(header: string | undefined): { offset: number; totalBytes: number } | null {
  const match = /^bytes (\d+)-\d+\/(\d+)$/.exec(header ?? '');
  return match === null ? null : { offset: Number(match[1]), totalBytes: Number(match[2]) };
}

async function* chunksOf(answer: IncomingMessage, clock: Clock): AsyncGenerator<Uint8Array> {
  const watch = () =>
    clock.setTimer(IDLE_TIMEOUT_MS, () =>
      answer.destroy(new AppError('unavailable', `the download stood still for ${IDLE_TIMEOUT_MS / 1_000} s`)),
    );
  // Only while it waits for the coordinator: how long the disk takes for what has come is not its fault.
  let waiting = watch();
  try {
    for await (const chunk of answer) {
      waiting.cancel();
      // Without an encoding set, a response yields Buffers.
      yield chunk as Buffer;
      waiting = watch();
    }
  } catch (error) {
    throw isAppError(error) ? error : networkError('the coordinator', error);
  } finally {
    waiting.cancel();
  }
}
