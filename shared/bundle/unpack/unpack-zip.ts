import { isUtf8 } from 'node:buffer';
import { type FileHandle, open } from 'node:fs/promises';
import { performance } from 'node:perf_hooks';
import { setImmediate } from 'node:timers/promises';
import { crc32, createInflateRaw, inflateRawSync } from 'node:zlib';
import { type Entry, fromFdPromise, type ZipFile } from 'yauzl';
import { fileChunks } from '../chunks.ts';
import { zipEntryName } from '../zip-name.ts';
import type { ArchiveSink } from './archive-sink.ts';
import { ArchiveFault, type ArchiveTree } from './archive-tree.ts';

/** An entry up to here is read and inflated in one go, some milliseconds; a larger one is streamed. */
const SMALL_ENTRY_BYTES = 1_024 * 1_024;
const MAX_LINK_BYTES = 4_096;
const YIELD_AFTER_MS = 15;
const LOCAL_HEADER_BYTES = 30;

/** Throws ArchiveFault. Checks the CRC of each entry, which yauzl leaves to its callers. */
export async function unpackZip(archivePath: string, parts: { tree: ArchiveTree; sink: ArchiveSink }): Promise<void> {
  const file = await open(archivePath, 'r');
  try {
    const zip = await openZip(file);
    let sliceBegan = performance.now();
    for await (const entry of entriesOf(zip)) {
      await takeEntry(entry, { ...parts, archivePath, file });
      if (performance.now() - sliceBegan < YIELD_AFTER_MS) continue;
      await setImmediate();
      sliceBegan = performance.now();
    }
  } finally {
    await file.close();
  }
}

async function openZip(file: FileHandle): Promise<ZipFile> {
  try {
    return await fromFdPromise(file.fd, { lazyEntries: true, autoClose: false, decodeStrings: false });
  } catch (error) {
    throw zipFault(error);
  }
}

/** yauzl's own complaints (a bad record, a name that escapes) are about the archive; the system's keep their code. */
async function* entriesOf(zip: ZipFile): AsyncGenerator<Entry> {
  try {
    yield* zip.eachEntry();
  } catch (error) {
    throw zipFault(error);
  }
}

interface EntryParts {
  tree: ArchiveTree;
  sink: ArchiveSink;
  archivePath: string;
  file: FileHandle;
}

async function takeEntry(entry: Entry, parts: EntryParts): Promise<void> {
  const { tree, sink } = parts;
  const name = zipEntryName(entry);
  const { type, mode } = unixModeOf(entry);
  if (name.endsWith('/') || type === 'directory') {
    const placement = tree.directory(name);
    if (placement !== null) sink.directory(placement, mode ?? 0o755);
    return;
  }
  if (type === 'other') tree.refuse(name, 'a device or a pipe');
  if (entry.isEncrypted()) throw new ArchiveFault('corrupt', `the entry ${JSON.stringify(name)} is encrypted`);
  if (entry.compressionMethod !== 0 && entry.compressionMethod !== 8)
    throw new ArchiveFault(
      'corrupt',
      `the entry ${JSON.stringify(name)} is compressed by a method that is not supported (${entry.compressionMethod})`,
    );
  if (type === 'symlink') {
    if (entry.uncompressedSize > MAX_LINK_BYTES)
      throw new ArchiveFault('corrupt', `the link ${JSON.stringify(name)} has too long a target`);
    const bytes = await smallContent(entry, parts.file);
    if (!isUtf8(bytes))
      throw new ArchiveFault('corrupt', `the link ${JSON.stringify(name)} has a target that is not UTF-8`);
    const target = bytes.toString('utf8');
    sink.symlink(tree.symlink(name, target), target);
    return;
  }
  sink.beginFile(tree.file(name, entry.uncompressedSize), mode ?? 0o644, entry.uncompressedSize);
  if (entry.compressedSize <= SMALL_ENTRY_BYTES && entry.uncompressedSize <= SMALL_ENTRY_BYTES)
    sink.write(await smallContent(entry, parts.file));
  else await streamContent(entry, parts);
  sink.endFile(Math.floor(entry.getLastModDate().getTime() / 1_000));
}

