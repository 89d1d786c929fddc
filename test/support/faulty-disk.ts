import type { AppendFile, Disk } from '../../agent/host/disk.ts';

/**
 * Every call of a disk passes `before` first, with its number from 1 and its name; what it throws is the disk's failure.
 * `append` and `sync` of opened files count too.
 */
export function faultyDisk(disk: Disk, before: (call: number, name: string) => void): Disk {
  let calls = 0;
  const guard = <Args extends unknown[], T>(name: string, method: (...args: Args) => Promise<T>) => {
    return async (...args: Args): Promise<T> => {
      before(++calls, name);
      return method(...args);
    };
  };
  const guardFile = (file: AppendFile): AppendFile => ({
    get length() {
      return file.length;
    },
    append: guard('append', (data) => file.append(data)),
    sync: guard('file.sync', () => file.sync()),
    truncate: guard('truncate', (length) => file.truncate(length)),
    close: () => file.close(),
  });
  const guarded = Object.fromEntries(
    Object.entries(disk).map(([name, method]) => [
      name,
      guard(name, method as (...args: unknown[]) => Promise<unknown>),
    ]),
  );
  // Object.entries forgets the types of the methods; they are the same ones as before.
  return {
    ...(guarded as unknown as Disk),
    openAppend: async (path, mode) => guardFile(await (guarded as unknown as Disk).openAppend(path, mode)),
  };
}

/** Without a stack: a simulated disk makes thousands, for files that are not there. */
export function systemError(code: string): Error {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  const error = Object.assign(new Error(`${code}: made by a test`), { code });
  Error.stackTraceLimit = stackTraceLimit;
  return error;
}
