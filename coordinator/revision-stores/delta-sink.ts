import { closeSync, openSync, writeSync } from 'node:fs';
import { Header } from 'tar';
import type { ArchiveSink } from '../../shared/bundle/unpack/archive-sink.ts';
import { AppError } from '../../shared/core/errors.ts';

const BLOCK_BYTES = 512;

export interface DeltaSink extends ArchiveSink {
  /** Ends the archive, and tells how many of the wanted files are in it. */
  finish(): number;
  /** Idempotent. */
  close(): void;
}

/**
 * Writes the wanted files of an archive into a new tar at `path`, each under its ordinal as its name: `maxBytes` of them at most.
 * @throws AppError `too_large` from `beginFile`
 */
export function createDeltaSink(path: string, wanted: ReadonlySet<number>, maxBytes: number): DeltaSink {
  const file = openSync(path, 'wx', 0o600);
  let isOpen = true;
  let files = 0;
  let found = 0;
  let wantedBytes = 0;
  /** Bytes of the file that is being copied, or null for one that nobody wants. */
  let copiedBytes: number | null = null;

  const writeAll = (bytes: Uint8Array) => {
    for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
  };

  return {
    directory() {},
    symlink() {},
    hardLink() {},
    beginFile(_placement, _mode, size) {
      const ordinal = files++;
      copiedBytes = wanted.has(ordinal) ? 0 : null;
      if (copiedBytes === null) return;
      found++;
      wantedBytes += size;
      if (wantedBytes > maxBytes)
        throw new AppError('too_large', `the files have more than ${maxBytes} bytes (limits.deltaCacheBytes)`);
      const block = Buffer.alloc(BLOCK_BYTES);
      new Header({
        path: String(ordinal),
        mode: 0o600,
        uid: 0,
        gid: 0,
        size,
        mtime: new Date(0),
        type: 'File',
      }).encode(block);
      writeAll(block);
    },
    write(bytes) {
      if (copiedBytes === null) return;
      writeAll(bytes);
      copiedBytes += bytes.length;
    },
    endFile() {
      if (copiedBytes !== null) writeAll(Buffer.alloc((BLOCK_BYTES - (copiedBytes % BLOCK_BYTES)) % BLOCK_BYTES));
      copiedBytes = null;
    },
    finish() {
      writeAll(Buffer.alloc(2 * BLOCK_BYTES));
      return found;
    },
    close() {
      if (isOpen) closeSync(file);
      isOpen = false;
    },
  };
}
