import * as z from 'zod';

/** At most 128 and 256 characters, as CodeDeploy's tags. */
export const tagKey = z.string().min(1).max(128);
export const tagValue = z.string().max(256);
export const MAX_TAGS_PER_HOST = 50;
export const tags = z
  .record(tagKey, tagValue)
  .refine((value) => Object.keys(value).length <= MAX_TAGS_PER_HOST, `at most ${MAX_TAGS_PER_HOST} tags`);
export type Tags = z.infer<typeof tags>;

/** Source for charset and length: `aws deploy register`, instance name. */
export const hostName = z
  .string()
  .min(1)
  .max(100)
  .regex(/^[A-Za-z0-9+=,.@_-]+$/, 'letters, digits and + = , . @ _ - only');

export const scalingGroupName = z.string().min(1).max(255);
export const zoneName = z.string().min(1).max(64);

/**
 * Online: a channel is open. Reconnecting: silent for less than the offline limit, or the coordinator has just started.
 * Offline: silent for longer.
 */
export const hostPresence = z.enum(['Online', 'Reconnecting', 'Offline']);
export type HostPresence = z.infer<typeof hostPresence>;

/** Drover's own agent, or AWS's CodeDeploy agent. */
export const agentKind = z.enum(['drover', 'codedeploy']);

/** An IAM user or session, as an on-premises instance of CodeDeploy has. Source: CodeDeploy API Reference, RegisterOnPremisesInstance. */
export const iamArn = z
  .string()
  .max(2_048)
  .regex(
    /^arn:[\w-]+:(iam::\d{12}:user\/[\w+=,.@/-]+|sts::\d{12}:assumed-role\/[\w+=,.@-]+\/[\w+=,.@-]+)$/,
    'the ARN of an IAM user or of a session of a role, for example arn:aws:iam::123456789012:user/web-1',
  );

/** What a host says of itself: its word only, it selects nothing. */
export const hostFacts = z.object({
  hostname: z.string().max(255).optional(),
  osName: z.string().max(128).optional(),
  osVersion: z.string().max(128).optional(),
  kernel: z.string().max(128).optional(),
  architecture: z.string().max(32).optional(),
  cpuCount: z.number().int().nonnegative().optional(),
  memoryBytes: z.number().nonnegative().optional(),
  diskFreeBytes: z.number().nonnegative().optional(),
  /** SHA-256 of /etc/machine-id: tells a copied key from the host it was given to. */
  machineId: z.string().max(64).optional(),
  /** Changes with every boot. */
  bootId: z.string().max(64).optional(),
  /** How the agent was installed: `deb`, or `archive` for that of other systems. Absent: not from a package. */
  agentPackage: z.string().max(32).optional(),
});
export type HostFacts = z.infer<typeof hostFacts>;

export const host = z.object({
  id: z.string(),
  name: hostName,
  tags,
  zone: zoneName.nullable(),
  scalingGroup: scalingGroupName.nullable(),
  presence: hostPresence,
  /** When presence last changed, epoch ms. */
  presenceSince: z.number().int(),
  lastContactAt: z.number().int().nullable(),
  enrolledAt: z.number().int(),
  agentKind,
  /** Who it is to AWS's agent; null for Drover's own. */
  iamArn: z.string().nullable(),
  agentVersion: z.string().nullable(),
  /** How far the host's clock is from the coordinator's at the last hello, ms; positive = ahead. */
  clockOffsetMs: z.number().nullable(),
  facts: hostFacts,
  /** The deployment that runs on the host now. */
  runningDeploymentId: z.string().nullable(),
});
export type Host = z.infer<typeof host>;

export const instanceHealth = z.enum(['Healthy', 'Unhealthy', 'Unknown']);
export type InstanceHealth = z.infer<typeof instanceHealth>;
export const revisionHealth = z.enum(['Current', 'Old', 'Unknown']);
export type RevisionHealth = z.infer<typeof revisionHealth>;

/** A host's part in a deployment group. Source: AWS user guide, "Instance health". */
export const groupHost = z.object({
  hostId: z.string(),
  hostName,
  presence: hostPresence,
  instanceHealth,
  revisionHealth,
  /** The revision that the host reported as installed last, if any. */
  revisionId: z.string().nullable(),
  revisionLabel: z.string().nullable(),
  /** True while the host runs the group's last good revision and is not broken with it, or the group has none yet. */
  isInService: z.boolean(),
  lastDeploymentId: z.string().nullable(),
});
export type GroupHost = z.infer<typeof groupHost>;
