import { createHash, type Hash } from 'node:crypto';
import { join } from 'node:path';
import { backoffMs } from '../../shared/core/backoff.ts';
import { sleep } from '../../shared/core/clock.ts';
import { errorMessage, isAppError } from '../../shared/core/errors.ts';
import type { AppendFile } from '../host/disk.ts';
import type { BundleFailure, BundleParts, BundleRequest } from './bundles.ts';
import { whyNoRoom } from './room.ts';
import { isDiskFull } from './unpack.ts';

export type FetchOutcome =
  | { ok: true; downloadedBytes: number }
  | { ok: false; reason: BundleFailure; message: string };

const BACKOFF = { baseMs: 500, maxMs: 30_000 };
/** An attempt that brought this much does not count as a failure in a row, so a bad line still gets there. */
const PROGRESS_BYTES = 1_024 * 1_024;
/** SHA-256 is twice as quick with large pieces as with small ones. */
const READ_BYTES = 1_024 * 1_024;

/** Puts the archive into the cache unless it is there; what is there is hashed again, for a disk may forget. */
export async function fetchBundle(parts: BundleParts, request: BundleRequest): Promise<FetchOutcome> {
  if (await isCached(parts, request)) return { ok: true, downloadedBytes: 0 };
  const state = { downloadedBytes: 0, failuresInRow: 0, hasRestarted: false };
  for (;;) {
    if (request.signal.aborted) return aborted();
    const before = state.downloadedBytes;
    const attempt = await tryOnce(parts, request, state);
    if (attempt.kind === 'done') return { ok: true, downloadedBytes: state.downloadedBytes };
    if (attempt.kind === 'failed') return { ok: false, reason: attempt.reason, message: attempt.message };
    if (request.signal.aborted) return aborted();

    state.failuresInRow = state.downloadedBytes - before >= PROGRESS_BYTES ? 1 : state.failuresInRow + 1;
    if (state.failuresInRow >= parts.limits.maxAttempts)
      return {
        ok: false,
        reason: 'unavailable',
        message: `the bundle could not be downloaded in ${state.failuresInRow} attempts: ${attempt.message}`,
      };
    const delayMs = backoffMs(BACKOFF, state.failuresInRow, parts.randomness.fraction());
    parts.logger.warn({ digest: request.digest, delayMs, cause: attempt.message }, 'bundle download interrupted');
    try {
      await sleep(parts.clock, delayMs, request.signal);
    } catch {
      // The only reason for a sleep to end early is the signal.
      return aborted();
    }
  }
}

type Attempt =
  | { kind: 'done' }
  | { kind: 'again'; message: string }
  | { kind: 'failed'; reason: BundleFailure; message: string };

interface FetchState {
  downloadedBytes: number;
  failuresInRow: number;
  /** A half download that turned out bad is thrown away once; the second time the source is at fault. */
  hasRestarted: boolean;
}

function aborted(): FetchOutcome {
  return { ok: false, reason: 'aborted', message: 'the deployment was cancelled while the bundle was downloaded' };
}

async function isCached({ disk, cacheDirectory, logger }: BundleParts, request: BundleRequest): Promise<boolean> {
  const path = join(cacheDirectory, request.digest);
  const status = await disk.status(path);
  if (status === null) return false;
  let reason = 'it is not what was downloaded';
  if (status.kind === 'file' && status.sizeBytes === request.sizeBytes)
    try {
      const hash = await hashOf(disk, path, status.sizeBytes);
      if (hash.digest('hex') === request.digest) return true;
    } catch (error) {
      // A bad sector, say. The coordinator has it whole.
      reason = errorMessage(error);
    }
  logger.warn({ digest: request.digest, reason }, 'cached bundle is damaged');
  await disk.removeTree(path);
  return false;
}

async function hashOf(disk: BundleParts['disk'], path: string, length: number): Promise<Hash> {
  const hash = createHash('sha256');
  for (let offset = 0; offset < length; ) {
    const part = await disk.readPart(path, offset, Math.min(READ_BYTES, length - offset));
    if (part.length === 0) break;
    hash.update(part);
    offset += part.length;
  }
  return hash;
}

