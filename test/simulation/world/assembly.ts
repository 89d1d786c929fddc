import { posix } from 'node:path';
import type { AssembleOutcome, AssembleRequest, FindFilesRequest } from '../../../agent/host/disk.ts';
import type { ManifestFile } from '../../../shared/model/bundle-manifest.ts';
import { sha256Of } from './bundle-parts.ts';
import type { FileSystem } from './file-system.ts';

/** Bundles of the simulation have no directories, so a file that moved is nowhere else. */
export function findFiles(files: FileSystem, { files: wanted, directories }: FindFilesRequest): Map<number, string> {
  const found = new Map<number, string>();
  for (const file of wanted)
    for (const directory of directories) {
      const path = posix.join(directory, file.path);
      if (contentsOf(files, path, file) === null) continue;
      found.set(file.ordinal, path);
      break;
    }
  return found;
}

/** @param written called after each file */
export function assemble(
  files: FileSystem,
  request: AssembleRequest,
  written: (path: string) => void,
): AssembleOutcome {
  const { entries, contents, directory } = request;
  for (const entry of entries) {
    if (entry.kind !== 'file') continue;
    const source = contents.get(entry.ordinal);
    const bytes = source === undefined ? null : contentsOf(files, source, entry);
    if (bytes === null)
      return { ok: false, message: `${entry.path} is not here with the contents that the manifest says` };
    const path = posix.join(directory, entry.path);
    files.append(files.create(path, entry.mode), bytes);
    written(path);
  }
  return { ok: true };
}

/** Null for anything but the file that the manifest tells of. */
function contentsOf(files: FileSystem, path: string, { sizeBytes, sha256 }: ManifestFile): Buffer | null {
  const inode = files.find(path);
  if (inode?.kind !== 'file' || inode.length !== sizeBytes) return null;
  const bytes = files.read(path);
  return sha256Of(bytes) === sha256 ? bytes : null;
}
