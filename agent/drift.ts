import { errnoOf } from '../shared/core/errors.ts';
import { isPathSegment, type Layout, layoutOf } from './deployment/layout.ts';
import type { Disk } from './host/disk.ts';
import { findDrift, type GroupDrift } from './install/drift.ts';
import { localDirectory } from './local.ts';

/** Paths told of each group; the rest is counted. */
const MAX_FILES_TOLD = 1_000;

/** Of every group with an install on this host, those of `drover-agent local` too. */
export async function collectDrift(disk: Disk, stateDirectory: string): Promise<GroupDrift[]> {
  const drifts: GroupDrift[] = [];
  for (const layout of [layoutOf(stateDirectory), layoutOf(localDirectory(stateDirectory))])
    for (const groupId of await groupsIn(disk, layout)) {
      const group = { groupId, stateDirectory: layout.groupState(groupId) };
      const drift = await findDrift(disk, group, { maxFiles: MAX_FILES_TOLD });
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

const WORDS: Readonly<Record<GroupDrift['files'][number]['change'], string>> = {
  missing: 'is missing',
  kind: 'is something else now',
  link: 'leads elsewhere',
  content: 'has other contents',
  mode: 'has another mode',
};

export function renderDrift(drifts: readonly GroupDrift[]): string {
  if (drifts.length === 0) return 'Nothing is installed on this host.\n';
  return drifts.map(renderGroup).join('');
}

function renderGroup(drift: GroupDrift): string {
  const head = `${drift.groupId} (installed by ${drift.deploymentId}): `;
  if (drift.isInstalling) return `${head}an install is under way\n`;
  const unrecorded =
    drift.unrecordedFiles === 0 ? '' : `; ${drift.unrecordedFiles} were installed before contents were recorded`;
  if (drift.changedFiles === 0) return `${head}${drift.checkedFiles} files as installed${unrecorded}\n`;
  const more = drift.changedFiles - drift.files.length;
  return [
    `${head}${drift.changedFiles} of ${drift.checkedFiles} files were changed${unrecorded}`,
    ...drift.files.map(({ path, change }) => `  ${path} ${WORDS[change]}`),
    ...(more > 0 ? [`  and ${more} more`] : []),
    '',
  ].join('\n');
}
