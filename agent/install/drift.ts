import type { FileChange, GroupDrift as ToldDrift } from '../../shared/model/drift.ts';
import type { Disk } from '../host/disk.ts';
import { forEachParallel } from '../host/parallel.ts';
import { driftOf } from './fingerprint.ts';
import { type GroupState, readJournal, readManifest } from './records.ts';

/** As it is told to the coordinator, but for what the answer leaves out. */
export type GroupDrift = Omit<ToldDrift, 'files' | 'isTruncated'> & { files: { path: string; change: FileChange }[] };

/**
 * Which files of a group's last install are not as it left them. Files that others made are none of its business. Null when
 * nothing was installed. Only reads; costs the reading of every installed file.
 */
export async function findDrift(
  disk: Disk,
  group: GroupState,
  options: { maxFiles: number },
): Promise<GroupDrift | null> {
  const manifest = await readManifest(disk, group);
  if (manifest === null) return null;
  const { groupId, deploymentId, contents } = manifest;
  const recorded = Object.entries(contents);
  const isInstalling = (await readJournal(disk, group)) !== null;
  const files: GroupDrift['files'] = [];
  if (!isInstalling)
    await forEachParallel(recorded, async ([path, fingerprint]) => {
      const change = await driftOf(disk, path, fingerprint);
      if (change !== null) files.push({ path, change });
    });
  files.sort((a, b) => (a.path < b.path ? -1 : 1));
  return {
    groupId,
    deploymentId,
    isInstalling,
    checkedFiles: isInstalling ? 0 : recorded.length,
    unrecordedFiles: manifest.files.length - recorded.length,
    changedFiles: files.length,
    files: files.slice(0, options.maxFiles),
  };
}
