import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { backoffMs } from '../../shared/core/backoff.ts';
import { sleep } from '../../shared/core/clock.ts';
import { AppError, errorMessage, isAppError } from '../../shared/core/errors.ts';
import {
  type BundleManifest,
  bundleManifest,
  MAX_MANIFEST_BYTES,
  type ManifestFile,
  runsOf,
} from '../../shared/model/bundle-manifest.ts';
import type { BundleParts, BundleRequest } from './bundles.ts';
import { fetchBundle } from './fetch.ts';
import { whyNoRoom } from './room.ts';
import { assembleInto, type UnpackedBundle, unpackLimits } from './unpack.ts';

/** A smaller bundle is fetched whole: asking what is in it takes as long. */
export const MIN_DELTA_BYTES = 1_024 * 1_024;
/** Compressed, as it comes. */
const MAX_PACKED_MANIFEST_BYTES = 16 * 1_024 * 1_024;
/** Unpacked bundles that are looked through. */
const MAX_DIRECTORIES = 4;
const MAX_ATTEMPTS = 3;
const BACKOFF = { baseMs: 500, maxMs: 5_000 };
const DELTA_DIRECTORY = 'delta';
/** In a deployment's directory whose bundle came this way: its digest. The archive itself is nowhere on this host. */
const DIGEST_FILE = 'bundle-digest';

export type DeltaOutcome =
  | { unpacked: UnpackedBundle & { ok: true }; downloadedBytes: number; reusedBytes: number }
  /** The bundle has to be fetched whole. */
  | { instead: string };

/**
 * Puts the bundle together from unpacked ones that are here, fetching only the files that are in none of them. Whatever comes
 * in the way, the outcome is another way to get the same bundle, so nothing here fails a deployment.
 */
export async function prepareDelta(
  parts: BundleParts,
  request: BundleRequest,
  { directories, archiveDirectory }: { directories: readonly string[]; archiveDirectory: string },
): Promise<DeltaOutcome> {
  const { disk } = parts;
  const deltaDirectory = join(request.deploymentDirectory, DELTA_DIRECTORY);
  try {
    const { manifest, downloadedBytes } = await manifestOf(parts, request);
    const files = new Map<number, ManifestFile>();
    for (const entry of manifest.entries) if (entry.kind === 'file') files.set(entry.ordinal, entry);
    const contents = await disk.findFiles({
      files: [...files.values()],
      directories: directories.slice(0, MAX_DIRECTORIES),
    });
    const missing = [...files.values()].filter((file) => !contents.has(file.ordinal));
    const [missingBytes, totalBytes] = [bytesOf(missing), bytesOf([...files.values()])];
    if (2 * missingBytes > totalBytes)
      return { instead: `${missingBytes} of its ${totalBytes} bytes are not on this host` };
    await disk.removeTree(archiveDirectory);
    // What is fetched lies there unpacked once more.
    const noRoom = await whyNoRoom(parts, request, totalBytes + missingBytes);
    if (noRoom !== null) return { instead: noRoom };
    const fetchedBytes = missing.length === 0 ? 0 : await fetchFiles(parts, request, { missing, deltaDirectory });
    for (const { ordinal } of missing) contents.set(ordinal, join(deltaDirectory, String(ordinal)));
    const unpacked = await assembleInto(disk, {
      entries: manifest.entries,
      contents,
      directory: archiveDirectory,
      limits: unpackLimits(parts.limits),
    });
    if (!unpacked.ok) return { instead: unpacked.message };
    await disk.writeFileDurably(join(request.deploymentDirectory, DIGEST_FILE), `${request.digest}\n`, 0o600);
    return {
      unpacked,
      downloadedBytes: downloadedBytes + fetchedBytes,
      reusedBytes: totalBytes - missingBytes,
    };
  } catch (error) {
    // What the disk does wrong, the whole bundle will meet again.
    return { instead: errorMessage(error) };
  } finally {
    await disk.removeTree(deltaDirectory);
  }
}

