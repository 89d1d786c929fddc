import { join } from 'node:path';
import { errnoOf } from '../../shared/core/errors.ts';
import type { Disk } from '../host/disk.ts';
import { forEachParallel } from '../host/parallel.ts';

/** Makes a whole tree survive a power cut: its files, its directories, and its own name. */
export async function syncTree(disk: Disk, directory: string, parent: string): Promise<void> {
  await syncInside(disk, directory);
  await disk.sync(parent);
}

async function syncInside(disk: Disk, directory: string): Promise<void> {
  const inner: string[] = [];
  await forEachParallel(await disk.list(directory), async (name) => {
    const path = join(directory, name);
    const kind = (await disk.status(path))?.kind;
    if (kind === 'directory') inner.push(path);
    else if (kind === 'file') await syncFile(disk, path);
  });
  for (const path of inner.sort()) await syncInside(disk, path);
  await disk.sync(directory);
}

async function syncFile(disk: Disk, path: string): Promise<void> {
  try {
    await disk.sync(path);
  } catch (error) {
    // A file that its owner may not read: nothing of a bundle that has one can be installed or run from it.
    if (errnoOf(error) !== 'EACCES') throw error;
  }
}
