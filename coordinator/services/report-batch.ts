import type { InstanceHealth } from '../../shared/model/host.ts';
import { type Diagnostics, LIFECYCLE_EVENTS } from '../../shared/model/lifecycle-event.ts';
import type { InstalledRevision, Report, RunningEvent } from '../../shared/protocol/messages.ts';
import { enterAnew } from '../engine/gone-over.ts';
import { updatePendingHealth } from '../engine/pending-health.ts';
import type { TriggerOutbox } from '../engine/trigger-outbox.ts';
import type { ChangeSequence } from '../storage/change-sequence.ts';
import type { DatabaseTransaction, SqlValue } from '../storage/database.ts';
import { takeUpInstalled } from './installed-revisions.ts';

/** What one frame brought. */
export interface Delivery {
  hostId: string;
  items: readonly Report[];
  running: readonly RunningEvent[];
  /** As of these items and all before them. */
  installed: readonly InstalledRevision[];
}

/** What a host's reports of now are numbered in, and how far that is committed. */
export interface JournalState {
  readonly journalId: string;
  readonly acknowledged: number;
}

export interface BatchOutcome {
  /** Highest committed sequence of every host in the batch. */
  acknowledged: Map<string, number>;
  /** Hosts whose reports did not follow on: they send again from the acknowledged one. */
  outOfOrder: Set<string>;
  changed: Set<string>;
  /** Deployments whose counts changed, and those that wait for a host that became free. */
  wake: Set<string>;
  /** Groups that owe a host something since it has said what it has. */
  wakeGroups: Set<string>;
  committedReports: number;
  ignoredReports: number;
}

export interface BatchSettings {
  /** Given to an event that has not said how long it may take, ms. Source: 3600 s, AWS user guide, "Limits". */
  eventTimeoutMs: number;
  /** On top of what an event may take, for the report to arrive, ms. */
  reportSlackMs: number;
}

interface TargetFacts {
  id: number;
  deploymentId: string;
  groupId: string;
  application: string;
  /** False when the host has left the group meanwhile. */
  isMember: boolean;
  revisionId: string;
  creator: string;
  status: string;
  wasHealthy: boolean;
  /** Given up, and how it ended is not told yet. */
  isUntold: boolean;
  /** Given up, and how it ended is told. */
  isLateEndTold: boolean;
  errorCode: string | null;
  /** Set while the batch is put together; written once. */
  currentEvent: string | null;
  accepted: boolean;
  deadlineAt: number | null;
  touched: boolean;
}

const KNOWN_EVENTS: ReadonlySet<string> = new Set(LIFECYCLE_EVENTS);

const SELECT_TARGET = `SELECT t.id, t.deployment_id AS deploymentId, d.group_id AS groupId, d.application, d.revision_id AS revisionId,
    EXISTS (SELECT 1 FROM group_hosts m WHERE m.group_id = d.group_id AND m.host_id = t.host_id) AS isMember,
    d.creator, t.was_healthy AS wasHealthy, t.late_end_until IS NOT NULL AS isUntold,
    t.late_end_told AS isLateEndTold, t.status, t.error_code AS errorCode, t.current_event AS currentEvent, t.accepted_at IS NOT NULL AS accepted, t.deadline_at AS deadlineAt,
    0 AS touched
  FROM targets t JOIN deployments d ON d.id = t.deployment_id WHERE t.host_id = ? AND t.deployment_id = ?`;

const UPSERT_EVENT = `INSERT INTO lifecycle_events (target_id, name, status, started_at, ended_at, duration_ms, diagnostics)
  VALUES (?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (target_id, name) DO UPDATE SET status = excluded.status, started_at = coalesce(lifecycle_events.started_at, excluded.started_at),
    ended_at = excluded.ended_at, duration_ms = excluded.duration_ms, diagnostics = excluded.diagnostics
  WHERE lifecycle_events.status NOT IN ('Succeeded', 'Failed', 'Skipped')`;

const UPDATE_TARGET = `UPDATE targets SET current_event = ?, accepted_at = coalesce(accepted_at, ?), deadline_at = ?,
    change_sequence = ? WHERE id = ? AND status = 'InProgress'`;

const FINISH_TARGET = `UPDATE targets SET status = ?, completed_at = ?, error_code = ?, message = ?, diagnostics = CASE WHEN ? = 'Failed' THEN (
      SELECT e.diagnostics FROM lifecycle_events e WHERE e.target_id = targets.id AND e.status = 'Failed'
      ORDER BY e.ended_at DESC LIMIT 1) END,
    lost_deadline_at = NULL, change_sequence = ? WHERE id = ? AND status = 'InProgress'`;

const LATE_FINISH = `UPDATE targets SET message = substr(coalesce(message, '') || ' ' || ?, 1, 4096), change_sequence = ?,
    late_end_until = NULL, late_end_told = 1 WHERE id = ? AND status <> 'InProgress'`;

