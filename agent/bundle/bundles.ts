import { join } from 'node:path';
import type { Clock } from '../../shared/core/clock.ts';
import type { Logger } from '../../shared/core/logger.ts';
import type { Randomness } from '../../shared/core/randomness.ts';
import type { BundleType } from '../../shared/model/revision.ts';
import type { BundleDownload } from '../connection/transport.ts';
import type { Disk } from '../host/disk.ts';
import { MIN_DELTA_BYTES, prepareDelta } from './delta.ts';
import { fetchBundle } from './fetch.ts';
import { planRetention } from './retention.ts';
import { cachedFiles, removeCached, whyNoRoom } from './room.ts';
import { adoptDirectory, type UnpackedBundle, unpackInto, unpackLimits } from './unpack.ts';

export interface BundleRequest {
  /** Lower-case hex SHA-256 of the archive. */
  digest: string;
  bundleType: BundleType;
  sizeBytes: number;
  /** Existing or not; `deployment-archive` is made in it. */
  deploymentDirectory: string;
  signal: AbortSignal;
  /** Other bundles that are unpacked on this host, the most alike first: what is in them need not be fetched. Default: none. */
  unpackedDirectories?(): Promise<readonly string[]>;
  /** Of the cached bundles those that must stay where room is wanted for this one. Default: all of them. */
  neededDigests?(): Iterable<string>;
  onProgress?(progress: BundleProgress): void;
}

interface BundleProgress {
  receivedBytes: number;
  totalBytes: number;
}

export type BundleFailure =
  | 'digest_mismatch'
  | 'corrupt'
  | 'hostile'
  | 'too_large'
  | 'disk_full'
  | 'forbidden'
  | 'not_found'
  | 'unavailable'
  | 'aborted';

export type BundleOutcome =
  /** `reusedBytes` were on this host already, unpacked. */
  | { ok: true; archiveRoot: string; downloadedBytes: number; reusedBytes: number }
  | { ok: false; reason: BundleFailure; message: string };

interface BundleLimits {
  maxBundleBytes: number;
  maxUnpackedBytes: number;
  maxEntries: number;
  /** Attempts at one download before giving up, 1 or more. */
  maxAttempts: number;
  /** Bytes of the file system that must stay free. */
  reserveBytes: number;
  /** A smaller bundle is fetched whole, bytes. Default: 1 MiB. */
  minDeltaBytes?: number | undefined;
}

export interface Bundles {
  /** Downloads what is not cached, and unpacks it. May be repeated after a crash at any point. */
  prepare(request: BundleRequest): Promise<BundleOutcome>;
  /** The same from a local archive or directory, for `drover-agent local`. */
  prepareLocal(request: LocalBundleRequest): Promise<BundleOutcome>;
  /**
   * Removes cached archives, the oldest first, until at most `maxBytes` are left, and half downloads; never one in `digests`.
   * Returns those of `digests` that are here in no other form than unpacked.
   */
  retain(keep: { digests: ReadonlySet<string>; maxBytes: number }): Promise<ReadonlySet<string>>;
}

interface LocalBundleRequest {
  path: string;
  bundleType: BundleType | 'directory';
  deploymentDirectory: string;
  signal: AbortSignal;
}

export interface BundleParts {
  disk: Disk;
  download: BundleDownload;
  clock: Clock;
  randomness: Randomness;
  logger: Logger;
  /** Holds `<digest>` and `<digest>.part` files and nothing else. */
  cacheDirectory: string;
  limits: BundleLimits;
}

/** In a deployment's directory: the bundle, unpacked. */
export const ARCHIVE_DIRECTORY = 'deployment-archive';

/**
 * What is on disk: `<cache>/<digest>.part` while a download runs or waits to be resumed, `<cache>/<digest>` once its
 * SHA-256 has been checked and it was synced, `<deployment>/deployment-archive` unpacked from that. The first two survive
 * a restart; the last is made anew by each call. A large bundle of which most is here already, unpacked, is put together from
 * that instead: then `<cache>/<digest>.manifest` tells what it consists of, and its only form is the unpacked one.
 */
