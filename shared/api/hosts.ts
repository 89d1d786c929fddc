import * as z from 'zod';
import { groupDrift } from '../model/drift.ts';
import {
  host,
  hostName,
  hostPresence,
  iamArn,
  MAX_TAGS_PER_HOST,
  scalingGroupName,
  tagKey,
  tags,
  zoneName,
} from '../model/host.ts';
import { joinToken } from '../model/join-token.ts';
import { defineRoute, noContent, page, pageQuery } from './route.ts';

/** A host's name or id. */
const hostParams = z.strictObject({ host: z.string().min(1).max(100) });

export const hostRoutes = {
  listHosts: defineRoute({
    method: 'GET',
    path: '/v1/hosts',
    summary: 'List hosts by name.',
    caller: 'viewer',
    query: z.strictObject({
      ...pageQuery,
      presence: hostPresence.optional(),
      /** `key`, or `key=value`. */
      tag: z.string().max(400).optional(),
      scalingGroup: scalingGroupName.optional(),
      namePrefix: z.string().max(100).optional(),
    }),
    reply: page(host),
  }),
  getHost: defineRoute({
    method: 'GET',
    path: '/v1/hosts/:host',
    summary: 'One host.',
    caller: 'viewer',
    params: hostParams,
    reply: host,
    errors: ['not_found'],
  }),
  updateHost: defineRoute({
    method: 'PATCH',
    path: '/v1/hosts/:host',
    summary: 'Change tags, zone or scaling group; a host that thereby enters a group gets its revision.',
    caller: 'deployer',
    params: hostParams,
    body: z.strictObject({
      /** All of them: others are taken away. */
      tags: tags.optional(),
      /** These alone, after `tags`. Two who change other tags at the same time both get what they ask for. */
      setTags: tags.optional(),
      /** By their keys; before `setTags`. Nothing for one that is not there. */
      removeTags: z.array(tagKey).max(MAX_TAGS_PER_HOST).optional(),
      zone: zoneName.nullable().optional(),
      scalingGroup: scalingGroupName.nullable().optional(),
    }),
    reply: host,
    errors: ['not_found'],
  }),
  registerCodeDeployHost: defineRoute({
    method: 'POST',
    path: '/v1/hosts/codedeploy',
    summary: "Register a host that runs AWS's CodeDeploy agent, with an access key for it. Its secret is shown once.",
    caller: 'admin',
    body: z.strictObject({
      name: hostName,
      tags: tags.default({}),
      zone: zoneName.nullable().default(null),
      scalingGroup: scalingGroupName.nullable().default(null),
      /** Who the host is to its agent; made from the name when it is not given. */
      iamArn: iamArn.optional(),
    }),
    reply: z.object({ host, accessKeyId: z.string(), secretAccessKey: z.string() }),
    status: 201,
    errors: ['conflict'],
  }),
  forgetHost: defineRoute({
    method: 'DELETE',
    path: '/v1/hosts/:host',
    summary: 'Forget a host: its key is refused from now on, its part in running deployments fails. History stays.',
    caller: 'admin',
    params: hostParams,
    reply: noContent,
    status: 204,
    errors: ['not_found'],
  }),
  findHostDrift: defineRoute({
    method: 'POST',
    path: '/v1/hosts/:host/drift',
    summary:
      'Ask a connected host which installed files were changed since their install. Held up to 25 s while it reads them; nothing is stored.',
    caller: 'viewer',
    params: hostParams,
    reply: z.object({
      host: hostName,
      groups: z.array(
        groupDrift.extend({
          /** Null: the group is gone, or was never the coordinator's. */
          application: z.string().nullable(),
          deploymentGroup: z.string().nullable(),
        }),
      ),
      /** True when the host has more groups than it told. */
      isTruncated: z.boolean(),
    }),
    errors: ['not_found', 'unavailable', 'conflict'],
  }),
  listJoinTokens: defineRoute({
    method: 'GET',
    path: '/v1/join-tokens',
    summary: 'Join tokens that can still be used, without their secrets.',
    caller: 'admin',
    query: z.strictObject({ ...pageQuery }),
    reply: page(joinToken),
  }),
  createJoinToken: defineRoute({
    method: 'POST',
    path: '/v1/join-tokens',
    summary: 'Create a join token. Its secret is shown once.',
    caller: 'admin',
    body: z.strictObject({
      tags: tags.default({}),
      zone: zoneName.nullable().default(null),
      scalingGroup: scalingGroupName.nullable().default(null),
      uses: z.number().int().min(1).max(100_000).default(1),
      /** Seconds from now. */
      validForSeconds: z.number().int().min(1).max(31_536_000).default(3_600),
    }),
    reply: joinToken.extend({ secret: z.string() }),
    status: 201,
  }),
  deleteJoinToken: defineRoute({
    method: 'DELETE',
    path: '/v1/join-tokens/:id',
    summary: 'Revoke a join token; hosts that used it stay.',
    caller: 'admin',
    params: z.strictObject({ id: z.string().min(1).max(64) }),
    reply: noContent,
    status: 204,
    errors: ['not_found'],
  }),
} as const;
