import { lstat, open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findAppSpec } from '../../shared/appspec/find.ts';
import { APPSPEC_NAMES, type BundleEntry } from '../../shared/bundle/entry.ts';
import { createIgnore } from '../../shared/bundle/ignore.ts';
import { MAX_APPSPEC_BYTES, MAX_BUNDLE_ENTRIES } from '../../shared/bundle/limits.ts';
import type { ArchiveContents } from '../../shared/bundle/read-entries.ts';
import { readable } from '../../shared/bundle/read-fault.ts';
import { AppError, errnoOf } from '../../shared/core/errors.ts';

/** What packing leaves out as well: shared/bundle/pack.ts. */
const IGNORE_FILE = '.droverignore';
/** Enough for a shebang line. */
const FIRST_BYTES = 256;

/** What linting wants to know of a directory that will be packed: the same as `readArchiveEntries` gives of an archive. */
export async function readDirectoryEntries(directory: string): Promise<ArchiveContents> {
  const isIgnored = createIgnore(((await readOptional(join(directory, IGNORE_FILE))) ?? '').split(/\r?\n/));
  const entries = new Map<string, BundleEntry>();
  const walk = async (relative: string): Promise<void> => {
    for (const name of (await readable(relative, readdir(join(directory, relative)))).sort()) {
      const path = relative === '' ? name : `${relative}/${name}`;
      const status = await readable(path, lstat(join(directory, path)));
      if (isIgnored(path, status.isDirectory())) continue;
      if (entries.size >= MAX_BUNDLE_ENTRIES)
        throw new AppError('too_large', `${directory} holds more than ${MAX_BUNDLE_ENTRIES} entries`);
      const mode = status.mode & 0o7777;
      if (status.isDirectory()) {
        entries.set(path, { kind: 'directory', mode });
        await walk(path);
      } else if (status.isSymbolicLink()) entries.set(path, { kind: 'symlink', mode });
      else if (status.isFile())
        entries.set(path, { kind: 'file', mode, firstBytes: await readable(path, beginningOf(join(directory, path))) });
    }
  };
  await walk('');
  const appSpecName = findAppSpec([...entries.keys()], APPSPEC_NAMES[0]);
  const path = appSpecName === null ? undefined : join(directory, appSpecName);
  const isReadable = path !== undefined && (await lstat(path)).size <= MAX_APPSPEC_BYTES;
  return { entries, appSpecName, appSpecText: isReadable ? await readFile(path, 'utf8') : null };
}

/** The first bytes of a file, at most `limit`. */
export async function beginningOf(path: string, limit = FIRST_BYTES): Promise<Uint8Array> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(limit), 0, limit, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

async function readOptional(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
