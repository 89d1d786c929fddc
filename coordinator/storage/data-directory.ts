import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { open, readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import * as z from 'zod';
import { AppError, errnoOf, errorMessage } from '../../shared/core/errors.ts';
import type { Randomness } from '../../shared/core/randomness.ts';

/** Where things are in a coordinator's data directory. */
export interface DataDirectory {
  databasePath: string;
  revisionsPath: string;
  deltasPath: string;
  /** Writes a file that only its owner may read; an existing one is replaced. */
  writeSecret(name: string, text: string): Promise<string>;
  /**
   * Random bytes that only the owner may read: made once, and the same ever after.
   * @throws AppError `unavailable` when the file is there and is not what was written
   */
  keepRandomBytes(name: string, count: number, randomness: Randomness): Promise<Uint8Array>;
  /** A text that only the owner may read: made once, and the same ever after. @throws AppError `unavailable` */
  keepSecret(name: string, make: () => Promise<string>): Promise<string>;
  /** Another coordinator may have the directory now. */
  release(): void;
}

export interface Holder {
  pid: number;
  hostName: string;
  /** Epoch ms. */
  since: number;
}
const holderFile = z.object({ pid: z.number(), hostName: z.string(), since: z.number() });

/**
 * Makes the directory and takes it for this process. The lock is SQLite's own lock on a file of its own: the operating
 * system gives it up when the process ends, however it ends, and SQLite knows the traps of file locks. Who holds it stands in
 * a file beside it, for people.
 * @throws AppError `conflict` that names the coordinator which has the directory; `unavailable` when it cannot be written
 */
export function takeDataDirectory(path: string, holder: Holder): DataDirectory {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new AppError('unavailable', `cannot make the data directory ${path}: ${errorMessage(error)}`, {
      cause: error,
      hint: 'Set dataDirectory, or make it writable for the user that runs the coordinator.',
    });
  }
  const lock = takeLock(path);
  const holderPath = join(path, 'lock.json');
  try {
    writeFileSync(holderPath, `${JSON.stringify(holder)}\n`, { mode: 0o600 });
  } catch (error) {
    lock.close();
    throw new AppError('unavailable', `cannot write ${holderPath}: ${errorMessage(error)}`, {
      cause: error,
      hint: 'Is there room, and is it writable for the user that runs the coordinator?',
    });
  }
  return {
    databasePath: databasePathIn(path),
    revisionsPath: join(path, 'revisions'),
    deltasPath: join(path, 'deltas'),
    writeSecret: (name, text) => writeSecret(join(path, name), text),
    keepRandomBytes: (name, count, randomness) => keepRandomBytes(join(path, name), count, randomness),
    keepSecret: (name, make) => keepSecret(join(path, name), make),
    release: () => lock.close(),
  };
}

/** Where the database of a data directory is. */
export function databasePathIn(path: string): string {
  return join(path, 'drover.db');
}

/**
 * For what is of use only where a coordinator has been: a wrong path would get a database of its own.
 * @throws AppError `invalid` when there is no database; `unavailable` when nobody can tell
 */
export function expectDatabase(path: string): void {
  const databasePath = databasePathIn(path);
  let isThere: boolean;
  try {
    isThere = statSync(databasePath, { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    throw new AppError('unavailable', `cannot look for ${databasePath}: ${errorMessage(error)}`, {
      cause: error,
      hint: 'Run this as root, or as the user that runs the coordinator.',
    });
  }
  if (isThere) return;
  throw new AppError('invalid', `there is no database in ${path}: no coordinator has run there`, {
    hint: 'Name its data directory with --data-directory, or its configuration with --config. A new coordinator makes a token itself, at its first start.',
  });
}

function takeLock(path: string): BetterSqlite3.Database {
  let lock: BetterSqlite3.Database | undefined;
  try {
    lock = new BetterSqlite3(join(path, 'lock.db'), { timeout: 0 });
    lock.pragma('journal_mode = DELETE');
    lock.exec('BEGIN EXCLUSIVE');
    return lock;
  } catch (error) {
    lock?.close();
    if (errnoOf(error)?.startsWith('SQLITE_BUSY') !== true)
      throw new AppError('unavailable', `cannot lock the data directory ${path}: ${errorMessage(error)}`, {
        cause: error,
        hint: 'Is there room, is it writable for the user that runs the coordinator, and does its file system know locks?',
      });
    throw heldError(path);
  }
}

function heldError(path: string): AppError {
  const holder = readHolder(join(path, 'lock.json'));
  const who =
    holder === null
      ? 'another coordinator'
      : `the coordinator with process id ${holder.pid} on ${holder.hostName}, since ${new Date(holder.since).toISOString()}`;
  return new AppError('conflict', `${path} is in use by ${who}`, {
    hint: 'Two coordinators on one data directory would undo each other: stop that one, or give this one its own directory.',
    details: holder === null ? {} : { holder },
  });
}

function readHolder(path: string): Holder | null {
  try {
    return holderFile.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    // It only helps people: the lock is what counts, and the holder may be about to write this.
    return null;
  }
}

async function writeSecret(path: string, text: string): Promise<string> {
  const file = await open(path, 'w', 0o600);
  try {
    // An existing file keeps its mode when it is opened.
    await file.chmod(0o600);
    await file.writeFile(text);
    await file.sync();
    return path;
  } finally {
    await file.close();
  }
}

async function keepRandomBytes(path: string, count: number, randomness: Randomness): Promise<Uint8Array> {
  const kept = await keepSecret(path, async () => `${Buffer.from(randomness.bytes(count)).toString('hex')}\n`);
  const bytes = Buffer.from(kept.trim(), 'hex');
  if (bytes.length === count) return bytes;
  throw new AppError('unavailable', `${path} is damaged: it should have ${count * 2} hex digits`, {
    hint: 'Restore it from a backup. Removing it makes a new one, and what was made with the old one is worth nothing then.',
  });
}

async function keepSecret(path: string, make: () => Promise<string>): Promise<string> {
  const kept = await readFile(path, 'utf8').catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return null;
    throw new AppError('unavailable', `cannot read ${path}: ${errorMessage(error)}`, { cause: error });
  });
  if (kept !== null) return kept;
  const made = await make();
  // By another name first: a crash half way leaves no half a key behind.
  await rename(await writeSecret(`${path}.new`, made), path);
  // What is made with it must not outlive it: its name is on the disk before it is used.
  const directory = await open(dirname(path), 'r');
  await directory.sync().finally(() => directory.close());
  return made;
}
