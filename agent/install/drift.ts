import type { Disk } from '../host/disk.ts';
import { forEachParallel } from '../host/parallel.ts';
import { type Drift, driftOf } from './fingerprint.ts';

import { type GroupState, readJournal, readManifest } from './records.ts';

export interface GroupDrift {
  groupId: string;
  /** Whose Install put the files there. */
  deploymentId: string;
  /** An install is under way or was interrupted, so nothing was looked at. */
  isInstalling: boolean;
  checkedFiles: number;
  /** Installed by an agent that recorded paths only. */
  unrecordedFiles: number;
  /** All that differ; `files` names the first of them in the order of their paths. */
  changedFiles: number;
  files: { path: string; change: Drift }[];
}

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
