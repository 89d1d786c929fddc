import type { BundleParts } from './bundles.ts';

/** Null when so many bytes fit and the reserve stays free: a disk that is full for a moment fails the host's services, too. */
export async function whyNoRoom(
  { disk, cacheDirectory, limits }: Pick<BundleParts, 'disk' | 'cacheDirectory' | 'limits'>,
  bytes: number,
): Promise<string | null> {
  const neededBytes = bytes + limits.reserveBytes;
  const freeBytes = await disk.freeBytes(cacheDirectory);
  return freeBytes >= neededBytes
    ? null
    : `${cacheDirectory} has ${freeBytes} bytes free, but the bundle needs ${neededBytes}`;
}
