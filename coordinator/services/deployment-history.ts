import { sql } from 'kysely';
import type * as z from 'zod';
import type { cause, deploymentRoutes } from '../../shared/api/deployments.ts';
import { AppError } from '../../shared/core/errors.ts';
import type { Deployment, DeploymentStatus } from '../../shared/model/deployment.ts';
import type { Target, TargetWithEvents } from '../../shared/model/target.ts';
import type { Database } from '../storage/database.ts';
import { deploymentRow, toDeployment } from '../storage/rows/deployments.ts';
import { lifecycleEventsOf, toTarget } from '../storage/rows/targets.ts';
import type { TargetRow } from '../storage/tables.ts';

type Routes = typeof deploymentRoutes;
type ListQuery = z.infer<Routes['listDeployments']['query']>;
type TargetsQuery = z.infer<Routes['listTargets']['query']>;
type OutputQuery = z.infer<Routes['getOutput']['query']>;
type Output = z.infer<Routes['getOutput']['reply']>;
export type Cause = z.infer<typeof cause>;
interface Page<Item> {
  items: Item[];
  nextCursor: string | null;
}

/** What is known of deployments: reads only. All throw AppError `not_found` for what is not there. */
export interface DeploymentHistory {
  list(query: ListQuery & { statuses?: readonly DeploymentStatus[] }): Promise<Page<Deployment>>;
  /** By id; those that are not there are left out. */
  find(ids: readonly string[]): Promise<Deployment[]>;
  /** The deployments that follow each of these, for hosts that joined meanwhile. */
  followersOf(ids: readonly string[]): Promise<Map<string, string[]>>;
  get(id: string): Promise<Deployment>;
  listTargets(id: string, query: TargetsQuery & { statuses?: readonly string[] }): Promise<Page<Target>>;
  getTarget(id: string, host: string): Promise<TargetWithEvents>;
  getOutput(params: { deployment: string; host: string; event: string }, query: OutputQuery): Promise<Output>;
  listCauses(id: string): Promise<{ items: Cause[] }>;
}

const MAX_CAUSES = 50;
/** Of UTF-8. */
const MAX_CHARACTER_BYTES = 4;

export function createDeploymentHistory(parts: { database: Database }): DeploymentHistory {
  const { query } = parts.database;

  async function targetRow(deploymentId: string, host: string): Promise<TargetRow> {
    await deploymentRow(query, deploymentId);
    const ofDeployment = query.selectFrom('targets').selectAll().where('deployment_id', '=', deploymentId);
    const named = query.selectFrom('hosts').select('id').where('name', '=', host);
    // Only who was forgotten since has to be looked for by the name that the target has: no index has that.
    const row =
      (await ofDeployment.where('host_id', '=', host).executeTakeFirst()) ??
      (await ofDeployment.where('host_id', '=', named).executeTakeFirst()) ??
      (await ofDeployment.where('host_name', '=', host).executeTakeFirst());
    if (row === undefined)
      throw new AppError('not_found', `${host} is no target of ${deploymentId}`, {
        details: { noun: 'target' },
        hint: `Its targets: drover status ${deploymentId}`,
      });
    return row;
  }

  return {
    async list(filter) {
      let rows = query
        .selectFrom('deployments')
        .selectAll()
        .orderBy('number', 'desc')
        .limit(filter.limit + 1);
      if (filter.application !== undefined) rows = rows.where('application', '=', filter.application);
      if (filter.deploymentGroup !== undefined) rows = rows.where('group_name', '=', filter.deploymentGroup);
      if (filter.status !== undefined) rows = rows.where('status', '=', filter.status);
      if (filter.statuses !== undefined) rows = rows.where('status', 'in', [...new Set(filter.statuses)]);
      if (filter.creator !== undefined) rows = rows.where('creator', '=', filter.creator);
      if (filter.active !== undefined) rows = rows.where('is_active', '=', filter.active ? 1 : 0);
      if (filter.since !== undefined) rows = rows.where('created_at', '>=', filter.since);
      if (filter.until !== undefined) rows = rows.where('created_at', '<', filter.until);
      if (filter.idPrefix !== undefined)
        rows = rows.where(sql<number>`substr(id, 1, ${filter.idPrefix.length})`, '=', filter.idPrefix as never);
      if (filter.cursor !== undefined) rows = rows.where('number', '<', numberIn(filter.cursor));
      const found = await rows.execute();
      return pageOf(found, filter.limit, (row) => String(row.number), toDeployment);
    },
    async find(ids) {
      if (ids.length === 0) return [];
      const rows = await query
        .selectFrom('deployments')
        .selectAll()
        .where('id', 'in', [...new Set(ids)])
        .execute();
      return rows.map(toDeployment);
    },
    async followersOf(ids) {
      const followers = new Map<string, string[]>();
      if (ids.length === 0) return followers;
      const rows = await query
        .selectFrom('deployments')
        .select(['id', 'follows_deployment_id'])
        .where('follows_deployment_id', 'in', [...ids])
        .orderBy('number')
        .execute();
      for (const { id, follows_deployment_id } of rows)
        if (follows_deployment_id !== null)
          followers.set(follows_deployment_id, [...(followers.get(follows_deployment_id) ?? []), id]);
      return followers;
    },
    async get(id) {
      return toDeployment(await deploymentRow(query, id));
    },
    async listTargets(id, filter) {
      await deploymentRow(query, id);
      let rows = query
        .selectFrom('targets')
        .selectAll()
        .where('deployment_id', '=', id)
        .orderBy('position')
        .limit(filter.limit + 1);
      if (filter.status !== undefined) rows = rows.where('status', '=', filter.status);
      if (filter.statuses !== undefined) rows = rows.where('status', 'in', [...new Set(filter.statuses)]);
      if (filter.cursor !== undefined) rows = rows.where('position', '>', numberIn(filter.cursor));
      return pageOf(await rows.execute(), filter.limit, (row) => String(row.position), toTarget);
    },
    async getTarget(id, host) {
      const row = await targetRow(id, host);
      const events = await query.selectFrom('lifecycle_events').selectAll().where('target_id', '=', row.id).execute();
      return { ...toTarget(row), lifecycleEvents: lifecycleEventsOf(row, events) };
    },
    async getOutput({ deployment, host, event }, { offset, limitBytes }) {
      const row = await targetRow(deployment, host);
      const pieces = await query
        .selectFrom('event_output')
        .select(['offset', 'data'])
        .where('target_id', '=', row.id)
        .where('event', '=', event)
        .where((e) => e(sql<number>`"offset" + length(data)`, '>', offset))
        .where('offset', '<', offset + limitBytes)
        .orderBy('offset')
        .execute();
      const end = await query
        .selectFrom('event_output')
        .select(['offset', 'data'])
        .where('target_id', '=', row.id)
        .where('event', '=', event)
        .orderBy('offset', 'desc')
        .limit(1)
        .executeTakeFirst();
      const bytes = Buffer.concat(
        pieces.map((piece) =>
          piece.data.subarray(Math.max(0, offset - piece.offset), offset + limitBytes - piece.offset),
        ),
      );
      const length = end === undefined ? 0 : end.offset + end.data.length;
      const isMoreToCome = offset + bytes.length < length || row.status === 'InProgress';
      const text = isMoreToCome && limitBytes >= MAX_CHARACTER_BYTES ? wholeCharacters(bytes) : bytes;
      return {
        offset,
        text: text.toString('utf8'),
        nextOffset: offset + text.length,
        length,
        isTruncated: end !== undefined && end.data.length === 0,
      };
    },
    async listCauses(id) {
      await deploymentRow(query, id);
      const failed = await query
        .selectFrom('targets')
        .select(['host_name', 'current_event', 'error_code', 'message', 'diagnostics', 'completed_at'])
        .where('deployment_id', '=', id)
        .where('status', '=', 'Failed')
        .orderBy('completed_at')
        .execute();
      return { items: groupCauses(failed).slice(0, MAX_CAUSES) };
    },
  };
}

