import * as z from 'zod';
import { storedMinimumHealthyHosts } from './deployment-config.ts';
import { autoRollback, fileExistsBehavior } from './deployment-group.ts';

/** Source: CodeDeploy API reference, DeploymentStatus. */
export const deploymentStatus = z.enum([
  'Created',
  'Queued',
  'InProgress',
  'Baking',
  'Succeeded',
  'Failed',
  'Stopped',
  'Ready',
]);
export type DeploymentStatus = z.infer<typeof deploymentStatus>;

export const deploymentCreator = z.enum(['user', 'autoscaling', 'codeDeployRollback', 'CodeDeployAutoUpdate']);
export type DeploymentCreator = z.infer<typeof deploymentCreator>;

/** Source: CodeDeploy API reference, ErrorInformation; the ones that Drover gives. */
export const deploymentErrorCode = z.enum([
  'HEALTH_CONSTRAINTS',
  'HEALTH_CONSTRAINTS_INVALID',
  'NO_INSTANCES',
  'MANUAL_STOP',
  'TIMEOUT',
]);

export const errorInformation = z.object({ code: deploymentErrorCode, message: z.string() });
export type ErrorInformation = z.infer<typeof errorInformation>;

export const deploymentOverview = z.object({
  Pending: z.number().int(),
  InProgress: z.number().int(),
  Succeeded: z.number().int(),
  Failed: z.number().int(),
  Skipped: z.number().int(),
});
export type DeploymentOverview = z.infer<typeof deploymentOverview>;

export const deployment = z.object({
  id: z.string(),
  application: z.string(),
  deploymentGroup: z.string(),
  deploymentGroupId: z.string(),
  revisionId: z.string(),
  revisionLabel: z.string(),
  revisionDigest: z.string(),
  /** The group's last good revision when this deployment was created. */
  previousRevisionId: z.string().nullable(),
  previousRevisionLabel: z.string().nullable(),
  status: deploymentStatus,
  /** Set while a decision to end stands and hosts in progress are waited for. */
  endingAs: z.enum(['Failed', 'Stopped']).nullable(),
  creator: deploymentCreator,
  createdBy: z.string(),
  description: z.string(),
  deploymentConfigName: z.string(),
  minimumHealthyHosts: storedMinimumHealthyHosts,
  /** The minimum in hosts of those that are left; null in deployments of the first version. */
  minimumHealthyCount: z.number().int().nullable(),
  overview: deploymentOverview,
  /** Hosts that the arithmetic counts: targets plus those that already run the revision. */
  totalHosts: z.number().int(),
  alreadyCurrentHosts: z.number().int(),
  /** Present when some of them were forgotten after they had the revision: the arithmetic goes on with those that are left. */
  forgottenHosts: z.number().int().optional(),
  errorInformation: errorInformation.nullable(),
  ignoreApplicationStopFailures: z.boolean(),
  updateOutdatedInstancesOnly: z.boolean(),
  fileExistsBehavior,
  autoRollback,
  rollbackInfo: z.object({
    rollbackDeploymentId: z.string().nullable(),
    rollbackTriggeringDeploymentId: z.string().nullable(),
    rollbackMessage: z.string().nullable(),
  }),
  /** For a follow-on deployment, the fleet deployment that it follows. */
  followsDeploymentId: z.string().nullable(),
  stopRequestedBy: z.string().nullable(),
  /** Present and true: the last good revision once more, to restart it. Source: deploymentMode RESTART. */
  isRestart: z.boolean().optional(),
  createdAt: z.number().int(),
  startedAt: z.number().int().nullable(),
  completedAt: z.number().int().nullable(),
  /** The deployment ends by then whatever happens. */
  deadlineAt: z.number().int(),
});
export type Deployment = z.infer<typeof deployment>;

const TERMINAL: ReadonlySet<DeploymentStatus> = new Set(['Succeeded', 'Failed', 'Stopped']);
export function isTerminal(status: DeploymentStatus): boolean {
  return TERMINAL.has(status);
}

/** Legal moves. Source: CodeDeploy API reference, StopDeployment and CreateDeployment (redeploy of any revision). */
export const deploymentCan = {
  stop: (d: Pick<Deployment, 'status'>) => !isTerminal(d.status),
  retry: (d: Pick<Deployment, 'status' | 'overview'>) =>
    isTerminal(d.status) && d.overview.Failed + d.overview.Skipped > 0,
} as const;