/** What Unix's zip leaves in the high half of the external attributes; other systems leave nothing there. */
function unixModeOf(entry: Entry): { type: 'file' | 'directory' | 'symlink' | 'other'; mode: number | null } {
  const attributes = entry.externalFileAttributes >>> 16;
  if (attributes === 0) return { type: 'file', mode: null };
  const mode = attributes & 0o7777;
  switch (attributes & 0o170000) {
    case 0:
    case 0o100000:
      return { type: 'file', mode };
    case 0o040000:
      return { type: 'directory', mode };
    case 0o120000:
      return { type: 'symlink', mode };
    default:
      return { type: 'other', mode };
  }
}

async function smallContent(entry: Entry, file: FileHandle): Promise<Buffer> {
  const headerBytes = LOCAL_HEADER_BYTES + entry.fileNameLength + entry.extraFieldLength;
  // Header and contents in one read, when the local header is as long as the central one says (it may be longer).
  const first = await readExactly(file, entry.relativeOffsetOfLocalHeader, headerBytes + entry.compressedSize, entry);
  const dataStart = dataOffset(first, entry);
  const raw =
    dataStart + entry.compressedSize <= first.length
      ? first.subarray(dataStart, dataStart + entry.compressedSize)
      : await readExactly(file, entry.relativeOffsetOfLocalHeader + dataStart, entry.compressedSize, entry);
  const content = entry.compressionMethod === 0 ? raw : inflateSmall(raw, entry);
  if (content.length !== entry.uncompressedSize || crc32(content) !== entry.crc32) throw damaged(entry);
  return content;
}

function inflateSmall(raw: Buffer, entry: Entry): Buffer {
  try {
    return inflateRawSync(raw, { maxOutputLength: Math.max(1, entry.uncompressedSize) });
  } catch {
    // Whatever zlib dislikes, the entry is not what its header promises.
    throw damaged(entry);
  }
}

async function streamContent(entry: Entry, { archivePath, file, sink }: EntryParts): Promise<void> {
  const header = await readExactly(file, entry.relativeOffsetOfLocalHeader, LOCAL_HEADER_BYTES, entry);
  const start = entry.relativeOffsetOfLocalHeader + dataOffset(header, entry);
  if (entry.compressedSize === 0) throw damaged(entry);
  const through = entry.compressionMethod === 0 ? {} : { through: createInflateRaw({ chunkSize: 256 * 1_024 }) };
  let sizeBytes = 0;
  let checksum = 0;
  try {
    for await (const chunk of fileChunks(archivePath, { ...through, start, end: start + entry.compressedSize - 1 })) {
      sizeBytes += chunk.length;
      if (sizeBytes > entry.uncompressedSize) throw damaged(entry);
      checksum = crc32(chunk, checksum);
      sink.write(chunk);
    }
  } catch (error) {
    throw error instanceof Error && 'code' in error && String(error.code).startsWith('Z_') ? damaged(entry) : error;
  }
  if (sizeBytes !== entry.uncompressedSize || checksum !== entry.crc32) throw damaged(entry);
}

function dataOffset(localHeader: Buffer, entry: Entry): number {
  if (localHeader.length < LOCAL_HEADER_BYTES || localHeader.readUInt32LE(0) !== 0x04034b50) throw damaged(entry);
  return LOCAL_HEADER_BYTES + localHeader.readUInt16LE(26) + localHeader.readUInt16LE(28);
}

async function readExactly(file: FileHandle, offset: number, length: number, entry: Entry): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await file.read(buffer, 0, length, offset);
  // The central directory follows the contents, so an honest archive is never this short.
  if (bytesRead < length && bytesRead < entry.compressedSize + LOCAL_HEADER_BYTES) throw damaged(entry);
  return buffer.subarray(0, bytesRead);
}

function damaged(entry: Entry): ArchiveFault {
  return new ArchiveFault(
    'corrupt',
    `the entry ${JSON.stringify(zipEntryName(entry))} is damaged: its contents are not what the archive says`,
  );
}

function zipFault(error: unknown): unknown {
  if (!(error instanceof Error) || ('code' in error && typeof error.code === 'string')) return error;
  return new ArchiveFault('corrupt', `the archive is not a good zip file: ${error.message}`);
}
