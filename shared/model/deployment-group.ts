import * as z from 'zod';
import { resourceName } from './application.ts';
import { hostName, scalingGroupName, tagKey, tagValue } from './host.ts';
import { triggers } from './trigger.ts';

/** Source: CodeDeploy API reference, TagFilter. Exact, case-sensitive match; no wildcards. */
export const tagFilter = z.discriminatedUnion('type', [
  z.object({ type: z.literal('KEY_AND_VALUE'), key: tagKey, value: tagValue }),
  z.object({ type: z.literal('KEY_ONLY'), key: tagKey }),
  z.object({ type: z.literal('VALUE_ONLY'), value: tagValue }),
]);
export type TagFilter = z.infer<typeof tagFilter>;

/** The target set is the union of the sources; a group without any selects no host, which is legal. */
export const hostSelection = z.object({
  /** A host that matches any one of these. */
  tagFilters: z.array(tagFilter).max(20).default([]),
  /** A host that matches at least one filter of every inner list. */
  tagSet: z.array(z.array(tagFilter).min(1).max(10)).max(3).default([]),
  /** More tag sets: a host that fits any one whole set is selected. CodeDeploy has one for each kind of instance. */
  alternativeTagSets: z
    .array(z.array(z.array(tagFilter).min(1).max(10)).min(1).max(3))
    .max(4)
    .optional(),
  hostNames: z.array(hostName).max(1_000).default([]),
  scalingGroups: z.array(scalingGroupName).max(10).default([]),
});
export type HostSelection = z.infer<typeof hostSelection>;

export const rollbackEvent = z.enum(['DEPLOYMENT_FAILURE', 'DEPLOYMENT_STOP_ON_REQUEST']);
export const autoRollback = z.object({
  enabled: z.boolean(),
  /** What starts a rollback. */
  events: z.array(rollbackEvent).max(2),
});
export type AutoRollback = z.infer<typeof autoRollback>;

export const fileExistsBehavior = z.enum(['DISALLOW', 'OVERWRITE', 'RETAIN']);
export type FileExistsBehavior = z.infer<typeof fileExistsBehavior>;

/** UPDATE: hosts that joined during a deployment follow on after it. Source: outdatedInstancesStrategy. */
export const outdatedInstancesStrategy = z.enum(['UPDATE', 'IGNORE']);

export const MAX_HOOK_VARIABLES = 64;
/** As JSON, UTF-8: a host gets them in one frame with the rest of an assignment. */
export const MAX_HOOK_ENVIRONMENT_BYTES = 128 * 1_024;

const storedHookEnvironment = z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/), z.string().max(4_096));

/** As it may be set; what was stored before there were bounds is read all the same. */
export const hookEnvironment = storedHookEnvironment
  .refine((variables) => Object.keys(variables).length <= MAX_HOOK_VARIABLES, {
    error: `at most ${MAX_HOOK_VARIABLES} variables`,
  })
  .refine((variables) => Buffer.byteLength(JSON.stringify(variables)) <= MAX_HOOK_ENVIRONMENT_BYTES, {
    error: `at most ${MAX_HOOK_ENVIRONMENT_BYTES} bytes in all, names and values as JSON; what is longer belongs into the bundle, or on the host`,
  });

export const deploymentGroupSettings = z.object({
  selection: hostSelection,
  deploymentConfigName: z.string().min(1).max(100),
  autoRollback,
  outdatedInstancesStrategy,
  /** Environment variables for every hook of this group's deployments. */
  hookEnvironment: storedHookEnvironment,
  /** Whom the group's deployments tell what happens. */
  triggers: triggers.default([]),
  /** Each script of a hook runs in a transient unit of systemd, also one without limits. */
  transientUnits: z.boolean().default(false),
});
export type DeploymentGroupSettings = z.infer<typeof deploymentGroupSettings>;

export const deploymentGroup = deploymentGroupSettings.extend({
  id: z.string(),
  application: resourceName,
  name: resourceName,
  createdAt: z.number().int(),
  updatedAt: z.number().int(),
  /** What a rollback and a new host get: the revision of the last successful deployment. */
  lastGoodRevisionId: z.string().nullable(),
  lastGoodRevisionLabel: z.string().nullable(),
  lastSuccessfulDeploymentId: z.string().nullable(),
  lastAttemptedDeploymentId: z.string().nullable(),
  activeDeploymentId: z.string().nullable(),
});
export type DeploymentGroup = z.infer<typeof deploymentGroup>;
