import type * as z from 'zod';
import type { accessKeyRoutes } from '../../shared/api/access-keys.ts';
import type { Clock } from '../../shared/core/clock.ts';
import { AppError, errorMessage } from '../../shared/core/errors.ts';
import { type HostId, newAccessKeyId } from '../../shared/core/ids.ts';
import type { Logger } from '../../shared/core/logger.ts';
import type { Randomness } from '../../shared/core/randomness.ts';
import type { AccessKey } from '../../shared/model/access-key.ts';
import { role } from '../../shared/model/operator.ts';
import { accessKeySecrets } from '../auth/access-key-secrets.ts';
import { type Caller, callerName } from '../auth/caller.ts';
import { decodeCursor, nameCursor, toPage } from '../domain/cursor.ts';
import { nearNamesHint } from '../domain/near-names.ts';
import type { Database, Queryable } from '../storage/database.ts';
import { type HeldAccessKeyRow, heldAccessKeys, toAccessKey } from '../storage/rows/access-keys.ts';
import { insertAudit } from '../storage/rows/audit.ts';
import { hostRow } from '../storage/rows/hosts.ts';
import type { AccessKeyRow } from '../storage/tables.ts';

type Routes = typeof accessKeyRoutes;
type NewKey = z.output<Routes['createAccessKey']['body']>;
interface Parts {
  database: Database;
  clock: Clock;
  randomness: Randomness;
  logger: Logger;
  /** See `auth/access-key-secrets.ts`. */
  master: Uint8Array;
}

/** What is shown once, when it is made. */
type MadeAccessKey = AccessKey & { secretAccessKey: string; sessionToken: string | null };

/** What is needed to verify a signature, and who it then comes from. */
export interface FoundAccessKey {
  secretAccessKey: string;
  /** What the request must carry; null: it must carry none. */
  sessionToken: string | null;
  hasExpired: boolean;
  callerFrom(remoteAddress: string): Caller;
  /** Notes that a request with this key was accepted. Nobody waits for it: no answer depends on it. */
  noteUse(): void;
}

/** As for operator tokens: a write per request would cost more than the request. */
const LAST_USED_GRAIN_MS = 60_000;
const HINT_NAMES = 200;

export function createAccessKeys({ database, clock, randomness, logger, master }: Parts) {
  return {
    async list(query: z.output<Routes['listAccessKeys']['query']>) {
      const after = decodeCursor(nameCursor, query.cursor);
      let select = heldAccessKeys(database.query);
      if (after !== null) select = select.where('access_keys.id', '>', after[0]);
      const rows = await select
        .orderBy('access_keys.id')
        .limit(query.limit + 1)
        .execute();
      return toPage(rows, query.limit, toAccessKey, (row) => [row.id]);
    },

    /** @throws AppError `not_found` for the operator or the host */
    create(body: NewKey, caller: Caller): Promise<MadeAccessKey> {
      return database.transaction(({ query }) => createIn(query, body, caller));
    },
    createIn,

    /** @throws AppError `not_found` */
    delete(id: string, caller: Caller): Promise<void> {
      return database.transaction(async ({ query }) => {
        const row = await heldAccessKeys(query).where('access_keys.id', '=', id).executeTakeFirst();
        if (row === undefined)
          throw new AppError('not_found', `there is no access key ${id}`, { hint: 'List them: drover access-keys ls' });
        await query.deleteFrom('access_keys').where('id', '=', id).execute();
        await insertAudit(query, {
          at: clock.now(),
          caller,
          action: 'access-key.delete',
          subject: id,
          details: { holder: toAccessKey(row).holder.kind, name: toAccessKey(row).holder.name },
        });
      });
    },

    /** The key behind an access key id that a request names; null when there is none. It proves nothing yet. */
    async find(id: string): Promise<FoundAccessKey | null> {
      const row = await heldAccessKeys(database.query).where('access_keys.id', '=', id).executeTakeFirst();
      if (row === undefined || (row.host_name ?? row.operator_name) === null) return null;
      const now = clock.now();
      const { secretAccessKey, sessionToken } = accessKeySecrets(master, id);
      const ends = [row.expires_at, row.operator_expires_at].filter((at) => at !== null);
      return {
        secretAccessKey,
        sessionToken: row.is_session === 1 ? sessionToken : null,
        hasExpired: ends.some((at) => at <= now),
        callerFrom: (remoteAddress) => callerOf(row, remoteAddress),
        noteUse() {
          if (row.last_used_at !== null && row.last_used_at + LAST_USED_GRAIN_MS > now) return;
          database.query
            .updateTable('access_keys')
            .set({ last_used_at: now })
            .where('id', '=', id)
            .execute()
            .catch((error) => logger.warn({ err: errorMessage(error) }, 'last use of an access key not noted'));
        },
      };
    },
  };

  /** In a transaction of the caller's. @throws AppError `not_found` for the operator or the host */
  async function createIn(query: Queryable, body: NewKey, caller: Caller): Promise<MadeAccessKey> {
    const holder = await holderOf(query, body);
    const now = clock.now();
    const isSession = body.session ?? false;
    const row: AccessKeyRow = {
      id: newAccessKeyId(randomness, { isSession }),
      operator_token_id: holder.kind === 'operator' ? holder.id : null,
      host_id: holder.kind === 'host' ? holder.id : null,
      is_session: isSession ? 1 : 0,
      created_at: now,
      created_by: callerName(caller),
      last_used_at: null,
      expires_at: body.validForSeconds === undefined ? null : now + body.validForSeconds * 1_000,
    };
    await query.insertInto('access_keys').values(row).execute();
    await insertAudit(query, {
      at: now,
      caller,
      action: 'access-key.create',
      subject: row.id,
      details: { holder: holder.kind, name: holder.name, isSession, expiresAt: row.expires_at },
    });
    const { secretAccessKey, sessionToken } = accessKeySecrets(master, row.id);
    const made = await heldAccessKeys(query).where('access_keys.id', '=', row.id).executeTakeFirstOrThrow();
    return { ...toAccessKey(made), secretAccessKey, sessionToken: isSession ? sessionToken : null };
  }
}
export type AccessKeys = ReturnType<typeof createAccessKeys>;

async function holderOf(
  query: Queryable,
  body: NewKey,
): Promise<{ kind: 'operator' | 'host'; id: string; name: string }> {
  if (body.host !== undefined) {
    const { id, name } = await hostRow(query, body.host);
    return { kind: 'host', id, name };
  }
  // The schema lets one of the two through.
  const name = body.operator ?? '';
  const tokens = await query.selectFrom('operator_tokens').select(['id', 'name']).orderBy('name').execute();
  const token = tokens.find((one) => one.name === name);
  if (token !== undefined) return { kind: 'operator', ...token };
  const known = tokens.slice(0, HINT_NAMES).map((one) => one.name);
  throw new AppError('not_found', `there is no operator token ${name}`, {
    hint: nearNamesHint(name, known, `Create it first: drover tokens create ${name}`),
  });
}

function callerOf(row: HeldAccessKeyRow, remoteAddress: string): Caller {
  if (row.host_id !== null)
    return { kind: 'host', hostId: row.host_id as HostId, hostName: row.host_name ?? '', remoteAddress };
  return { kind: 'operator', name: row.operator_name ?? '', role: role.parse(row.operator_role), remoteAddress };
}
