import { posix } from 'node:path';
import type { FileExistsBehavior } from '../../shared/model/deployment-group.ts';
import type { Disk, FileStatus } from '../host/disk.ts';
import { forEachParallel } from '../host/parallel.ts';
import {
  type DirectoryFacts,
  type GroupState,
  type Journal,
  type Manifest,
  readManifest,
  temporaryPrefix,
} from './records.ts';
import { byDepth, type SourceFile, type WantedTree } from './sources.ts';

export interface Instructions {
  journal: Journal;
  manifest: Manifest;
  /** By staged path. */
  sources: ReadonlyMap<string, SourceFile>;
  faults: readonly string[];
}

export interface InstructionsRequest {
  groupId: string;
  deploymentId: string;
  wanted: WantedTree;
  previous: Manifest | null;
  fileExistsBehavior: FileExistsBehavior;
  /** The link of a release directory: were it retained, nothing of the release would be in use. */
  currentLink: string | null;
  /** Asked only when something stands in the way. */
  otherGroups(): Promise<GroupState[]>;
  /** Of those the ones that nobody has installed over since. Asked only when something is to be removed. */
  intactGroups(): Promise<GroupState[]>;
}

/** Compares what is wanted with what is there. Changes nothing; what stands in the way comes back as faults. */
export async function planInstructions(disk: Disk, request: InstructionsRequest): Promise<Instructions> {
  const { wanted, previous } = request;
  const faults: string[] = [];
  const ours = new Set(previous?.files);
  const ourDirectories = new Set(previous?.directories);
  const wantedDirectories = new Set(wanted.directories);
  const found = new Map<string, FileStatus | null>();
  await look(disk, wanted.directories, found);
  // Most of a first install's files go where not even a directory is.
  const mayExist = (path: string) => found.get(posix.dirname(path)) !== null;
  await look(disk, [...wanted.files.keys(), ...ours].filter(mayExist), found);

  for (const { path, otherName } of await otherNames(disk, { ours, wanted: wanted.files, found })) {
    ours.delete(path);
    ours.add(otherName);
  }

  // A file of the previous install may make way for a directory, and the other way round.
  const removable = new Set([...ours].filter((path) => !wanted.files.has(path) && isFileOrLink(found.get(path))));
  for (const path of await filesTakenOver(disk, request, removable)) removable.delete(path);
  const createdDirectories = new Set<string>();
  for (const path of wanted.directories) {
    const status = found.get(path) ?? null;
    // What is seen below a link that makes way for a directory is not there afterwards.
    if (status === null || removable.has(path) || createdDirectories.has(posix.dirname(path)))
      createdDirectories.add(path);
    else if (status.kind !== 'directory' && !(await leadsToDirectory(disk, path, status)))
      faults.push(`${path} must be a directory, but it is a file that no install of this deployment group put there`);
  }

  const kept: string[] = [];
  const inTheWay: string[] = [];
  const replaced = new Set<string>();
  const cleared = new Set<string>();
  for (const path of wanted.files.keys()) {
    const status = found.get(path) ?? null;
    if (status === null || isBelow(path, createdDirectories)) kept.push(path);
    else if (status.kind === 'directory') {
      const fault = await planClearing(disk, path, { removable, ourDirectories, cleared });
      if (fault === null) kept.push(path);
      else faults.push(fault);
    } else if (ours.has(path) && isFileOrLink(status)) {
      replaced.add(path);
      kept.push(path);
    } else if (request.fileExistsBehavior === 'RETAIN') {
      if (path === request.currentLink)
        faults.push(
          `${path}, which is to lead to the release, exists and no install of this deployment group put it there: ` +
            'remove or rename it (file_exists_behavior is RETAIN; OVERWRITE replaces a file or a link)',
        );
    } else if (request.fileExistsBehavior === 'DISALLOW') inTheWay.push(path);
    else if (!isFileOrLink(status))
      faults.push(`${path} exists and is neither a file nor a link, so it is not overwritten`);
    else {
      replaced.add(path);
      kept.push(path);
    }
  }

  faults.push(...(await describeInTheWay(disk, request, inTheWay)));
  const stays = (path: string) => !createdDirectories.has(path) && !cleared.has(path);
  const sequence = (previous?.sequence ?? 0) + 1;
  const names = namer(disk, temporaryPrefix(request.groupId, sequence), stays);
  const sources = new Map<string, SourceFile>();
  const places: Journal['places'] = [];
  for (const path of kept.sort()) {
    const staged = await names(path, 'new');
    const source = wanted.files.get(path);
    if (source !== undefined) sources.set(staged, source);
    places.push({ path, staged, backup: replaced.has(path) ? await names(path, 'old') : null });
  }
  const removes: Journal['removes'] = [];
  for (const path of [...removable].sort()) removes.push({ path, backup: await names(path, 'old') });

  // One that was moved elsewhere, with a link in its place, is ours no more: modes and ACLs would be set on what the link leads to.
  const isOurs = (path: string) => ourDirectories.has(path) && found.get(path)?.kind === 'directory';
  const stillOurs = wanted.directories.filter((path) => isOurs(path) || createdDirectories.has(path));
  const common = { format: 1 as const, groupId: request.groupId, deploymentId: request.deploymentId, sequence };
  return {
    faults,
    sources,
    manifest: {
      ...common,
      files: kept,
      directories: stillOurs,
      selinuxPaths: [],
      contents: {},
      releaseBefore: null,
    },
    journal: {
      ...common,
      phase: 'staging',
      places,
      removes,
      createdDirectories: [...createdDirectories].sort(byDepth),
      clearedDirectories: await directoryFacts(disk, [...cleared].sort(byDepth)),
      changedDirectories: [],
      newSelinuxPaths: [],
      unneededDirectories: await withoutOtherNames(
        disk,
        [...ourDirectories].filter((path) => !wantedDirectories.has(path) && !cleared.has(path)),
        new Set(wanted.directories.map((path) => found.get(path)?.inode)),
      ),
      unneededSelinuxPaths: previous?.selinuxPaths ?? [],
    },
  };
}

