import { posix } from 'node:path';
import { createGunzip } from 'node:zlib';
import { Parser, type ReadEntry } from 'tar';
import { openPromise } from 'yauzl';
import { AppError, errorMessage } from '../core/errors.ts';
import type { BundleType } from '../model/revision.ts';
import { fileChunks } from './chunks.ts';
import { APPSPEC_NAMES, type BundleEntry } from './entry.ts';
import { MAX_APPSPEC_BYTES, MAX_BUNDLE_ENTRIES, MAX_UNPACKED_BYTES } from './limits.ts';
import { zipEntryName } from './zip-name.ts';

/** Enough for a shebang line. */
const FIRST_BYTES = 256;

export interface ArchiveContents {
  /** By path from the bundle's root, a single leading directory stripped as the agent does. */
  entries: ReadonlyMap<string, BundleEntry>;
  appSpecName: string | null;
  /** Null when there is none, when it is larger than any AppSpec may be, or a link to what is not called an AppSpec. */
  appSpecText: string | null;
}

interface Found extends BundleEntry {
  content?: Buffer;
  /** Of a symlink. */
  target?: string;
}

const MAX_LINK_BYTES = 4_096;
const MAX_HOPS = 40;

/** Lists an archive and reads what linting wants of it. Throws AppError `invalid` when it is damaged. */
export async function readArchiveEntries(
  path: string,
  bundleType: BundleType,
  wantedAppSpec = 'appspec.yml',
): Promise<ArchiveContents> {
  const found = new Map<string, Found>();
  try {
    if (bundleType === 'zip') await readZip(path, found, wantedAppSpec);
    else await readTar(path, bundleType === 'tgz', found, wantedAppSpec);
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw new AppError('invalid', `${path} cannot be read as a ${bundleType} archive: ${errorMessage(error)}`, {
      cause: error,
    });
  }
  const entries = stripLeadingDirectory(found);
  const appSpecName = [wantedAppSpec, ...APPSPEC_NAMES].find((name) => entries.has(name)) ?? null;
  const content = appSpecName === null ? undefined : followed(entries, appSpecName)?.content;
  return { entries, appSpecName, appSpecText: content?.toString('utf8') ?? null };
}

/** What a host reads under this name. */
function followed(entries: ReadonlyMap<string, Found>, name: string): Found | undefined {
  let path = name;
  for (let hops = 0; hops < MAX_HOPS; hops++) {
    const found = entries.get(path);
    if (found?.target === undefined) return found;
    path = posix.join(posix.dirname(path), found.target);
  }
  return undefined;
}

/** Source: the agent's rule, agent/bundle/unpack.ts. */
function stripLeadingDirectory(found: ReadonlyMap<string, Found>): ReadonlyMap<string, Found> {
  const tops = new Set([...found.keys()].map((name) => name.split('/', 1)[0] ?? ''));
  const [only] = tops;
  if (tops.size !== 1 || only === undefined) return found;
  const isInside = (name: string) => name.startsWith(`${only}/`);
  const hasAppSpec = [...found.keys()].some(
    (name) => /^[^/]*appspec[^/]*/i.test(name.slice(only.length + 1)) && isInside(name),
  );
  if (!hasAppSpec) return found;
  return new Map(
    [...found].filter(([name]) => isInside(name)).map(([name, entry]) => [name.slice(only.length + 1), entry]),
  );
}

function mayBeAppSpec(name: string, wanted: string): boolean {
  return name === wanted || name.endsWith(`/${wanted}`) || /(^|\/)appspec[^/]*\.ya?ml$/i.test(name);
}

function cleanName(name: string): string {
  return name
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .join('/');
}

function record(found: Map<string, Found>, name: string, entry: Found): void {
  const clean = cleanName(name);
  if (found.size >= MAX_BUNDLE_ENTRIES)
    throw new AppError('too_large', `the archive has more than ${MAX_BUNDLE_ENTRIES} entries`);
  if (clean !== '') found.set(clean, entry);
}

