import * as z from 'zod';
import type { operatorRoutes } from '../../shared/api/operators.ts';
import { decodeCursor, toPage } from '../domain/cursor.ts';
import type { Database } from '../storage/database.ts';
import { toAuditRecord } from '../storage/rows/audit.ts';

const sequenceCursor = z.tuple([z.number()]);

export function createAudit({ database }: { database: Database }) {
  return {
    /** The newest first. */
    async list(query: z.output<(typeof operatorRoutes)['listAudit']['query']>) {
      const before = decodeCursor(sequenceCursor, query.cursor);
      let select = database.query.selectFrom('audit').selectAll();
      if (before !== null) select = select.where('sequence', '<', before[0]);
      if (query.actor !== undefined) select = select.where('actor', '=', query.actor);
      if (query.subject !== undefined) select = select.where('subject', '=', query.subject);
      if (query.since !== undefined) select = select.where('at', '>=', query.since);
      const rows = await select
        .orderBy('sequence', 'desc')
        .limit(query.limit + 1)
        .execute();
      return toPage(rows, query.limit, toAuditRecord, (row) => [row.sequence]);
    },
  };
}
export type Audit = ReturnType<typeof createAudit>;
