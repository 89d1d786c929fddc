import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { Header } from 'tar';
import { AppError, errnoOf } from '../core/errors.ts';
import { fileChunks } from './chunks.ts';
import { createIgnore } from './ignore.ts';
import { MAX_BUNDLE_BYTES, MAX_BUNDLE_ENTRIES } from './limits.ts';
import { readable, readFault } from './read-fault.ts';

const BLOCK_BYTES = 512;
const MAX_IGNORE_BYTES = 64 * 1_024;
const IGNORE_FILE = '.droverignore';

export interface PackRequest {
  directory: string;
  /** The archive; written over when it exists. */
  toPath: string;
  /** Patterns besides those of `.droverignore`. */
  ignore?: readonly string[];
  /** Ends the packing, which then throws its reason. */
  signal?: AbortSignal;
  onProgress?(progress: PackProgress): void;
}

interface PackProgress {
  /** Bytes of files read, and of all that will be. */
  readBytes: number;
  totalBytes: number;
}

export interface PackedBundle {
  /** Lower-case hex SHA-256 of the archive. */
  digest: string;
  sizeBytes: number;
  entries: number;
  bundleType: 'tgz';
}

interface PackEntry {
  path: string;
  kind: 'file' | 'directory' | 'symlink';
  mode: number;
  sizeBytes: number;
  linkText: string;
}

/**
 * Packs a directory so that the same names, modes and contents always give the same digest: entries sorted by name, no
 * owners, modification time 0 (which agents read as "none"). Dot files and symlinks are packed as they are.
 * Throws AppError `invalid` for what a bundle cannot hold: sockets, devices, links that lead out, names that are not UTF-8,
 * files that cannot be read or change meanwhile.
 */
export async function packDirectory(request: PackRequest): Promise<PackedBundle> {
  const entries = await listEntries(request);
  const totalBytes = entries.reduce((sum, entry) => sum + entry.sizeBytes, 0);
  const hash = createHash('sha256');
  let sizeBytes = 0;
  const measure = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      sizeBytes += chunk.length;
      done(
        sizeBytes > MAX_BUNDLE_BYTES
          ? new AppError('too_large', `the bundle is larger than ${MAX_BUNDLE_BYTES} bytes`)
          : null,
        chunk,
      );
    },
  });
  const report = (readBytes: number) => {
    request.signal?.throwIfAborted();
    request.onProgress?.({ readBytes, totalBytes });
  };
  await pipeline(
    tarOf(request.directory, entries, report),
    createGzip({ level: 6 }),
    measure,
    createWriteStream(request.toPath),
  );
  return { digest: hash.digest('hex'), sizeBytes, entries: entries.length, bundleType: 'tgz' };
}

/** Lower-case hex SHA-256 of a file. The signal ends it, with its reason. */
export async function digestFile(path: string, signal?: AbortSignal): Promise<{ digest: string; sizeBytes: number }> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  for await (const chunk of fileChunks(path)) {
    signal?.throwIfAborted();
    hash.update(chunk);
    sizeBytes += chunk.length;
  }
  return { digest: hash.digest('hex'), sizeBytes };
}

async function listEntries(request: PackRequest): Promise<PackEntry[]> {
  const isIgnored = createIgnore([...(request.ignore ?? []), ...(await readIgnoreFile(request.directory))]);
  const entries: PackEntry[] = [];
  const walk = async (relative: string): Promise<void> => {
    for (const name of (await readable(relative, readdir(join(request.directory, relative)))).sort()) {
      request.signal?.throwIfAborted();
      const path = relative === '' ? name : `${relative}/${name}`;
      const absolute = join(request.directory, path);
      const status = await readable(path, lstat(absolute));
      if (isIgnored(path, status.isDirectory()) || absolute === request.toPath) continue;
      if (entries.length >= MAX_BUNDLE_ENTRIES)
        throw new AppError('too_large', `${request.directory} holds more than ${MAX_BUNDLE_ENTRIES} entries`);
      const common = { path, mode: status.mode & 0o777, sizeBytes: 0, linkText: '' };
      if (status.isDirectory()) {
        entries.push({ ...common, kind: 'directory' });
        await walk(path);
      } else if (status.isSymbolicLink()) {
        const linkText = await readable(path, readlink(absolute));
        if (leadsOut(path, linkText))
          throw new AppError('invalid', `the link ${path} -> ${linkText} leads out of the bundle`, {
            hint: 'make it a relative link to something in the bundle, or create it in a hook',
          });
        entries.push({ ...common, kind: 'symlink', linkText });
      } else if (status.isFile()) entries.push({ ...common, kind: 'file', sizeBytes: status.size });
      else
        throw new AppError('invalid', `${path} is neither a file nor a directory nor a link`, {
          hint: `leave it out: add it to ${IGNORE_FILE}`,
        });
    }
  };
  await walk('');
  return entries;
}

