import { posix } from 'node:path';
import { errnoOf } from '../../shared/core/errors.ts';
import type { Disk } from '../host/disk.ts';
import { forEachParallel } from '../host/parallel.ts';
import type { ProcessRunner } from '../host/process-runner.ts';
import { removeContext } from './permissions.ts';
import type { Journal } from './records.ts';
import { byDepth } from './sources.ts';

/**
 * The steps of a switch, and their undoing. Undoing looks only at the disk and at the journal, so it may be begun again
 * after a crash in the middle of it. What is there tells how far the switch came: a file with a backup was touched, a new
 * path whose staged file is gone was placed. So undoing takes a placed file back to its staged name, and no staged file
 * goes before it is written down that all is undone: begun again, it would take another's file at that path for a placed one.
 */
export async function switchFiles(
  disk: Disk,
  journal: Journal,
  makeDirectory: (path: string) => Promise<void>,
): Promise<void> {
  const created = new Set(journal.createdDirectories);
  const cleared = new Set(journal.clearedDirectories.map((directory) => directory.path));
  const standsInTheWay = ({ path }: { path: string }) => created.has(path) || cleared.has(posix.dirname(path));
  // Only what stands in the way goes before the new files come: the others may be in use until then.
  for (const remove of journal.removes.filter(standsInTheWay)) await putAway(disk, remove);
  for (const { path } of [...journal.clearedDirectories].reverse()) await disk.removeDirectory(path);
  for (const path of journal.createdDirectories) await makeDirectory(path);
  for (const place of journal.places) await placeFile(disk, place);
  for (const remove of journal.removes.filter((each) => !standsInTheWay(each))) await putAway(disk, remove);
}

/** Somebody may have removed it since the plan: that is what was wanted. */
function putAway(disk: Disk, { path, backup }: Journal['removes'][number]): Promise<void> {
  return ignoring(['ENOENT'], () => disk.rename(path, backup));
}

async function placeFile(disk: Disk, { path, staged, backup }: Journal['places'][number]): Promise<void> {
  if (backup !== null) {
    await keepUnder(disk, path, backup);
    await disk.rename(staged, path);
    return;
  }
  try {
    // Unlike rename, this fails when somebody made the file since the plan.
    await disk.link(staged, path);
  } catch (error) {
    if (!isLinkless(error) || (await disk.status(path)) !== null) throw error;
    await disk.rename(staged, path);
    return;
  }
  await disk.removeFile(staged);
}

/** A second name, so that the first never goes missing; a copy where the file system has no hard links. */
async function keepUnder(disk: Disk, path: string, backup: string): Promise<void> {
  try {
    await disk.link(path, backup);
  } catch (error) {
    if (!isLinkless(error)) throw error;
    const half = halfOf(backup);
    await disk.removeTree(half);
    if ((await disk.status(path))?.kind === 'symlink') await disk.createSymlink(await disk.readSymlink(path), half);
    else {
      await disk.copyFile(path, half);
      await disk.sync(half);
    }
    await disk.rename(half, backup);
  }
}

/** A copy that may not be whole yet. */
function halfOf(backup: string): string {
  return `${backup}.half`;
}

