import type * as z from 'zod';
import type { operatorRoutes } from '../../shared/api/operators.ts';
import type { Clock } from '../../shared/core/clock.ts';
import { AppError, errorMessage } from '../../shared/core/errors.ts';
import { newSecret, newUuid } from '../../shared/core/ids.ts';
import type { Logger } from '../../shared/core/logger.ts';
import type { Randomness } from '../../shared/core/randomness.ts';
import { type OperatorToken, type Role, role } from '../../shared/model/operator.ts';
import { type Caller, callerName } from '../auth/caller.ts';
import { hashSecret } from '../auth/tokens.ts';
import { decodeCursor, nameCursor, toPage } from '../domain/cursor.ts';
import type { Database, Queryable } from '../storage/database.ts';
import { insertAudit } from '../storage/rows/audit.ts';
import { toOperatorToken } from '../storage/rows/operator-tokens.ts';
import type { OperatorTokenRow } from '../storage/tables.ts';

type Routes = typeof operatorRoutes;
type NewToken = z.output<Routes['createOperatorToken']['body']>;
interface Parts {
  database: Database;
  clock: Clock;
  randomness: Randomness;
  logger: Logger;
}
/** `lastUsedAt` is written at most this often for a token: a write per request would cost more than the request. */
const LAST_USED_GRAIN_MS = 60_000;

export function createOperatorTokens({ database, clock, randomness, logger }: Parts) {
  const insert = async (query: Queryable, body: NewToken, caller: Caller) => {
    const secret = newSecret('drover_op', randomness);
    const now = clock.now();
    const row: OperatorTokenRow = {
      id: `t-${newUuid(randomness).slice(-12)}`,
      name: body.name,
      secret_hash: hashSecret(secret),
      role: body.role,
      created_at: now,
      created_by: callerName(caller),
      last_used_at: null,
      expires_at: body.validForSeconds === undefined ? null : now + body.validForSeconds * 1_000,
    };
    await query.insertInto('operator_tokens').values(row).execute();
    await insertAudit(query, {
      at: now,
      caller,
      action: 'operator-token.create',
      subject: row.name,
      details: { id: row.id, role: row.role, expiresAt: row.expires_at },
    });
    return { ...toOperatorToken(row), secret };
  };

  return {
    async list(query: z.output<Routes['listOperatorTokens']['query']>) {
      const after = decodeCursor(nameCursor, query.cursor);
      let select = database.query.selectFrom('operator_tokens').selectAll();
      if (after !== null) select = select.where('name', '>', after[0]);
      const rows = await select
        .orderBy('name')
        .limit(query.limit + 1)
        .execute();
      return toPage(rows, query.limit, toOperatorToken, (row) => [row.name]);
    },

    /** @throws AppError `conflict` when the name is taken */
    create(body: NewToken, caller: Caller): Promise<OperatorToken & { secret: string }> {
      return database.transaction(async ({ query }) => {
        const existing = await query
          .selectFrom('operator_tokens')
          .select('id')
          .where('name', '=', body.name)
          .executeTakeFirst();
        if (existing !== undefined)
          throw new AppError('conflict', `there is an operator token ${body.name} already`, {
            hint: 'Names tell people apart in the audit record: choose another one, or revoke the old token first.',
          });
        return insert(query, body, caller);
      });
    },

    /**
     * The first token of all, an admin's, unless there is one already. It is kept before it is valid: a crash in between
     * leaves a token that opens nothing, and the next start makes another.
     */
    createFirst(keep: (secret: string) => Promise<void>): Promise<boolean> {
      return database.transaction(async ({ query }) => {
        const any = await query.selectFrom('operator_tokens').select('id').limit(1).executeTakeFirst();
        if (any !== undefined) return false;
        const { secret } = await insert(query, { name: 'first-operator', role: 'admin' }, { kind: 'coordinator' });
        await keep(secret);
        return true;
      });
    },

    /** @throws AppError `not_found`, `conflict` for the last token that can make tokens */
    delete(id: string, caller: Caller): Promise<void> {
      return database.transaction(async ({ query }) => {
        const now = clock.now();
        const row = await query.selectFrom('operator_tokens').selectAll().where('id', '=', id).executeTakeFirst();
        if (row === undefined)
          throw new AppError('not_found', `there is no operator token ${id}`, { hint: 'List them for their ids.' });
        if (row.role === 'admin') {
          const others = await query
            .selectFrom('operator_tokens')
            .select('id')
            .where('role', '=', 'admin')
            .where('id', '<>', id)
            .where((where) => where.or([where('expires_at', 'is', null), where('expires_at', '>', now)]))
            .limit(1)
            .execute();
          if (others.length === 0)
            throw new AppError('conflict', `${row.name} is the last admin's token`, {
              hint: 'Create another admin token first: without one nobody could.',
            });
        }
        await query.deleteFrom('access_keys').where('operator_token_id', '=', id).execute();
        await query.deleteFrom('operator_tokens').where('id', '=', id).execute();
        await insertAudit(query, {
          at: now,
          caller,
          action: 'operator-token.delete',
          subject: row.name,
          details: { id, role: row.role },
        });
      });
    },

    /** Who holds this secret; null when nobody does, or not any more. */
    async authenticate(secret: string): Promise<{ name: string; role: Role } | null> {
      const row = await database.query
        .selectFrom('operator_tokens')
        .selectAll()
        .where('secret_hash', '=', hashSecret(secret))
        .executeTakeFirst();
      const now = clock.now();
      if (row === undefined || (row.expires_at !== null && row.expires_at <= now)) return null;
      if (row.last_used_at === null || row.last_used_at + LAST_USED_GRAIN_MS <= now)
        // Nobody waits for it: the request's answer does not depend on it.
        database.query
          .updateTable('operator_tokens')
          .set({ last_used_at: now })
          .where('id', '=', row.id)
          .execute()
          .catch((error) => logger.warn({ err: errorMessage(error) }, 'last use of a token not noted'));
      return { name: row.name, role: role.parse(row.role) };
    },
  };
}
export type OperatorTokens = ReturnType<typeof createOperatorTokens>;
