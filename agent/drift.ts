import { describeDrift, MAX_DRIFT_PATHS } from '../shared/model/drift.ts';
import { groupStates } from './deployment/group-states.ts';
import { layoutOf } from './deployment/layout.ts';
import type { Disk } from './host/disk.ts';
import { findDrift, type GroupDrift } from './install/drift.ts';
import { localDirectory } from './local.ts';

/** Of every group with an install on this host, those of `drover-agent local` too. */
export async function collectDrift(disk: Disk, stateDirectory: string): Promise<GroupDrift[]> {
  const drifts: GroupDrift[] = [];
  for (const layout of [layoutOf(stateDirectory), layoutOf(localDirectory(stateDirectory))])
    for (const group of await groupStates(disk, layout)) {
      const drift = await findDrift(disk, group, { maxFiles: MAX_DRIFT_PATHS });
      if (drift !== null) drifts.push(drift);
    }
  return drifts;
}

export function renderDrift(drifts: readonly GroupDrift[]): string {
  if (drifts.length === 0) return 'Nothing is installed on this host.\n';
  return drifts
    .flatMap((drift) => describeDrift(drift.groupId, drift))
    .map((line) => `${line}\n`)
    .join('');
}
