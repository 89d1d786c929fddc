import * as z from 'zod';
import { AppError } from '../../../shared/core/errors.ts';
import {
  type AgentUpdate,
  type AgentUpdateWave,
  agentUpdate,
  agentUpdateSettings,
} from '../../../shared/model/agent-update.ts';
import { type AgentPackage, parseAgentPackage } from '../../domain/agent-packages.ts';
import type { Queryable } from '../database.ts';
import type { AgentUpdateRow } from '../tables.ts';

/** In place of an id: the newest one. */
const LAST = 'last';

/** @throws AppError `not_found` */
export async function agentUpdateRow(query: Queryable, reference: string): Promise<AgentUpdateRow> {
  const all = query.selectFrom('agent_updates').selectAll();
  const row = await (reference === LAST
    ? all.orderBy('number', 'desc').limit(1)
    : all.where('id', '=', reference.replace(/^u-/i, 'u-'))
  ).executeTakeFirst();
  if (row !== undefined) return row;
  throw new AppError(
    'not_found',
    reference === LAST ? 'there has been no agent update yet' : `there is no agent update ${reference}`,
    {
      details: { noun: 'agent-update' },
      hint: 'See the versions, and what an update would do: drover agents versions',
    },
  );
}

/** Also what was offered when it began: that may change meanwhile. */
const storedSettings = agentUpdateSettings.extend({ packageFiles: z.array(z.string()).default([]) });
export type StoredSettings = z.output<typeof storedSettings>;

export function settingsOfUpdate(row: Pick<AgentUpdateRow, 'settings'>): StoredSettings {
  return storedSettings.parse(JSON.parse(row.settings));
}

/** The packages that it began with. */
export function packagesOfUpdate(row: Pick<AgentUpdateRow, 'settings'>): AgentPackage[] {
  return settingsOfUpdate(row).packageFiles.flatMap((file) => parseAgentPackage(file) ?? []);
}

/** With their waves, as their deployments are now. */
export async function toAgentUpdates(query: Queryable, rows: readonly AgentUpdateRow[]): Promise<AgentUpdate[]> {
  const waves = await wavesOf(
    query,
    rows.map((row) => row.id),
  );
  return rows.map((row) => ({
    id: row.id,
    version: row.version,
    status: agentUpdate.shape.status.parse(row.status),
    message: row.message,
    ...agentUpdateSettings.parse(settingsOfUpdate(row)),
    totalHosts: row.total_hosts,
    progress: waves.get(row.id) ?? [],
    createdBy: row.created_by,
    createdAt: row.created_at,
    completedAt: row.completed_at,
    stopRequestedBy: row.stop_requested_by,
  }));
}

async function wavesOf(query: Queryable, updateIds: readonly string[]): Promise<Map<string, AgentUpdateWave[]>> {
  const waves = new Map<string, AgentUpdateWave[]>();
  if (updateIds.length === 0) return waves;
  const rows = await query
    .selectFrom('agent_update_waves as w')
    .leftJoin('deployments as d', 'd.id', 'w.deployment_id')
    .select(['w.update_id', 'w.number', 'w.deployment_id', 'w.hosts', 'd.status'])
    .select(['d.count_succeeded', 'd.count_failed', 'd.count_skipped'])
    .where('w.update_id', 'in', [...updateIds])
    .orderBy('w.number')
    .execute();
  for (const row of rows)
    waves.set(row.update_id, [
      ...(waves.get(row.update_id) ?? []),
      {
        number: row.number,
        deploymentId: row.deployment_id,
        status: row.status,
        hosts: row.hosts,
        succeeded: row.count_succeeded ?? 0,
        failed: row.count_failed ?? 0,
        skipped: row.count_skipped ?? 0,
      },
    ]);
  return waves;
}
