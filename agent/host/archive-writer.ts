import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  futimesSync,
  linkSync,
  mkdirSync,
  openSync,
  symlinkSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import type { ArchiveSink } from '../../shared/bundle/unpack/archive-sink.ts';
import type { Placement } from '../../shared/bundle/unpack/archive-tree.ts';

/**
 * Writes an archive's entries with synchronous calls: three times as quick as asynchronous ones for the small files that
 * bundles are made of.
 */
export interface ArchiveWriter extends ArchiveSink {
  /** Gives directories their modes, which may forbid writing to them. */
  finish(): void;
  /** Idempotent. */
  close(): void;
}

const NEW_FILE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

export function createArchiveWriter(root: string): ArchiveWriter {
  const umask = process.umask();
  const directoryModes = new Map<string, number>();
  let open: number | null = null;

  const prepare = ({ path, missingParents, replaces }: Placement): string => {
    for (const parent of missingParents) mkdirSync(join(root, parent), 0o755);
    const absolute = join(root, path);
    if (replaces === 'file' || replaces === 'symlink') unlinkSync(absolute);
    return absolute;
  };
  const close = () => {
    if (open !== null) closeSync(open);
    open = null;
  };

  return {
    directory(placement, mode) {
      const path = prepare(placement);
      if (placement.replaces === null) mkdirSync(path, 0o755);
      // The agent must be able to remove it again, and to read what is in it.
      directoryModes.set(path, (mode & 0o777) | 0o700);
    },
    symlink(placement, target) {
      symlinkSync(target, prepare(placement));
    },
    hardLink(placement) {
      linkSync(join(root, placement.target), prepare(placement));
    },
    beginFile(placement, mode) {
      const bits = mode & 0o777;
      open = openSync(prepare(placement), NEW_FILE, bits);
      if ((bits & umask) !== 0) fchmodSync(open, bits);
    },
    write(bytes) {
      if (open === null) return;
      for (let written = 0; written < bytes.length; ) written += writeSync(open, bytes, written);
    },
    endFile(modifiedAtSeconds) {
      if (open !== null && modifiedAtSeconds > 0) futimesSync(open, modifiedAtSeconds, modifiedAtSeconds);
      close();
    },
    finish() {
      for (const [path, mode] of directoryModes) if (mode !== (0o755 & ~umask)) chmodSync(path, mode);
    },
    close,
  };
}
