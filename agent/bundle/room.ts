import { join } from 'node:path';
import type { BundleParts, BundleRequest } from './bundles.ts';
import { type CachedFile, planRetention } from './retention.ts';

type Parts = Pick<BundleParts, 'disk' | 'cacheDirectory' | 'limits' | 'logger'>;

/**
 * Null when so many bytes fit and the reserve stays free: a disk that is full for a moment fails the host's services, too. What is
 * cached and not counted on gives way.
 */
export async function whyNoRoom(
  parts: Parts,
  { digest, neededDigests }: Pick<BundleRequest, 'digest' | 'neededDigests'>,
  bytes: number,
): Promise<string | null> {
  const { disk, cacheDirectory, limits } = parts;
  const neededBytes = bytes + limits.reserveBytes;
  let freeBytes = await disk.freeBytes(cacheDirectory);
  if (freeBytes < neededBytes && neededDigests !== undefined) {
    const files = await cachedFiles(parts);
    const maxBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0) - (neededBytes - freeBytes);
    await removeCached(parts, planRetention(files, { digests: new Set([...neededDigests(), digest]), maxBytes }));
    freeBytes = await disk.freeBytes(cacheDirectory);
  }
  return freeBytes >= neededBytes
    ? null
    : `${cacheDirectory} has ${freeBytes} bytes free, but the bundle needs ${neededBytes}`;
}

export async function cachedFiles({ disk, cacheDirectory }: Pick<Parts, 'disk' | 'cacheDirectory'>) {
  const files: CachedFile[] = [];
  for (const name of await disk.list(cacheDirectory)) {
    const status = await disk.status(join(cacheDirectory, name));
    if (status?.kind === 'file') files.push({ name, sizeBytes: status.sizeBytes, modifiedAt: status.modifiedAt });
  }
  return files;
}

export async function removeCached(
  { disk, cacheDirectory, logger }: Omit<Parts, 'limits'>,
  names: readonly string[],
): Promise<void> {
  for (const name of names) {
    await disk.removeFile(join(cacheDirectory, name));
    logger.info({ file: name }, 'cached bundle removed');
  }
}
