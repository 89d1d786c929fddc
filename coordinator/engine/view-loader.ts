import type { DeploymentId, HostId, RevisionId } from '../../shared/core/ids.ts';
import { deployment as deploymentModel } from '../../shared/model/deployment.ts';
import { hostPresence } from '../../shared/model/host.ts';
import { capacityForHealthy, capacityForUnhealthy } from '../rollout/capacity.ts';
import {
  type OverdueTarget,
  type PendingTarget,
  type RolloutSettings,
  type RolloutView,
  VIEW_CHUNK,
} from '../rollout/view.ts';
import type { DatabaseTransaction } from '../storage/database.ts';
import type { DeploymentRow } from '../storage/tables.ts';

/** What is read for every decision is written as texts: building them with Kysely each time took longer than running them. */
type Reader = Pick<DatabaseTransaction, 'selectRaw'>;

/** Of an assignment without its variables, whose text is stored as it is sent: names and labels of some hundred characters at the most. */
const MAX_REST_OF_ASSIGNMENT_BYTES = 4_096;

/** The facts for one decision, or null when the deployment is gone or has ended. A few index look-ups, whatever the fleet. */
export async function loadRolloutView(
  reader: Reader,
  deploymentId: DeploymentId,
  now: number,
  settings: RolloutSettings,
): Promise<{ view: RolloutView; row: DeploymentRow } | null> {
  const [row] = await reader.selectRaw<DeploymentRow>('SELECT * FROM deployments WHERE id = ? AND is_active = 1', [
    deploymentId,
  ]);
  if (row === undefined) return null;
  const isWaitingForEnd = row.count_pending === 0 || row.ending_as !== null;
  // While hosts are in progress the deployment does not end, and only its end asks what there is to roll back.
  const mayEnd = row.count_in_progress === 0;
  const nextDeadlineAt = mayEnd ? null : await nextDeadline(reader, deploymentId);
  const view: RolloutView = {
    deployment: {
      id: deploymentId,
      status: deploymentModel.shape.status.parse(row.status),
      creator: deploymentModel.shape.creator.parse(row.creator),
      revisionId: row.revision_id as RevisionId,
      minimumHealthyCount: row.minimum_count ?? 0,
      totalHosts: row.total_hosts,
      alreadyCurrentHosts: row.already_current_hosts,
      forgottenHosts: row.forgotten_hosts,
      ending: endingOf(row),
      stopRequest:
        row.stop_requested_by === null
          ? null
          : { by: row.stop_requested_by, rollback: row.stop_rollback === null ? null : row.stop_rollback === 1 },
      autoRollback: deploymentModel.shape.autoRollback.parse(JSON.parse(row.auto_rollback)),
      deadlineAt: row.deadline_at,
      assignmentBytes: Buffer.byteLength(row.hook_environment) + MAX_REST_OF_ASSIGNMENT_BYTES,
    },
    counts: {
      pending: row.count_pending,
      pendingUnhealthy: row.count_pending_unhealthy,
      inProgress: row.count_in_progress,
      succeeded: row.count_succeeded,
      failed: row.count_failed,
      skipped: row.count_skipped,
    },
    next: [],
    overdue: nextDeadlineAt !== null && nextDeadlineAt <= now ? await overdueTargets(reader, deploymentId, now) : [],
    nextDeadlineAt,
    offlineInService: { count: isWaitingForEnd ? 0 : await countOffline(reader, row), awaitedSince: null },
    busyInService: isWaitingForEnd ? 0 : await busyInService(reader, row),
    hasTouchedHosts: mayEnd && (await exists(reader, TOUCHED, deploymentId)),
    hasReachableFailures: mayEnd && row.count_failed > 0 && (await exists(reader, REACHABLE_FAILURE, deploymentId)),
    lastGoodRevisionId: mayEnd ? await lastGoodRevision(reader, row.group_id) : null,
    settings,
  };
  view.offlineInService.awaitedSince = await awaitedSince(reader, view, row);
  // As many hosts as may be in progress are: nothing can start, and no host in waiting matters until one of them has ended.
  const isFull = row.count_in_progress > 0 && capacityForUnhealthy(view) <= 0;
  if (!isWaitingForEnd && !isFull) view.next = await nextTargets(reader, view, row, now);
  return { view, row };
}

