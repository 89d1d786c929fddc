import type * as z from 'zod';
import type { agentRoutes } from '../../shared/api/agents.ts';
import type { Clock } from '../../shared/core/clock.ts';
import { AppError } from '../../shared/core/errors.ts';
import { type HostId, newHostId } from '../../shared/core/ids.ts';
import type { Randomness } from '../../shared/core/randomness.ts';
import { parsePublicKey } from '../auth/host-proof.ts';
import { hashSecret } from '../auth/tokens.ts';
import type { Database, Queryable } from '../storage/database.ts';
import { insertAudit } from '../storage/rows/audit.ts';
import type { HostRow, JoinTokenRow } from '../storage/tables.ts';
import type { Membership } from './membership.ts';

type Enrol = (typeof agentRoutes)['enrol'];
type Request = z.output<Enrol['body']>;
interface Parts {
  database: Database;
  clock: Clock;
  randomness: Randomness;
  coordinatorId: string;
  hostChanged: Membership['hostChanged'];
}

/**
 * A join token becomes a host identity. Tags, zone and scaling group come from the token alone: a host never chooses its own.
 * The reply to a host may be lost, so the same token with the same key answers again with the same host and costs no use.
 */
export function createEnrolment({ database, clock, randomness, coordinatorId, hostChanged }: Parts) {
  return {
    /**
     * @throws AppError `unauthorized` for a token that is unknown, used up or expired; `conflict` when the name or the key
     * belongs to another enrolment; `invalid` for a key that is none
     */
    async enrol(request: Request, remoteAddress: string): Promise<z.input<Enrol['reply']>> {
      if (parsePublicKey(request.publicKey) === null)
        throw new AppError('invalid', 'body.publicKey: not a raw Ed25519 public key of 32 bytes in base64');
      const { row, wakeGroups } = await database.transaction(async (tx) => {
        const { query } = tx;
        const token = await query
          .selectFrom('join_tokens')
          .selectAll()
          .where('secret_hash', '=', hashSecret(request.joinToken))
          .executeTakeFirst();
        const known = await query
          .selectFrom('hosts')
          .selectAll()
          .where('public_key', '=', request.publicKey)
          .executeTakeFirst();
        // Earlier versions wrote the host alone, and put it into its groups after that.
        if (token !== undefined && known?.join_token_id === token.id)
          return { row: known, wakeGroups: await hostChanged(tx, known.id) };
        checkToken(token, clock.now());
        if (known !== undefined) throw keyConflict(known);
        await checkName(query, request.name);
        const made = await insertHost(query, token, request, remoteAddress);
        return { row: made, wakeGroups: await hostChanged(tx, made.id) };
      });
      wakeGroups();
      return { hostId: row.id, hostName: row.name, coordinatorId };
    },
  };

  async function insertHost(
    query: Queryable,
    token: JoinTokenRow,
    request: Request,
    remoteAddress: string,
  ): Promise<HostRow> {
    const now = clock.now();
    const row: HostRow = {
      id: newHostId(randomness),
      name: request.name,
      public_key: request.publicKey,
      tags: token.tags,
      zone: token.zone,
      scaling_group: token.scaling_group,
      facts: JSON.stringify(request.facts),
      presence: 'Offline',
      presence_since: now,
      last_contact_at: null,
      enrolled_at: now,
      agent_version: null,
      clock_offset_ms: null,
      machine_id: request.facts.machineId ?? null,
      join_token_id: token.id,
      agent_kind: 'drover',
      iam_arn: null,
    };
    await query.insertInto('hosts').values(row).execute();
    await query
      .updateTable('join_tokens')
      .set({ uses_left: token.uses_left - 1 })
      .where('id', '=', token.id)
      .execute();
    await insertAudit(query, {
      at: now,
      // The row's id was made two lines above by newHostId.
      caller: { kind: 'host', hostId: row.id as HostId, hostName: row.name, remoteAddress },
      action: 'host.enrol',
      subject: row.name,
      details: { hostId: row.id, joinTokenId: token.id },
    });
    return row;
  }
}
export type Enrolment = ReturnType<typeof createEnrolment>;

function checkToken(token: JoinTokenRow | undefined, now: number): asserts token is JoinTokenRow {
  const hint = 'Ask an operator for another one: drover hosts enrol-token';
  if (token === undefined) throw new AppError('unauthorized', 'this join token is not known', { hint });
  if (token.expires_at <= now)
    throw new AppError(
      'unauthorized',
      `join token ${token.id} expired at ${new Date(token.expires_at).toISOString()}`,
      {
        hint,
      },
    );
  if (token.uses_left <= 0)
    throw new AppError('unauthorized', `join token ${token.id} has been used as often as it may be`, { hint });
}

function keyConflict(known: HostRow): AppError {
  return new AppError('conflict', `this key belongs to ${known.name}, which enrolled with another join token`, {
    hint: `Let the agent make a new key (remove its identity), or forget the host first: drover hosts forget ${known.name}`,
    details: { hostName: known.name },
  });
}

async function checkName(query: Queryable, name: string): Promise<void> {
  const other = await query
    .selectFrom('hosts')
    .select(['id', 'name'])
    .where((where) => where.or([where('name', '=', name), where('id', '=', name)]))
    .executeTakeFirst();
  if (other === undefined) return;
  if (other.name !== name)
    throw new AppError('conflict', `${name} is the id of ${other.name}: it cannot be the name of another host`, {
      hint: 'Give this one another name.',
    });
  throw new AppError('conflict', `there is a host ${name} already, with another key`, {
    hint: `If it is the same machine set up anew, forget the old one first: drover hosts forget ${name}. Otherwise give this one another name.`,
    details: { hostId: other.id },
  });
}
