import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError, errnoOf, errorMessage } from '../../shared/core/errors.ts';
import { invariant } from '../../shared/core/invariant.ts';
import type { Randomness } from '../../shared/core/randomness.ts';
import type { PutOptions, RevisionStore, StoredBundle } from './revision-store.ts';

/** Read size when serving: hashing and TLS on the other side run about twice as fast as with 64 KiB. */
const READ_CHUNK_BYTES = 256 * 1_024;
const DIGEST = /^[0-9a-f]{64}$/;

/** Bundles as files under `directory`: `ab/abcdef…`. Unfinished ones are in `unfinished/`, on the same file system. */
export function createLocalDiskStore(parts: {
  directory: string;
  randomness: Randomness;
  /** A bundle of so many bytes was taken in. */
  taken?(sizeBytes: number): void;
}): RevisionStore {
  const unfinished = join(parts.directory, 'unfinished');
  const folderOf = (digest: string) => join(parts.directory, digest.slice(0, 2));
  const pathOf = (digest: string) => {
    // A path is made of it: never of anything else than a digest.
    invariant(DIGEST.test(digest), 'a digest is 64 lower-case hex digits');
    return join(folderOf(digest), digest);
  };

  /** A bundle's file is put in place, or looked at and removed, one at a time: nobody removes what was put just now for what it replaced. */
  let last: Promise<unknown> = Promise.resolve();
  function alone<T>(work: () => Promise<T>): Promise<T> {
    const done = last.then(work);
    last = done.catch(() => {});
    return done;
  }

  async function sizeOf(digest: string): Promise<number | null> {
    try {
      return (await stat(pathOf(digest))).size;
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return null;
      throw asStorageError(error);
    }
  }

  return {
    async put(stream, options) {
      await mkdir(unfinished, { recursive: true, mode: 0o700 });
      const temporary = join(unfinished, Buffer.from(parts.randomness.bytes(12)).toString('hex'));
      try {
        const stored = await writeAndHash(temporary, stream, options);
        await mkdir(folderOf(stored.digest), { recursive: true, mode: 0o700 });
        await alone(() => rename(temporary, pathOf(stored.digest)));
        await syncDirectory(folderOf(stored.digest));
        await syncDirectory(parts.directory);
        parts.taken?.(stored.sizeBytes);
        return stored;
      } catch (error) {
        await rm(temporary, { force: true });
        throw asStorageError(error);
      }
    },

    async open(digest, range) {
      const path = pathOf(digest);
      const handle = await open(path, 'r').catch((error: unknown) => {
        if (errnoOf(error) === 'ENOENT') throw new AppError('not_found', `the store has no bundle ${digest}`);
        throw asStorageError(error);
      });
      return createReadStream(path, { fd: handle, highWaterMark: READ_CHUNK_BYTES, ...range });
    },

    pathOf: async (digest) => ((await sizeOf(digest)) === null ? null : pathOf(digest)),
    sizeOf,

    delete(digest, { storedBefore } = { storedBefore: Number.POSITIVE_INFINITY }) {
      return alone(async () => {
        const info = await stat(pathOf(digest)).catch((error: unknown) => {
          if (errnoOf(error) === 'ENOENT') return null;
          throw asStorageError(error);
        });
        if (info === null || info.mtimeMs >= storedBefore) return false;
        await rm(pathOf(digest), { force: true });
        return true;
      });
    },

    async *list() {
      for (const folder of await entriesOf(parts.directory)) {
        if (!/^[0-9a-f]{2}$/.test(folder)) continue;
        for (const digest of await entriesOf(join(parts.directory, folder))) {
          if (!DIGEST.test(digest)) continue;
          const info = await stat(pathOf(digest)).catch(() => null);
          // Null: deleted since the folder was read.
          if (info !== null) yield { digest, storedAt: info.mtimeMs };
        }
      }
    },

    async sweepUnfinished() {
      await rm(unfinished, { recursive: true, force: true });
    },
  };
}

async function writeAndHash(
  path: string,
  stream: AsyncIterable<Uint8Array>,
  options: PutOptions,
): Promise<StoredBundle> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  const file = await open(path, 'wx', 0o600);
  try {
    for await (const chunk of stream) {
      sizeBytes += chunk.byteLength;
      if (sizeBytes > options.maxBytes)
        throw new AppError('too_large', `the bundle is larger than the ${options.maxBytes} bytes that are allowed`, {
          hint: "The coordinator's limits.bundleBytes sets the bound.",
        });
      hash.update(chunk);
      await writeAll(file, chunk);
    }
    const digest = hash.digest('hex');
    if (options.digest !== undefined && digest !== options.digest)
      throw new AppError('invalid', `the bundle's SHA-256 is ${digest}, expected ${options.digest}`, {
        hint: 'It changed on the way or since its digest was taken: push it again.',
        details: { digest, expected: options.digest },
      });
    await file.sync();
    return { digest, sizeBytes };
  } finally {
    await file.close();
  }
}

async function writeAll(file: Awaited<ReturnType<typeof open>>, chunk: Uint8Array): Promise<void> {
  let written = 0;
  while (written < chunk.byteLength) written += (await file.write(chunk, written)).bytesWritten;
}

/** Makes a rename durable. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

async function entriesOf(path: string): Promise<string[]> {
  try {
    return (await readdir(path)).sort();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw asStorageError(error);
  }
}

const STORAGE_ERRNOS = new Set(['ENOSPC', 'EDQUOT', 'EIO', 'EROFS', 'EACCES', 'EMFILE', 'ENFILE']);
function asStorageError(error: unknown): unknown {
  const errno = errnoOf(error);
  if (error instanceof AppError || errno === undefined || !STORAGE_ERRNOS.has(errno)) return error;
  return new AppError('unavailable', `the revision store failed: ${errorMessage(error)}`, {
    cause: error,
    hint: errno === 'ENOSPC' ? "The disk of the coordinator's data directory is full." : undefined,
    details: { reason: 'revision_store_failed' },
  });
}
