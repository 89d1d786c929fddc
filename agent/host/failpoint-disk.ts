import { AppError } from '../../shared/core/errors.ts';
import type { AppendFile, Disk } from './disk.ts';

/**
 * For crash tests only: ends the process at a chosen change of the disk. `DROVER_FAILPOINT=journal:12:torn` means the 12th
 * append to a file named `journal`; the moments are `before` it, `torn` (half of it is written), `written` (all of it, not
 * synced) and `synced`. `disk:37:torn` means the 37th change of any kind: `before` it, `torn` (half of what is written,
 * copied or removed), or `after` it.
 */
export type Failpoint =
  | { kind: 'append'; fileName: string; append: number; moment: 'before' | 'torn' | 'written' | 'synced' }
  | { kind: 'disk'; change: number; moment: 'before' | 'torn' | 'after' };

export function parseFailpoint(text: string): Failpoint {
  const change = /^disk:(\d{1,9}):(before|torn|after)$/.exec(text);
  if (change !== null)
    return { kind: 'disk', change: Number(change[1]), moment: change[2] as (Failpoint & { kind: 'disk' })['moment'] };
  const match = /^([\w.-]+):(\d{1,9}):(before|torn|written|synced)$/.exec(text);
  if (match?.[1] === undefined)
    throw new AppError('invalid', `DROVER_FAILPOINT is ${JSON.stringify(text)}`, {
      hint: 'Write <file name>:<number of the append>:before|torn|written|synced, or disk:<number of the change>:before|torn|after.',
    });
  // The expressions allow only these words.
  const moment = match[3] as (Failpoint & { kind: 'append' })['moment'];
  return { kind: 'append', fileName: match[1], append: Number(match[2]), moment };
}

/** @param die ends the process and does not return; it may throw where a process only plays dead. */
export function withFailpoint(disk: Disk, failpoint: Failpoint, die: () => never): Disk {
  return failpoint.kind === 'append' ? dyingAtAppend(disk, failpoint, die) : dyingAtChange(disk, failpoint, die);
}

function dyingAtAppend(disk: Disk, failpoint: Failpoint & { kind: 'append' }, die: () => never): Disk {
  let appends = 0;
  const wrap = (file: AppendFile): AppendFile => {
    let isDue = false;
    return {
      get length() {
        return file.length;
      },
      async append(data) {
        isDue = ++appends === failpoint.append;
        if (isDue && failpoint.moment === 'before') die();
        if (isDue && failpoint.moment === 'torn') {
          await appendHalf(file, data);
          die();
        }
        await file.append(data);
        if (isDue && failpoint.moment === 'written') die();
      },
      async sync() {
        await file.sync();
        if (isDue && failpoint.moment === 'synced') die();
      },
      truncate: (length) => file.truncate(length),
      close: () => file.close(),
    };
  };
  return {
    ...disk,
    async openAppend(path, mode) {
      const file = await disk.openAppend(path, mode);
      return path.endsWith(`/${failpoint.fileName}`) ? wrap(file) : file;
    },
  };
}

function dyingAtChange(disk: Disk, failpoint: Failpoint & { kind: 'disk' }, die: () => never): Disk {
  let changes = 0;
  /** `half` is what is left when the process dies in the middle; without it the change is one the kernel makes whole. */
  async function change<T>(whole: () => Promise<T>, half?: () => Promise<unknown>): Promise<T> {
    const number = ++changes;
    // The dead do nothing more.
    if (number > failpoint.change) die();
    if (number < failpoint.change) return whole();
    if (failpoint.moment === 'torn') await half?.();
    if (failpoint.moment !== 'after') die();
    await whole();
    return die();
  }
  const wrap = (file: AppendFile): AppendFile => ({
    get length() {
      return file.length;
    },
    append: (data) =>
      change(
        () => file.append(data),
        () => appendHalf(file, data),
      ),
    sync: () => change(() => file.sync()),
    truncate: (length) => change(() => file.truncate(length)),
    close: () => file.close(),
  });
  return {
    ...disk,
    openAppend: async (path, mode) => wrap(await change(() => disk.openAppend(path, mode))),
    writeFileDurably: (path, data, mode) =>
      change(
        () => disk.writeFileDurably(path, data, mode),
        () => writeHalf(disk, `${path}.tmp`, data),
      ),
    cut: (path, to) => change(() => disk.cut(path, to)),
    makeDirectory: (path, options) => change(() => disk.makeDirectory(path, options)),
    rename: (from, to) => change(() => disk.rename(from, to)),
    link: (from, to) => change(() => disk.link(from, to)),
    removeFile: (path) => change(() => disk.removeFile(path)),
    removeDirectory: (path) => change(() => disk.removeDirectory(path)),
    removeTree: (path) =>
      change(
        () => disk.removeTree(path),
        () => removeHalf(disk, path),
      ),
    copyFile: (from, to) =>
      change(
        () => disk.copyFile(from, to),
        async () => writeHalf(disk, to, await disk.readFile(from, Number.MAX_SAFE_INTEGER)),
      ),
    createSymlink: (text, path) => change(() => disk.createSymlink(text, path)),
    setMode: (path, mode) => change(() => disk.setMode(path, mode)),
    setOwner: (path, uid, gid) => change(() => disk.setOwner(path, uid, gid)),
    sync: (path) => change(() => disk.sync(path)),
    syncTree: (directory) => change(() => disk.syncTree(directory)),
    unpack: (request) => change(() => disk.unpack(request)),
    assemble: (request) => change(() => disk.assemble(request)),
  };
}

function appendHalf(file: AppendFile, data: string | Uint8Array): Promise<void> {
  const bytes = Buffer.from(data);
  return file.append(bytes.subarray(0, Math.ceil(bytes.length / 2)));
}

async function writeHalf(disk: Disk, path: string, data: string | Uint8Array): Promise<void> {
  const file = await disk.openAppend(path, 0o600);
  try {
    await file.truncate(0);
    await appendHalf(file, data);
  } finally {
    await file.close();
  }
}

async function removeHalf(disk: Disk, path: string): Promise<void> {
  if ((await disk.status(path))?.kind !== 'directory') return;
  const names = await disk.list(path);
  for (const name of names.slice(0, Math.ceil(names.length / 2))) await disk.removeTree(`${path}/${name}`);
}