export function createBundles(parts: BundleParts): Bundles {
  const { disk, limits, cacheDirectory } = parts;
  return {
    async prepare(request) {
      if (request.sizeBytes > limits.maxBundleBytes)
        return failed(
          'too_large',
          `the bundle has ${request.sizeBytes} bytes, more than the limit of ${limits.maxBundleBytes}`,
        );
      await disk.makeDirectory(cacheDirectory, { recursive: true, mode: 0o700 });
      const directory = join(request.deploymentDirectory, ARCHIVE_DIRECTORY);
      const delta = await tryDelta(request, directory);
      if (delta !== null) return delta;
      const fetched = await fetchBundle(parts, request);
      if (!fetched.ok) return fetched;
      // What an agent that died has left of it gives room, too.
      await disk.removeTree(directory);
      const noRoom = await whyNoRoom(parts, request, request.sizeBytes);
      if (noRoom !== null) return failed('disk_full', noRoom);
      return asOutcome(fetched.downloadedBytes, request.signal, () =>
        unpackInto(disk, {
          archivePath: join(cacheDirectory, request.digest),
          bundleType: request.bundleType,
          directory,
          limits: unpackLimits(limits),
        }),
      );
    },
    async prepareLocal({ path, bundleType, deploymentDirectory, signal }) {
      const directory = join(deploymentDirectory, ARCHIVE_DIRECTORY);
      const status = await disk.status(path);
      if (status === null) return failed('not_found', `there is no bundle at ${path}`);
      const wanted = bundleType === 'directory' ? 'directory' : 'file';
      // A link to an archive is fine; only what it leads to can tell what it is.
      if (status.kind !== wanted && !(wanted === 'file' && status.kind === 'symlink'))
        return failed('corrupt', `${path} is not a ${wanted}, but the bundle type is ${bundleType}`);
      return asOutcome(0, signal, () =>
        bundleType === 'directory'
          ? adoptDirectory(disk, { from: path, directory, limits: unpackLimits(limits) })
          : unpackInto(disk, { archivePath: path, bundleType, directory, limits: unpackLimits(limits) }),
      );
    },
    async retain(keep) {
      if ((await disk.status(cacheDirectory)) === null) return new Set();
      const files = await cachedFiles(parts);
      await removeCached(parts, planRetention(files, keep));
      const names = new Set(files.map(({ name }) => name));
      return new Set([...keep.digests].filter((digest) => names.has(`${digest}.manifest`) && !names.has(digest)));
    },
  };

  /** Null when the bundle has to be fetched whole, or is here packed. */
  async function tryDelta(request: BundleRequest, archiveDirectory: string): Promise<BundleOutcome | null> {
    const { digest, sizeBytes, deploymentDirectory, signal, unpackedDirectories } = request;
    if (sizeBytes < (limits.minDeltaBytes ?? MIN_DELTA_BYTES) || unpackedDirectories === undefined) return null;
    const archive = join(cacheDirectory, digest);
    // A whole one, or the beginning of one.
    if ((await disk.status(archive)) !== null || (await disk.status(`${archive}.part`)) !== null) return null;
    const directories = (await unpackedDirectories()).filter((directory) => directory !== archiveDirectory);
    if (directories.length === 0) return null;
    const delta = await prepareDelta(parts, request, { directories, archiveDirectory });
    if (signal.aborted) return failed('aborted', 'the deployment was cancelled while the bundle was put together');
    if ('instead' in delta) {
      parts.logger.info({ digest, deploymentDirectory, reason: delta.instead }, 'the bundle is fetched whole');
      return null;
    }
    const { unpacked, downloadedBytes, reusedBytes } = delta;
    return { ok: true, archiveRoot: unpacked.archiveRoot, downloadedBytes, reusedBytes };
  }
}

async function asOutcome(
  downloadedBytes: number,
  signal: AbortSignal,
  unpack: () => Promise<UnpackedBundle>,
): Promise<BundleOutcome> {
  if (signal.aborted) return failed('aborted', 'the deployment was cancelled before the bundle was unpacked');
  const unpacked = await unpack();
  if (!unpacked.ok) return unpacked;
  if (signal.aborted) return failed('aborted', 'the deployment was cancelled while the bundle was unpacked');
  return { ok: true, archiveRoot: unpacked.archiveRoot, downloadedBytes, reusedBytes: 0 };
}

function failed(reason: BundleFailure, message: string): BundleOutcome & { ok: false } {
  return { ok: false, reason, message };
}
