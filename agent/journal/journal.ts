import { AppError, wrapError } from '../../shared/core/errors.ts';
import { newUuid } from '../../shared/core/ids.ts';
import type { Randomness } from '../../shared/core/randomness.ts';
import type { AppendFile, Disk } from '../host/disk.ts';
import { encodeLine, encodeRecord, type JournalRecord, type JournalState, readLines } from './records.ts';
import { applyRecord, emptyState, renumbered } from './state.ts';

/** A journal of this size is damaged or not ours, bytes. */
const MAX_JOURNAL_BYTES = 256 * 1_024 * 1_024;
/** Records that may wait for the next commit. */
const MAX_PENDING_RECORDS = 256;

/**
 * The truth on the host: one file, appended to and synced. `append` changes the state at once; the change survives a crash
 * when the `commit` after it has returned, and nothing that must not be repeated may happen before. Commits are grouped:
 * what was appended while one was under way shares the next.
 */
export interface Journal {
  readonly state: Readonly<JournalState>;
  /** Every report up to this one is on the disk, and only those may leave the host. */
  readonly durableSequence: number;
  nextSequence(): number;
  append(...records: JournalRecord[]): void;
  /**
   * Rejects when the disk refuses. What it did not take (the disk is full) waits for the next commit; when it is unknown what lies there
   * now (a sync failed), every later commit rejects, and neither journal nor agent is of any use.
   */
  commit(): Promise<void>;
  /** Calls `listener` after each commit. */
  onCommit(listener: () => void): void;
  /** Goes on under a new name; see {@link renumbered}. */
  renumber(): Promise<void>;
  facts(): JournalFacts;
  close(): Promise<void>;
}

interface JournalFacts {
  path: string;
  journalId: string;
  bytes: number;
  unacknowledgedReports: number;
  /** Times this process rewrote the file to drop what is no longer needed. */
  compactions: number;
}

export interface JournalParts {
  disk: Disk;
  path: string;
  randomness: Randomness;
  /** The file is rewritten once it is longer than this *and* four times its last rewritten length, bytes. */
  compactAboveBytes?: number | undefined;
  /** It could not be rewritten, and goes on as it is. */
  onCompactionRefused?(error: unknown): void;
}

/** Opens the journal, creating it when there is none, and cuts a torn last write. @throws AppError when it is unreadable. */
export async function openJournal(parts: JournalParts): Promise<Journal> {
  const { disk, path } = parts;
  if ((await disk.status(path)) === null) await writeCheckpoint(disk, path, emptyState(newUuid(parts.randomness)));
  const replayed = await replay(disk, path);
  const file = await disk.openAppend(path, 0o600);
  if (file.length > replayed.wholeBytes) {
    await file.truncate(replayed.wholeBytes);
  }
  // An agent that died between a write and its sync has left what may be told, but not what is safe, before this.
  await file.sync();
  return createJournal(parts, replayed, { file, inode: await inodeOf(disk, path) });
}

async function inodeOf(disk: Disk, path: string): Promise<number | null> {
  return (await disk.status(path))?.inode ?? null;
}

/** The state of a journal that another process may be writing. Null when there is none. @throws AppError when unreadable. */
export async function readJournal(disk: Disk, path: string): Promise<JournalState | null> {
  return (await disk.status(path)) === null ? null : (await replay(disk, path)).state;
}

interface Replayed {
  state: JournalState;
  wholeBytes: number;
  checkpointBytes: number;
}

async function replay(disk: Disk, path: string): Promise<Replayed> {
  const bytes = await disk.readFile(path, MAX_JOURNAL_BYTES).catch((error: unknown) => {
    throw wrapError(`read the journal ${path}`, error);
  });
  const read = readLines(bytes);
  if (!read.ok)
    throw new AppError('internal', `the journal ${path} is unreadable at byte ${read.offset}: ${read.message}`, {
      hint: 'Keep a copy of the file. Without it the host has forgotten what it ran: remove it only if a new deployment to this host is safe.',
      details: { path, offset: read.offset },
    });
  const state = emptyState('');
  for (const record of read.records) applyRecord(state, record);
  return { state, wholeBytes: read.wholeBytes, checkpointBytes: bytes.indexOf(0x0a) + 1 };
}

