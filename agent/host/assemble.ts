import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readdirSync, readSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { ArchiveFault, createArchiveTree } from '../../shared/bundle/unpack/archive-tree.ts';
import { errnoOf } from '../../shared/core/errors.ts';
import type { ManifestFile } from '../../shared/model/bundle-manifest.ts';
import { createArchiveWriter } from './archive-writer.ts';
import type { AssembleOutcome, AssembleRequest, FindFilesRequest } from './disk.ts';

/** Synchronous calls, as for unpacking; the event loop has its turn after so many bytes or so many files. */
const SLICE_BYTES = 4 * 1_024 * 1_024;
const SLICE_FILES = 32;
const READ_BYTES = 1_024 * 1_024;
/** Files of the same name that are looked at, and read when the size is the same, to find one that was moved. */
const MAX_CANDIDATES = 4;
const MAX_INDEXED = 1_000_000;

const READ_ONLY = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** Gives the event loop its turn whenever enough has been done since the last one. */
function createSlices(): (bytes: number) => Promise<void> {
  let bytes = 0;
  let files = 0;
  return async (more) => {
    bytes += more;
    files++;
    if (bytes < SLICE_BYTES && files < SLICE_FILES) return;
    bytes = 0;
    files = 0;
    await setImmediate();
  };
}

export async function findFiles({ files, directories }: FindFilesRequest): Promise<Map<number, string>> {
  const found = new Map<number, string>();
  const rest: ManifestFile[] = [];
  const buffer = Buffer.allocUnsafe(READ_BYTES);
  const slice = createSlices();
  const hasContents = async (path: string, file: ManifestFile) => {
    const sha256 = readIfSized(path, file.sizeBytes, buffer, null);
    await slice(sha256 === null ? 0 : file.sizeBytes);
    return sha256 === file.sha256;
  };

  for (const file of files) {
    for (const directory of directories) {
      const path = join(directory, file.path);
      if (await hasContents(path, file)) {
        found.set(file.ordinal, path);
        break;
      }
    }
    if (!found.has(file.ordinal)) rest.push(file);
  }
  if (rest.length === 0) return found;
  const byName = await indexByName(directories, slice);
  for (const file of rest)
    for (const path of byName.get(basename(file.path)) ?? []) {
      if (found.has(file.ordinal) || !(await hasContents(path, file))) continue;
      found.set(file.ordinal, path);
    }
  return found;
}

/** A file that moved to another folder keeps its name. Of one name (`index.js`) there may be tens of thousands. */
async function indexByName(
  directories: readonly string[],
  slice: (bytes: number) => Promise<void>,
): Promise<Map<string, string[]>> {
  const byName = new Map<string, string[]>();
  const waiting = [...directories];
  let entries = 0;
  // What is found on the way waits its turn at the end.
  for (const next of waiting) {
    for (const entry of listOf(next)) {
      if (++entries > MAX_INDEXED) return byName;
      const path = join(next, entry.name);
      if (entry.isDirectory()) waiting.push(path);
      if (!entry.isFile()) continue;
      const paths = byName.get(entry.name);
      if (paths === undefined) byName.set(entry.name, [path]);
      else if (paths.length < MAX_CANDIDATES) paths.push(path);
    }
    await slice(0);
  }
  return byName;
}

function listOf(directory: string) {
  try {
    return readdirSync(directory, { withFileTypes: true });
  } catch (error) {
    if (isUnusable(error)) return [];
    throw error;
  }
}

export async function assemble({ entries, contents, directory, limits }: AssembleRequest): Promise<AssembleOutcome> {
  const tree = createArchiveTree(limits);
  const writer = createArchiveWriter(directory);
  const buffer = Buffer.allocUnsafe(READ_BYTES);
  const slice = createSlices();
  try {
    for (const entry of entries) {
      switch (entry.kind) {
        case 'directory': {
          const placement = tree.directory(entry.path);
          if (placement !== null) writer.directory(placement, entry.mode);
          break;
        }
        case 'symlink':
          writer.symlink(tree.symlink(entry.path, entry.target), entry.target);
          break;
        case 'file': {
          const placement = tree.file(entry.path, entry.sizeBytes);
          const source = contents.get(entry.ordinal);
          writer.beginFile(placement, entry.mode, entry.sizeBytes);
          const sha256 = source === undefined ? null : readIfSized(source, entry.sizeBytes, buffer, writer.write);
          if (sha256 !== entry.sha256)
            throw new ArchiveFault('corrupt', `${entry.path} is not here with the contents that the manifest says`);
          writer.endFile(entry.modifiedAt);
          await slice(entry.sizeBytes);
        }
      }
    }
    tree.checkLinks();
    writer.finish();
    return { ok: true };
  } catch (error) {
    if (error instanceof ArchiveFault) return { ok: false, message: error.message };
    throw error;
  } finally {
    writer.close();
  }
}

/** The SHA-256 of a regular file of that size, in base64, giving its bytes on; null for anything else. */
function readIfSized(
  path: string,
  sizeBytes: number,
  buffer: Buffer,
  take: ((bytes: Uint8Array) => void) | null,
): string | null {
  let file: number;
  try {
    file = openSync(path, READ_ONLY);
  } catch (error) {
    if (isUnusable(error)) return null;
    throw error;
  }
  try {
    const status = fstatSync(file);
    if (!status.isFile() || status.size !== sizeBytes) return null;
    const hash = createHash('sha256');
    for (let left = sizeBytes; left > 0; ) {
      const bytes = buffer.subarray(0, readSync(file, buffer, 0, Math.min(buffer.length, left), null));
      if (bytes.length === 0) return null;
      hash.update(bytes);
      take?.(bytes);
      left -= bytes.length;
    }
    return hash.digest('base64');
  } finally {
    closeSync(file);
  }
}

function isUnusable(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR', 'EISDIR', 'ELOOP', 'EACCES', 'ENXIO', 'EIO'].includes(errnoOf(error) ?? '');
}
