import * as z from 'zod';
import type { operatorRoutes } from '../../shared/api/operators.ts';
import { decodeCursor, toPage } from '../domain/cursor.ts';
import type { Database } from '../storage/database.ts';
import { toAuditRecord } from '../storage/rows/audit.ts';

const sequenceCursor = z.tuple([z.number()]);
/** Records of a span of time that are looked at for the first of them. Behind more, a page of the newest is full soon. */
const MAX_LOOKED_AT = 10_000;

export function createAudit({ database }: { database: Database }) {
  return {
    /** The newest first. */
    async list(query: z.output<(typeof operatorRoutes)['listAudit']['query']>) {
      const before = decodeCursor(sequenceCursor, query.cursor);
      let select = database.query.selectFrom('audit').selectAll();
      if (before !== null) select = select.where('sequence', '<', before[0]);
      if (query.actor !== undefined) select = select.where('actor', '=', query.actor);
      if (query.subject !== undefined) select = select.where('subject', '=', query.subject);
      if (query.since !== undefined)
        select = select.where('at', '>=', query.since).where('sequence', '>=', await firstSince(query.since));
      const rows = await select
        .orderBy('sequence', 'desc')
        .limit(query.limit + 1)
        .execute();
      return toPage(rows, query.limit, toAuditRecord, (row) => [row.sequence]);
    },
  };

  /**
   * No record before this one is of that time. Else, where there are few, all older ones would be read for one more. Not simply the one that
   * follows on the last older one: a clock may have been set back.
   */
  async function firstSince(since: number): Promise<number> {
    const { records, first } = await database.query
      .selectFrom((from) =>
        from.selectFrom('audit').select('sequence').where('at', '>=', since).limit(MAX_LOOKED_AT).as('recent'),
      )
      .select((e) => [e.fn.countAll<number>().as('records'), e.fn.min<number | null>('sequence').as('first')])
      .executeTakeFirstOrThrow();
    if (records >= MAX_LOOKED_AT) return 0;
    return first ?? Number.MAX_SAFE_INTEGER;
  }
}
export type Audit = ReturnType<typeof createAudit>;
