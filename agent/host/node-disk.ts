import { execFile } from 'node:child_process';
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  fsync,
  ftruncateSync,
  lstatSync,
  openSync,
  readdirSync,
  readSync,
  type Stats,
  writeFileSync,
  writeSync,
} from 'node:fs';
import {
  chmod,
  copyFile,
  type FileHandle,
  lchown,
  link,
  lstat,
  mkdir,
  open,
  readdir,
  readlink,
  rename,
  rm,
  rmdir,
  statfs,
  symlink,
  unlink,
  utimes,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { once } from '../../shared/core/once.ts';
import { assemble, findFiles } from './assemble.ts';
import type { AppendFile, Disk, FileStatus } from './disk.ts';
import { syncEach } from './sync-tree.ts';

/** An idle agent does without the memory of what reads archives. */
const loadUnpacking = once(() => import('./unpack.ts'));

/** The host's real file systems. */
export function createNodeDisk(): Disk {
  const disk: Disk = {
    readFile: (path, maxBytes) => withFile(path, 'r', 0, (file) => readWhole(file, path, maxBytes)),
    readPart: (path, offset, length) =>
      withFile(path, 'r', 0, async (file) => {
        const buffer = Buffer.alloc(length);
        let filled = 0;
        while (filled < length) {
          const { bytesRead } = await file.read(buffer, filled, length - filled, offset + filled);
          if (bytesRead === 0) break;
          filled += bytesRead;
        }
        return buffer.subarray(0, filled);
      }),
    async writeFileDurably(path, data, mode) {
      // One writer per path, as everywhere in the agent; a temporary file left by a crash is written over.
      const temporary = `${path}.tmp`;
      try {
        const isSmall = data.length <= SMALL_WRITE_BYTES;
        await (isSmall ? writeSmall(temporary, data, mode) : writeLarge(temporary, data, mode));
        await rename(temporary, path);
      } catch (error) {
        await rm(temporary, { force: true });
        throw error;
      }
      await quickDisk.sync(dirname(path));
    },
    openAppend,
    async status(path) {
      try {
        return statusOf(await lstat(path));
      } catch (error) {
        if (isMissing(error)) return null;
        throw error;
      }
    },
    cut: async (path, to) => cutNow(path, to),
    list: async (path) => (await readdir(path)).sort(),
    async makeDirectory(path, { recursive, mode }) {
      await mkdir(path, { recursive, ...(mode === undefined ? {} : { mode }) });
    },
    rename,
    link,
    removeFile: unlink,
    removeDirectory: rmdir,
    removeTree: (path) => rm(path, { recursive: true, force: true }),
    async copyFile(from, to) {
      const status = await lstat(from);
      // Copies the mode too, and shares blocks where the file system can.
      await copyFile(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
      const isOurs = status.uid === process.geteuid?.() && status.gid === process.getegid?.();
      if (!isOurs && process.geteuid?.() === 0) {
        await lchown(to, status.uid, status.gid);
        // A change of owner clears setuid and setgid.
        await chmod(to, status.mode & 0o7777);
      }
      await utimes(to, status.atime, status.mtime);
    },
    createSymlink: (linkText, path) => symlink(linkText, path),
    readSymlink: (path) => readlink(path),
    setMode: chmod,
    setOwner: lchown,
    sync: syncPath,
    async syncTree(directory) {
      if (!hasManyEntries(directory) || !(await syncFileSystem(directory))) await syncEach(quickDisk, directory);
    },
    async freeBytes(path) {
      const { bavail, bsize } = await statfs(path);
      return bavail * bsize;
    },
    unpack: async (request) => (await loadUnpacking()).unpackArchive(request),
    findFiles,
    assemble,
  };
  return disk;
}

async function withFile<T>(
  path: string,
  flags: string,
  mode: number,
  use: (file: FileHandle) => Promise<T>,
): Promise<T> {
  const file = await open(path, flags, mode);
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

async function writeLarge(path: string, data: string | Uint8Array, mode: number): Promise<void> {
  await withFile(path, 'w', mode, async (file) => {
    await file.writeFile(data);
    await file.chmod(mode);
    await file.sync();
  });
}

async function writeSmall(path: string, data: string | Uint8Array, mode: number): Promise<void> {
  const file = openSync(path, 'w', mode);
  try {
    writeFileSync(file, data);
    fchmodSync(file, mode);
    await sync(file);
  } finally {
    closeSync(file);
  }
}

async function readWhole(file: FileHandle, path: string, maxBytes: number): Promise<Buffer> {
  // Files of /proc say that they are empty, so the length is found by reading.
  const chunks: Buffer[] = [];
  let length = 0;
  for (;;) {
    const chunk = Buffer.alloc(Math.min(65_536, maxBytes + 1 - length));
    const { bytesRead } = await file.read(chunk, 0, chunk.length, null);
    if (bytesRead === 0) return Buffer.concat(chunks, length);
    chunks.push(chunk.subarray(0, bytesRead));
    length += bytesRead;
    if (length > maxBytes)
      throw Object.assign(new Error(`EFBIG: larger than ${maxBytes} bytes, read '${path}'`), { code: 'EFBIG', path });
  }
}

/** What is written at once, without the way to a thread: a journal's line. The kernel takes it into its memory; only a sync waits for a disk. */
const SMALL_WRITE_BYTES = 16 * 1_024;

async function openAppend(path: string, mode: number): Promise<AppendFile> {
  const file = await open(path, 'a', mode);
  try {
    // The name of a new file is as mortal as its bytes.
    await syncPath(dirname(path));
    let length = (await file.stat()).size;
    return {
      get length() {
        return length;
      },
      async append(data) {
        const bytes = typeof data === 'string' ? Buffer.from(data, 'utf8') : data;
        for (let written = 0; written < bytes.length; ) {
          const rest = bytes.length - written;
          const bytesWritten =
            bytes.length <= SMALL_WRITE_BYTES
              ? writeSync(file.fd, bytes, written, rest)
              : (await file.write(bytes, written, rest)).bytesWritten;
          written += bytesWritten;
          length += bytesWritten;
        }
      },
      sync: () => file.datasync(),
      async truncate(newLength) {
        await file.truncate(newLength);
        length = newLength;
      },
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Synchronous calls: between two asynchronous ones a script prints a megabyte. */
function cutNow(path: string, { length, endBytes }: { length: number; endBytes: number }): Buffer {
  const buffer = Buffer.alloc(endBytes);
  const file = openSync(path, 'r+');
  try {
    const { size } = fstatSync(file);
    const start = Math.max(Math.min(length, size), size - endBytes);
    const bytesRead = readSync(file, buffer, 0, size - start, start);
    if (size > length) ftruncateSync(file, length);
    return buffer.subarray(0, bytesRead);
  } finally {
    closeSync(file);
  }
}

function statusOf(status: Stats): FileStatus {
  const kind = status.isFile()
    ? 'file'
    : status.isDirectory()
      ? 'directory'
      : status.isSymbolicLink()
        ? 'symlink'
        : 'other';
  return {
    kind,
    sizeBytes: Number(status.size),
    mode: Number(status.mode) & 0o7777,
    uid: Number(status.uid),
    gid: Number(status.gid),
    modifiedAt: Math.round(Number(status.mtimeMs)),
    inode: Number(status.ino),
  };
}

function syncPath(path: string): Promise<void> {
  return withFile(path, 'r', 0, (file) => file.sync());
}

/**
 * For trees that were written a moment ago, so that all but the syncing is in the kernel's memory: then a call takes
 * microseconds, and the way to a thread and back many times that.
 */
const quickDisk: Pick<Disk, 'list' | 'status' | 'sync'> = {
  list: async (path) => readdirSync(path),
  status: async (path) => statusOf(lstatSync(path)),
  async sync(path) {
    const file = openSync(path, 'r');
    try {
      await sync(file);
    } finally {
      closeSync(file);
    }
  },
};
const sync = promisify(fsync);

/** More than this, and one syncfs of the file system is quicker than an fsync for each: 5,000 files take 0.1 s and not 0.7. */
const MANY_ENTRIES = 64;

function hasManyEntries(directory: string): boolean {
  const waiting = [directory];
  for (let seen = 0, next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const entries = readdirSync(next, { withFileTypes: true });
    seen += entries.length;
    if (seen > MANY_ENTRIES) return true;
    for (const entry of entries) if (entry.isDirectory()) waiting.push(join(next, entry.name));
  }
  return false;
}

/** Node has no syncfs; coreutils do. False where they do not, or when it failed: the caller then asks file by file. */
function syncFileSystem(directory: string): Promise<boolean> {
  return new Promise((resolve) => {
    execFile('sync', ['--file-system', directory], (error) => resolve(error === null));
  });
}

function isMissing(error: unknown): boolean {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : null;
  return code === 'ENOENT' || code === 'ENOTDIR';
}
