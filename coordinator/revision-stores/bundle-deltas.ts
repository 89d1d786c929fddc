import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, open, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { createGzip, gzip } from 'node:zlib';
import { MAX_UNPACKED_BYTES } from '../../shared/bundle/limits.ts';
import { ArchiveFault } from '../../shared/bundle/unpack/archive-tree.ts';
import { readArchive } from '../../shared/bundle/unpack/read-archive.ts';
import { AppError, errnoOf, isAppError } from '../../shared/core/errors.ts';
import {
  type BundleManifest,
  type FileRuns,
  MAX_MANIFEST_BYTES,
  MAX_MANIFEST_ENTRIES,
  ordinalsOf,
} from '../../shared/model/bundle-manifest.ts';
import type { BundleType } from '../../shared/model/revision.ts';
import { createDeltaSink } from './delta-sink.ts';
import { createManifestSink } from './manifest-sink.ts';

/** Manifests and deltas that are kept, whatever their sizes. */
const MAX_KEPT = 1_000;
/** What cannot be made is remembered of so many; beyond, the one that was found out first is tried again. */
const MAX_REFUSED = 1_000;
/** Manifests and deltas that wait to be made; one more is refused, and its host fetches the whole bundle at once. */
const MAX_WAITING = 64;
const READ_CHUNK_BYTES = 256 * 1_024;
const LIMITS = { maxTotalBytes: MAX_UNPACKED_BYTES, maxEntries: MAX_MANIFEST_ENTRIES };

export interface StoredPart {
  /** SHA-256 of its bytes, lower-case hex. */
  digest: string;
  sizeBytes: number;
}

interface StoredBundle {
  digest: string;
  bundleType: BundleType;
  /** Where its archive lies on this machine. */
  path: string;
}

/**
 * What hosts fetch instead of a whole bundle: its manifest, and the files that they lack as one tgz. Both are made when they
 * are asked for first, one at a time, and kept as files up to a bound: a fleet that comes from one revision asks for the same. So it does
 * of a bundle that has none, whose archive is read once, too: why is remembered until the process ends.
 */
export interface BundleDeltas {
  /**
   * gzip of a {@link BundleManifest} as JSON.
   * @throws AppError `not_found` when none is made, `too_large`, `invalid` for an archive that no host would unpack, `unavailable`
   */
  manifest(bundle: StoredBundle): Promise<StoredPart>;
  /** A tgz with the files of these ordinals, each under its ordinal. @throws as {@link manifest}; `invalid` for files that are not there */
  delta(bundle: StoredBundle, files: FileRuns): Promise<StoredPart>;
  /** @throws AppError `not_found` when it is no longer kept: it has to be asked for again */
  open(part: StoredPart, range: { start: number; end: number }): Promise<Readable>;
  /** A delta of this bundle, or null when it is not kept (any more). */
  find(bundleDigest: string, delta: string): StoredPart | null;
}

export interface BundleDeltasParts {
  /** Emptied at start; nobody else writes there. */
  directory: string;
  /** All that is kept, bytes; 0: nothing is made. */
  maxBytes: number;
}

