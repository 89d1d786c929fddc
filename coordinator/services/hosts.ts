import type * as z from 'zod';
import type { hostRoutes } from '../../shared/api/hosts.ts';
import type { Clock } from '../../shared/core/clock.ts';
import { AppError } from '../../shared/core/errors.ts';
import { type Host, MAX_TAGS_PER_HOST, type Tags } from '../../shared/model/host.ts';
import type { Caller } from '../auth/caller.ts';
import { decodeCursor, nameCursor, toPage } from '../domain/cursor.ts';
import type { TriggerOutbox } from '../engine/trigger-outbox.ts';
import type { ChangeSequence } from '../storage/change-sequence.ts';
import type { Database, Queryable } from '../storage/database.ts';
import { insertAudit } from '../storage/rows/audit.ts';
import { hostRow, runningDeployments, tagsOf, toHost } from '../storage/rows/hosts.ts';
import type { HostRow } from '../storage/tables.ts';
import { leaveDeployments } from './forgotten-host.ts';
import type { Membership } from './membership.ts';

type Routes = typeof hostRoutes;
type ListQuery = z.output<Routes['listHosts']['query']>;
interface Parts {
  database: Database;
  clock: Clock;
  hostChanged: Membership['hostChanged'];
  changes: ChangeSequence;
  triggers: TriggerOutbox;
  /** After the commit: these deployments must be looked at again. */
  wakeDeployment(deploymentId: string): void;
  /** Ends the host's connection and its sessions. */
  disconnect(hostId: string): void;
}
/** Rows read at a time while a filter on tags looks for its page. */
const SCAN_ROWS = 500;

export function createHosts(parts: Parts) {
  const { database, clock } = parts;
  return {
    async list(query: ListQuery) {
      const rows = await findHosts(database.query, query);
      const page = toPage(
        rows,
        query.limit,
        (row) => row,
        (row) => [row.name],
      );
      const running = await runningDeployments(
        database.query,
        page.items.map((row) => row.id),
      );
      return { ...page, items: page.items.map((row) => toHost(row, running.get(row.id) ?? null)) };
    },

    async get(nameOrId: string): Promise<Host> {
      return withRunning(database.query, await hostRow(database.query, nameOrId));
    },

    /** @throws AppError `not_found` */
    async update(nameOrId: string, body: z.output<Routes['updateHost']['body']>, caller: Caller): Promise<Host> {
      const { row, wakeGroups } = await database.transaction(async (tx) => {
        const { query } = tx;
        const before = await hostRow(query, nameOrId);
        const tags = changedTags(tagsOf(before), body);
        const changed = {
          ...(tags === null ? {} : { tags: JSON.stringify(tags) }),
          ...(body.zone === undefined ? {} : { zone: body.zone }),
          ...(body.scalingGroup === undefined ? {} : { scaling_group: body.scalingGroup }),
        };
        if (Object.keys(changed).length === 0) return { row: before, wakeGroups: () => {} };
        await query.updateTable('hosts').set(changed).where('id', '=', before.id).execute();
        await insertAudit(query, {
          at: clock.now(),
          caller,
          action: 'host.update',
          subject: before.name,
          details: { hostId: before.id, ...body },
        });
        return { row: { ...before, ...changed }, wakeGroups: await parts.hostChanged(tx, before.id) };
      });
      wakeGroups();
      return withRunning(database.query, row);
    },

    /**
     * Its key is refused from now on. `alongside` writes what is to be true together with that.
     * @throws AppError `not_found`
     */
    async forget(
      nameOrId: string,
      caller: Caller,
      alongside: (query: Queryable, row: HostRow) => Promise<void> = async () => {},
    ): Promise<void> {
      const { row, deploymentIds } = await database.transaction(async (tx) => {
        const { query } = tx;
        const before = await hostRow(query, nameOrId);
        const affected = await leaveDeployments(parts, tx, before.id);
        await query.deleteFrom('group_hosts').where('host_id', '=', before.id).execute();
        await query.deleteFrom('left_group_hosts').where('host_id', '=', before.id).execute();
        await query.deleteFrom('host_sequences').where('host_id', '=', before.id).execute();
        await query.deleteFrom('host_commands').where('host_id', '=', before.id).execute();
        await query.deleteFrom('access_keys').where('host_id', '=', before.id).execute();
        await query.deleteFrom('hosts').where('id', '=', before.id).execute();
        await insertAudit(query, {
          at: clock.now(),
          caller,
          action: 'host.forget',
          subject: before.name,
          details: { hostId: before.id },
        });
        await alongside(query, before);
        return { row: before, deploymentIds: affected };
      });
      parts.disconnect(row.id);
      for (const id of deploymentIds) parts.wakeDeployment(id);
    },
  };
}
export type Hosts = ReturnType<typeof createHosts>;

/** Null when nothing is said of them. @throws AppError `invalid` for more than a host may have */
function changedTags(before: Tags, body: z.output<Routes['updateHost']['body']>): Tags | null {
  const { tags, setTags, removeTags } = body;
  if ((tags ?? setTags ?? removeTags) === undefined) return null;
  const removed = new Set(removeTags);
  const kept = Object.entries(tags ?? before).filter(([key]) => !removed.has(key));
  const after = { ...Object.fromEntries(kept), ...setTags };
  if (Object.keys(after).length <= MAX_TAGS_PER_HOST) return after;
  throw new AppError('invalid', `body.setTags: the host would have ${Object.keys(after).length} tags`, {
    hint: `A host has at most ${MAX_TAGS_PER_HOST}: take some away with removeTags.`,
  });
}

async function withRunning(query: Queryable, row: HostRow): Promise<Host> {
  const running = await runningDeployments(query, [row.id]);
  return toHost(row, running.get(row.id) ?? null);
}

/** One row more than the limit, by name. Tags are JSON text, which is looked at here so that the SQL fits any database. */
async function findHosts(query: Queryable, filter: ListQuery): Promise<HostRow[]> {
  const found: HostRow[] = [];
  let after = decodeCursor(nameCursor, filter.cursor)?.[0] ?? '';
  for (;;) {
    let select = query.selectFrom('hosts').selectAll().where('name', '>', after);
    if (filter.presence !== undefined) select = select.where('presence', '=', filter.presence);
    if (filter.scalingGroup !== undefined) select = select.where('scaling_group', '=', filter.scalingGroup);
    if (filter.namePrefix !== undefined)
      // U+FFFF follows every character that a name may have.
      select = select.where('name', '>=', filter.namePrefix).where('name', '<', `${filter.namePrefix}\uffff`);
    const chunkRows = filter.tag === undefined ? filter.limit + 1 : SCAN_ROWS;
    const rows = await select.orderBy('name').limit(chunkRows).execute();
    for (const row of rows)
      if (filter.tag === undefined || hasTag(row, filter.tag)) {
        found.push(row);
        if (found.length > filter.limit) return found;
      }
    const last = rows.at(-1);
    if (last === undefined || rows.length < chunkRows) return found;
    after = last.name;
  }
}

/** `key`, or `key=value`; a key may itself have an equals sign, as CodeDeploy's may. */
function hasTag(row: HostRow, tag: string): boolean {
  return Object.entries(tagsOf(row)).some(([key, value]) => tag === key || tag === `${key}=${value}`);
}
