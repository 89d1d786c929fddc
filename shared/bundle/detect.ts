import type { BundleType } from '../model/revision.ts';

/** How many bytes of a file's beginning {@link detectBundleType} wants. */
export const DETECT_BYTES = 512;

/** What kind of archive begins like this, or null. */
export function detectBundleType(firstBytes: Uint8Array): BundleType | null {
  const begins = (...bytes: number[]) => bytes.every((byte, index) => firstBytes[index] === byte);
  if (begins(0x1f, 0x8b)) return 'tgz';
  // A local header, or the end record of an archive without entries.
  if (begins(0x50, 0x4b, 0x03, 0x04) || begins(0x50, 0x4b, 0x05, 0x06)) return 'zip';
  return isTarHeader(firstBytes) ? 'tar' : null;
}

/** By its checksum, so that tar files from before ustar count as well. */
function isTarHeader(block: Uint8Array): boolean {
  if (block.length < 512 || block[0] === 0) return false;
  const written = Number.parseInt(
    Buffer.from(block.subarray(148, 156)).toString('latin1').replaceAll('\0', ' ').trim(),
    8,
  );
  let sum = 0;
  for (let i = 0; i < 512; i++) sum += i >= 148 && i < 156 ? 0x20 : (block[i] ?? 0);
  return sum === written;
}
