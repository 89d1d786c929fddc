import { errnoOf } from '../shared/core/errors.ts';
import { describeDrift, MAX_DRIFT_PATHS } from '../shared/model/drift.ts';
import { isPathSegment, type Layout, layoutOf } from './deployment/layout.ts';
import type { Disk } from './host/disk.ts';
import { findDrift, type GroupDrift } from './install/drift.ts';
import { localDirectory } from './local.ts';

/** Of every group with an install on this host, those of `drover-agent local` too. */
export async function collectDrift(disk: Disk, stateDirectory: string): Promise<GroupDrift[]> {
  const drifts: GroupDrift[] = [];
  for (const layout of [layoutOf(stateDirectory), layoutOf(localDirectory(stateDirectory))])
    for (const groupId of await groupsIn(disk, layout)) {
      const group = { groupId, stateDirectory: layout.groupState(groupId) };
      const drift = await findDrift(disk, group, { maxFiles: MAX_DRIFT_PATHS });
      if (drift !== null) drifts.push(drift);
    }
  return drifts;
}

async function groupsIn(disk: Disk, layout: Layout): Promise<string[]> {
  try {
    return (await disk.list(layout.groups)).filter(isPathSegment);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

export function renderDrift(drifts: readonly GroupDrift[]): string {
  if (drifts.length === 0) return 'Nothing is installed on this host.\n';
  return drifts
    .flatMap((drift) => describeDrift(drift.groupId, drift))
    .map((line) => `${line}\n`)
    .join('');
}