// No row: the host has left the group meanwhile, and what it runs is no longer the group's business, but that of those it has gone over to.
// A success of any deployment mends what scale-out had given up. One of the fleet's own also takes the place of bringing the
// host in: that would take it to the old revision, out of service beside the deployment that counts on it.
const UPDATE_GROUP_HOST = `UPDATE group_hosts SET revision_id = ?, instance_health = ?, last_deployment_id = ?,
    converge = CASE WHEN (converge = 'failed' AND ?) OR (converge = 'entering' AND ?) THEN NULL ELSE converge END
  WHERE group_id = ? AND host_id = ?`;

// The first commit of a new journal takes the place of the one before, whatever its numbers were.
const ACKNOWLEDGE = `INSERT INTO host_sequences (host_id, journal_id, acknowledged_sequence) VALUES (?, ?, ?)
  ON CONFLICT (host_id) DO UPDATE SET journal_id = excluded.journal_id,
    acknowledged_sequence = excluded.acknowledged_sequence
  WHERE host_sequences.journal_id <> excluded.journal_id
    OR host_sequences.acknowledged_sequence < excluded.acknowledged_sequence`;

const ADD_COUNTS = `UPDATE deployments SET count_in_progress = count_in_progress - ?, count_succeeded = count_succeeded + ?,
    count_failed = count_failed + ?, count_skipped = count_skipped + ?, version = version + 1, change_sequence = ?
  WHERE id = ?`;

// What the group has sent the host since, and has not been told of.
const TELL_THOSE_SENT_SINCE = `UPDATE targets SET was_healthy = ?
  WHERE host_id = ? AND id <> ? AND (status = 'InProgress' OR late_end_until IS NOT NULL)
    AND (SELECT group_id FROM deployments WHERE id = targets.deployment_id) = ?
  RETURNING id, late_end_until IS NOT NULL AS isUntold`;

// A host that has just told that it is in service with a revision is not brought that one: it would leave service for it.
const STOP_BRINGING_IN = `UPDATE deployments SET stop_requested_at = ?, version = version + 1, change_sequence = ?,
    stop_requested_by = 'the coordinator, since the host has told that it has the revision'
  WHERE is_active = 1 AND creator = 'autoscaling' AND stop_requested_at IS NULL AND group_id = ? AND revision_id = ?
    AND id IN (SELECT deployment_id FROM targets WHERE host_id = ? AND status = 'Pending')`;

const WAITING_FOR_HOST = `SELECT DISTINCT deployment_id AS id FROM targets WHERE host_id = ? AND status = 'Pending'`;

/**
 * Writes what hosts reported, all in the transaction given. Every report is recognised by its sequence: a repeat changes
 * nothing, one that does not follow on is refused. Instants are the coordinator's: an event began `durationMs` before its
 * report came. What is written per row goes through prepared statements, since this is the path that ten thousand hosts
 * take at once.
 */
