import * as z from 'zod';
import { agentUpdate, agentUpdateSettings, agentVersion, agentVersions } from '../model/agent-update.ts';
import { defineRoute, page, pageQuery } from './route.ts';

/** An id, or `last`. */
const updateParams = z.strictObject({ update: z.string().min(1).max(32) });

const { waves, budget, healthyWithinSeconds } = agentUpdateSettings.shape;

export const agentUpdateRoutes = {
  getAgentVersions: defineRoute({
    method: 'GET',
    path: '/v1/agent-versions',
    summary:
      "Versions of Drover's agent: those that the coordinator offers, those that hosts run, and who is left out.",
    caller: 'viewer',
    query: z.strictObject({
      version: agentVersion.optional(),
      /** Count hosts that have a newer version as outdated, too. */
      downgrade: z.stringbool().optional(),
    }),
    reply: agentVersions,
    errors: ['not_found'],
  }),
  startAgentUpdate: defineRoute({
    method: 'POST',
    path: '/v1/agent-updates',
    summary:
      'Bring a version of the agent to the fleet, wave by wave; a host on which it does not connect gets its old one back.',
    caller: 'admin',
    body: z.strictObject({
      /** Default: the newest that is offered. */
      version: agentVersion.optional(),
      waves: waves.default(['1', '10%', '100%']),
      budget: budget.default('10%'),
      healthyWithinSeconds: healthyWithinSeconds.default(120),
      /** Also to hosts that have a newer version. */
      downgrade: z.boolean().default(false),
    }),
    reply: agentUpdate,
    status: 201,
    errors: ['not_found', 'conflict'],
  }),
  listAgentUpdates: defineRoute({
    method: 'GET',
    path: '/v1/agent-updates',
    summary: 'Agent updates, the newest first.',
    caller: 'viewer',
    query: z.strictObject({ ...pageQuery }),
    reply: page(agentUpdate),
  }),
  getAgentUpdate: defineRoute({
    method: 'GET',
    path: '/v1/agent-updates/:update',
    summary: 'One agent update with its waves; `last` is the newest.',
    caller: 'viewer',
    params: updateParams,
    reply: agentUpdate,
    errors: ['not_found'],
  }),
  stopAgentUpdate: defineRoute({
    method: 'POST',
    path: '/v1/agent-updates/:update/stop',
    summary: 'Stop an agent update: hosts in the middle of it finish, no other starts.',
    caller: 'deployer',
    params: updateParams,
    reply: agentUpdate,
    errors: ['not_found', 'conflict'],
  }),
} as const;