/**
 * Files of the previous install that another group has replaced since (OVERWRITE): they are its own now. Not those of a group which this
 * install replaces in its turn: that one is not intact from here on, and what would be left of it is nobody's.
 */
async function filesTakenOver(
  disk: Disk,
  { wanted, intactGroups }: InstructionsRequest,
  removable: ReadonlySet<string>,
): Promise<string[]> {
  if (removable.size === 0) return [];
  const taken: string[] = [];
  for (const group of await intactGroups()) {
    // The next install of that group says that it cannot be read.
    const files = (await readManifest(disk, group).catch(() => null))?.files ?? [];
    if (files.some((path) => wanted.files.has(path))) continue;
    for (const path of files) if (removable.has(path)) taken.push(path);
  }
  return taken;
}

async function look(disk: Disk, paths: readonly string[], found: Map<string, FileStatus | null>): Promise<void> {
  await forEachParallel(
    paths.filter((path) => !found.has(path)),
    async (path) => {
      found.set(path, await disk.status(path));
    },
  );
}

/**
 * Files of the previous install that are wanted under another name: its destination was `/lib/x`, the new one is `/usr/lib/x`, and one
 * leads to the other. Told apart by path alone, the new file would be taken for another's, and then be removed as the old one.
 */
async function otherNames(
  disk: Disk,
  known: {
    ours: ReadonlySet<string>;
    wanted: WantedTree['files'];
    found: ReadonlyMap<string, FileStatus | null>;
  },
): Promise<{ path: string; otherName: string }[]> {
  const byInode = new Map<number, string>();
  for (const path of known.ours) {
    const status = known.found.get(path);
    if (status && isFileOrLink(status) && !known.wanted.has(path)) byInode.set(status.inode, path);
  }
  const names: { path: string; otherName: string }[] = [];
  if (byInode.size === 0) return names;
  for (const otherName of known.wanted.keys()) {
    const path = byInode.get(known.found.get(otherName)?.inode ?? -1);
    if (path === undefined || posix.basename(path) !== posix.basename(otherName)) continue;
    // A hard link is another entry, of another directory or another name; removing it leaves the file where it is.
    const [at, otherAt] = await Promise.all([path, otherName].map((each) => directoryOf(disk, each)));
    if (at !== undefined && at === otherAt) names.push({ path, otherName });
  }
  return names;
}

