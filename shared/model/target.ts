import * as z from 'zod';
import { diagnostics, lifecycleEvent } from './lifecycle-event.ts';

/** Source: CodeDeploy API reference, TargetStatus. */
export const targetStatus = z.enum(['Pending', 'InProgress', 'Succeeded', 'Failed', 'Skipped']);
export type TargetStatus = z.infer<typeof targetStatus>;

/** Why a target ended when no lifecycle event says so. */
export const targetErrorCode = z.enum([
  'HOOK_FAILED',
  'HOST_OFFLINE',
  'HOST_LOST',
  'NOT_ACCEPTED',
  'EVENT_TIMEOUT',
  'DEPLOYMENT_TIMEOUT',
  'HOST_REMOVED',
]);
export type TargetErrorCode = z.infer<typeof targetErrorCode>;

export const target = z.object({
  deploymentId: z.string(),
  hostId: z.string(),
  hostName: z.string(),
  status: targetStatus,
  /** The lifecycle event that runs now, or the one that failed. */
  lifecycleEvent: z.string().nullable(),
  errorCode: targetErrorCode.nullable(),
  message: z.string().nullable(),
  diagnostics: diagnostics.nullable(),
  startedAt: z.number().int().nullable(),
  completedAt: z.number().int().nullable(),
});
export type Target = z.infer<typeof target>;

export const targetWithEvents = target.extend({ lifecycleEvents: z.array(lifecycleEvent) });
export type TargetWithEvents = z.infer<typeof targetWithEvents>;