function createJournal(
  parts: JournalParts,
  replayed: Replayed,
  opened: { file: AppendFile; inode: number | null },
): Journal {
  const { disk, path } = parts;
  const state = replayed.state;
  const compactAboveBytes = parts.compactAboveBytes ?? 1_024 * 1_024;
  const listeners: (() => void)[] = [];
  let { file, inode } = opened;
  let bytes = replayed.wholeBytes;
  let checkpointBytes = replayed.checkpointBytes;
  let compactions = 0;
  /** After a rewriting that failed: the next one is tried when the file is longer than this. */
  let retryAboveBytes = 0;
  let durableSequence = state.lastSequence;
  /** How often the reports were numbered anew: a write that began before tells nothing of the numbers since. */
  let numberings = 0;
  let pending: string[] = [];
  let inFlight: Promise<void> = Promise.resolve();
  let next: Promise<void> | null = null;
  let brokenBy: unknown = null;

  function commit(): Promise<void> {
    if (next !== null) return next;
    if (pending.length === 0) return inFlight;
    const before = inFlight.catch(() => {});
    next = before.then(async () => {
      next = null;
      await write();
      for (const listener of listeners) listener();
    });
    inFlight = next;
    return next;
  }

  async function write(): Promise<void> {
    if (brokenBy !== null) throw brokenBy;
    const records = pending;
    pending = [];
    const written = { sequence: state.lastSequence, numberings };
    let wasCutBack = false;
    try {
      const isDue = bytes > compactAboveBytes && bytes > 4 * checkpointBytes && bytes > retryAboveBytes;
      if (!isDue || !(await compact())) {
        const line = Buffer.from(encodeLine(records));
        await file.append(line).catch(async (error: unknown) => {
          // A part of it may be there.
          await file.truncate(bytes);
          wasCutBack = true;
          throw error;
        });
        await file.sync();
        bytes += line.length;
      }
    } catch (error) {
      const failure = wrapError(`write the journal ${path}`, error);
      if (wasCutBack) pending = [...records, ...pending];
      else brokenBy = failure;
      throw failure;
    }
    if (written.numberings === numberings) durableSequence = written.sequence;
  }

  /**
   * The state contains the records that are waiting, so rewriting it commits them too. False when no new file can be made (no inode is left, say)
   * and the one that is there can be gone on with: it grows, and is rewritten later.
   */
  async function compact(): Promise<boolean> {
    try {
      // Nothing may be awaited before: what is appended meanwhile would be in it, and follow it once more.
      checkpointBytes = await writeCheckpoint(disk, path, state);
    } catch (error) {
      // Once the new one has the name, what goes to the old one is lost.
      if (inode === null || (await inodeOf(disk, path)) !== inode) throw error;
      retryAboveBytes = bytes + compactAboveBytes;
      parts.onCompactionRefused?.(error);
      return false;
    }
    await file.close();
    file = await disk.openAppend(path, 0o600);
    bytes = checkpointBytes;
    inode = await inodeOf(disk, path);
    retryAboveBytes = 0;
    compactions++;
    return true;
  }

  return {
    state,
    get durableSequence() {
      return durableSequence;
    },
    nextSequence: () => state.lastSequence + 1,
    append(...records) {
      for (const record of records) {
        // The file gets the record as it was given; applying may take its objects over and change them later.
        pending.push(encodeRecord(record));
        applyRecord(state, record);
      }
      // Nobody waits for this commit; whoever commits next meets its failure.
      if (pending.length > MAX_PENDING_RECORDS) commit().catch(() => {});
    },
    commit,
    onCommit: (listener) => listeners.push(listener),
    async renumber() {
      const record: JournalRecord = { kind: 'checkpoint', state: renumbered(state, newUuid(parts.randomness)) };
      this.append(record);
      numberings++;
      durableSequence = 0;
      await commit();
    },
    facts: () => ({
      path,
      journalId: state.journalId,
      bytes,
      unacknowledgedReports: state.reports.length,
      compactions,
    }),
    async close() {
      await commit().finally(() => file.close());
    },
  };
}

async function writeCheckpoint(disk: Disk, path: string, state: JournalState): Promise<number> {
  const line = Buffer.from(encodeLine([encodeRecord({ kind: 'checkpoint', state })]));
  await disk.writeFileDurably(path, line, 0o600);
  return line.length;
}
