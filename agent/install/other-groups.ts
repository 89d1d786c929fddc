import type { Disk } from '../host/disk.ts';
import { type GroupState, readManifest } from './records.ts';

/**
 * Ids of those other groups that have installed a file where the last install of `own` has put one: what they had installed is not there any
 * more. A manifest that cannot be read is passed over; the next install of its group says so.
 */
export async function groupsInstalledOver(
  disk: Disk,
  own: GroupState,
  others: readonly GroupState[],
): Promise<string[]> {
  if (others.length === 0) return [];
  const files = new Set((await readManifest(disk, own).catch(() => null))?.files);
  const over: string[] = [];
  for (const other of others) {
    const manifest = await readManifest(disk, other).catch(() => null);
    if (manifest?.files.some((path) => files.has(path)) === true) over.push(other.groupId);
  }
  return over;
}