function isLinkless(error: unknown): boolean {
  return ['EPERM', 'EMLINK', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EXDEV'].includes(errnoOf(error) ?? '');
}

/**
 * Brings back what was there before the install. Throws when something cannot be brought back; may be repeated.
 * `markUndone` makes the journal one of phase `staging`, durably.
 */
export async function undo(
  parts: { disk: Disk; run: ProcessRunner['run']; markUndone: () => Promise<void> },
  journal: Journal,
): Promise<void> {
  const { disk } = parts;
  if (journal.phase === 'switching') {
    for (const path of journal.newSelinuxPaths) await removeContext(parts.run, path);
    for (const place of [...journal.places].reverse()) await unplaceFile(disk, place);
    for (const path of (await stillCreated(disk, journal)).reverse())
      await ignoring(['ENOENT', 'ENOTDIR', 'ENOTEMPTY', 'EEXIST'], () => disk.removeDirectory(path));
    for (const directory of journal.clearedDirectories) {
      if ((await disk.status(directory.path)) === null) await disk.makeDirectory(directory.path, { recursive: false });
      await disk.setOwner(directory.path, directory.uid, directory.gid);
      await disk.setMode(directory.path, directory.mode);
    }
    for (const { path, backup } of journal.removes)
      if ((await disk.status(backup)) !== null) await disk.rename(backup, path);
    // One that is gone was removed by others since: then nothing is left to bring back, and the rest must not wait for it.
    for (const { path, uid, gid, mode } of journal.changedDirectories)
      await ignoring(['ENOENT', 'ENOTDIR'], async () => {
        await disk.setOwner(path, uid, gid);
        await disk.setMode(path, mode);
      });
    await syncDirectories(disk, journal);
    await parts.markUndone();
  }
  const backups = backupsOf(journal);
  const halves = backups.map(halfOf);
  await removeEach(disk, [...journal.places.map(({ staged }) => staged), ...backups, ...halves]);
  await syncDirectories(disk, journal);
}

async function unplaceFile(disk: Disk, { path, staged, backup }: Journal['places'][number]): Promise<void> {
  const now = await disk.status(path);
  if (backup !== null) {
    const kept = await disk.status(backup);
    if (kept === null) return;
    // While the new file still waits the old one was not touched. It may be one that cannot be replaced (a mount point, an
    // immutable file), and then bringing it back would fail for ever, as putting the new one in its place has.
    const isUntouched = now !== null && (now.inode === kept.inode || (await disk.status(staged)) !== null);
    // Renaming one name of a file over another of the same file does nothing at all.
    if (isUntouched) await disk.removeFile(backup);
    else await disk.rename(backup, path);
    return;
  }
  if (now === null || now.kind === 'directory') return;
  const waiting = await disk.status(staged);
  if (waiting === null) await disk.rename(path, staged);
  else if (waiting.inode === now.inode) await disk.removeFile(path);
}

/** Without those below a link that came back already: by their paths other directories are seen. */
async function stillCreated(disk: Disk, { createdDirectories }: Journal): Promise<string[]> {
  const created = new Set(createdDirectories);
  const still = new Set<string>();
  for (const path of createdDirectories) {
    const parent = posix.dirname(path);
    if (created.has(parent) && !still.has(parent)) continue;
    if ((await disk.status(path))?.kind === 'directory') still.add(path);
  }
  return [...still];
}

/** What a committed install leaves to do: backups, and what the previous install had and this one does not. May be repeated. */
export async function finish(parts: { disk: Disk; run: ProcessRunner['run'] }, journal: Journal): Promise<void> {
  const { disk } = parts;
  // Staged files have all become the real ones.
  await removeEach(disk, backupsOf(journal));
  for (const path of journal.unneededSelinuxPaths) await removeContext(parts.run, path);
  for (const path of [...journal.unneededDirectories].sort(byDepth).reverse())
    await ignoring(['ENOENT', 'ENOTEMPTY', 'EEXIST', 'ENOTDIR', 'EBUSY'], () => disk.removeDirectory(path));
}

function backupsOf(journal: Journal): string[] {
  return [...journal.places, ...journal.removes].flatMap(({ backup }) => (backup === null ? [] : [backup]));
}

function removeEach(disk: Disk, names: readonly string[]): Promise<void> {
  return forEachParallel(names, (name) => ignoring(['ENOENT', 'ENOTDIR'], () => disk.removeFile(name)));
}

/** The names in every directory that was touched, made to survive a power cut. */
export async function syncDirectories(disk: Disk, journal: Journal): Promise<void> {
  const paths = [
    ...journal.places.flatMap(({ path, staged }) => [path, staged]),
    ...journal.removes.flatMap(({ path, backup }) => [path, backup]),
    ...journal.createdDirectories,
    ...journal.clearedDirectories.map((directory) => directory.path),
  ];
  const directories = new Set(paths.map((path) => posix.dirname(path)));
  await forEachParallel([...directories], (directory) => ignoring(['ENOENT', 'ENOTDIR'], () => disk.sync(directory)));
}

async function ignoring(errnos: readonly string[], act: () => Promise<void>): Promise<void> {
  try {
    await act();
  } catch (error) {
    if (!errnos.includes(errnoOf(error) ?? '')) throw error;
  }
}
