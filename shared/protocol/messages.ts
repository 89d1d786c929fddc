import * as z from 'zod';
import { deploymentCreator } from '../model/deployment.ts';
import { fileExistsBehavior } from '../model/deployment-group.ts';
import { groupDrift } from '../model/drift.ts';
import { hostFacts } from '../model/host.ts';
import { diagnostics, lifecycleEventName } from '../model/lifecycle-event.ts';
import { bundleType, digest } from '../model/revision.ts';

/**
 * The frames between an agent and its coordinator, one JSON object each. Unknown fields pass; a frame of an unknown kind is
 * ignored by agents and answered with `problem` by the coordinator. docs/protocol.md tells the order of a session.
 */

/** The largest frame either side accepts, bytes. */
export const MAX_FRAME_BYTES = 256 * 1_024;
/** The most reports in one frame. */
export const MAX_REPORTS_PER_FRAME = 64;
/** The most hook output in one chunk, bytes before base64. */
export const MAX_OUTPUT_CHUNK_BYTES = 32 * 1_024;
/** The most deployment groups in one answer about drift. */
export const MAX_DRIFT_GROUPS = 256;
/** Hook output that may be under way without an acknowledgement, bytes. */
export const OUTPUT_WINDOW_BYTES = 128 * 1_024;

const deploymentId = z.string().regex(/^d-[A-Z0-9]{9}(-local)?$/);
const base64 = z.base64();
const instant = z.number().int().nonnegative();

/** Everything that an agent needs to walk one deployment alone. Given again after a reconnection: a repeat is recognised. */
export const assignment = z.object({
  deploymentId,
  application: z.string(),
  deploymentGroupId: z.string(),
  deploymentGroupName: z.string(),
  creator: deploymentCreator,
  revision: z.object({
    id: z.string(),
    label: z.string(),
    digest,
    bundleType,
    sizeBytes: z.number().int().nonnegative(),
  }),
  /** The lifecycle events in order. */
  lifecycleEvents: z.array(lifecycleEventName).min(1).max(32),
  fileExistsBehavior,
  ignoreApplicationStopFailures: z.boolean(),
  /** Path of the AppSpec file from the bundle's root. */
  appSpecFilename: z.string().default('appspec.yml'),
  /** Variables for every hook, beside the CodeDeploy ones and the host's own. */
  hookEnvironment: z.record(z.string(), z.string()).default({}),
  /** Each script runs in a transient unit of systemd; absent: only those with limits. */
  transientUnits: z.boolean().optional(),
});
export type Assignment = z.infer<typeof assignment>;

/** Durable reports: journalled on the host, resent until acknowledged. `sequence` grows by one, from 1, per journal. */
const sequence = z.number().int().positive();
export const acceptedReport = z.object({
  kind: z.literal('accepted'),
  sequence,
  deploymentId,
  at: instant,
});
export const eventReport = z.object({
  kind: z.literal('event'),
  sequence,
  deploymentId,
  event: lifecycleEventName,
  status: z.enum(['Succeeded', 'Failed', 'Skipped']),
  /** Host clock, reported and never trusted. */
  startedAt: instant,
  durationMs: z.number().nonnegative(),
  diagnostics: diagnostics.optional(),
});
export const finishedReport = z.object({
  kind: z.literal('finished'),
  sequence,
  deploymentId,
  /** Skipped: cancelled before the host was touched. */
  status: z.enum(['Succeeded', 'Failed', 'Skipped']),
  at: instant,
  /** The revision whose files the host now has in this group; null when none or when that is unknown. */
  installedRevisionId: z.string().nullable(),
  message: z.string().max(4_096).optional(),
});
export const report = z.discriminatedUnion('kind', [acceptedReport, eventReport, finishedReport]);
export type Report = z.infer<typeof report>;
export type EventReport = z.infer<typeof eventReport>;
export type FinishedReport = z.infer<typeof finishedReport>;

/** Not durable: which event runs now. May be lost or repeated. */
export const runningEvent = z.object({
  deploymentId,
  event: lifecycleEventName,
  startedAt: instant,
  /** The most the event may take, ms: the sum of its scripts' timeouts. The coordinator's deadline stands on it. */
  timeoutMs: z.number().int().positive(),
});
export type RunningEvent = z.infer<typeof runningEvent>;

/** A piece of an event's output, at its place. The coordinator stores it once and acknowledges the length it has. */
export const outputChunk = z.object({
  deploymentId,
  event: lifecycleEventName,
  offset: z.number().int().nonnegative(),
  /** Base64 of at most {@link MAX_OUTPUT_CHUNK_BYTES} bytes; the bytes need not be UTF-8. */
  data: base64.max(Math.ceil(MAX_OUTPUT_CHUNK_BYTES / 3) * 4),
});
export type OutputChunk = z.infer<typeof outputChunk>;

