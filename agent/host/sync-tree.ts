import { join } from 'node:path';
import { errnoOf } from '../../shared/core/errors.ts';
import type { Disk } from './disk.ts';
import { forEachParallel } from './parallel.ts';

/** A directory and all below it, one fsync for each file and directory. */
export async function syncEach(disk: Pick<Disk, 'list' | 'status' | 'sync'>, directory: string): Promise<void> {
  const inner: string[] = [];
  await forEachParallel(await disk.list(directory), async (name) => {
    const path = join(directory, name);
    const kind = (await disk.status(path))?.kind;
    if (kind === 'directory') inner.push(path);
    else if (kind === 'file') await syncFile(disk, path);
  });
  for (const path of inner.sort()) await syncEach(disk, path);
  await disk.sync(directory);
}

async function syncFile(disk: Pick<Disk, 'sync'>, path: string): Promise<void> {
  try {
    await disk.sync(path);
  } catch (error) {
    // A file that its owner may not read: nothing of a bundle that has one can be installed or run from it.
    if (errnoOf(error) !== 'EACCES') throw error;
  }
}
