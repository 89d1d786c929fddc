import { sql } from 'kysely';
import type { DeploymentId, HostId, RevisionId } from '../../shared/core/ids.ts';
import { deployment as deploymentModel } from '../../shared/model/deployment.ts';
import { hostPresence } from '../../shared/model/host.ts';
import { capacityForUnhealthy } from '../rollout/capacity.ts';
import {
  type OverdueTarget,
  type PendingTarget,
  type RolloutSettings,
  type RolloutView,
  VIEW_CHUNK,
} from '../rollout/view.ts';
import type { Queryable } from '../storage/database.ts';
import type { DeploymentRow } from '../storage/tables.ts';

/** Written into the statement, not bound: only then does a planner see that a partial index holds the rows. */
const inProgress = sql.lit('InProgress');

/** The facts for one decision, or null when the deployment is gone or has ended. A few index look-ups, whatever the fleet. */
export async function loadRolloutView(
  query: Queryable,
  deploymentId: DeploymentId,
  now: number,
  settings: RolloutSettings,
): Promise<{ view: RolloutView; row: DeploymentRow } | null> {
  const row = await query
    .selectFrom('deployments')
    .selectAll()
    .where('id', '=', deploymentId)
    .where('is_active', '=', 1)
    .executeTakeFirst();
  if (row === undefined) return null;
  const isWaitingForEnd = row.count_pending === 0 || row.ending_as !== null;
  // While hosts are in progress the deployment does not end, and only its end asks what there is to roll back.
  const mayEnd = row.count_in_progress === 0;
  const nextDeadlineAt = mayEnd ? null : await nextDeadline(query, deploymentId);
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
    overdue: nextDeadlineAt !== null && nextDeadlineAt <= now ? await overdueTargets(query, deploymentId, now) : [],
    nextDeadlineAt,
    offlineInService: isWaitingForEnd ? { count: 0, oldestSince: null } : await offlineInService(query, row),
    busyInService: isWaitingForEnd ? 0 : await busyInService(query, row),
    hasTouchedHosts: mayEnd && (await exists(query, deploymentId, 'touched')),
    hasReachableFailures: mayEnd && row.count_failed > 0 && (await exists(query, deploymentId, 'reachable-failure')),
    lastGoodRevisionId: mayEnd ? await lastGoodRevision(query, row.group_id) : null,
    settings,
  };
  // As many hosts as may be in progress are: nothing can start, and no host in waiting matters until one of them has ended.
  const isFull = row.count_in_progress > 0 && capacityForUnhealthy(view) <= 0;
  if (!isWaitingForEnd && !isFull) view.next = await nextTargets(query, row, now);
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

/**
 * In the order of the plan, without hosts that are busy, and without those that are here and still to tell how an earlier one ended.
 * Bringing a host in goes before the group's own deployment: after it, it would take the host back to the old revision.
 */