async function readTar(path: string, isCompressed: boolean, found: Map<string, Found>, wanted: string): Promise<void> {
  let hasEnded = false;
  const parser = new Parser({
    strict: true,
    maxDecompressionRatio: Number.POSITIVE_INFINITY,
    onReadEntry: (entry) => takeTarEntry(entry, found, wanted),
  });
  parser.on('eof', () => {
    hasEnded = true;
  });
  let bytesLeft = MAX_UNPACKED_BYTES;
  const through = isCompressed ? { through: createGunzip({ chunkSize: 256 * 1_024 }) } : {};
  for await (const chunk of fileChunks(path, through)) {
    bytesLeft -= chunk.length;
    if (bytesLeft < 0) throw new AppError('too_large', `the archive holds more than ${MAX_UNPACKED_BYTES} bytes`);
    if (!hasEnded) parser.write(chunk);
  }
  parser.end();
  if (!hasEnded) throw new AppError('invalid', `${path} ends early: it has no end mark`);
}

function takeTarEntry(entry: ReadEntry, found: Map<string, Found>, wanted: string): void {
  const kind = entry.type === 'Directory' ? 'directory' : entry.type === 'SymbolicLink' ? 'symlink' : 'file';
  const wantedBytes = mayBeAppSpec(entry.path, wanted) && entry.size <= MAX_APPSPEC_BYTES ? entry.size : FIRST_BYTES;
  const chunks: Buffer[] = [];
  let length = 0;
  entry.on('data', (chunk) => {
    if (length >= wantedBytes) return;
    // A view would keep the whole chunk in memory for every file.
    const piece = Buffer.from(chunk.subarray(0, wantedBytes - length));
    chunks.push(piece);
    length += piece.length;
  });
  entry.on('end', () => {
    const mode = (entry.mode ?? 0o644) & 0o7777;
    // A hard link has the contents of what it names, an earlier entry.
    const linked = entry.type === 'Link' ? found.get(cleanName(entry.linkpath ?? '')) : undefined;
    if (linked !== undefined) record(found, entry.path, linked);
    else if (kind === 'symlink') record(found, entry.path, { kind, mode, target: entry.linkpath ?? '' });
    else
      record(found, entry.path, {
        kind,
        mode,
        ...(kind === 'file' ? contentOf(Buffer.concat(chunks), entry.size) : {}),
      });
  });
}

function contentOf(bytes: Buffer, sizeBytes: number): Pick<Found, 'content' | 'firstBytes'> {
  const firstBytes = bytes.subarray(0, FIRST_BYTES);
  return bytes.length === sizeBytes ? { firstBytes, content: bytes } : { firstBytes };
}

async function readZip(path: string, found: Map<string, Found>, wanted: string): Promise<void> {
  const zip = await openPromise(path, { lazyEntries: true, autoClose: false, decodeStrings: false });
  try {
    for await (const entry of zip.eachEntry()) {
      const name = zipEntryName(entry);
      const attributes = entry.externalFileAttributes >>> 16;
      const format = attributes & 0o170000;
      const isDirectory = name.endsWith('/') || format === 0o040000;
      const kind = isDirectory ? 'directory' : format === 0o120000 ? 'symlink' : 'file';
      const mode = attributes === 0 ? 0o644 : attributes & 0o7777;
      const beginning = async (limit: number) => beginningOf(await zip.openReadStreamPromise(entry), limit);
      if (kind === 'symlink') {
        record(found, name, { kind, mode, target: (await beginning(MAX_LINK_BYTES)).toString('utf8') });
        continue;
      }
      const isAppSpec = mayBeAppSpec(name, wanted) && entry.uncompressedSize <= MAX_APPSPEC_BYTES;
      const limit = isAppSpec ? entry.uncompressedSize : FIRST_BYTES;
      const content = kind === 'file' ? contentOf(await beginning(limit), entry.uncompressedSize) : {};
      record(found, name, { kind, mode, ...content });
    }
  } finally {
    zip.close();
  }
}

async function beginningOf(stream: AsyncIterable<Buffer> & { destroy(): unknown }, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of stream) {
    chunks.push(Buffer.from(chunk.subarray(0, limit - length)));
    length += chunk.length;
    if (length >= limit) break;
  }
  stream.destroy();
  return Buffer.concat(chunks);
}
