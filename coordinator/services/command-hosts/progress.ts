import type { Assignment } from '../../../shared/protocol/messages.ts';
import { type CommandWalk, type EventOutcome, nextEvent } from '../../domain/command-walk.ts';
import { loadAssignment } from '../../engine/assignment.ts';
import type { DatabaseTransaction, Queryable } from '../../storage/database.ts';
import type { HostCommandRow } from '../../storage/tables.ts';

/** What the database knows of a host's work: the only memory that survives the coordinator. */
export interface StoredProgress {
  /** The deployment that the host is in the middle of, or null. */
  walk: CommandWalk | null;
  /** The command that was acknowledged last, while it has not ended. */
  command: HostCommandRow | null;
  /** The one that was acknowledged last, once it has. */
  ended: { id: string; outcome: EventOutcome } | null;
}

/** May a host go on with a deployment: `go`; not begin any more, since it was stopped: `stopped`; or is its part over: `over`. */
export type Permission = 'go' | 'stopped' | 'over';

export async function loadProgress(query: Queryable, hostId: string): Promise<StoredProgress> {
  const row = await query.selectFrom('host_commands').selectAll().where('host_id', '=', hostId).executeTakeFirst();
  if (row === undefined) return NOTHING;
  const walk = await loadWalk(query, hostId, row.deployment_id);
  const outcome = walk?.ended.get(row.event);
  if (walk === null || outcome !== undefined) {
    const isGoingOn =
      walk !== null && nextEvent(walk) !== null && (await isInProgress(query, hostId, row.deployment_id));
    return {
      walk: isGoingOn ? walk : null,
      command: null,
      ended: outcome === undefined ? null : { id: row.id, outcome },
    };
  }
  return { walk, command: row, ended: null };
}

/** An assignment with what the host has done of it; null when the deployment or its revision is gone. */
export async function loadWalk(query: Queryable, hostId: string, deploymentId: string): Promise<CommandWalk | null> {
  const assignment = await loadAssignment(query, deploymentId, { evenIfStopped: true });
  if (assignment === null) return null;
  const events = await query
    .selectFrom('lifecycle_events as e')
    .innerJoin('targets as t', 't.id', 'e.target_id')
    .select(['e.name', 'e.status'])
    .where('t.host_id', '=', hostId)
    .where('t.deployment_id', '=', deploymentId)
    .execute();
  const member = await query
    .selectFrom('group_hosts')
    .select('revision_id')
    .where('group_id', '=', assignment.deploymentGroupId)
    .where('host_id', '=', hostId)
    .executeTakeFirst();
  const ended = new Map<string, EventOutcome>();
  for (const { name, status } of events)
    if (status === 'Succeeded' || status === 'Failed' || status === 'Skipped') ended.set(name, status);
  const previousRevisionId = member?.revision_id ?? (await installedBefore(query, hostId, assignment));
  return { assignment, previousRevisionId, ended };
}

/**
 * What the last Install of the application before has left on a host that was healthy with it when the deployment was made: the group has
 * forgotten it when it gave the host up. Null when that is unknown, or another group's.
 */
async function installedBefore(
  query: Queryable,
  hostId: string,
  { deploymentId, deploymentGroupId, application }: Assignment,
): Promise<string | null> {
  const now = await query
    .selectFrom('targets')
    .select(['was_healthy'])
    .where('host_id', '=', hostId)
    .where('deployment_id', '=', deploymentId)
    .executeTakeFirst();
  if (now?.was_healthy !== 1) return null;
  const last = await query
    .selectFrom('targets as t')
    .innerJoin('deployments as d', 'd.id', 't.deployment_id')
    .innerJoin('lifecycle_events as e', 'e.target_id', 't.id')
    .select(['d.group_id', 'd.revision_id', 'e.status'])
    .where('t.host_id', '=', hostId)
    .where('t.deployment_id', '<>', deploymentId)
    .where('d.application', '=', application)
    .where('e.name', '=', 'Install')
    .where('e.status', '<>', 'Skipped')
    .orderBy('t.started_at', 'desc')
    .limit(1)
    .executeTakeFirst();
  return last?.status === 'Succeeded' && last.group_id === deploymentGroupId ? last.revision_id : null;
}

/** @param hasBegun a host that has begun goes on to its end, also after a stop (invariant I7 is about beginning) */
export async function permissionFor(
  query: Queryable,
  hostId: string,
  deploymentId: string,
  hasBegun: boolean,
): Promise<Permission> {
  const row = await query
    .selectFrom('targets as t')
    .innerJoin('deployments as d', 'd.id', 't.deployment_id')
    .select(['t.status', 'd.stop_requested_at', 'd.ending_as'])
    .where('t.host_id', '=', hostId)
    .where('t.deployment_id', '=', deploymentId)
    .executeTakeFirst();
  if (row?.status !== 'InProgress') return 'over';
  const isStopped = row.stop_requested_at !== null || row.ending_as === 'Stopped';
  return isStopped && !hasBegun ? 'stopped' : 'go';
}

/** Was the host given up there, and how that ended not told since? */
export async function isUntold(query: Queryable, hostId: string, deploymentId: string): Promise<boolean> {
  const row = await query
    .selectFrom('targets')
    .select('id')
    .where('host_id', '=', hostId)
    .where('deployment_id', '=', deploymentId)
    .where('late_end_until', 'is not', null)
    .executeTakeFirst();
  return row !== undefined;
}

export async function storeCommand(tx: DatabaseTransaction, row: HostCommandRow): Promise<void> {
  await tx.executeMany(
    `INSERT INTO host_commands (host_id, id, deployment_id, event, acknowledged_at) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (host_id) DO UPDATE SET id = excluded.id, deployment_id = excluded.deployment_id, event = excluded.event,
       acknowledged_at = excluded.acknowledged_at`,
    [[row.host_id, row.id, row.deployment_id, row.event, row.acknowledged_at]],
  );
}

async function isInProgress(query: Queryable, hostId: string, deploymentId: string): Promise<boolean> {
  return (await permissionFor(query, hostId, deploymentId, true)) === 'go';
}

const NOTHING: StoredProgress = { walk: null, command: null, ended: null };
