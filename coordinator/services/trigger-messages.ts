import * as z from 'zod';
import type { triggerMessageRoutes } from '../../shared/api/trigger-messages.ts';
import type { Clock } from '../../shared/core/clock.ts';
import { AppError } from '../../shared/core/errors.ts';
import type { Caller } from '../auth/caller.ts';
import { decodeCursor, toPage } from '../domain/cursor.ts';
import type { Database, Queryable } from '../storage/database.ts';
import { insertAudit } from '../storage/rows/audit.ts';
import { toTriggerMessage } from '../storage/rows/trigger-messages.ts';
import type { TriggerMessageRow } from '../storage/tables.ts';

type Routes = typeof triggerMessageRoutes;

interface Parts {
  database: Database;
  clock: Clock;
  /** There is something to deliver. */
  wake(): void;
}

const sequenceCursor = z.tuple([z.number().int()]);

/** What an operator sees of messages that are not delivered, and does about them. */
export function createTriggerMessages({ database, clock, wake }: Parts) {
  return {
    async list(query: z.output<Routes['listTriggerMessages']['query']>) {
      const after = decodeCursor(sequenceCursor, query.cursor);
      let select = database.query.selectFrom('trigger_messages').selectAll();
      if (query.state !== undefined) select = select.where('dead_at', query.state === 'dead' ? 'is not' : 'is', null);
      if (after !== null) select = select.where('sequence', '>', after[0]);
      const rows = await select
        .orderBy('sequence')
        .limit(query.limit + 1)
        .execute();
      return toPage(rows, query.limit, toTriggerMessage, (row) => [row.sequence]);
    },

    /** @throws AppError `not_found` */
    async get(id: string) {
      const row = await messageRow(database.query, id);
      return { ...toTriggerMessage(row), subject: row.subject, body: row.body };
    },

    /** @throws AppError `not_found` */
    async retry(id: string, caller: Caller) {
      const row = await database.transaction(async ({ query }) => {
        const before = await messageRow(query, id);
        const now = clock.now();
        const changed =
          before.dead_at === null
            ? { next_attempt_at: 0 }
            : { next_attempt_at: 0, dead_at: null, attempts: 0, waiting_since: now };
        await query.updateTable('trigger_messages').set(changed).where('id', '=', id).execute();
        await insertAudit(query, {
          at: now,
          caller,
          action: 'trigger-message.retry',
          subject: id,
          details: toldOf(before),
        });
        return { ...before, ...changed };
      });
      wake();
      return toTriggerMessage(row);
    },

    async retryDead({ target }: z.output<Routes['retryDeadLetters']['body']>, caller: Caller) {
      const retried = await database.transaction(async ({ query }) => {
        const now = clock.now();
        let update = query
          .updateTable('trigger_messages')
          .set({ next_attempt_at: 0, dead_at: null, attempts: 0, waiting_since: now })
          .where('dead_at', 'is not', null);
        if (target !== undefined) update = update.where('target', '=', target);
        const { numUpdatedRows } = await update.executeTakeFirst();
        const count = Number(numUpdatedRows);
        if (count > 0)
          await insertAudit(query, {
            at: now,
            caller,
            action: 'trigger-message.retry',
            subject: target ?? 'all dead letters',
            details: { count },
          });
        return count;
      });
      wake();
      return { retried };
    },

    /** @throws AppError `not_found` */
    delete(id: string, caller: Caller): Promise<void> {
      return database.transaction(async ({ query }) => {
        const row = await messageRow(query, id);
        await query.deleteFrom('trigger_messages').where('id', '=', id).execute();
        await insertAudit(query, {
          at: clock.now(),
          caller,
          action: 'trigger-message.delete',
          subject: id,
          details: toldOf(row),
        });
      });
    },

    /** How many wait, and how many are dead. */
    async counts(): Promise<{ waiting: number; dead: number }> {
      // Each from an index of its own: the rows have bodies, of which a scrape should read none.
      const count = (state: 'is' | 'is not') =>
        database.query
          .selectFrom('trigger_messages')
          .select((e) => e.fn.countAll<number>().as('count'))
          .where('dead_at', state, null)
          .executeTakeFirstOrThrow();
      return { waiting: Number((await count('is')).count), dead: Number((await count('is not')).count) };
    },
  };
}
export type TriggerMessages = ReturnType<typeof createTriggerMessages>;

function toldOf(row: TriggerMessageRow) {
  return { event: row.event, deploymentId: row.deployment_id, trigger: row.trigger_name };
}

async function messageRow(query: Queryable, id: string): Promise<TriggerMessageRow> {
  const row = await query.selectFrom('trigger_messages').selectAll().where('id', '=', id).executeTakeFirst();
  if (row !== undefined) return row;
  throw new AppError('not_found', `there is no undelivered message ${id}`, {
    hint: 'List them: drover triggers ls. One that was delivered is not kept.',
  });
}
