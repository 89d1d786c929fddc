import * as z from 'zod';

/**
 * Another version of the agent on its way over the fleet: waves, each of them a deployment of {@link AGENT_APPLICATION}. What is
 * true of a wave is read from its deployment.
 */

/** The application whose revisions are versions of the agent. The coordinator makes it, and its revisions, by itself. */
export const AGENT_APPLICATION = 'drover-agent';
/** Its only deployment group. It selects no host: each wave names its own. */
export const AGENT_GROUP = 'fleet';

/** As a package has it in its file's name; Debian's characters without `_`. */
export const agentVersion = z
  .string()
  .max(64)
  .regex(/^[0-9][0-9A-Za-z.+~-]*$/, 'a version such as 0.2.0');

/** A number of hosts, or a share of them: `1`, `10%`. */
export const hostShare = z
  .string()
  .regex(/^([1-9]\d{0,5}|([1-9]\d?|100)%)$/, 'a number of hosts such as 5, or a share such as 10%');

export const agentUpdateStatus = z.enum(['InProgress', 'Succeeded', 'Failed', 'Stopped']);
export type AgentUpdateStatus = z.infer<typeof agentUpdateStatus>;

export const agentUpdateSettings = z.object({
  /** How many hosts have had their turn after each wave, of those that it concerned at the start. */
  waves: z.array(hostShare).min(1).max(10),
  /** Hosts of a wave that may be in the middle of it, or have failed, at the same time. So many failures stop the update. */
  budget: hostShare,
  /** Within what time a new agent must be connected, seconds; otherwise the old version is put back. */
  healthyWithinSeconds: z.number().int().min(10).max(600),
});
export type AgentUpdateSettings = z.infer<typeof agentUpdateSettings>;

export const agentUpdateWave = z.object({
  /** From 1. */
  number: z.number().int().positive(),
  deploymentId: z.string(),
  /** Of its deployment; null when that is not kept any more. */
  status: z.string().nullable(),
  hosts: z.number().int(),
  succeeded: z.number().int(),
  failed: z.number().int(),
  skipped: z.number().int(),
});
export type AgentUpdateWave = z.infer<typeof agentUpdateWave>;

export const agentUpdate = agentUpdateSettings.extend({
  /** `u-` and nine characters. */
  id: z.string(),
  version: agentVersion,
  status: agentUpdateStatus,
  /** How it ended, or what it waits for. */
  message: z.string().nullable(),
  /** Hosts that were to be updated when it began. */
  totalHosts: z.number().int(),
  progress: z.array(agentUpdateWave),
  createdBy: z.string(),
  createdAt: z.number().int(),
  completedAt: z.number().int().nullable(),
  stopRequestedBy: z.string().nullable(),
});
export type AgentUpdate = z.infer<typeof agentUpdate>;

/** Why a host has no part in an update. */
export const leftOutReason = z.enum([
  /** It runs AWS's agent, which is not Drover's to update. */
  'aws-agent',
  /** Its agent was not installed from a package, or does not say so. */
  'not-from-package',
  /** The coordinator has no package of that version for it. */
  'no-package',
  /** It has a newer version, and is not to be set back. */
  'newer',
  /** It is away; a later update takes it. */
  'offline',
]);
export type LeftOutReason = z.infer<typeof leftOutReason>;

export const agentVersions = z.object({
  /** Versions that the coordinator has packages of, the newest first. */
  offered: z.array(z.object({ version: agentVersion, packages: z.array(z.string()) })),
  /** What an update would bring; null when nothing is offered. */
  version: agentVersion.nullable(),
  /** Versions that hosts run, the newest first; null for those that never said. */
  running: z.array(z.object({ version: z.string().nullable(), hosts: z.number().int() })),
  /** Hosts that have that version. */
  currentHosts: z.number().int(),
  /** Hosts that an update would take now. */
  outdatedHosts: z.number().int(),
  /** Hosts that it would leave out, by name; at most 1,000. */
  leftOut: z.array(z.object({ hostName: z.string(), version: z.string().nullable(), reason: leftOutReason })),
});
export type AgentVersions = z.infer<typeof agentVersions>;
