import { join } from 'node:path';
import { ARCHIVE_DIRECTORY } from '../bundle/bundles.ts';
import type { Disk } from '../host/disk.ts';
import type { JournalState } from '../journal/records.ts';
import type { Layout } from './layout.ts';

/** Where bundles lie unpacked on this host: the group's installed one first, its others, then the ones of other groups. */
export async function unpackedDirectories(
  disk: Disk,
  layout: Layout,
  state: JournalState,
  groupId: string,
): Promise<string[]> {
  const archiveOf = (group: string, deploymentId: string) =>
    join(layout.deployment(group, deploymentId).directory, ARCHIVE_DIRECTORY);
  const installed = Object.entries(state.installed).sort(([a], [b]) => Number(b === groupId) - Number(a === groupId));
  const ofGroup = layout.groupDeployments(groupId);
  const others = (await disk.status(ofGroup)) === null ? [] : await disk.list(ofGroup);
  const [first, ...rest] = installed.map(([group, { deploymentId }]) => archiveOf(group, deploymentId));
  const candidates = [first ?? [], others.map((deploymentId) => archiveOf(groupId, deploymentId)), rest].flat();
  const found = new Set<string>();
  for (const directory of candidates) if ((await disk.status(directory))?.kind === 'directory') found.add(directory);
  return [...found];
}
