import { type AuditRecord, auditRecord } from '../../../shared/model/operator.ts';
import { type Caller, callerName } from '../../auth/caller.ts';
import type { Queryable } from '../database.ts';
import type { AuditRow } from '../tables.ts';

export interface AuditEntry {
  at: number;
  caller: Caller;
  /** `noun.verb`. */
  action: string;
  subject: string;
  details?: Readonly<Record<string, unknown>>;
}

/** Written in the transaction of the change it tells of. */
export async function insertAudit(query: Queryable, entry: AuditEntry): Promise<void> {
  await query
    .insertInto('audit')
    .values({
      // SQLite gives the next number for null; the column's type says number, since it never reads as null.
      sequence: null as unknown as number,
      at: entry.at,
      actor: callerName(entry.caller),
      action: entry.action,
      subject: entry.subject,
      details: JSON.stringify(entry.details ?? {}),
      remote_address: entry.caller.kind === 'coordinator' ? null : entry.caller.remoteAddress,
    })
    .execute();
}

export function toAuditRecord(row: AuditRow): AuditRecord {
  return {
    sequence: row.sequence,
    at: row.at,
    actor: row.actor,
    action: row.action,
    subject: row.subject,
    details: auditRecord.shape.details.parse(JSON.parse(row.details)),
    remoteAddress: row.remote_address,
  };
}
