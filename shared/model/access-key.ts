import * as z from 'zod';

/** Who signs with the key: an operator, with the role of its token, or one host for itself. */
export const accessKeyHolder = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('operator'), /** Name of the operator's token. */ name: z.string() }),
  z.object({ kind: z.literal('host'), name: z.string() }),
]);

/** What AWS's tools sign their requests with (Signature Version 4), in place of a bearer token. */
export const accessKey = z.object({
  /** The access key id: 20 capitals and digits. */
  id: z.string(),
  holder: accessKeyHolder,
  /** True: requests also carry a session token, as temporary credentials of AWS do. */
  isSession: z.boolean(),
  createdAt: z.number().int(),
  createdBy: z.string(),
  lastUsedAt: z.number().int().nullable(),
  expiresAt: z.number().int().nullable(),
});
export type AccessKey = z.infer<typeof accessKey>;
