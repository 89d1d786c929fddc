import type { Placement } from './archive-tree.ts';

/**
 * What takes an archive's entries in, as they come: the agent writes them to its disk, the coordinator reads what they are.
 * All calls are synchronous; the callers feed it in slices and let the event loop run in between.
 */
export interface ArchiveSink {
  directory(placement: Placement, mode: number): void;
  symlink(placement: Placement, target: string): void;
  hardLink(placement: Placement & { target: string }): void;
  /** One file at a time is open. What is written to it is `sizeBytes` long, or the archive is refused. */
  beginFile(placement: Placement, mode: number, sizeBytes: number): void;
  write(bytes: Uint8Array): void;
  /** Epoch seconds, or 0 for none. */
  endFile(modifiedAtSeconds: number): void;
}
