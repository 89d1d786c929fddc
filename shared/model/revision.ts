import * as z from 'zod';

export const bundleType = z.enum(['tar', 'tgz', 'zip']);
export type BundleType = z.infer<typeof bundleType>;

export const digest = z.string().regex(/^[0-9a-f]{64}$/, 'a SHA-256 in 64 lower-case hex digits');
/** A version name that people use: unique in its application. */
export const revisionLabel = z
  .string()
  .min(1)
  .max(100)
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9+=,.@_-]*$/,
    'letters, digits and + = , . @ _ - only, beginning with a letter or digit',
  );

export const revisionSource = z.discriminatedUnion('kind', [
  /** Pushed to the coordinator and kept in its revision store. */
  z.object({ kind: z.literal('uploaded') }),
  /** Fetched once from here at registration, pinned by digest and kept in the revision store. Told without the query, which may have a secret. */
  z.object({ kind: z.literal('url'), url: z.url({ protocol: /^https?$/ }) }),
]);

export const revision = z.object({
  id: z.string(),
  application: z.string(),
  label: revisionLabel,
  digest,
  bundleType,
  sizeBytes: z.number().int().nonnegative(),
  source: revisionSource,
  description: z.string().max(256),
  registeredAt: z.number().int(),
  registeredBy: z.string(),
  /** When these bytes were pushed or registered last; the first time is `registeredAt`. Not told by coordinators that are older. */
  lastPushedAt: z.number().int().optional(),
  firstUsedAt: z.number().int().nullable(),
  lastUsedAt: z.number().int().nullable(),
});
export type Revision = z.infer<typeof revision>;
