import { join } from 'node:path';
import { errnoOf } from '../../shared/core/errors.ts';
import type { Disk } from './disk.ts';
import { forEachParallel } from './parallel.ts';

/**
 * A directory and all below it, one fsync for each file and directory. Several at a time, in no order: a file system gathers what
 * it is asked for meanwhile into one write of its own journal, and none of it counts before all of it is there.
 */
export async function syncEach(disk: Pick<Disk, 'list' | 'status' | 'sync'>, directory: string): Promise<void> {
  const found: { path: string; isDirectory: boolean }[] = [];
  await gather(disk, directory, found);
  await forEachParallel(found, ({ path, isDirectory }) => (isDirectory ? disk.sync(path) : syncFile(disk, path)));
}

/** Adds what is to be synced: links have nothing of their own. */
async function gather(
  disk: Pick<Disk, 'list' | 'status'>,
  directory: string,
  found: { path: string; isDirectory: boolean }[],
): Promise<void> {
  found.push({ path: directory, isDirectory: true });
  for (const name of await disk.list(directory)) {
    const path = join(directory, name);
    const kind = (await disk.status(path))?.kind;
    if (kind === 'directory') await gather(disk, path, found);
    else if (kind === 'file') found.push({ path, isDirectory: false });
  }
}

async function syncFile(disk: Pick<Disk, 'sync'>, path: string): Promise<void> {
  try {
    await disk.sync(path);
  } catch (error) {
    // A file that its owner may not read: nothing of a bundle that has one can be installed or run from it.
    if (errnoOf(error) !== 'EACCES') throw error;
  }
}
