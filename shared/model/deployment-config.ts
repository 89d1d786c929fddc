import * as z from 'zod';

/**
 * Source: CodeDeploy API reference, MinimumHealthyHosts. MOST_CONCURRENCY belongs to OneAtATime alone and cannot be
 * created; FLEET_PERCENT is 0-99, rounded up once, at the start of a deployment.
 */
export const minimumHealthyHosts = z.discriminatedUnion('type', [
  z.object({ type: z.literal('HOST_COUNT'), value: z.number().int().min(0).max(1_000_000) }),
  z.object({ type: z.literal('FLEET_PERCENT'), value: z.number().int().min(0).max(99) }),
]);

/** As stored: what can be created, and OneAtATime's own case. */
export const storedMinimumHealthyHosts = z.discriminatedUnion('type', [
  ...minimumHealthyHosts.options,
  z.object({ type: z.literal('MOST_CONCURRENCY'), value: z.literal(1) }),
]);
export type MinimumHealthyHosts = z.infer<typeof storedMinimumHealthyHosts>;

export const PREDEFINED_CONFIG_PREFIX = 'CodeDeployDefault.';
export const DEFAULT_CONFIG_NAME = 'CodeDeployDefault.OneAtATime';

export const deploymentConfig = z.object({
  name: z.string(),
  minimumHealthyHosts: storedMinimumHealthyHosts,
  isPredefined: z.boolean(),
  createdAt: z.number().int(),
});
export type DeploymentConfig = z.infer<typeof deploymentConfig>;