export async function createBundleDeltas({ directory, maxBytes }: BundleDeltasParts): Promise<BundleDeltas> {
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true, mode: 0o700 });
  /** By what was asked for, the least recently used first. */
  const kept = new Map<string, StoredPart>();
  /** By what was asked for: what the archive says, so that to ask again is no use. */
  const refused = new Map<string, AppError>();
  const making = new Map<string, Promise<StoredPart>>();
  let last: Promise<unknown> = Promise.resolve();
  let names = 0;
  const pathOf = (digest: string) => join(directory, digest);

  async function get(key: string, make: (path: string) => Promise<void>): Promise<StoredPart> {
    if (maxBytes === 0) throw new AppError('not_found', 'bundles are sent whole: limits.deltaCacheBytes is 0');
    const known = kept.get(key);
    if (known !== undefined) {
      kept.delete(key);
      kept.set(key, known);
      return known;
    }
    const refusal = refused.get(key);
    if (refusal !== undefined) throw refusal;
    const running = making.get(key);
    if (running !== undefined) return running;
    if (making.size >= MAX_WAITING)
      throw new AppError('not_found', 'too many parts of bundles wait to be made: fetch it whole');
    const made = last.then(() => makeAndKeep(key, make));
    making.set(key, made);
    last = made.catch(() => {});
    try {
      return await made;
    } finally {
      making.delete(key);
    }
  }

  async function makeAndKeep(key: string, make: (path: string) => Promise<void>): Promise<StoredPart> {
    const unfinished = join(directory, `unfinished-${names++}`);
    try {
      await make(unfinished);
      const part = await measured(unfinished);
      if (part.sizeBytes > maxBytes)
        throw new AppError('too_large', `it has ${part.sizeBytes} bytes, more than limits.deltaCacheBytes`);
      await rename(unfinished, pathOf(part.digest));
      kept.set(key, part);
      await makeRoom();
      return part;
    } catch (thrown) {
      const error = thrown instanceof ArchiveFault ? new AppError('invalid', thrown.message) : thrown;
      if (isAppError(error, 'invalid') || isAppError(error, 'too_large')) remember(key, error);
      if (errnoOf(error) === 'ENOSPC')
        throw new AppError('unavailable', "the disk of the coordinator's data directory is full", { cause: error });
      throw error;
    } finally {
      await rm(unfinished, { force: true });
    }
  }

  function remember(key: string, refusal: AppError): void {
    refused.set(key, refusal);
    if (refused.size <= MAX_REFUSED) return;
    const oldest = refused.keys().next();
    if (!oldest.done) refused.delete(oldest.value);
  }

  async function makeRoom(): Promise<void> {
    let bytes = [...kept.values()].reduce((sum, part) => sum + part.sizeBytes, 0);
    for (const [key, part] of kept) {
      if (bytes <= maxBytes && kept.size <= MAX_KEPT) return;
      kept.delete(key);
      bytes -= part.sizeBytes;
      // Whoever reads it has it open.
      if (![...kept.values()].some(({ digest }) => digest === part.digest))
        await rm(pathOf(part.digest), { force: true });
    }
  }

  return {
    // By its type as well: a bundle that was registered with a wrong one may be registered anew.
    manifest: (bundle) => get(`manifest ${bundle.digest} ${bundle.bundleType}`, (path) => writeManifest(bundle, path)),
    delta: (bundle, files) => {
      const which = createHash('sha256').update(JSON.stringify(files)).digest('hex');
      return get(`delta ${bundle.digest} ${bundle.bundleType} ${which}`, (path) =>
        writeDelta(bundle, { wanted: ordinalsOf(files), path, maxBytes }),
      );
    },
    find(bundleDigest, delta) {
      for (const [key, part] of kept)
        if (part.digest === delta && key.startsWith(`delta ${bundleDigest} `)) return part;
      return null;
    },
    async open(part, range) {
      const path = pathOf(part.digest);
      const handle = await open(path, 'r').catch((error: unknown) => {
        if (errnoOf(error) === 'ENOENT') throw new AppError('not_found', 'this part of a bundle is no longer kept');
        throw error;
      });
      return createReadStream(path, { fd: handle, highWaterMark: READ_CHUNK_BYTES, ...range });
    },
  };
}

async function writeManifest(bundle: StoredBundle, path: string): Promise<void> {
  const sink = createManifestSink();
  await readArchive({ archivePath: bundle.path, bundleType: bundle.bundleType, limits: LIMITS }, sink);
  const manifest: BundleManifest = { digest: bundle.digest, entries: sink.entries() };
  const json = Buffer.from(JSON.stringify(manifest), 'utf8');
  if (json.length > MAX_MANIFEST_BYTES) throw new AppError('too_large', 'the manifest of this bundle is too large');
  await writeFile(path, await promisify(gzip)(json), { mode: 0o600 });
}

/** Never more than the cache may hold, unpacked or packed: a bundle that compresses well must not fill the disk meanwhile. */
async function writeDelta(
  bundle: StoredBundle,
  { wanted, path, maxBytes }: { wanted: ReadonlySet<number>; path: string; maxBytes: number },
): Promise<void> {
  const plain = `${path}.tar`;
  try {
    const sink = createDeltaSink(plain, wanted, maxBytes);
    try {
      await readArchive({ archivePath: bundle.path, bundleType: bundle.bundleType, limits: LIMITS }, sink);
      if (sink.finish() !== wanted.size) throw new AppError('invalid', 'the bundle does not have all of these files');
    } finally {
      sink.close();
    }
    await pipeline(createReadStream(plain), createGzip(), createWriteStream(path, { flags: 'wx', mode: 0o600 }));
  } finally {
    await rm(plain, { force: true });
  }
}

async function measured(path: string): Promise<StoredPart> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: READ_CHUNK_BYTES }), hash);
  return { digest: hash.digest('hex'), sizeBytes: (await stat(path)).size };
}
