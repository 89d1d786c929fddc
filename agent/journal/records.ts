import { createHash } from 'node:crypto';
import * as z from 'zod';
import { lifecycleEventName } from '../../shared/model/lifecycle-event.ts';
import { acceptedReport, assignment, eventReport, finishedReport, report } from '../../shared/protocol/messages.ts';

/**
 * What the journal holds. docs/agent.md tells the story; `state.ts` says what each record changes. Records that are
 * committed together are one line, and so are there together or not at all.
 *
 * An agent must be able to read what one of the minor version after it has written, since that may be replaced by it: a version
 * that does not connect is. So the journal only grows. Unknown fields pass, and are gone with the next compaction. A record of a
 * kind that this version does not know is passed over when it says `optional: true`, and else stops the agent. A kind that an
 * older agent cannot do without is therefore read one minor version before it is written; and no field gets
 * values that the version before refuses.
 */

const instant = z.number().int();
const deploymentId = z.string();

const exitStatus = z.object({ exitCode: z.number().int().nullable(), signal: z.string().nullable() });

/** A script whose start was decided. `ended` is null while it runs, and when nobody saw how it ended. */
const scriptProgress = z.object({
  location: z.string(),
  /** From 1; more than 1 when an earlier start is known never to have happened. */
  attempt: z.number().int().positive(),
  startedAt: instant,
  deadlineAt: instant,
  /** The host's boot in which it was started. */
  bootId: z.string(),
  /** The agent began to stop it because its time was over. */
  isTimedOut: z.boolean(),
  ended: exitStatus.nullable(),
  /** It ended with a request for a reboot; settled once the host has been booted since. */
  reboot: z.object({ requestedAt: instant, isSettled: z.boolean() }).optional(),
});
export type ScriptProgress = z.infer<typeof scriptProgress>;

const eventProgress = z.object({
  event: lifecycleEventName,
  startedAt: instant,
  timeoutMs: z.number().int().positive(),
  scripts: z.array(scriptProgress),
  report: eventReport.nullable(),
});
export type EventProgress = z.infer<typeof eventProgress>;

/** Where a revision's files lie on this host. */
const archive = z.object({ archiveRoot: z.string(), appSpecPath: z.string() });

const deploymentProgress = z.object({
  assignment,
  acceptedAt: instant,
  /** A step has begun: from here on it goes to its end. */
  isBegun: z.boolean(),
  /** Set once the bundle lies unpacked. */
  archive: archive.nullable(),
  events: z.array(eventProgress),
});
export type DeploymentProgress = z.infer<typeof deploymentProgress>;

/** The last revision whose Install succeeded in a group. */
const installedRevision = archive.extend({
  deploymentId,
  revisionId: z.string(),
  revisionLabel: z.string(),
  digest: z.string(),
  at: instant,
  /** False after a later Install failed and could not put this revision's files back, or one of another group has replaced some of them. */
  isIntact: z.boolean(),
  /** Of the revision that was installed before this one: what a rollback goes back to. */
  previousDigest: z.string().optional(),
  /** What the group was called when this was installed, for people. Not known of installs by earlier agents. */
  groupName: z.object({ application: z.string(), deploymentGroupName: z.string() }).optional(),
});
export type GroupName = NonNullable<z.infer<typeof installedRevision>['groupName']>;

const journalState = z.object({
  /** Sequence numbers count within this name. */
  journalId: z.string(),
  lastSequence: z.number().int().nonnegative(),
  acknowledgedSequence: z.number().int().nonnegative(),
  /** Not finished, in order of arrival. */
  deployments: z.array(deploymentProgress),
  /** Not acknowledged, in order. */
  reports: z.array(report),
  /** The last finished deployments, oldest first, so that a repeated assignment is recognised. */
  finished: z.array(finishedReport),
  installed: z.record(z.string(), installedRevision),
  /** Finished deployments whose hook output the coordinator does not have to its end yet, oldest first. */
  unsentOutput: z.array(z.object({ deploymentId, deploymentGroupId: z.string() })),
});
export type JournalState = z.infer<typeof journalState>;

const scriptPlace = { deploymentId, event: lifecycleEventName, index: z.number().int().nonnegative() };

const journalRecord = z.discriminatedUnion('kind', [
  /** Everything before it is contained in it. The first record of every journal. */
  z.object({ kind: z.literal('checkpoint'), state: journalState }),
  z.object({ kind: z.literal('accepted'), assignment, report: acceptedReport }),
  z.object({ kind: z.literal('begun'), deploymentId }),
  z.object({
    kind: z.literal('event-started'),
    deploymentId,
    event: lifecycleEventName,
    at: instant,
    timeoutMs: z.number().int().positive(),
  }),
  /** Durable before the script is started. */
  z.object({ kind: z.literal('script-starting'), ...scriptPlace, script: scriptProgress }),
  /** Durable before the script is stopped. */
  z.object({ kind: z.literal('script-timed-out'), ...scriptPlace }),
  z.object({ kind: z.literal('script-ended'), ...scriptPlace, ended: exitStatus }),
  /** Durable before the host is asked to go down. */
  z.object({ kind: z.literal('reboot-requested'), ...scriptPlace, at: instant }),
  z.object({ kind: z.literal('reboot-settled'), ...scriptPlace }),
  z.object({ kind: z.literal('bundle-ready'), deploymentId, archive }),
  z.object({ kind: z.literal('installed'), deploymentGroupId: z.string(), revision: installedRevision }),
  z.object({ kind: z.literal('install-broken'), deploymentGroupId: z.string() }),
  z.object({ kind: z.literal('event-ended'), report: eventReport }),
  /** Also for a deployment that this host never began, and for a repeat of one that ended long ago. */
  z.object({ kind: z.literal('finished'), report: finishedReport }),
  z.object({ kind: z.literal('acknowledged'), sequence: z.number().int().nonnegative() }),
  z.object({ kind: z.literal('output-sent'), deploymentId }),
]);
export type JournalRecord = z.infer<typeof journalRecord>;

