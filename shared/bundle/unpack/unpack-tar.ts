import { performance } from 'node:perf_hooks';
import { setImmediate } from 'node:timers/promises';
import { createGunzip } from 'node:zlib';
import { Parser, type ReadEntry } from 'tar';
import { fileChunks } from '../chunks.ts';
import type { ArchiveSink } from './archive-sink.ts';
import { ArchiveFault, type ArchiveLimits, type ArchiveTree } from './archive-tree.ts';

const READ_BYTES = 256 * 1_024;
/** At most 32 files begin in one slice: even at a slow disk's 1 ms each the event loop waits 32 ms. */
const SLICE_BYTES = 16 * 1_024;
const YIELD_AFTER_MS = 15;

export interface TarParts {
  tree: ArchiveTree;
  sink: ArchiveSink;
  isCompressed: boolean;
  limits: ArchiveLimits;
}

/** Throws ArchiveFault. The directory's file system errors pass through. */
export async function unpackTar(archivePath: string, parts: TarParts): Promise<void> {
  const through = parts.isCompressed ? { through: createGunzip({ chunkSize: READ_BYTES }) } : {};
  try {
    await feed(fileChunks(archivePath, through), parts);
  } catch (error) {
    if (isZlibError(error)) throw new ArchiveFault('corrupt', `the archive is not a whole gzip file: ${error.message}`);
    throw error;
  }
}

async function feed(chunks: AsyncIterable<Buffer>, parts: TarParts): Promise<void> {
  const state: FeedState = { remaining: 0, hasEnded: false, sawEndMark: false, sparseName: null };
  const parser = createParser(parts, state);
  // Names, padding and the end: more than this around the contents is a bomb of nothing.
  let bytesLeft = parts.limits.maxTotalBytes + parts.limits.maxEntries * 2_048 + 1_048_576;
  let sliceBegan = performance.now();
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks) {
    bytesLeft -= chunk.length;
    if (bytesLeft < 0) throw new ArchiveFault('too_large', 'the archive is much larger than what it holds');
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let start = 0;
    while (!state.hasEnded) {
      // The rest of a large file can be written at once: it begins no other.
      const length = Math.max(SLICE_BYTES, Math.min(state.remaining, READ_BYTES));
      const end = wholeCharacters(bytes, Math.min(start + length, bytes.length));
      if (end <= start) break;
      parser.write(bytes.subarray(start, end));
      start = end;
      if (performance.now() - sliceBegan < YIELD_AFTER_MS) continue;
      await setImmediate();
      sliceBegan = performance.now();
    }
    rest = Buffer.from(bytes.subarray(start));
  }
  if (!state.hasEnded) parser.write(rest);
  parser.end();
  if (!state.sawEndMark) throw new ArchiveFault('corrupt', 'the archive ends early: it has no end mark');
}

/**
 * The last place up to `end` that cuts no character of UTF-8, 3 bytes before it at most. The parser decodes a long name piece by
 * piece as it is written, and a character in two pieces would come out as something else.
 */
function wholeCharacters(bytes: Buffer, end: number): number {
  for (let place = end - 1; place >= Math.max(0, end - 3); place--) {
    const byte = bytes[place] ?? 0;
    if (byte >= 0xc0) return place;
    if (byte < 0x80) return end;
  }
  return end;
}

interface FeedState {
  /** Bytes of the entry that is being read. */
  remaining: number;
  /** After the end mark the parser would keep every byte in memory, so it gets none. */
  hasEnded: boolean;
  sawEndMark: boolean;
  /** Of the entry whose extended header was read last, when that says that it is sparse; '' when it does not name it. */
  sparseName: string | null;
}

function createParser({ tree, sink }: TarParts, state: FeedState): Parser {
  const parser = new Parser({
    // A ratio says little: text of one letter is legal. The limits count what really comes out.
    maxDecompressionRatio: Number.POSITIVE_INFINITY,
    onwarn(code, message) {
      throw new ArchiveFault('corrupt', `the archive is damaged: ${String(message)} (${code})`);
    },
    onReadEntry(entry) {
      state.sawEndMark = false;
      if (state.sparseName !== null) throw sparseFault(state.sparseName === '' ? entry.path : state.sparseName);
      takeEntry(entry, tree, sink, state);
    },
  });
  parser.on('ignoredEntry', (entry: ReadEntry) =>
    tree.refuse(entry.path, `of a kind that is not supported (${entry.type})`),
  );
  parser.on('meta', (text: string) => {
    state.sparseName ??= sparseNameOf(text);
  });
  parser.on('nullBlock', () => {
    state.sawEndMark = true;
  });
  parser.on('eof', () => {
    state.hasEnded = true;
  });
  return parser;
}

/**
 * GNU tar (`-S`) and bsdtar (by itself) store a file with holes as an ordinary one, under another name, whose contents begin with a
 * map; only the extended header tells. Source: GNU tar manual, "Storing Sparse Files" in PAX format.
 */
function sparseNameOf(extendedHeader: string): string | null {
  if (!/^\d+ GNU\.sparse\.\w+=/m.test(extendedHeader)) return null;
  return /^\d+ GNU\.sparse\.name=(.*)$/m.exec(extendedHeader)?.[1] ?? '';
}

function sparseFault(name: string): ArchiveFault {
  const text = `the entry ${JSON.stringify(name)} is a sparse file, which is not supported; pack it without holes`;
  return new ArchiveFault('corrupt', `${text} (bsdtar: --no-read-sparse, GNU tar: without --sparse)`);
}

/** The parser has put this in place of what is no UTF-8; two names may have become one. */
const REPLACEMENT = '\ufffd';

function takeEntry(entry: ReadEntry, tree: ArchiveTree, sink: ArchiveSink, state: FeedState): void {
  if (`${entry.path}${entry.linkpath ?? ''}`.includes(REPLACEMENT))
    throw new ArchiveFault(
      'corrupt',
      `the entry ${JSON.stringify(entry.path)} has a name or a target that is not UTF-8`,
    );
  const mode = entry.mode;
  switch (entry.type) {
    case 'File':
    case 'OldFile':
    case 'ContiguousFile': {
      sink.beginFile(tree.file(entry.path, entry.size), mode ?? 0o644, entry.size);
      state.remaining = entry.size;
      entry.on('data', (bytes) => {
        state.remaining -= bytes.length;
        sink.write(bytes);
      });
      entry.on('end', () => sink.endFile(Math.floor((entry.mtime?.getTime() ?? 0) / 1_000)));
      return;
    }
    case 'Directory': {
      const placement = tree.directory(entry.path);
      if (placement !== null) sink.directory(placement, mode ?? 0o755);
      break;
    }
    case 'SymbolicLink': {
      const target = entry.linkpath ?? '';
      sink.symlink(tree.symlink(entry.path, target), target);
      break;
    }
    case 'Link':
      sink.hardLink(tree.hardLink(entry.path, entry.linkpath ?? ''));
      break;
    default:
      tree.refuse(entry.path, entry.type === 'FIFO' ? 'a named pipe' : `a device (${entry.type})`);
  }
  entry.resume();
}

function isZlibError(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && /^Z_|^ERR_(?:ZLIB|BUFFER)/.test(String(error.code));
}