/** Without the beginning of a character at the end, the rest of which is in the next piece. */
function wholeCharacters(bytes: Buffer): Buffer {
  for (let back = 1; back < MAX_CHARACTER_BYTES && back <= bytes.length; back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    // 10…: inside of a character. 110…, 1110… and 11110…: the first of two, three or four bytes.
    if ((byte & 0xc0) === 0x80) continue;
    const size = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return size > back ? bytes.subarray(0, -back) : bytes;
  }
  return bytes;
}

type FailedTarget = Pick<
  TargetRow,
  'host_name' | 'current_event' | 'error_code' | 'message' | 'diagnostics' | 'completed_at'
>;

/** Equal failures told once: the same event, script and kind of error. The first one's words speak for all. */
function groupCauses(failed: readonly FailedTarget[]): Cause[] {
  const causes = new Map<string, Cause>();
  for (const row of failed) {
    const { diagnostics } = toTarget({ ...row, error_code: null, status: 'Failed' } as TargetRow);
    const errorCode = diagnostics?.errorCode ?? row.error_code ?? 'UnknownError';
    const event = diagnostics === null ? null : row.current_event;
    const key = JSON.stringify([event, diagnostics?.scriptName, errorCode, diagnostics?.exitCode]);
    const known = causes.get(key);
    if (known !== undefined) {
      known.hostCount++;
      if (known.hostNames.length < 5) known.hostNames.push(row.host_name);
      continue;
    }
    causes.set(key, {
      lifecycleEvent: event,
      scriptName: diagnostics?.scriptName ?? null,
      errorCode,
      message: diagnostics?.message ?? row.message ?? '',
      exitCode: diagnostics?.exitCode ?? null,
      logTail: diagnostics?.logTail ?? null,
      hostCount: 1,
      hostNames: [row.host_name],
      firstAt: row.completed_at ?? 0,
    });
  }
  return [...causes.values()].sort((a, b) => b.hostCount - a.hostCount);
}

function pageOf<Row, Item>(
  rows: readonly Row[],
  limit: number,
  cursorOf: (row: Row) => string,
  toItem: (row: Row) => Item,
): Page<Item> {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return {
    items: shown.map(toItem),
    nextCursor: rows.length > limit && last !== undefined ? cursorOf(last) : null,
  };
}

function numberIn(cursor: string): number {
  // Not all that Number takes: to it the empty text is 0, before which there is nothing.
  if (/^\d{1,15}$/.test(cursor)) return Number(cursor);
  throw new AppError('invalid', 'query.cursor: not the cursor of a page of this list', {
    hint: 'Give back nextCursor of the page before, unchanged.',
  });
}