function endingOf(row: DeploymentRow): RolloutView['deployment']['ending'] {
  const as = deploymentModel.shape.endingAs.parse(row.ending_as);
  if (as === null) return null;
  return {
    as,
    error: deploymentModel.shape.errorInformation
      .unwrap()
      .parse({ code: row.error_code, message: row.error_message ?? '' }),
  };
}

/** Rows of a chunk that are looked at first. */
const FEW = 32;

/**
 * In the order of the plan, without hosts that are busy, and without those that are here and still to tell how an earlier one ended.
 * Bringing a host in goes before the group's own deployment: after it, it would take the host back to the old revision.
 */
const nextTargetsUpTo = (
  limit: number,
  condition = '',
) => `SELECT t.id, t.host_id, t.host_name, t.was_healthy, h.presence, h.presence_since
  FROM targets t LEFT JOIN hosts h ON h.id = t.host_id
  WHERE t.deployment_id = ? AND t.status = 'Pending'${condition}
    AND t.host_id NOT IN (
      SELECT b.host_id FROM deployments d JOIN targets b ON b.deployment_id = d.id
      WHERE d.is_active = 1 AND d.group_id = ? AND d.creator = 'autoscaling' AND d.id <> ? AND b.status = 'Pending')
    AND NOT EXISTS (SELECT 1 FROM targets busy WHERE busy.host_id = t.host_id AND busy.status = 'InProgress')
    AND NOT (
      EXISTS (SELECT 1 FROM targets untold WHERE untold.host_id = t.host_id AND untold.late_end_until > ?)
      AND h.presence = 'Online')
  ORDER BY t.position LIMIT ${limit}`;
const FEW_TARGETS = nextTargetsUpTo(FEW);
const CHUNK_OF_TARGETS = nextTargetsUpTo(VIEW_CHUNK);
const CHUNK_OF_THOSE_DOWN = nextTargetsUpTo(VIEW_CHUNK, ' AND t.was_healthy = 0');

/**
 * All of a chunk, or the first few when no more than those can matter: when as many as may start are here and cost no more service than
 * there is, whoever comes behind them waits.
 */
async function nextTargets(
  reader: Reader,
  view: RolloutView,
  row: DeploymentRow,
  now: number,
): Promise<PendingTarget[]> {
  const mayStart = capacityForUnhealthy(view);
  if (mayStart > 0 && mayStart <= FEW && capacityForHealthy(view) >= mayStart) {
    const few = await pendingTargets(reader, FEW_TARGETS, row, now);
    if (few.length < FEW || few.slice(0, mayStart).every(({ presence }) => presence === 'Online')) return few;
  }
  const chunk = await pendingTargets(reader, CHUNK_OF_TARGETS, row, now);
  const isStuck =
    chunk.length === VIEW_CHUNK && capacityForHealthy(view) <= 0 && chunk.every((target) => target.wasHealthy);
  if (!isStuck || view.counts.pendingUnhealthy === 0) return chunk;
  // One that has gone down since the plan was made keeps its place in it: all that come before it wait until it serves.
  const down = await pendingTargets(reader, CHUNK_OF_THOSE_DOWN, row, now);
  return [...down, ...chunk].slice(0, VIEW_CHUNK);
}

async function pendingTargets(
  reader: Reader,
  statement: string,
  deployment: DeploymentRow,
  now: number,
): Promise<PendingTarget[]> {
  const rows = await reader.selectRaw<{
    id: number;
    host_id: string;
    host_name: string;
    was_healthy: number;
    presence: string | null;
    presence_since: number | null;
  }>(statement, [deployment.id, deployment.group_id, deployment.id, now]);
  return rows.map((row) => ({
    targetId: row.id,
    hostId: row.host_id as HostId,
    hostName: row.host_name,
    wasHealthy: row.was_healthy === 1,
    // A host that was forgotten will not come back.
    presence: row.presence === null ? 'Offline' : hostPresence.parse(row.presence),
    presenceSince: row.presence_since ?? 0,
  }));
}

const overdueTargetsWhere = (condition: string) =>
  `SELECT t.id, t.host_name, t.was_healthy, t.accepted_at, t.started_at, t.current_event, h.presence_since
   FROM targets t LEFT JOIN hosts h ON h.id = t.host_id
   WHERE t.deployment_id = ? AND t.status = 'InProgress' AND ${condition} LIMIT ${VIEW_CHUNK}`;
