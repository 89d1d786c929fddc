import type { AccessKey } from '../../../shared/model/access-key.ts';
import type { Queryable } from '../database.ts';
import type { AccessKeyRow } from '../tables.ts';

/** A row with what its holder is called and may do, from the holder's own row. */
export interface HeldAccessKeyRow extends AccessKeyRow {
  operator_name: string | null;
  operator_role: string | null;
  operator_expires_at: number | null;
  host_name: string | null;
}

/** Keys with their holders. */
export function heldAccessKeys(query: Queryable) {
  return query
    .selectFrom('access_keys')
    .leftJoin('operator_tokens', 'operator_tokens.id', 'access_keys.operator_token_id')
    .leftJoin('hosts', 'hosts.id', 'access_keys.host_id')
    .selectAll('access_keys')
    .select([
      'operator_tokens.name as operator_name',
      'operator_tokens.role as operator_role',
      'operator_tokens.expires_at as operator_expires_at',
      'hosts.name as host_name',
    ]);
}

export function toAccessKey(row: HeldAccessKeyRow): AccessKey {
  return {
    id: row.id,
    holder:
      row.operator_token_id === null
        ? { kind: 'host', name: row.host_name ?? '' }
        : { kind: 'operator', name: row.operator_name ?? '' },
    isSession: row.is_session === 1,
    createdAt: row.created_at,
    createdBy: row.created_by,
    lastUsedAt: row.last_used_at,
    expiresAt: row.expires_at,
  };
}
