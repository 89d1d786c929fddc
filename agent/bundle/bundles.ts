import type { Clock } from '../../shared/core/clock.ts';
import type { Logger } from '../../shared/core/logger.ts';
import type { Randomness } from '../../shared/core/randomness.ts';
import type { BundleType } from '../../shared/model/revision.ts';
import type { BundleDownload } from '../connection/transport.ts';
import type { Disk } from '../host/disk.ts';

export interface BundleRequest {
  /** Lower-case hex SHA-256 of the archive. */
  digest: string;
  bundleType: BundleType;
  sizeBytes: number;
  /** Existing or not; `deployment-archive` is made in it. */
  deploymentDirectory: string;
  signal: AbortSignal;
  onProgress?(progress: BundleProgress): void;
}

export interface BundleProgress {
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
  | { ok: true; archiveRoot: string; downloadedBytes: number }
  | { ok: false; reason: BundleFailure; message: string };

export interface BundleLimits {
  maxBundleBytes: number;
  maxUnpackedBytes: number;
  maxEntries: number;
  /** Attempts at one download before giving up, 1 or more. */
  maxAttempts: number;
  /** Bytes of the file system that must stay free. */
  reserveBytes: number;
}

export interface Bundles {
  /** Downloads what is not cached, and unpacks it. May be repeated after a crash at any point. */
  prepare(request: BundleRequest): Promise<BundleOutcome>;
  /** The same from a local archive or directory, for `drover-agent local`. */
  prepareLocal(request: LocalBundleRequest): Promise<BundleOutcome>;
  /** Removes cached archives, the least recently used first, until at most `maxBytes` are left; never one in `digests`. */
  retain(keep: { digests: ReadonlySet<string>; maxBytes: number }): Promise<void>;
}

export interface LocalBundleRequest {
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

export function createBundles(_parts: BundleParts): Bundles {
  throw new Error('not written yet');
}
