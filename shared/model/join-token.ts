import * as z from 'zod';
import { scalingGroupName, tags, zoneName } from './host.ts';

/** What a host that enrols with the token becomes: a host never chooses these itself. */
export const joinToken = z.object({
  id: z.string(),
  tags,
  zone: zoneName.nullable(),
  scalingGroup: scalingGroupName.nullable(),
  usesLeft: z.number().int().nonnegative(),
  createdAt: z.number().int(),
  createdBy: z.string(),
  expiresAt: z.number().int(),
});
export type JoinToken = z.infer<typeof joinToken>;