async function nextTargets(query: Queryable, deployment: DeploymentRow, now: number): Promise<PendingTarget[]> {
  const toBeBroughtIn = query
    .selectFrom('deployments as d')
    .innerJoin('targets as b', 'b.deployment_id', 'd.id')
    .select('b.host_id')
    .where('d.is_active', '=', sql.lit(1))
    .where('d.group_id', '=', deployment.group_id)
    .where('d.creator', '=', 'autoscaling')
    .where('d.id', '<>', deployment.id)
    .where('b.status', '=', 'Pending');
  const rows = await query
    .selectFrom('targets as t')
    .leftJoin('hosts as h', 'h.id', 't.host_id')
    .select(['t.id', 't.host_id', 't.host_name', 't.was_healthy', 'h.presence', 'h.presence_since', 't.started_at'])
    .where('t.deployment_id', '=', deployment.id)
    .where('t.status', '=', 'Pending')
    .where('t.host_id', 'not in', toBeBroughtIn)
    .where(({ not, exists: existsIn, selectFrom }) =>
      not(
        existsIn(
          selectFrom('targets as busy')
            .select('busy.id')
            .whereRef('busy.host_id', '=', 't.host_id')
            .where('busy.status', '=', inProgress),
        ),
      ),
    )
    .where(({ and, not, eb, exists: existsIn, selectFrom }) =>
      not(
        and([
          existsIn(
            selectFrom('targets as untold')
              .select('untold.id')
              .whereRef('untold.host_id', '=', 't.host_id')
              .where('untold.late_end_until', 'is not', null)
              .where('untold.late_end_until', '>', now),
          ),
          eb('h.presence', '=', 'Online'),
        ]),
      ),
    )
    .orderBy('t.position')
    .limit(VIEW_CHUNK)
    .execute();
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

async function overdueTargets(query: Queryable, deploymentId: string, now: number): Promise<OverdueTarget[]> {
  const running = query
    .selectFrom('targets as t')
    .leftJoin('hosts as h', 'h.id', 't.host_id')
    .select([
      't.id',
      't.host_name',
      't.was_healthy',
      't.accepted_at',
      't.started_at',
      't.current_event',
      'h.presence_since',
    ])
    .where('t.deployment_id', '=', deploymentId)
    .where('t.status', '=', inProgress)
    .limit(VIEW_CHUNK);
  // Said although it follows from the bound: the index on lost deadlines holds only those rows.
  const lost = await running
    .where('t.lost_deadline_at', 'is not', null)
    .where('t.lost_deadline_at', '<=', now)
    .execute();
  if (lost.length > 0)
    return lost.map((row) => ({
      targetId: row.id,
      hostName: row.host_name,
      wasHealthy: row.was_healthy === 1,
      cause: { kind: 'lost', awaySince: row.presence_since ?? now },
    }));
  // While its host is away a target's progress is not judged: it has until the host counts as lost.
  const late = await running.where('t.deadline_at', '<=', now).where('t.lost_deadline_at', 'is', null).execute();
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

async function nextDeadline(query: Queryable, deploymentId: string): Promise<number | null> {
  const earliest = async (column: 'deadline_at' | 'lost_deadline_at') => {
    let earliestFirst = query
      .selectFrom('targets')
      .select(column)
      .where('deployment_id', '=', deploymentId)
      .where('status', '=', inProgress)
      .where(column, 'is not', null)
      .orderBy(column)
      .limit(1);
    if (column === 'deadline_at') earliestFirst = earliestFirst.where('lost_deadline_at', 'is', null);
    const row = await earliestFirst.executeTakeFirst();
    return row?.[column] ?? Number.POSITIVE_INFINITY;
  };
  const at = Math.min(await earliest('deadline_at'), await earliest('lost_deadline_at'));
  return Number.isFinite(at) ? at : null;
}

/**
 * Of the targets, and of the hosts that a rollback leaves alone: they were targets of the deployment that it answers.
 * Reads the few hosts that are away, not the targets: the index on hosts holds only those. A count of none or one instead of
 * a join or `exists`, which the planner may turn round into reading every target of the deployment.
 */
async function offlineInService(query: Queryable, deployment: DeploymentRow): Promise<RolloutView['offlineInService']> {
  const triggering = deployment.already_current_hosts > 0 ? deployment.rollback_triggering_deployment_id : null;
  const row = await query
    .selectFrom('hosts as h')
    .select((e) => [e.fn.countAll<number>().as('count'), e.fn.min('h.presence_since').as('oldest')])
    .where('h.presence', '<>', sql.lit('Online'))
    .where('h.presence', '=', 'Offline')
    .where((e) => {
      const targets = (deploymentId: string) =>
        e
          .selectFrom('targets as t')
          .select((inner) => inner.fn.countAll<number>().as('count'))
          .whereRef('t.host_id', '=', 'h.id')
          .where('t.deployment_id', '=', deploymentId);
      const inService = targets(deployment.id).where((inner) =>
        inner.or([
          inner('t.status', '=', 'Succeeded'),
          inner.and([inner('t.status', '=', 'Pending'), inner('t.was_healthy', '=', 1)]),
        ]),
      );
      if (triggering === null) return e(inService, '>', 0);
      const leftAlone = e.and([e(targets(deployment.id), '=', 0), e(targets(triggering), '>', 0)]);
      return e.or([e(inService, '>', 0), leftAlone]);
    })
    .executeTakeFirst();
  const count = Number(row?.count ?? 0);
  return { count, oldestSince: count === 0 || row?.oldest == null ? null : Number(row.oldest) };
}

/**
 * Hosts of this deployment that were in service when it was made, or are since, and that a one-host deployment of the group
 * takes out: at once, when it has not begun yet. One that failed there counts until that deployment has ended, which tells this
 * one (settle-group.ts). Reads the few deployments of this kind that run, not the targets of this one.
 */
async function busyInService(query: Queryable, deployment: DeploymentRow): Promise<number> {
  const row = await query
    .selectFrom('deployments as d')
    .innerJoin('targets as t', 't.deployment_id', 'd.id')
    .innerJoin('hosts as h', 'h.id', 't.host_id')
    .select((e) => e.fn.countAll<number>().as('count'))
    .where('d.is_active', '=', sql.lit(1))
    .where('d.group_id', '=', deployment.group_id)
    .where('d.creator', '=', 'autoscaling')
    .where('d.id', '<>', deployment.id)
    .where((e) =>
      e.or([
        e('t.status', 'in', ['Pending', 'InProgress']),
        e.and([e('t.status', '=', 'Failed'), e('t.started_at', 'is not', null)]),
      ]),
    )
    // Those that are away are counted already.
    .where('h.presence', '<>', 'Offline')
    .where((e) =>
      e(
        e
          .selectFrom('targets as own')
          .select((inner) => inner.fn.countAll<number>().as('count'))
          .whereRef('own.host_id', '=', 't.host_id')
          .where('own.deployment_id', '=', deployment.id)
          .where((inner) =>
            inner.or([
              inner('own.status', '=', 'Succeeded'),
              inner.and([inner('own.status', '=', 'Pending'), inner('own.was_healthy', '=', 1)]),
            ]),
          ),
        '>',
        0,
      ),
    )
    .executeTakeFirst();
  return Number(row?.count ?? 0);
}

async function exists(query: Queryable, deploymentId: string, what: 'touched' | 'reachable-failure'): Promise<boolean> {
  let targets = query
    .selectFrom('targets')
    .select(sql<number>`1`.as('one'))
    .where('deployment_id', '=', deploymentId)
    .limit(1);
  targets =
    what === 'touched'
      ? targets.where('status', 'in', ['Succeeded', 'Failed', 'InProgress']).where('started_at', 'is not', null)
      : targets
          .where('status', '=', 'Failed')
          .where('error_code', 'not in', ['HOST_OFFLINE', 'HOST_LOST', 'HOST_REMOVED']);
  return (await targets.executeTakeFirst()) !== undefined;
}

async function lastGoodRevision(query: Queryable, groupId: string): Promise<RevisionId | null> {
  const row = await query
    .selectFrom('deployment_groups')
    .select('last_good_revision_id')
    .where('id', '=', groupId)
    .executeTakeFirst();
  return (row?.last_good_revision_id ?? null) as RevisionId | null;
}
