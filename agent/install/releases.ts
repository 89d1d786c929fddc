import { posix } from 'node:path';
import type { ReleaseDirectory } from '../../shared/appspec/appspec.ts';
import type { Disk } from '../host/disk.ts';
import { forEachParallel } from '../host/parallel.ts';
import type { ProcessRunner } from '../host/process-runner.ts';
import { applyPermission, type PermissionPlan } from './permissions.ts';
import type { SourceFile, WantedTree } from './sources.ts';

/**
 * `strategy: release-directory`. What the AppSpec puts below `<directory>/current` is written to `<directory>/releases/<name>`, which nobody
 * uses yet; a release is there as a whole (by one rename) or not at all, and is never written again. What is switched is the
 * link `current`, one file of the ordinary install, with its journal and its undoing. A release that is there already is not
 * written at all: going back to it is the switch of the link.
 */
export interface ReleasePlan {
  /** `<directory>/current`: what the AppSpec calls the release. */
  current: string;
  path: string;
  /** By destination as the AppSpec has it. */
  files: ReadonlyMap<string, SourceFile>;
  directories: readonly string[];
  isThere: boolean;
  /** The last release that is another one. */
  before: string | null;
  config: ReleaseDirectory;
}

/** How the name of a release begins that is not there as a whole. */
const UNFINISHED = '.building-';

/** Takes the release out of what is wanted; what is left has the link instead, made in `linkPath`. */
export async function planRelease(
  disk: Disk,
  request: {
    wanted: WantedTree;
    config: ReleaseDirectory;
    name: string;
    linkPath: string;
    /** As the previous install recorded it. */
    previousBefore: string | null;
  },
): Promise<{ release: ReleasePlan; rest: WantedTree }> {
  const { wanted, config, name, linkPath } = request;
  const current = posix.join(config.directory, 'current');
  const path = posix.join(config.directory, 'releases', name);
  const isInside = (each: string) => each === current || each.startsWith(`${current}/`);
  const files = new Map([...wanted.files].filter(([each]) => isInside(each)));
  const directories = wanted.directories.filter(isInside);
  const link = { source: linkPath, kind: 'symlink', sizeBytes: 0, mode: 0o777 } as const;
  const status = await disk.status(current);
  const inUse = status?.kind === 'symlink' ? posix.resolve(config.directory, await disk.readSymlink(current)) : null;
  return {
    release: {
      current,
      path,
      files,
      directories,
      isThere: (await disk.status(path))?.kind === 'directory',
      before: inUse === null || inUse === path ? request.previousBefore : inUse,
      config,
    },
    rest: {
      files: new Map([...[...wanted.files].filter(([each]) => !isInside(each)), [current, link]]),
      directories: wanted.directories.filter((each) => !isInside(each)),
      faults: [...wanted.faults, ...sharedFaults(config, current, files, directories)],
    },
  };
}

function sharedFaults(
  config: ReleaseDirectory,
  current: string,
  files: ReleasePlan['files'],
  directories: readonly string[],
): string[] {
  return config.shared.flatMap((shared) => {
    const path = posix.join(current, shared.replace(/\/$/, ''));
    const isInBundle = files.has(path) || directories.includes(path);
    return isInBundle ? [`${shared} is shared between releases, but the bundle has files for it`] : [];
  });
}

/** The text of the link: relative, so that the whole may be looked at from elsewhere. */
export function linkText(release: ReleasePlan): string {
  return posix.relative(release.config.directory, release.path);
}

export async function buildRelease(
  parts: { disk: Disk; run: ProcessRunner['run'] },
  release: ReleasePlan,
  permissions: PermissionPlan,
): Promise<void> {
  const { disk } = parts;
  await makeShared(disk, release);
  if (release.isThere) return;
  const releases = posix.dirname(release.path);
  const building = posix.join(releases, `${UNFINISHED}${posix.basename(release.path)}`);
  const placeOf = (path: string) => posix.join(building, posix.relative(release.current, path));
  await disk.makeDirectory(releases, { recursive: true });
  await disk.makeDirectory(building, { recursive: false });
  for (const path of release.directories) {
    if (path !== release.current) await disk.makeDirectory(placeOf(path), { recursive: false });
    const resolved = permissions.byPath.get(path);
    const mode = (await disk.status(placeOf(path)))?.mode ?? 0o755;
    if (resolved !== undefined) await applyPermission(parts, placeOf(path), resolved, mode);
  }
  await forEachParallel([...release.files], async ([path, source]) => {
    const place = placeOf(path);
    const resolved = permissions.byPath.get(path);
    if (source.kind === 'symlink') {
      await disk.createSymlink(await disk.readSymlink(source.source), place);
      if (resolved !== undefined && (resolved.uid !== -1 || resolved.gid !== -1))
        await disk.setOwner(place, resolved.uid, resolved.gid);
      return;
    }
    await disk.copyFile(source.source, place);
    if (resolved !== undefined) await applyPermission(parts, place, resolved, source.mode);
    await disk.sync(place);
  });
  const made = [building, ...release.directories.map(placeOf), ...(await linkShared(disk, release, building))];
  await forEachParallel([...new Set(made)], (directory) => disk.sync(directory));
  await disk.rename(building, release.path);
  await disk.sync(releases);
}

async function makeShared(disk: Disk, { config }: ReleasePlan): Promise<void> {
  for (const shared of config.shared) {
    const path = posix.join(config.directory, 'shared', shared);
    // A name with a slash at its end is a directory; a file is for its application to make.
    await disk.makeDirectory(shared.endsWith('/') ? path : posix.dirname(path), { recursive: true });
  }
}

/** Answers with the directories that hold the links. */
async function linkShared(disk: Disk, { config }: ReleasePlan, building: string): Promise<string[]> {
  const homes: string[] = [];
  for (const shared of config.shared) {
    const name = shared.replace(/\/$/, '');
    const link = posix.join(building, name);
    await disk.makeDirectory(posix.dirname(link), { recursive: true });
    // Seen from releases/<name>, where it will be.
    const up = posix.relative(posix.dirname(posix.join('/releases/name', name)), '/shared');
    await disk.createSymlink(posix.join(up, name), link);
    homes.push(posix.dirname(link));
  }
  return homes;
}

/** What was left of building a release by an agent that died, or by a failure: as much space as a release takes. */
export async function removeUnfinished(disk: Disk, config: ReleaseDirectory): Promise<void> {
  const releases = posix.join(config.directory, 'releases');
  if ((await disk.status(releases))?.kind !== 'directory') return;
  for (const name of await disk.list(releases))
    if (name.startsWith(UNFINISHED)) await disk.removeTree(posix.join(releases, name));
}

/** Removes the oldest releases but for `keep` of them; never the current one and the one before. */
export async function removeOldReleases(disk: Disk, release: ReleasePlan): Promise<void> {
  const releases = posix.dirname(release.path);
  const found: { path: string; modifiedAt: number }[] = [];
  for (const name of await disk.list(releases)) {
    const path = posix.join(releases, name);
    if (/^[0-9a-f]{16}(-[0-9a-f]{8})?$|^d-/.test(name))
      found.push({ path, modifiedAt: (await disk.status(path))?.modifiedAt ?? 0 });
  }
  const kept = new Set([release.path, release.before]);
  const others = found.filter(({ path }) => !kept.has(path)).sort((a, b) => b.modifiedAt - a.modifiedAt);
  const room = Math.max(0, release.config.keep - found.filter(({ path }) => kept.has(path)).length);
  for (const { path } of others.slice(room)) await disk.removeTree(path);
}
