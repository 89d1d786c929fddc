import type { GroupDrift as ToldDrift } from '../shared/model/drift.ts';
import { type DriftAnswer, MAX_DRIFT_GROUPS } from '../shared/protocol/messages.ts';
import type { GroupDrift } from './install/drift.ts';

/** Leaves room in a frame of 256 KiB for the rest of it. */
const MAX_ANSWER_BYTES = 192 * 1_024;
/** Longer paths do not exist on Linux; one that does is counted and not told. */
const MAX_PATH_LENGTH = 4_096;

/** What fits one frame: every group with its counts, and of the changed files as many as there is room for, in their order. */
export function driftAnswer(requestId: string, drifts: readonly GroupDrift[]): DriftAnswer {
  const groups: ToldDrift[] = drifts
    .slice(0, MAX_DRIFT_GROUPS)
    .map((drift) => ({ ...drift, files: [], isTruncated: false }));
  let roomBytes = MAX_ANSWER_BYTES - groups.reduce((bytes, group) => bytes + sizeOf(group), 0);
  for (const [index, group] of groups.entries()) {
    for (const file of drifts[index]?.files ?? []) {
      const bytes = sizeOf(file);
      if (file.path.length > MAX_PATH_LENGTH || bytes > roomBytes) break;
      roomBytes -= bytes;
      group.files.push(file);
    }
    group.isTruncated = group.files.length < group.changedFiles;
  }
  return { kind: 'drift', requestId, groups, isTruncated: drifts.length > groups.length };
}

/** In JSON, with the comma behind it. */
function sizeOf(value: object): number {
  return Buffer.byteLength(JSON.stringify(value)) + 1;
}