export const hello = z.object({
  kind: z.literal('hello'),
  protocol: z.object({ major: z.number().int(), minor: z.number().int() }),
  agentVersion: z.string().max(64),
  hostId: z.string().max(64),
  /** Ed25519 over {@link signedText} of the challenge, base64. */
  signature: base64.max(128),
  /** Names the journal that sequence numbers belong to: a host whose state was wiped starts another one. */
  journalId: z.string().min(8).max(64),
  /** Random per agent process: tells a reconnection from a second process with the same key. */
  processId: z.string().min(8).max(64),
  at: instant,
  facts: hostFacts,
  /** Deployments that the journal holds and that have not been finished: the coordinator sends what is missing. */
  deployments: z.array(deploymentId).max(1_024),
});
export const heartbeat = z.object({
  kind: z.literal('heartbeat'),
  at: instant,
  load1: z.number().nonnegative().optional(),
  diskFreeBytes: z.number().nonnegative().optional(),
});
/** Whole and in its place, as far as Install knows. */
const installedRevision = z.object({ deploymentGroupId: z.string(), deploymentId, revisionId: z.string() });
export type InstalledRevision = z.infer<typeof installedRevision>;
/** Of groups in one frame: the rest, those that were deployed to longest ago, is not told. */
export const MAX_INSTALLED = 256;

export const reports = z.object({
  kind: z.literal('reports'),
  items: z.array(report).max(MAX_REPORTS_PER_FRAME),
  running: z.array(runningEvent).max(MAX_REPORTS_PER_FRAME).optional(),
  /**
   * What the host has, once on each connection, for a coordinator that knows otherwise: as of these reports and all before them. Not in
   * the hello, since the host may have gone on before that is answered.
   */
  installed: z.array(installedRevision).max(MAX_INSTALLED).optional(),
});
export const output = z.object({ kind: z.literal('output'), chunks: z.array(outputChunk).min(1).max(8) });

/** The answer to {@link findDrift}; it comes once, or not at all when the connection is lost. Since 1.1. */
export const driftAnswer = z.object({
  kind: z.literal('drift'),
  requestId: z.string().max(64),
  groups: z.array(groupDrift).max(MAX_DRIFT_GROUPS),
  /** True when there are more groups. */
  isTruncated: z.boolean(),
  /** Why the host could not look; there are no groups then. */
  failure: z.string().max(1_024).optional(),
});
export type DriftAnswer = z.infer<typeof driftAnswer>;

export const agentMessage = z.discriminatedUnion('kind', [hello, heartbeat, reports, output, driftAnswer]);
export type AgentMessage = z.infer<typeof agentMessage>;
export type Hello = z.infer<typeof hello>;

/** The first frame on a connection. */
export const challenge = z.object({
  kind: z.literal('challenge'),
  nonce: z.string().min(16).max(128),
  coordinatorId: z.string(),
});
export const welcome = z.object({
  kind: z.literal('welcome'),
  protocol: z.object({ major: z.number().int(), minor: z.number().int() }),
  coordinatorVersion: z.string(),
  hostName: z.string(),
  /** Bearer of this host's downloads and questions; ends with the connection. */
  sessionToken: z.string(),
  heartbeatIntervalMs: z.number().int().positive(),
  /** Silence for longer than this means a dead connection, to either side. */
  silenceLimitMs: z.number().int().positive(),
  acknowledgedSequence: z.number().int().nonnegative(),
  at: instant,
});
export const assignmentMessage = z.object({ kind: z.literal('assignment'), assignment });
/** Do not begin this deployment if the host has not been touched by it; otherwise go on to its end. */
export const cancel = z.object({
  kind: z.literal('cancel'),
  deploymentId,
  /** Given where the assignment may not have arrived: what is installed there belongs to the answer. */
  deploymentGroupId: z.string().optional(),
  reason: z.string().max(1_024),
});
export type Cancel = Omit<z.infer<typeof cancel>, 'kind'>;
/** Which installed files are not as Install left them? Only to agents of 1.1 and later. */
export const findDrift = z.object({ kind: z.literal('find-drift'), requestId: z.string().max(64) });
export const acknowledged = z.object({
  kind: z.literal('acknowledged'),
  /** Every report up to this one is committed. */
  sequence: z.number().int().nonnegative(),
  /** Output that is committed, as a length from the beginning. */
  output: z
    .array(z.object({ deploymentId, event: lifecycleEventName, length: z.number().int().nonnegative() }))
    .optional(),
});
export const heartbeatAnswer = z.object({ kind: z.literal('heartbeat'), at: instant });
/** The coordinator ends the connection in good order; come back after the time given. */
export const goodbye = z.object({
  kind: z.literal('goodbye'),
  reason: z.enum(['stopping', 'replaced', 'silent', 'flooding']),
  reconnectAfterMs: z.number().int().nonnegative(),
});
/** The last frame was refused. `fatal`: the coordinator closes and the agent must not try again at once. */
export const problem = z.object({
  kind: z.literal('problem'),
  code: z.enum([
    'malformed',
    'unknown_kind',
    'too_large',
    'version',
    'unauthorized',
    'host_unknown',
    'host_cloned',
    'out_of_order',
  ]),
  message: z.string(),
  hint: z.string().optional(),
  fatal: z.boolean(),
});

export const coordinatorMessage = z.discriminatedUnion('kind', [
  challenge,
  welcome,
  assignmentMessage,
  cancel,
  findDrift,
  acknowledged,
  heartbeatAnswer,
  goodbye,
  problem,
]);
export type CoordinatorMessage = z.infer<typeof coordinatorMessage>;

/** What a host signs: bound to this coordinator, this host and this challenge. */
export function signedText(nonce: string, coordinatorId: string, hostId: string): string {
  return `drover-host-proof-v1\n${coordinatorId}\n${hostId}\n${nonce}`;
}
