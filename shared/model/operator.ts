import * as z from 'zod';

/** viewer reads; deployer also creates, stops and rolls back deployments and registers revisions; admin does all. */
export const role = z.enum(['viewer', 'deployer', 'admin']);
export type Role = z.infer<typeof role>;
const RANK: Record<Role, number> = { viewer: 0, deployer: 1, admin: 2 };
export function roleIncludes(has: Role, needs: Role): boolean {
  return RANK[has] >= RANK[needs];
}

export const operatorToken = z.object({
  id: z.string(),
  name: z.string(),
  role,
  createdAt: z.number().int(),
  createdBy: z.string(),
  lastUsedAt: z.number().int().nullable(),
  expiresAt: z.number().int().nullable(),
});
export type OperatorToken = z.infer<typeof operatorToken>;

export const auditRecord = z.object({
  sequence: z.number().int(),
  at: z.number().int(),
  /** Operator token name, `host:<name>`, or `coordinator`. */
  actor: z.string(),
  /** `noun.verb`, for example `deployment.create`. */
  action: z.string(),
  /** What it was done to, for example `web/prod` or `d-…`. */
  subject: z.string(),
  details: z.record(z.string(), z.unknown()),
  remoteAddress: z.string().nullable(),
});
export type AuditRecord = z.infer<typeof auditRecord>;