/** By its text alone; agents look again with all links known. */
function leadsOut(path: string, linkText: string): boolean {
  if (linkText.startsWith('/')) return true;
  let depth = path.split('/').length - 1;
  for (const part of linkText.split('/')) {
    if (part === '..') depth--;
    else if (part !== '' && part !== '.') depth++;
    if (depth < 0) return true;
  }
  return false;
}

async function readIgnoreFile(directory: string): Promise<string[]> {
  try {
    const content = await readFile(join(directory, IGNORE_FILE));
    if (content.length > MAX_IGNORE_BYTES)
      throw new AppError('too_large', `${IGNORE_FILE} is larger than ${MAX_IGNORE_BYTES} bytes`);
    return content.toString('utf8').split(/\r?\n/);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

async function* tarOf(
  directory: string,
  entries: readonly PackEntry[],
  report: (readBytes: number) => void,
): AsyncGenerator<Buffer> {
  let readBytes = 0;
  for (const entry of entries) {
    yield* headersOf(entry);
    if (entry.kind !== 'file') continue;
    let left = entry.sizeBytes;
    for await (const chunk of contentsOf(directory, entry.path)) {
      left -= chunk.length;
      if (left < 0) break;
      readBytes += chunk.length;
      report(readBytes);
      yield chunk;
    }
    if (left !== 0)
      throw new AppError('invalid', `${entry.path} changed while it was packed`, {
        hint: 'pack again when nothing writes to the directory',
      });
    yield Buffer.alloc((BLOCK_BYTES - (entry.sizeBytes % BLOCK_BYTES)) % BLOCK_BYTES);
  }
  yield Buffer.alloc(2 * BLOCK_BYTES);
}

async function* contentsOf(directory: string, path: string): AsyncGenerator<Buffer> {
  try {
    yield* createReadStream(join(directory, path), { highWaterMark: 256 * 1_024 });
  } catch (error) {
    throw readFault(path, error);
  }
}

const TYPES = { file: 'File', directory: 'Directory', symlink: 'SymbolicLink' } as const;

/** A ustar header, after a pax one when names or sizes do not fit. */
function* headersOf(entry: PackEntry): Generator<Buffer> {
  const path = entry.kind === 'directory' ? `${entry.path}/` : entry.path;
  const header = new Header({
    path,
    mode: entry.mode,
    uid: 0,
    gid: 0,
    size: entry.sizeBytes,
    mtime: new Date(0),
    type: TYPES[entry.kind],
    linkpath: entry.linkText,
  });
  const block = Buffer.alloc(BLOCK_BYTES);
  if (header.encode(block)) {
    // Agents read such a header line by line, and would take the short name for the file's.
    if (`${path}${entry.linkText}`.includes('\n'))
      throw new AppError(
        'invalid',
        `${JSON.stringify(path)} has a line break, which a name this long or beyond ASCII cannot have`,
        {
          hint: `rename it, or leave it out: add it to ${IGNORE_FILE}`,
        },
      );
    // The short name is only for readers that know no pax; it must not be cut inside of a character.
    const records = [paxRecord('path', path)];
    if (entry.linkText !== '') records.push(paxRecord('linkpath', entry.linkText));
    if (entry.sizeBytes > 0o77777777777) records.push(paxRecord('size', String(entry.sizeBytes)));
    const body = Buffer.concat(records);
    const paxBlock = Buffer.alloc(BLOCK_BYTES);
    new Header({
      path: 'PaxHeader',
      mode: 0o644,
      uid: 0,
      gid: 0,
      size: body.length,
      mtime: new Date(0),
      type: 'ExtendedHeader',
    }).encode(paxBlock);
    yield paxBlock;
    yield body;
    yield Buffer.alloc((BLOCK_BYTES - (body.length % BLOCK_BYTES)) % BLOCK_BYTES);
  }
  yield block;
}

/** `<length of all this> key=value\n`, where the length counts its own digits. */
function paxRecord(key: string, value: string): Buffer {
  const rest = Buffer.byteLength(` ${key}=${value}\n`);
  let length = rest + String(rest).length;
  if (rest + String(length).length !== length) length = rest + String(length).length;
  return Buffer.from(`${length} ${key}=${value}\n`, 'utf8');
}
