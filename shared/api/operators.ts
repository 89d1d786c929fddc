import * as z from 'zod';
import { auditRecord, operatorToken, role } from '../model/operator.ts';
import { defineRoute, noContent, page, pageQuery } from './route.ts';

export const operatorRoutes = {
  whoami: defineRoute({
    method: 'GET',
    path: '/v1/whoami',
    summary: 'Who the token belongs to, and which server answers.',
    caller: 'viewer',
    reply: z.object({
      name: z.string(),
      role,
      coordinatorId: z.string(),
      coordinatorVersion: z.string(),
      protocol: z.object({ major: z.number().int(), minor: z.number().int() }),
      /** The coordinator's clock, epoch ms. */
      now: z.number().int(),
    }),
  }),
  listOperatorTokens: defineRoute({
    method: 'GET',
    path: '/v1/operator-tokens',
    summary: 'Operator tokens, without their secrets.',
    caller: 'admin',
    query: z.strictObject({ ...pageQuery }),
    reply: page(operatorToken),
  }),
  createOperatorToken: defineRoute({
    method: 'POST',
    path: '/v1/operator-tokens',
    summary: 'Create an operator token. Its secret is shown once.',
    caller: 'admin',
    body: z.strictObject({
      name: z.string().min(1).max(100),
      role,
      /** Seconds from now; absent: until it is revoked. */
      validForSeconds: z.number().int().min(1).max(315_360_000).optional(),
    }),
    reply: operatorToken.extend({ secret: z.string() }),
    status: 201,
    errors: ['conflict'],
  }),
  deleteOperatorToken: defineRoute({
    method: 'DELETE',
    path: '/v1/operator-tokens/:id',
    summary: 'Revoke an operator token, at once.',
    caller: 'admin',
    params: z.strictObject({ id: z.string().min(1).max(64) }),
    reply: noContent,
    status: 204,
    errors: ['not_found', 'conflict'],
  }),
  listAudit: defineRoute({
    method: 'GET',
    path: '/v1/audit',
    summary: 'Every change: who, what, when, from where; the newest first.',
    caller: 'viewer',
    query: z.strictObject({
      ...pageQuery,
      /** The longest is `host:` and a name. */
      actor: z.string().max(128).optional(),
      /** The longest is a trigger's target. */
      subject: z.string().max(2_048).optional(),
      since: z.coerce.number().int().optional(),
    }),
    reply: page(auditRecord),
  }),
} as const;
