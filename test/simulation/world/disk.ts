import { posix } from 'node:path';
import type { AppendFile, Disk, FileStatus, UnpackRequest } from '../../../agent/host/disk.ts';
import { syncEach } from '../../../agent/host/sync-tree.ts';
import { systemError } from '../../support/faulty-disk.ts';
import { assemble, findFiles } from './assembly.ts';
import { readBundle } from './bundle.ts';
import type { FileSystem } from './file-system.ts';
import type { SimulatedProcess } from './process.ts';

const FREE_BYTES = 64 * 1_024 ** 3;

/** Where a process may be ended: at an append to a file, in the moments of the real failpoints, after a file got its name, or while a bundle is put together. */
export type DiskMoment = 'before' | 'torn' | 'written' | 'synced' | 'named' | 'assembled';

export type DiskStep = 'append' | 'sync' | 'name' | 'assembly';

export interface DiskParts {
  files: FileSystem;
  process: SimulatedProcess;
  /**
   * Asked at every append, every sync of an appended file, every new name and every file of a bundle that is put together: a moment at
   * which the process ends now, or null.
   */
  failpoint(path: string, at: DiskStep): DiskMoment | null;
  /** Asked before a name is given, changed or taken away: whether the file system there has become read-only. Absent: never. */
  isReadOnly?(path: string, change: 'new' | 'other'): boolean;
  /** How long a sync takes, ms; 0 for none. */
  syncDelay(): Promise<void> | null;
  /** A bundle was put together from files that are here. Absent: nobody wants to know. */
  assembled?(): void;
}