/** The digest of the bundle that is unpacked in a deployment's directory, when that is its only form on this host. */
export async function digestOfUnpacked(disk: BundleParts['disk'], deploymentDirectory: string): Promise<string | null> {
  const path = join(deploymentDirectory, DIGEST_FILE);
  if ((await disk.status(path)) === null) return null;
  return (await disk.readFile(path, 128)).toString('utf8').trim();
}

async function manifestOf(
  parts: BundleParts,
  { digest, signal }: BundleRequest,
): Promise<{ manifest: BundleManifest; downloadedBytes: number }> {
  const { disk } = parts;
  const path = join(parts.cacheDirectory, `${digest}.manifest`);
  if ((await disk.status(path)) !== null) {
    const known = readManifest(await disk.readFile(path, MAX_PACKED_MANIFEST_BYTES), digest);
    if (known !== null) return { manifest: known, downloadedBytes: 0 };
  }
  const packed = await patiently(parts, signal, () =>
    parts.download.manifest({ digest, maxBytes: MAX_PACKED_MANIFEST_BYTES, signal }),
  );
  const manifest = readManifest(packed, digest);
  if (manifest === null) throw new AppError('invalid', 'the coordinator sent no manifest that can be read');
  await disk.writeFileDurably(path, packed, 0o600);
  return { manifest, downloadedBytes: packed.length };
}

/** In one breath: parsing it, which nothing can spread, takes several times as long as unpacking. */
function readManifest(packed: Uint8Array, digest: string): BundleManifest | null {
  try {
    const text = gunzipSync(packed, { maxOutputLength: MAX_MANIFEST_BYTES }).toString('utf8');
    const manifest = bundleManifest.parse(JSON.parse(text));
    return manifest.digest === digest ? manifest : null;
  } catch {
    return null;
  }
}

/** The missing files, each under its ordinal in `deltaDirectory`. Returns the bytes that were downloaded. */
async function fetchFiles(
  parts: BundleParts,
  request: BundleRequest,
  { missing, deltaDirectory }: { missing: readonly ManifestFile[]; deltaDirectory: string },
): Promise<number> {
  const { disk, download, cacheDirectory } = parts;
  const { digest, signal } = request;
  const files = runsOf(new Set(missing.map((file) => file.ordinal)));
  const delta = await patiently(parts, signal, () => download.createDelta({ digest, files, signal }));
  const fetched = await fetchBundle(
    {
      ...parts,
      download: { ...download, open: ({ offset }) => download.open({ digest, delta: delta.digest, offset, signal }) },
    },
    { ...request, digest: delta.digest, sizeBytes: delta.sizeBytes },
  );
  if (!fetched.ok) throw new AppError('unavailable', fetched.message);
  const archivePath = join(cacheDirectory, delta.digest);
  try {
    await disk.removeTree(deltaDirectory);
    await disk.makeDirectory(deltaDirectory, { recursive: true, mode: 0o700 });
    const unpacked = await disk.unpack({
      archivePath,
      bundleType: 'tgz',
      directory: deltaDirectory,
      limits: unpackLimits(parts.limits),
    });
    if (!unpacked.ok) throw new AppError('invalid', unpacked.message);
  } finally {
    await disk.removeTree(archivePath);
  }
  return fetched.downloadedBytes;
}

/** The coordinator may be away just now; what it refuses it would refuse again. */
async function patiently<T>(parts: BundleParts, signal: AbortSignal, ask: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await ask();
    } catch (error) {
      const isWorthIt = isAppError(error, 'unavailable') || isAppError(error, 'unauthorized');
      if (!isWorthIt || attempt >= MAX_ATTEMPTS || signal.aborted) throw error;
      await sleep(parts.clock, backoffMs(BACKOFF, attempt, parts.randomness.fraction()), signal);
    }
  }
}

function bytesOf(files: readonly ManifestFile[]): number {
  return files.reduce((sum, file) => sum + file.sizeBytes, 0);
}
