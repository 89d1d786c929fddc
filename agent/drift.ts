import { describeDrift, MAX_DRIFT_PATHS } from '../shared/model/drift.ts';
import { groupStates } from './deployment/group-states.ts';
import { layoutOf } from './deployment/layout.ts';
import type { Disk } from './host/disk.ts';
import { findDrift, type GroupDrift } from './install/drift.ts';
import { readJournal } from './journal/journal.ts';
import type { GroupName } from './journal/records.ts';
import { localDirectory } from './local.ts';
import { shownGroup } from './status.ts';

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

/** What `drover-agent drift` tells. */
export interface NamedDrift extends GroupDrift {
  /** Null of a local group, and of what an earlier agent has installed. */
  application: string | null;
  deploymentGroupName: string | null;
}

export async function collectNamedDrift(disk: Disk, stateDirectory: string): Promise<NamedDrift[]> {
  const names = await groupNames(disk, layoutOf(stateDirectory).journal);
  return (await collectDrift(disk, stateDirectory)).map((drift) => {
    const name = names.get(drift.groupId);
    return {
      ...drift,
      application: name?.application ?? null,
      deploymentGroupName: name?.deploymentGroupName ?? null,
    };
  });
}

async function groupNames(disk: Disk, journalPath: string): Promise<Map<string, GroupName>> {
  try {
    const installed = Object.entries((await readJournal(disk, journalPath))?.installed ?? {});
    return new Map(
      installed.flatMap(([groupId, { groupName }]) => (groupName === undefined ? [] : [[groupId, groupName]])),
    );
  } catch {
    // Files can be compared without a journal; `drover-agent doctor` says what is wrong with it.
    return new Map();
  }
}

export function renderDrift(drifts: readonly NamedDrift[]): string {
  if (drifts.length === 0) return 'Nothing is installed on this host.\n';
  return drifts
    .flatMap((drift) => describeDrift(shownGroup(drift.groupId, drift), drift))
    .map((line) => `${line}\n`)
    .join('');
}
