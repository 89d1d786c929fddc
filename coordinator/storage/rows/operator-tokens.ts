import { type OperatorToken, role } from '../../../shared/model/operator.ts';
import type { OperatorTokenRow } from '../tables.ts';

export function toOperatorToken(row: OperatorTokenRow): OperatorToken {
  return {
    id: row.id,
    name: row.name,
    role: role.parse(row.role),
    createdAt: row.created_at,
    createdBy: row.created_by,
    lastUsedAt: row.last_used_at,
    expiresAt: row.expires_at,
  };
}