const KNOWN_KINDS: ReadonlySet<string> = new Set(journalRecord.options.map((option) => option.shape.kind.value));
/** What any version's records have in common. */
const anyRecord = z.looseObject({ kind: z.string(), optional: z.boolean().optional() });

const HASH_LENGTH = 16;
const batch = z.array(anyRecord).min(1);

/** As it will stand in a line, whatever becomes of the object. */
export function encodeRecord(record: JournalRecord): string {
  return JSON.stringify(record);
}

/**
 * One line: 16 hex digits of the SHA-256 of what follows the second space, its length in bytes, the records as a JSON array,
 * a newline.
 * @param records from {@link encodeRecord}
 */
export function encodeLine(records: readonly string[]): string {
  const json = `[${records.join()}]`;
  return `${hashOf(json)} ${Buffer.byteLength(json)} ${json}\n`;
}

type DecodedLine =
  | { ok: true; records: JournalRecord[] }
  /** `isTorn`: a write that was cut off can look like this. */
  | { ok: false; isTorn: boolean; message: string };

/** The records of a line (without its newline), or what is wrong with it. */
function decodeLine(line: string): DecodedLine {
  const [, hash, length, json] = /^([0-9a-f]{16}) (\d{1,10}) (.*)$/s.exec(line) ?? [];
  if (hash === undefined || length === undefined || json === undefined)
    return { ok: false, isTorn: true, message: 'the line does not begin with a checksum and a length' };
  // A torn write is never longer than it was to be: this is a line whose own newline, or that of an earlier one, is damaged.
  if (Buffer.byteLength(json) > Number(length))
    return { ok: false, isTorn: false, message: 'the line is longer than it says' };
  if (Buffer.byteLength(json) < Number(length) || hashOf(json) !== hash)
    return { ok: false, isTorn: true, message: 'the checksum or the length does not match' };
  // The checksum vouches for the bytes, so what JSON.parse or the schema refuses was written by another version.
  const parsed = batch.safeParse(JSON.parse(json));
  if (!parsed.success) return { ok: false, isTorn: false, message: placeOf(parsed.error) };
  const records: JournalRecord[] = [];
  for (const [index, record] of parsed.data.entries()) {
    const decoded = decodeRecord(record);
    if (!decoded.ok) return { ok: false, isTorn: false, message: `${index}.${decoded.message}` };
    if (decoded.record !== null) records.push(decoded.record);
  }
  return { ok: true, records };
}

/** Null for one that this version may pass over. */
function decodeRecord(
  record: z.infer<typeof anyRecord>,
): { ok: true; record: JournalRecord | null } | { ok: false; message: string } {
  if (!KNOWN_KINDS.has(record.kind)) {
    if (record.optional === true) return { ok: true, record: null };
    const kind = JSON.stringify(record.kind.slice(0, 64));
    return {
      ok: false,
      message: `kind: ${kind} was written by a newer agent, and cannot be passed over: install that agent again`,
    };
  }
  const parsed = journalRecord.safeParse(record);
  return parsed.success ? { ok: true, record: parsed.data } : { ok: false, message: placeOf(parsed.error) };
}

function placeOf(error: z.ZodError): string {
  const issue = error.issues[0];
  return `${issue?.path.map(String).join('.')}: ${issue?.message}`;
}

export type ReadJournal =
  | {
      ok: true;
      records: JournalRecord[];
      /** Bytes up to the end of the last whole line; what follows is a torn write. */
      wholeBytes: number;
    }
  | { ok: false; offset: number; message: string };

/** Reads a journal. A torn last line is left out; anything else unreadable is an error with its byte offset. */
export function readLines(bytes: Buffer): ReadJournal {
  const records: JournalRecord[] = [];
  let offset = 0;
  while (offset < bytes.length) {
    const newline = bytes.indexOf(0x0a, offset);
    const end = newline === -1 ? bytes.length : newline;
    const decoded = decodeLine(bytes.toString('utf8', offset, end));
    if (!decoded.ok || newline === -1) {
      const isLast = newline === -1 || newline === bytes.length - 1;
      const isTorn = decoded.ok || decoded.isTorn;
      if (isLast && isTorn && records.length > 0) break;
      return { ok: false, offset, message: decoded.ok ? 'the line has no end' : decoded.message };
    }
    for (const record of decoded.records) records.push(record);
    offset = end + 1;
  }
  if (records[0]?.kind !== 'checkpoint')
    return { ok: false, offset: 0, message: 'it does not begin with a checkpoint' };
  return { ok: true, records, wholeBytes: offset };
}

function hashOf(json: string): string {
  return createHash('sha256').update(json).digest('hex').slice(0, HASH_LENGTH);
}
