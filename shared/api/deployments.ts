import * as z from 'zod';
import { resourceName } from '../model/application.ts';
import { deployment, deploymentCreator, deploymentStatus } from '../model/deployment.ts';
import { autoRollback, fileExistsBehavior, tagFilter } from '../model/deployment-group.ts';
import { hostName } from '../model/host.ts';
import { lifecycleEventName } from '../model/lifecycle-event.ts';
import { revision } from '../model/revision.ts';
import { target, targetStatus, targetWithEvents } from '../model/target.ts';
import { defineRoute, page, pageQuery } from './route.ts';

const deploymentParams = z.strictObject({ deployment: z.string().min(3).max(32) });
const rollbackParams = z.strictObject({ application: resourceName, group: resourceName });

/** The same failure on several hosts, told once. */
export const cause = z.object({
  lifecycleEvent: z.string().nullable(),
  scriptName: z.string().nullable(),
  errorCode: z.string(),
  message: z.string(),
  exitCode: z.number().int().nullable(),
  logTail: z.string().nullable(),
  hostCount: z.number().int(),
  /** The first few, by time. */
  hostNames: z.array(z.string()).max(5),
  firstAt: z.number().int(),
});

export const createDeploymentBody = z.strictObject({
  application: resourceName,
  deploymentGroup: resourceName,
  /** A revision's id, label, digest prefix, or `latest`. */
  revision: z.string().min(1).max(128),
  deploymentConfigName: z.string().min(1).max(100).optional(),
  description: z.string().max(256).default(''),
  ignoreApplicationStopFailures: z.boolean().default(false),
  updateOutdatedInstancesOnly: z.boolean().default(false),
  fileExistsBehavior: fileExistsBehavior.default('DISALLOW'),
  autoRollback: autoRollback.strict().optional(),
  /** A part of the group: hosts that match one of these. */
  onlyTagFilters: z.array(tagFilter).max(10).optional(),
  onlyHostNames: z.array(hostName).max(1_000).optional(),
  /** Only the hosts that failed or were skipped in this deployment of the same group. */
  onlyFailedOf: z.string().max(32).optional(),
  /** The same key again answers with the deployment that it created, instead of creating another one. */
  idempotencyKey: z.string().min(1).max(128).optional(),
});

