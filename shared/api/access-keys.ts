import * as z from 'zod';
import { accessKey } from '../model/access-key.ts';
import { defineRoute, noContent, page, pageQuery } from './route.ts';

export const accessKeyRoutes = {
  listAccessKeys: defineRoute({
    method: 'GET',
    path: '/v1/access-keys',
    summary: 'Access keys for the AWS-compatible API, without their secrets.',
    caller: 'admin',
    query: z.strictObject({ ...pageQuery }),
    reply: page(accessKey),
  }),
  createAccessKey: defineRoute({
    method: 'POST',
    path: '/v1/access-keys',
    summary: 'Create an access key for an operator or a host. Its secret is shown once.',
    caller: 'admin',
    body: z
      .strictObject({
        /** Name of an operator's token: the key has its role, and ends with it. */
        operator: z.string().min(1).max(100).optional(),
        /** Name or id of a host: the key is good for the agents' command protocol alone. */
        host: z.string().min(1).max(100).optional(),
        /** Seconds from now; absent: until it is deleted, or its holder is. */
        validForSeconds: z.number().int().min(1).max(315_360_000).optional(),
        /** Also make a session token, which every request has to carry. */
        session: z.boolean().optional(),
      })
      .refine(
        (body) => (body.operator === undefined) !== (body.host === undefined),
        'exactly one of operator and host says who holds the key',
      ),
    reply: accessKey.extend({ secretAccessKey: z.string(), sessionToken: z.string().nullable() }),
    status: 201,
    errors: ['not_found'],
  }),
  deleteAccessKey: defineRoute({
    method: 'DELETE',
    path: '/v1/access-keys/:id',
    summary: 'Delete an access key, at once.',
    caller: 'admin',
    params: z.strictObject({ id: z.string().min(1).max(128) }),
    reply: noContent,
    status: 204,
    errors: ['not_found'],
  }),
} as const;