// Not null is said although it follows from the bound: the index on lost deadlines holds only those rows.
const LOST_TARGETS = overdueTargetsWhere('t.lost_deadline_at IS NOT NULL AND t.lost_deadline_at <= ?');
// While its host is away a target's progress is not judged: it has until the host counts as lost.
const LATE_TARGETS = overdueTargetsWhere('t.deadline_at <= ? AND t.lost_deadline_at IS NULL');

async function overdueTargets(reader: Reader, deploymentId: string, now: number): Promise<OverdueTarget[]> {
  interface OverdueRow {
    id: number;
    host_name: string;
    was_healthy: number;
    accepted_at: number | null;
    started_at: number | null;
    current_event: string | null;
    presence_since: number | null;
  }
  const lost = await reader.selectRaw<OverdueRow>(LOST_TARGETS, [deploymentId, now]);
  if (lost.length > 0)
    return lost.map((row) => ({
      targetId: row.id,
      hostName: row.host_name,
      wasHealthy: row.was_healthy === 1,
      cause: { kind: 'lost', awaySince: row.presence_since ?? now },
    }));
  const late = await reader.selectRaw<OverdueRow>(LATE_TARGETS, [deploymentId, now]);
  return late.map((row) => ({
    targetId: row.id,
    hostName: row.host_name,
    wasHealthy: row.was_healthy === 1,
    cause:
      row.accepted_at === null
        ? { kind: 'not-accepted', startedAt: row.started_at ?? now }
        : { kind: 'no-progress', lifecycleEvent: row.current_event },
  }));
}

const NEXT_DEADLINES = `SELECT
  (SELECT deadline_at FROM targets
   WHERE deployment_id = ? AND status = 'InProgress' AND deadline_at IS NOT NULL AND lost_deadline_at IS NULL
   ORDER BY deadline_at LIMIT 1) AS late,
  (SELECT lost_deadline_at FROM targets
   WHERE deployment_id = ? AND status = 'InProgress' AND lost_deadline_at IS NOT NULL
   ORDER BY lost_deadline_at LIMIT 1) AS lost`;

async function nextDeadline(reader: Reader, deploymentId: string): Promise<number | null> {
  const [row] = await reader.selectRaw<{ late: number | null; lost: number | null }>(NEXT_DEADLINES, [
    deploymentId,
    deploymentId,
  ]);
  const at = Math.min(row?.late ?? Number.POSITIVE_INFINITY, row?.lost ?? Number.POSITIVE_INFINITY);
  return Number.isFinite(at) ? at : null;
}

/**
 * How many targets of one deployment a host is: none or one. A count instead of a join or `exists`, which the planner may turn round
 * into reading every target of the deployment.
 */
const targetsOf = (host: string, condition = '') =>
  `(SELECT count(*) FROM targets own WHERE own.host_id = ${host} AND own.deployment_id = ?${condition})`;
const IN_SERVICE = ` AND (own.status = 'Succeeded' OR (own.status = 'Pending' AND own.was_healthy = 1))`;

const OFFLINE_HOSTS = `FROM hosts h WHERE h.presence <> 'Online' AND h.presence = 'Offline'`;
const OFFLINE_TARGETS = `${OFFLINE_HOSTS} AND ${targetsOf('h.id', IN_SERVICE)} > 0`;
const OFFLINE_TARGETS_OR_LEFT_ALONE = `${OFFLINE_HOSTS}
  AND (${targetsOf('h.id', IN_SERVICE)} > 0 OR (${targetsOf('h.id')} = 0 AND ${targetsOf('h.id')} > 0))`;

/**
 * Of the targets, and of the hosts that a rollback leaves alone: they were targets of the deployment that it answers.
 * Reads the few hosts that are away, not the targets: the index on hosts holds only those.
 */
function offlineHosts({ id, already_current_hosts, rollback_triggering_deployment_id: triggering }: DeploymentRow): {
  from: string;
  values: string[];
} {
  return already_current_hosts > 0 && triggering !== null
    ? { from: OFFLINE_TARGETS_OR_LEFT_ALONE, values: [id, id, triggering] }
    : { from: OFFLINE_TARGETS, values: [id] };
}