export const deploymentRoutes = {
  createDeployment: defineRoute({
    method: 'POST',
    path: '/v1/deployments',
    summary: 'Deploy a revision to a deployment group.',
    caller: 'deployer',
    body: createDeploymentBody,
    reply: deployment,
    status: 201,
    errors: ['not_found', 'conflict'],
  }),
  listDeployments: defineRoute({
    method: 'GET',
    path: '/v1/deployments',
    summary: 'History, the newest first.',
    caller: 'viewer',
    query: z.strictObject({
      ...pageQuery,
      application: resourceName.optional(),
      deploymentGroup: resourceName.optional(),
      status: deploymentStatus.optional(),
      creator: deploymentCreator.optional(),
      /** True: only those that run; false: only those that have ended. */
      active: z.stringbool().optional(),
      /** Created at or after, before; epoch ms. */
      since: z.coerce.number().int().optional(),
      until: z.coerce.number().int().optional(),
      /** An id that begins with this, for completion and short ids. */
      idPrefix: z.string().max(16).optional(),
    }),
    reply: page(deployment),
  }),
  getDeployment: defineRoute({
    method: 'GET',
    path: '/v1/deployments/:deployment',
    summary: 'One deployment.',
    caller: 'viewer',
    params: deploymentParams,
    reply: deployment,
    errors: ['not_found'],
  }),
  stopDeployment: defineRoute({
    method: 'POST',
    path: '/v1/deployments/:deployment/stop',
    summary: 'No further host starts; hosts in progress go on to their end, then the deployment is Stopped.',
    caller: 'deployer',
    params: deploymentParams,
    body: z.strictObject({
      /** True or false overrides what the deployment's autoRollback says of stops. */
      rollback: z.boolean().optional(),
      reason: z.string().max(256).default(''),
    }),
    reply: z.object({
      /** Pending while hosts are still in progress. Source: StopDeployment API reference. */
      stopStatus: z.enum(['Pending', 'Succeeded']),
      deployment,
    }),
    errors: ['not_found', 'conflict'],
    isRepeatable: true,
  }),
  getRollbackRevision: defineRoute({
    method: 'GET',
    path: '/v1/applications/:application/deployment-groups/:group/rollback',
    summary: 'What a rollback would bring the group back to now: ask before, and give it as `to` to get just that.',
    caller: 'viewer',
    params: rollbackParams,
    reply: z.object({ revision }),
    errors: ['not_found', 'conflict'],
  }),
  rollbackGroup: defineRoute({
    method: 'POST',
    path: '/v1/applications/:application/deployment-groups/:group/rollback',
    summary: 'Bring the group back: to its last good revision, or to the good one before it when it runs that already.',
    caller: 'deployer',
    params: rollbackParams,
    body: z.strictObject({
      /** A revision; default: the last good one that is not what runs now. */
      to: z.string().min(1).max(128).optional(),
      description: z.string().max(256).default(''),
      idempotencyKey: z.string().min(1).max(128).optional(),
    }),
    reply: deployment,
    status: 201,
    errors: ['not_found', 'conflict'],
  }),
  listTargets: defineRoute({
    method: 'GET',
    path: '/v1/deployments/:deployment/targets',
    summary: 'The hosts of a deployment in the order of its plan.',
    caller: 'viewer',
    params: deploymentParams,
    query: z.strictObject({ ...pageQuery, status: targetStatus.optional() }),
    reply: page(target),
    errors: ['not_found'],
  }),
  getTarget: defineRoute({
    method: 'GET',
    path: '/v1/deployments/:deployment/targets/:host',
    summary: 'One host of a deployment with its lifecycle events.',
    caller: 'viewer',
    params: z.strictObject({ deployment: z.string().min(3).max(32), host: z.string().min(1).max(100) }),
    reply: targetWithEvents,
    errors: ['not_found'],
  }),
  getOutput: defineRoute({
    method: 'GET',
    path: '/v1/deployments/:deployment/targets/:host/events/:event/output',
    summary: "What an event's scripts printed, from an offset; kept up to a bound.",
    caller: 'viewer',
    params: z.strictObject({
      deployment: z.string().min(3).max(32),
      host: z.string().min(1).max(100),
      event: lifecycleEventName,
    }),
    query: z.strictObject({
      offset: z.coerce.number().int().min(0).default(0),
      limitBytes: z.coerce.number().int().min(1).max(262_144).default(65_536),
    }),
    reply: z.object({
      offset: z.number().int(),
      /** Text; bytes that are not UTF-8 are replaced. It ends with a whole character (unless fewer than 4 bytes are asked for). */
      text: z.string(),
      /** Where to go on: where it was asked for, while nothing more than a part of a character is there. */
      nextOffset: z.number().int(),
      /** Bytes that the coordinator has by now. */
      length: z.number().int(),
      /** True when more was printed than is kept. */
      isTruncated: z.boolean(),
    }),
    errors: ['not_found'],
  }),
  listCauses: defineRoute({
    method: 'GET',
    path: '/v1/deployments/:deployment/causes',
    summary: 'Why hosts failed: equal failures grouped, the most frequent first.',
    caller: 'viewer',
    params: deploymentParams,
    reply: z.object({ items: z.array(cause).max(50) }),
    errors: ['not_found'],
  }),
  /** Server-sent events: `id` = sequence, `data` = a feedItem as JSON. Resumes after `Last-Event-ID`, or else `?after=`. */
  followDeployment: defineRoute({
    method: 'GET',
    path: '/v1/deployments/:deployment/events',
    summary: 'Follow a deployment live (server-sent events); ends after the item `ended`.',
    caller: 'viewer',
    params: deploymentParams,
    query: z.strictObject({ after: z.coerce.number().int().min(0).optional() }),
    reply: z.string(),
    errors: ['not_found'],
  }),
} as const;