export async function writeBatch(
  tx: DatabaseTransaction,
  parts: {
    changes: ChangeSequence;
    settings: BatchSettings;
    triggers: TriggerOutbox;
    journalOf(hostId: string): JournalState;
  },
  deliveries: readonly Delivery[],
  now: number,
): Promise<BatchOutcome> {
  const { changes, settings } = parts;
  const outcome: BatchOutcome = {
    acknowledged: new Map(),
    outOfOrder: new Set(),
    changed: new Set(),
    wake: new Set(),
    wakeGroups: new Set(),
    committedReports: 0,
    ignoredReports: 0,
  };
  const targets = new Map<string, TargetFacts | null>();
  const events: SqlValue[][] = [];
  const finishes: SqlValue[][] = [];
  const lateFinishes: SqlValue[][] = [];
  const groupHosts: SqlValue[][] = [];
  const goneOver: { groupId: string; application: string; hostId: string }[] = [];
  const counts = new Map<string, { ended: number; succeeded: number; failed: number; skipped: number }>();
  const ends = new Map<string, { succeeded: number[]; failed: number[] }>();

  const installedOf = new Map<string, readonly InstalledRevision[]>();

  for (const { hostId, items, running, installed } of deliveries) {
    let acknowledged = outcome.acknowledged.get(hostId) ?? parts.journalOf(hostId).acknowledged;
    for (const item of items) {
      if (item.sequence <= acknowledged) {
        outcome.ignoredReports++;
        continue;
      }
      if (item.sequence !== acknowledged + 1) {
        outcome.outOfOrder.add(hostId);
        break;
      }
      acknowledged = item.sequence;
      await writeReport(hostId, item);
    }
    outcome.acknowledged.set(hostId, acknowledged);
    for (const event of running) await writeRunning(hostId, event);
    // What came before these reports says nothing of what they tell.
    if (items.length > 0) installedOf.delete(hostId);
    if (installed.length > 0) installedOf.set(hostId, installed);
  }

  const updates: SqlValue[][] = [];
  for (const target of targets.values())
    if (target?.touched === true) {
      updates.push([target.currentEvent, target.accepted ? now : null, target.deadlineAt, changes.next(), target.id]);
      outcome.changed.add(target.deploymentId);
    }
  await tx.executeMany(UPSERT_EVENT, events);
  await tx.executeMany(UPDATE_TARGET, updates);
  await tx.executeMany(FINISH_TARGET, finishes);
  await tx.executeMany(LATE_FINISH, lateFinishes);
  await tx.executeMany(UPDATE_GROUP_HOST, groupHosts);
  for (const host of goneOver) await enterAnew(tx, host);
  for (const [hostId, installed] of installedOf)
    for (const groupId of await takeUpInstalled(tx, hostId, installed, now)) outcome.wakeGroups.add(groupId);
  await tx.executeMany(
    ADD_COUNTS,
    [...counts].map(([id, c]) => [c.ended, c.succeeded, c.failed, c.skipped, changes.next(), id]),
  );
  await tx.executeMany(
    ACKNOWLEDGE,
    [...outcome.acknowledged].map(([hostId, sequence]) => [hostId, parts.journalOf(hostId).journalId, sequence]),
  );
  for (const [groupId, { succeeded, failed }] of ends) {
    await parts.triggers.instances(tx, 'InstanceSuccess', { groupId, ids: succeeded }, now);
    await parts.triggers.instances(tx, 'InstanceFailure', { groupId, ids: failed }, now);
  }
  return outcome;

  async function targetOf(hostId: string, deploymentId: string): Promise<TargetFacts | null> {
    const key = `${hostId} ${deploymentId}`;
    const known = targets.get(key);
    if (known !== undefined) return known;
    const rows = await tx.selectRaw<TargetFacts>(SELECT_TARGET, [hostId, deploymentId]);
    const [row] = rows;
    const found =
      row === undefined
        ? null
        : {
            ...row,
            touched: false,
            // SQLite has no booleans.
            accepted: Boolean(row.accepted),
            isMember: Boolean(row.isMember),
            wasHealthy: Boolean(row.wasHealthy),
            isUntold: Boolean(row.isUntold),
            isLateEndTold: Boolean(row.isLateEndTold),
          };
    targets.set(key, found);
    return found;
  }

  async function writeReport(hostId: string, item: Report): Promise<void> {
    const target = await targetOf(hostId, item.deploymentId);
    if (target === null) {
      // The deployment or the host's part in it is gone: nothing to keep, and nothing to send again.
      outcome.ignoredReports++;
      return;
    }
    if (item.kind === 'event' && !KNOWN_EVENTS.has(item.event)) {
      // The assignment named the events; rows for others would be as many as a host likes.
      outcome.ignoredReports++;
      return;
    }
    outcome.committedReports++;
    target.touched = true;
    target.accepted = true;
    switch (item.kind) {
      case 'accepted':
        target.deadlineAt = now + settings.eventTimeoutMs + settings.reportSlackMs;
        return;
      case 'event':
        target.deadlineAt = now + settings.eventTimeoutMs + settings.reportSlackMs;
        // A failure stays in view: it is what the operator asks for.
        if (item.status !== 'Skipped') target.currentEvent = item.event;
        events.push([
          target.id,
          item.event,
          item.status,
          item.status === 'Skipped' ? null : now - Math.min(now, Math.round(item.durationMs)),
          item.status === 'Skipped' ? null : now,
          item.status === 'Skipped' ? null : item.durationMs,
          diagnosticsText(item.diagnostics),
        ]);
        return;
      case 'finished':
        return finish(hostId, target, item);
    }
  }

  async function finish(
    hostId: string,
    target: TargetFacts,
    item: Extract<Report, { kind: 'finished' }>,
  ): Promise<void> {
    if (isToldAlready(target, item)) return;
    // It was started by a coordinator that knew more, and was set back to a backup since. At its turn the host is asked, and tells it again.
    if (target.status === 'Pending') return;
    // Skipped: the host was not touched, so its health and revision are what they were; what was given up is in doubt.
    const isHealthy = item.status === 'Succeeded' || (item.status === 'Skipped' && target.wasHealthy);
    const isInDoubt =
      item.status !== 'Skipped' &&
      target.status !== 'InProgress' &&
      (await tellThoseSentSince(hostId, target, isHealthy));
    if (item.status !== 'Skipped' || target.isUntold) {
      if (!target.isMember) goneOver.push({ groupId: target.groupId, application: target.application, hostId });
      const isMended = item.status === 'Succeeded' || (isHealthy && item.installedRevisionId === target.revisionId);
      if (!isInDoubt)
        groupHosts.push([
          item.installedRevisionId,
          healthAfter(isHealthy, item),
          target.deploymentId,
          isMended ? 1 : 0,
          // A late one tells of a deployment that has gone on without the host.
          item.status === 'Succeeded' && target.status === 'InProgress' && target.creator !== 'autoscaling' ? 1 : 0,
          target.groupId,
          hostId,
        ]);
    }
    outcome.changed.add(target.deploymentId);
    // What the group has begun meanwhile has it as out of service, and still to come.
    if (isHealthy && (target.isUntold || (target.creator === 'autoscaling' && target.status === 'InProgress')))
      await updatePendingHealth(tx, target.groupId, [hostId], true);
    if (target.status !== 'InProgress') {
      if (isHealthy && !isInDoubt)
        await tx.executeMany(STOP_BRINGING_IN, [
          [now, changes.next(), target.groupId, item.installedRevisionId, hostId],
        ]);
      lateFinishes.push([
        `The host reported ${item.status} afterwards, at ${new Date(now).toISOString()}.`,
        changes.next(),
        target.id,
      ]);
      target.isUntold = false;
      target.isLateEndTold = true;
      // What it is owed was waiting for this.
      outcome.wakeGroups.add(target.groupId);
      await wakeWaiting(hostId);
      return;
    }
    target.status = item.status;
    target.errorCode = item.status === 'Failed' ? 'HOOK_FAILED' : null;
    finishes.push([item.status, now, target.errorCode, item.message ?? null, item.status, changes.next(), target.id]);
    const count = counts.get(target.deploymentId) ?? { ended: 0, succeeded: 0, failed: 0, skipped: 0 };
    count.ended++;
    if (item.status === 'Succeeded') count.succeeded++;
    else if (item.status === 'Failed') count.failed++;
    else count.skipped++;
    counts.set(target.deploymentId, count);
    outcome.wake.add(target.deploymentId);
    noteEnd(target, item.status);
    await wakeWaiting(hostId);
  }

  /**
   * What a host tells late is what it was before the group sent it anything since: where it tells next that this never began, it is that again.
   * True when that has been given up, too: it may have begun, so that what the host is like now stays in doubt.
   */
  async function tellThoseSentSince(hostId: string, late: TargetFacts, isHealthy: boolean): Promise<boolean> {
    const since = await tx.selectRaw<{ id: number; isUntold: number }>(TELL_THOSE_SENT_SINCE, [
      isHealthy ? 1 : 0,
      hostId,
      late.id,
      late.groupId,
    ]);
    const ids = new Set(since.map(({ id }) => id));
    for (const target of targets.values()) if (target !== null && ids.has(target.id)) target.wasHealthy = isHealthy;
    return since.some(({ isUntold }) => isUntold === 1);
  }

  /** For triggers, which know no skipped host. */
  function noteEnd({ id, groupId }: TargetFacts, status: Extract<Report, { kind: 'finished' }>['status']): void {
    if (status === 'Skipped') return;
    const end = ends.get(groupId) ?? { succeeded: [], failed: [] };
    ends.set(groupId, end);
    (status === 'Succeeded' ? end.succeeded : end.failed).push(id);
  }

  async function wakeWaiting(hostId: string): Promise<void> {
    for (const waiting of await tx.selectRaw<{ id: string }>(WAITING_FOR_HOST, [hostId])) outcome.wake.add(waiting.id);
  }

  async function writeRunning(hostId: string, event: RunningEvent): Promise<void> {
    const target = await targetOf(hostId, event.deploymentId);
    if (target === null || target.status !== 'InProgress' || !KNOWN_EVENTS.has(event.event)) return;
    target.touched = true;
    target.currentEvent = event.event;
    target.deadlineAt = now + event.timeoutMs + settings.reportSlackMs;
    events.push([target.id, event.event, 'InProgress', now, null, null, null]);
  }
}

/**
 * The same end once more: the assignment, or the word to leave it, has reached the host twice. What has begun there since may have
 * ended too, so that this says nothing of what the host is like now.
 */
function isToldAlready(target: TargetFacts, item: Extract<Report, { kind: 'finished' }>): boolean {
  if (target.isLateEndTold) return true;
  return target.status === item.status && (target.errorCode === null || target.errorCode === 'HOOK_FAILED');
}

function diagnosticsText(diagnostics: Diagnostics | undefined): string | null {
  return diagnostics === undefined ? null : JSON.stringify(diagnostics);
}

/** A host that was never deployed to in this group, and has not begun now, is neither healthy nor unhealthy. */
function healthAfter(isHealthy: boolean, item: Extract<Report, { kind: 'finished' }>): InstanceHealth {
  if (isHealthy) return 'Healthy';
  return item.status === 'Skipped' && item.installedRevisionId === null ? 'Unknown' : 'Unhealthy';
}
