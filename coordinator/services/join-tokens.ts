import type * as z from 'zod';
import type { hostRoutes } from '../../shared/api/hosts.ts';
import type { Clock } from '../../shared/core/clock.ts';
import { AppError } from '../../shared/core/errors.ts';
import { newSecret, newUuid } from '../../shared/core/ids.ts';
import type { Randomness } from '../../shared/core/randomness.ts';
import type { JoinToken } from '../../shared/model/join-token.ts';
import { type Caller, callerName } from '../auth/caller.ts';
import { hashSecret } from '../auth/tokens.ts';
import { decodeCursor, nameCursor, toPage } from '../domain/cursor.ts';
import type { Database } from '../storage/database.ts';
import { insertAudit } from '../storage/rows/audit.ts';
import { toJoinToken } from '../storage/rows/join-tokens.ts';
import type { JoinTokenRow } from '../storage/tables.ts';

type Routes = typeof hostRoutes;
interface Parts {
  database: Database;
  clock: Clock;
  randomness: Randomness;
}

export function createJoinTokens({ database, clock, randomness }: Parts) {
  return {
    /** Those that can still be used, by id. */
    async list(query: z.output<Routes['listJoinTokens']['query']>) {
      const after = decodeCursor(nameCursor, query.cursor);
      let select = database.query
        .selectFrom('join_tokens')
        .selectAll()
        .where('uses_left', '>', 0)
        .where('expires_at', '>', clock.now());
      if (after !== null) select = select.where('id', '>', after[0]);
      const rows = await select
        .orderBy('id')
        .limit(query.limit + 1)
        .execute();
      return toPage(rows, query.limit, toJoinToken, (row) => [row.id]);
    },

    create(body: z.output<Routes['createJoinToken']['body']>, caller: Caller): Promise<JoinToken & { secret: string }> {
      const secret = newSecret('drover_join', randomness);
      const now = clock.now();
      const row: JoinTokenRow = {
        // Twelve random hex digits: short enough for people, and a repeat is refused by the primary key.
        id: `j-${newUuid(randomness).slice(-12)}`,
        secret_hash: hashSecret(secret),
        tags: JSON.stringify(body.tags),
        zone: body.zone,
        scaling_group: body.scalingGroup,
        uses_left: body.uses,
        created_at: now,
        created_by: callerName(caller),
        expires_at: now + body.validForSeconds * 1_000,
      };
      return database.transaction(async ({ query }) => {
        await query.insertInto('join_tokens').values(row).execute();
        await insertAudit(query, {
          at: now,
          caller,
          action: 'join-token.create',
          subject: row.id,
          details: {
            tags: body.tags,
            zone: body.zone,
            scalingGroup: body.scalingGroup,
            uses: body.uses,
            expiresAt: row.expires_at,
          },
        });
        return { ...toJoinToken(row), secret };
      });
    },

    /** @throws AppError `not_found` */
    delete(id: string, caller: Caller): Promise<void> {
      return database.transaction(async ({ query }) => {
        const { numDeletedRows } = await query.deleteFrom('join_tokens').where('id', '=', id).executeTakeFirst();
        if (numDeletedRows === 0n) throw new AppError('not_found', `there is no join token ${id}`);
        await insertAudit(query, { at: clock.now(), caller, action: 'join-token.delete', subject: id });
      });
    },
  };
}
export type JoinTokens = ReturnType<typeof createJoinTokens>;
