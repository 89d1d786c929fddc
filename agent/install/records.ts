import { createHash } from 'node:crypto';
import { join } from 'node:path';
import * as z from 'zod';
import { AppError, errnoOf } from '../../shared/core/errors.ts';
import type { Disk } from '../host/disk.ts';

/** A million files with long names. */
const MAX_RECORD_BYTES = 512 * 1_024 * 1_024;

/** What the last finished install of a group put on the host; the next one removes what it does not need of it. */
const manifestSchema = z.object({
  format: z.literal(1),
  groupId: z.string(),
  deploymentId: z.string(),
  /** Counts this group's installs: a journal with a number not above this one's is committed. */
  sequence: z.number().int().positive(),
  files: z.array(z.string()),
  /** Made by an install of this group, parents before children. */
  directories: z.array(z.string()),
  /** Paths with a rule of `semanage fcontext`. */
  selinuxPaths: z.array(z.string()),
  /** Fingerprints by path, as they were after the install. Absent for files of an agent that did not record them. */
  contents: z.record(z.string(), z.string()).default({}),
  /** The last release that is another than the one put in use, by its path; where the AppSpec asks for a release directory. */
  releaseBefore: z.string().nullable().default(null),
});
export type Manifest = z.infer<typeof manifestSchema>;

const directoryFacts = z.object({
  path: z.string(),
  mode: z.number().int(),
  uid: z.number().int(),
  gid: z.number().int(),
});
export type DirectoryFacts = z.infer<typeof directoryFacts>;

/** What an install is about to do: written durably before the first change, enough to undo it from any point. */
const journalSchema = z.object({
  format: z.literal(1),
  groupId: z.string(),
  deploymentId: z.string(),
  sequence: z.number().int().positive(),
  /** While staging nothing is visible yet: undoing it is removing the staged files. */
  phase: z.enum(['staging', 'switching']),
  /** `backup` is null where there was nothing before. */
  places: z.array(z.object({ path: z.string(), staged: z.string(), backup: z.string().nullable() })),
  removes: z.array(z.object({ path: z.string(), backup: z.string() })),
  createdDirectories: z.array(z.string()),
  /** Directories of the previous install that a file takes the place of. */
  clearedDirectories: z.array(directoryFacts),
  /** Directories of the previous install that get other permissions: as they were. */
  changedDirectories: z.array(directoryFacts),
  /** Paths that get a rule of `semanage fcontext` which they did not have. */
  newSelinuxPaths: z.array(z.string()),
  /** For completing a committed install: what the previous one made and this one does not need. */
  unneededDirectories: z.array(z.string()),
  unneededSelinuxPaths: z.array(z.string()),
});
export type Journal = z.infer<typeof journalSchema>;

export interface GroupState {
  groupId: string;
  stateDirectory: string;
}

export function readManifest(disk: Disk, group: GroupState): Promise<Manifest | null> {
  return readRecord(disk, manifestPath(group), manifestSchema);
}

export function writeManifest(disk: Disk, group: GroupState, manifest: Manifest): Promise<void> {
  return disk.writeFileDurably(manifestPath(group), JSON.stringify(manifest), 0o600);
}

/** One that {@link markUndone} has marked reads as if nothing had been switched. */
export async function readJournal(disk: Disk, group: GroupState): Promise<Journal | null> {
  const journal = await readRecord(disk, journalPath(group), journalSchema);
  if (journal !== null) return journal;
  const undone = await readRecord(disk, undonePath(group), journalSchema);
  return undone === null ? null : { ...undone, phase: 'staging' };
}

export function writeJournal(disk: Disk, group: GroupState, journal: Journal): Promise<void> {
  return disk.writeFileDurably(journalPath(group), JSON.stringify(journal), 0o600);
}

/** The old files are back, durably: what is left to do is removing the staged ones. A rename, for the disk may be full. */
export async function markUndone(disk: Disk, group: GroupState): Promise<void> {
  await disk.rename(journalPath(group), undonePath(group));
  await disk.sync(group.stateDirectory);
}

export async function removeJournal(disk: Disk, group: GroupState): Promise<void> {
  for (const path of [journalPath(group), undonePath(group)])
    if ((await disk.status(path)) !== null) await disk.removeFile(path);
  await disk.sync(group.stateDirectory);
}

/** A prefix for the names of temporary files: no other install on this host uses it. */
export function temporaryPrefix(groupId: string, sequence: number): string {
  return `.drover-${createHash('sha256').update(groupId).digest('hex').slice(0, 12)}-${sequence}-`;
}

function manifestPath({ groupId, stateDirectory }: GroupState): string {
  return join(stateDirectory, `${encodeURIComponent(groupId)}-manifest.json`);
}

function journalPath({ groupId, stateDirectory }: GroupState): string {
  return join(stateDirectory, `${encodeURIComponent(groupId)}-install.json`);
}

function undonePath({ groupId, stateDirectory }: GroupState): string {
  return join(stateDirectory, `${encodeURIComponent(groupId)}-undone.json`);
}

async function readRecord<T>(disk: Disk, path: string, schema: z.ZodType<T>): Promise<T | null> {
  let text: string;
  try {
    text = (await disk.readFile(path, MAX_RECORD_BYTES)).toString('utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    throw error;
  }
  try {
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    throw new AppError('internal', `${path} is not a record of an install that this agent understands`, {
      hint: 'move it away only if you know which files the last install left; without it they count as foreign',
      cause,
    });
  }
}
