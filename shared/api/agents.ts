import * as z from 'zod';
import { fileRuns } from '../model/bundle-manifest.ts';
import { hostFacts, hostName } from '../model/host.ts';
import { defineRoute } from './route.ts';

/** What agents call, beside the WebSocket at `GET /v1/agents/connect`. docs/protocol.md tells how they play together. */
export const agentRoutes = {
  enrol: defineRoute({
    method: 'POST',
    path: '/v1/agents/enrol',
    summary: 'Exchange a join token for a host identity. The same token and key again answer with the same host.',
    caller: 'anybody',
    body: z.strictObject({
      joinToken: z.string().min(1).max(128),
      /** Raw Ed25519 public key, 32 bytes in base64. */
      publicKey: z.base64().length(44),
      name: hostName,
      facts: hostFacts,
    }),
    reply: z.object({ hostId: z.string(), hostName, coordinatorId: z.string() }),
    status: 201,
    errors: ['conflict'],
  }),
  createChallenge: defineRoute({
    method: 'POST',
    path: '/v1/agents/challenges',
    summary: 'A nonce to sign, good for one minute and one use.',
    caller: 'anybody',
    reply: z.object({ nonce: z.string(), coordinatorId: z.string() }),
  }),
  createSession: defineRoute({
    method: 'POST',
    path: '/v1/agents/sessions',
    summary: "A host's own bearer token for questions and downloads, good for an hour.",
    caller: 'anybody',
    body: z.strictObject({
      hostId: z.string().max(64),
      nonce: z.string().max(128),
      signature: z.base64().max(128),
    }),
    reply: z.object({ sessionToken: z.string(), expiresAt: z.number().int() }),
    status: 201,
  }),
  readiness: defineRoute({
    method: 'GET',
    path: '/v1/hosts/self/readiness',
    summary: 'May this host be put behind a load balancer: does it run the last good revision of all its groups?',
    caller: 'host',
    reply: z.object({
      isReady: z.boolean(),
      hostName,
      groups: z.array(
        z.object({
          application: z.string(),
          deploymentGroup: z.string(),
          isInService: z.boolean(),
          /** Why not, in words. */
          reason: z.string().nullable(),
        }),
      ),
    }),
  }),
  /** Answers with the bytes; honours Range. Only a digest that a deployment assigned to this host. */
  downloadBundle: defineRoute({
    method: 'GET',
    path: '/v1/hosts/self/bundles/:digest',
    summary: 'Download an assigned bundle.',
    caller: 'host',
    params: z.strictObject({ digest: z.string().length(64) }),
    reply: z.string(),
    errors: ['not_found'],
  }),
  /** gzip of a BundleManifest (shared/model/bundle-manifest.ts) as JSON. Not for every bundle: whoever gets an error fetches the bundle whole. */
  downloadBundleManifest: defineRoute({
    method: 'GET',
    path: '/v1/hosts/self/bundles/:digest/manifest',
    summary: 'What an assigned bundle unpacks to: names, modes and SHA-256 of its files.',
    caller: 'host',
    params: z.strictObject({ digest: z.string().length(64) }),
    reply: z.string(),
    errors: ['not_found', 'unavailable', 'too_large'],
  }),
  createBundleDelta: defineRoute({
    method: 'POST',
    path: '/v1/hosts/self/bundles/:digest/deltas',
    summary: 'Have some files of an assigned bundle packed as a tgz, each under its ordinal.',
    caller: 'host',
    params: z.strictObject({ digest: z.string().length(64) }),
    body: z.strictObject({ files: fileRuns }),
    reply: z.object({ digest: z.string().length(64), sizeBytes: z.number().int() }),
    status: 201,
    errors: ['not_found', 'unavailable', 'too_large'],
  }),
  /** Answers with the bytes; honours Range. Kept for a while only: after `not_found` it is created again. */
  downloadBundleDelta: defineRoute({
    method: 'GET',
    path: '/v1/hosts/self/bundles/:digest/deltas/:delta',
    summary: 'Download some files of an assigned bundle.',
    caller: 'host',
    params: z.strictObject({ digest: z.string().length(64), delta: z.string().length(64) }),
    reply: z.string(),
    errors: ['not_found'],
  }),
  exchange: defineRoute({
    method: 'POST',
    path: '/v1/agents/exchange',
    summary: 'Long poll: frames up and down, for networks that break WebSockets. Held up to 25 s.',
    caller: 'anybody',
    body: z.strictObject({
      /** Absent on the first call, which opens a connection. */
      connectionId: z.string().max(64).optional(),
      frames: z.array(z.string().max(262_144)).max(64),
      /** False: answer at once (a call that only sends). */
      hold: z.boolean().default(true),
    }),
    reply: z.object({
      connectionId: z.string(),
      frames: z.array(z.string()),
      /** Set when the connection has ended. */
      closed: z.string().nullable(),
    }),
    errors: ['not_found'],
  }),
} as const;
