import type { Disk } from './disk.ts';

/** The host's real file systems. */
export function createNodeDisk(): Disk {
  throw new Error('not written yet');
}
