import type { JoinToken } from '../../../shared/model/join-token.ts';
import type { JoinTokenRow } from '../tables.ts';
import { tagsOf } from './hosts.ts';

export function toJoinToken(row: JoinTokenRow): JoinToken {
  return {
    id: row.id,
    tags: tagsOf(row),
    zone: row.zone,
    scalingGroup: row.scaling_group,
    usesLeft: row.uses_left,
    createdAt: row.created_at,
    createdBy: row.created_by,
    expiresAt: row.expires_at,
  };
}
