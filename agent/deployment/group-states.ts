import { errnoOf } from '../../shared/core/errors.ts';
import type { Disk } from '../host/disk.ts';
import type { GroupState } from '../install/records.ts';
import { isPathSegment, type Layout } from './layout.ts';

/** Of every deployment group that has had an install on this host, also of those that the host has left. */
export async function groupStates(disk: Disk, layout: Layout): Promise<GroupState[]> {
  try {
    const groupIds = (await disk.list(layout.groups)).filter(isPathSegment);
    return groupIds.map((groupId) => ({ groupId, stateDirectory: layout.groupState(groupId) }));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}