/** PORT Disk: one process's way to the files of its machine. */
export function createSimulatedDisk(parts: DiskParts): Disk {
  const { files, process } = parts;
  const { answer } = process;
  const statusOf = (path: string): FileStatus | null => {
    const inode = files.find(path);
    return inode === null
      ? null
      : {
          kind: inode.kind,
          sizeBytes: inode.length,
          mode: inode.mode,
          uid: 0,
          gid: 0,
          modifiedAt: inode.modifiedAt,
          inode: inode.number,
        };
  };
  const existing = (path: string) => {
    const inode = files.find(path);
    if (inode === null) throw systemError('ENOENT');
    return inode;
  };
  async function syncing(work: () => void): Promise<void> {
    const delay = process.isAlive ? parts.syncDelay() : null;
    if (delay !== null) await delay;
    return answer(work);
  }

  function checkWritable(path: string, change: 'new' | 'other' = 'other'): void {
    if (parts.isReadOnly?.(path, change) === true) throw systemError('EROFS');
  }

  function named(path: string, work: () => void): void {
    checkWritable(path, 'new');
    work();
    if (parts.failpoint(path, 'name') === 'named') process.end(`after it has named ${path}`);
  }

  function openFile(path: string, mode: number): AppendFile {
    const inode = files.find(path) ?? files.create(path, mode);
    return {
      get length() {
        return inode.length;
      },
      append: (data) =>
        answer(() => {
          const bytes = typeof data === 'string' ? Buffer.from(data, 'utf8') : data;
          const moment = parts.failpoint(path, 'append');
          if (moment === 'before') process.end(`before a write of ${posix.basename(path)}`);
          if (moment === 'torn') {
            files.append(inode, bytes.subarray(0, Math.ceil(bytes.length / 2)));
            process.end(`in the middle of a write of ${posix.basename(path)}`);
          }
          files.append(inode, bytes);
          if (moment === 'written') process.end(`after a write of ${posix.basename(path)} that was not synced`);
        }),
      sync: () =>
        syncing(() => {
          files.sync(inode);
          if (parts.failpoint(path, 'sync') === 'synced') process.end(`after a sync of ${posix.basename(path)}`);
        }),
      truncate: (length) => answer(() => files.truncate(inode, length)),
      close: () => answer(() => {}),
    };
  }

  const disk: Disk = {
    readFile: (path, maxBytes) =>
      answer(() => {
        const bytes = files.read(path);
        if (bytes.length > maxBytes) throw systemError('EFBIG');
        return bytes;
      }),
    readPart: (path, offset, length) => answer(() => files.read(path, offset, length)),
    async writeFileDurably(path, data, mode) {
      const temporary = `${path}.tmp`;
      await answer(() => {
        const inode = files.create(temporary, mode);
        files.append(inode, typeof data === 'string' ? Buffer.from(data, 'utf8') : data);
        files.sync(inode);
      });
      await answer(() => files.rename(temporary, path));
      await syncing(() => files.sync(existing(posix.dirname(path))));
    },
    openAppend: (path, mode) =>
      answer(() => {
        const file = openFile(path, mode);
        files.sync(existing(posix.dirname(path)));
        return file;
      }),
    status: (path) => answer(() => statusOf(path)),
    list: (path) => answer(() => files.list(path)),
    makeDirectory: (path, { recursive, mode }) =>
      answer(() => {
        checkWritable(path);
        if (recursive) files.makeDirectories(path, mode ?? 0o755);
        else files.makeDirectory(path, mode ?? 0o755);
      }),
    cut: (path, { length, endBytes }) =>
      answer(() => {
        const bytes = Buffer.from(files.read(path));
        if (bytes.length > length) files.truncate(existing(path), length);
        return bytes.subarray(Math.max(Math.min(length, bytes.length), bytes.length - endBytes));
      }),
    rename: (from, to) => answer(() => named(to, () => files.rename(from, to))),
    link: (from, to) => answer(() => named(to, () => files.link(from, to))),
    removeFile: (path) =>
      answer(() => {
        checkWritable(path);
        files.removeFile(path);
      }),
    removeDirectory: (path) => answer(() => files.removeDirectory(path)),
    removeTree: (path) => answer(() => files.removeTree(path)),
    copyFile: (from, to) =>
      answer(() => {
        checkWritable(to);
        const source = existing(from);
        const copy = files.createExclusive(to, source.mode);
        files.append(copy, files.read(from));
        copy.modifiedAt = source.modifiedAt;
      }),
    createSymlink: () => answer(() => noLinks()),
    readSymlink: () => answer(() => noLinks()),
    setMode: (path, mode) =>
      answer(() => {
        existing(path).mode = mode;
      }),
    setOwner: () => answer(() => {}),
    sync: (path) => syncing(() => files.sync(existing(path))),
    syncTree: (directory) => syncEach(disk, directory),
    freeBytes: () => answer(() => (files.isFull ? 0 : FREE_BYTES)),
    unpack: (request) => answer(() => unpack(files, request)),
    findFiles: (request) => answer(() => findFiles(files, request)),
    assemble: (request) =>
      answer(() => {
        const outcome = assemble(files, request, (path) => {
          if (parts.failpoint(path, 'assembly') === 'assembled') process.end(`in the middle of putting ${path} there`);
        });
        if (outcome.ok) parts.assembled?.();
        return outcome;
      }),
  };
  return disk;
}

/** No bundle of the simulation has a link in it. */
function noLinks(): never {
  throw systemError('EOPNOTSUPP');
}

function unpack(files: FileSystem, { archivePath, directory }: UnpackRequest) {
  const bundle = readBundle(files.read(archivePath));
  if (bundle === null) return { ok: false as const, reason: 'corrupt' as const, message: 'the archive is damaged' };
  let totalBytes = 0;
  for (const { path, mode, text } of bundle) {
    files.makeDirectories(posix.dirname(posix.join(directory, path)), 0o755);
    const bytes = Buffer.from(text, 'utf8');
    files.append(files.create(posix.join(directory, path), mode), bytes);
    totalBytes += bytes.length;
  }
  return { ok: true as const, entries: bundle.length, totalBytes };
}