/** Directories that are not wanted under any name: an empty one would be removed. */
async function withoutOtherNames(
  disk: Disk,
  directories: readonly string[],
  wantedInodes: ReadonlySet<number | undefined>,
): Promise<string[]> {
  const kept: string[] = [];
  for (const path of directories) if (!wantedInodes.has((await disk.status(path))?.inode ?? -1)) kept.push(path);
  return kept;
}

/** The inode of the directory that a path's last name is in, with links followed. */
async function directoryOf(disk: Disk, path: string): Promise<number | undefined> {
  return (await disk.status(`${posix.dirname(path)}/.`))?.inode;
}

function isFileOrLink(status: FileStatus | null | undefined): boolean {
  return status?.kind === 'file' || status?.kind === 'symlink';
}

function isBelow(path: string, directories: ReadonlySet<string>): boolean {
  return directories.has(posix.dirname(path));
}

/** As the kernel would follow it, 40 links at most. */
async function leadsToDirectory(disk: Disk, path: string, status: FileStatus): Promise<boolean> {
  let place = path;
  let at: FileStatus | null = status;
  for (let hops = 0; at?.kind === 'symlink' && hops < 40; hops++) {
    place = posix.resolve(posix.dirname(place), await disk.readSymlink(place));
    at = await disk.status(place);
  }
  return at?.kind === 'directory';
}

/** A directory makes way for a file only when an earlier install made it and all that is in it goes anyway. */
async function planClearing(
  disk: Disk,
  path: string,
  known: { removable: ReadonlySet<string>; ourDirectories: ReadonlySet<string>; cleared: Set<string> },
): Promise<string | null> {
  const foreign = (what: string) => `${path} must be a file, but it is a directory ${what}`;
  if (!known.ourDirectories.has(path)) return foreign('that no install of this deployment group made');
  for (const name of await disk.list(path)) {
    const inner = posix.join(path, name);
    if (known.removable.has(inner)) continue;
    if ((await disk.status(inner))?.kind !== 'directory')
      return foreign(`that holds ${inner}, which no install of this deployment group put there`);
    const fault = await planClearing(disk, inner, known);
    if (fault !== null) return fault;
  }
  known.cleared.add(path);
  return null;
}

/** Temporary files stand in the nearest directory that is there before, during and after: the same file system, most likely. */
function namer(disk: Disk, prefix: string, stays: (path: string) => boolean) {
  const homes = new Map<string, string>();
  let count = 0;
  const homeOf = async (directory: string): Promise<string> => {
    const known = homes.get(directory);
    if (known !== undefined) return known;
    const isHome = directory === '/' || (stays(directory) && (await disk.status(directory)) !== null);
    const home = isHome ? directory : await homeOf(posix.dirname(directory));
    homes.set(directory, home);
    return home;
  };
  return async (path: string, ending: 'new' | 'old') =>
    posix.join(await homeOf(posix.dirname(path)), `${prefix}${count++}.${ending}`);
}

export async function directoryFacts(disk: Disk, paths: readonly string[]): Promise<DirectoryFacts[]> {
  const facts: DirectoryFacts[] = [];
  for (const path of paths) {
    const status = await disk.status(path);
    if (status !== null) facts.push({ path, mode: status.mode, uid: status.uid, gid: status.gid });
  }
  return facts;
}

/** A host that came from another group of the application has that one's files still: nothing removes them when it leaves. */
async function describeInTheWay(disk: Disk, request: InstructionsRequest, paths: string[]): Promise<string[]> {
  if (paths.length === 0) return [];
  const owners = new Map<string, string>();
  for (const group of await request.otherGroups()) {
    // It only helps to tell: one that cannot be read must not hide what stands in the way.
    const manifest = await readManifest(disk, group).catch(() => null);
    for (const path of manifest?.files ?? []) owners.set(path, manifest?.deploymentId ?? '');
  }
  return paths.map((path) => {
    const owner = owners.get(path);
    const by = owner === undefined ? '' : `, installed by ${owner} of another deployment group`;
    return `a specified file already exists at this location: ${path}${by} (file_exists_behavior is DISALLOW)`;
  });
}