async function countOffline(reader: Reader, row: DeploymentRow): Promise<number> {
  const { from, values } = offlineHosts(row);
  const [found] = await reader.selectRaw<{ count: number }>(`SELECT count(*) AS count ${from}`, values);
  return found?.count ?? 0;
}

/** Asked only where a deployment with nobody in progress has to wait, and it would help that they are back. */
async function awaitedSince(reader: Reader, view: RolloutView, row: DeploymentRow): Promise<number | null> {
  const missing = 1 - capacityForHealthy(view);
  if (row.count_in_progress > 0 || missing <= 0 || missing > view.offlineInService.count) return null;
  const { from, values } = offlineHosts(row);
  const [found] = await reader.selectRaw<{ since: number }>(
    `SELECT h.presence_since AS since ${from} ORDER BY h.presence_since DESC LIMIT 1 OFFSET ?`,
    [...values, missing - 1],
  );
  return found?.since ?? null;
}

/**
 * Hosts of this deployment that were in service when it was made, or are since, and that a one-host deployment of the group
 * takes out: at once, when it has not begun yet. One that failed there counts until that deployment has ended, which tells this
 * one (settle-group.ts). Those that are away are counted already. Reads the few deployments of this kind that run, not the targets
 * of this one.
 */
const BROUGHT_IN = `SELECT t.host_id
  FROM deployments d JOIN targets t ON t.deployment_id = d.id JOIN hosts h ON h.id = t.host_id
  WHERE d.is_active = 1 AND d.group_id = ? AND d.creator = 'autoscaling' AND d.id <> ?
    AND (t.status IN ('Pending', 'InProgress') OR (t.status = 'Failed' AND t.started_at IS NOT NULL))
    AND h.presence <> 'Offline' AND ${targetsOf('t.host_id', IN_SERVICE)} > 0`;
/**
 * Hosts that it counts on, also those that a rollback leaves alone, and on which a deployment of another group of the application is at work:
 * they are in both groups, or have gone over to that one. Reads the targets in progress of such deployments; most of the time there is none.
 * That the host serves again is no change of this deployment's: the tick looks.
 */
const TAKEN_BY_ANOTHER_GROUP = `SELECT t.host_id
  FROM deployments d CROSS JOIN targets t ON t.deployment_id = d.id AND t.status = 'InProgress' JOIN hosts h ON h.id = t.host_id
  WHERE d.is_active = 1 AND +d.application = ? AND +d.group_id <> ? AND h.presence <> 'Offline'
    AND (${targetsOf('t.host_id', IN_SERVICE)} > 0 OR (? AND ${targetsOf('t.host_id')} = 0 AND ${targetsOf('t.host_id')} > 0))`;
const BUSY_IN_SERVICE = `SELECT count(*) AS count FROM (${BROUGHT_IN} UNION ${TAKEN_BY_ANOTHER_GROUP})`;

async function busyInService(
  reader: Reader,
  { id, group_id, application, already_current_hosts, rollback_triggering_deployment_id: triggering }: DeploymentRow,
): Promise<number> {
  const leavesAlone = already_current_hosts > 0 && triggering !== null ? 1 : 0;
  const [row] = await reader.selectRaw<{ count: number }>(BUSY_IN_SERVICE, [
    ...[group_id, id, id],
    ...[application, group_id, id, leavesAlone, id, triggering],
  ]);
  return row?.count ?? 0;
}

const TOUCHED = `SELECT 1 FROM targets WHERE deployment_id = ? AND status IN ('Succeeded', 'Failed', 'InProgress')
  AND started_at IS NOT NULL LIMIT 1`;
const REACHABLE_FAILURE = `SELECT 1 FROM targets WHERE deployment_id = ? AND status = 'Failed'
  AND error_code NOT IN ('HOST_OFFLINE', 'HOST_LOST', 'HOST_REMOVED') LIMIT 1`;

async function exists(reader: Reader, statement: string, deploymentId: string): Promise<boolean> {
  return (await reader.selectRaw(statement, [deploymentId])).length > 0;
}

async function lastGoodRevision(reader: Reader, groupId: string): Promise<RevisionId | null> {
  const [row] = await reader.selectRaw<{ id: RevisionId | null }>(
    'SELECT last_good_revision_id AS id FROM deployment_groups WHERE id = ?',
    [groupId],
  );
  return row?.id ?? null;
}