async function tryOnce(parts: BundleParts, request: BundleRequest, state: FetchState): Promise<Attempt> {
  const { disk, cacheDirectory } = parts;
  const path = `${join(cacheDirectory, request.digest)}.part`;
  try {
    const missingBytes = request.sizeBytes - ((await disk.status(path))?.sizeBytes ?? 0);
    // Unpacked it takes at least as much again.
    const noRoom = await whyNoRoom(parts, request, Math.max(0, missingBytes) + request.sizeBytes);
    if (noRoom !== null) return { kind: 'failed', reason: 'disk_full', message: noRoom };
    const file = await disk.openAppend(path, 0o600);
    try {
      return await receive(parts, request, state, { file, path });
    } finally {
      await file.close();
    }
  } catch (error) {
    if (!isDiskFull(error)) throw error;
    // The services of this host need the space more than the next attempt needs the bytes.
    await disk.removeTree(path);
    return {
      kind: 'failed',
      reason: 'disk_full',
      message: `the disk of ${cacheDirectory} became full while the bundle was downloaded`,
    };
  }
}

async function receive(
  parts: BundleParts,
  request: BundleRequest,
  state: FetchState,
  { file, path }: { file: AppendFile; path: string },
): Promise<Attempt> {
  const { disk, cacheDirectory } = parts;
  const { digest, sizeBytes, signal } = request;
  if (file.length > sizeBytes) await file.truncate(0);
  const resumedAt = file.length;
  let hash = await hashOf(disk, path, resumedAt);

  if (resumedAt < sizeBytes || sizeBytes === 0) {
    const opened = await fromSource(() => parts.download.open({ digest, offset: resumedAt, signal }));
    if (!opened.ok) return opened.attempt;
    const iterator = opened.value.chunks[Symbol.asyncIterator]();
    try {
      if (opened.value.totalBytes !== sizeBytes)
        return mismatch(
          `the source has ${opened.value.totalBytes} bytes, the revision was registered with ${sizeBytes}`,
        );
      if (opened.value.offset !== resumedAt) {
        if (opened.value.offset !== 0)
          return { kind: 'again', message: `the source began at byte ${opened.value.offset} instead of ${resumedAt}` };
        await file.truncate(0);
        hash = createHash('sha256');
      }
      for (;;) {
        const next = await fromSource(() => iterator.next());
        if (!next.ok) return next.attempt;
        if (next.value.done === true) break;
        const chunk = next.value.value;
        if (file.length + chunk.length > sizeBytes) {
          await file.truncate(0);
          return mismatch(`the source sent more than the ${sizeBytes} bytes it was registered with`);
        }
        await file.append(chunk);
        hash.update(chunk);
        state.downloadedBytes += chunk.length;
        request.onProgress?.({ receivedBytes: file.length, totalBytes: sizeBytes });
        if (signal.aborted) return { kind: 'again', message: 'cancelled' };
      }
    } finally {
      // An iterator that is not read to its end keeps its connection; its complaints no longer matter.
      await iterator.return?.().catch(() => {});
    }
    if (file.length < sizeBytes)
      return { kind: 'again', message: `the download ended after ${file.length} of ${sizeBytes} bytes` };
  }

  const actual = hash.digest('hex');
  if (actual !== digest) {
    await file.truncate(0);
    if (resumedAt === 0 || state.hasRestarted) return mismatch(`its SHA-256 is ${actual}`);
    state.hasRestarted = true;
    return { kind: 'again', message: 'what was there from an earlier download was damaged' };
  }
  await file.sync();
  await disk.rename(path, join(cacheDirectory, digest));
  await disk.sync(cacheDirectory);
  return { kind: 'done' };

  function mismatch(detail: string): Attempt {
    return {
      kind: 'failed',
      reason: 'digest_mismatch',
      message: `the bundle is not the one that was registered (SHA-256 ${digest}): ${detail}`,
    };
  }
}

/** Keeps the source's failures apart from the disk's. */
async function fromSource<T>(ask: () => Promise<T>): Promise<{ ok: true; value: T } | { ok: false; attempt: Attempt }> {
  try {
    return { ok: true, value: await ask() };
  } catch (error) {
    const message = errorMessage(error);
    if (isAppError(error, 'not_found')) return { ok: false, attempt: { kind: 'failed', reason: 'not_found', message } };
    if (isAppError(error, 'forbidden')) return { ok: false, attempt: { kind: 'failed', reason: 'forbidden', message } };
    return { ok: false, attempt: { kind: 'again', message } };
  }
}
