import { AppError } from '../../shared/core/errors.ts';
import { unreachable } from '../../shared/core/invariant.ts';
import type { TargetErrorCode } from '../../shared/model/target.ts';
import type { DeploymentTriggerEvent, InstanceTriggerEvent } from '../../shared/model/trigger.ts';
import type { Decision } from '../rollout/decision.ts';
import type { ChangeSequence } from '../storage/change-sequence.ts';
import type { DatabaseTransaction, SqlValue } from '../storage/database.ts';
import type { DeploymentRow } from '../storage/tables.ts';
import { enterAnew } from './gone-over.ts';
import type { InsertParts } from './new-deployment.ts';
import { createRollback } from './rollback-deployment.ts';
import { settleGroup } from './settle-group.ts';

/** What remains to be done once the transaction has been committed; each may be repeated without harm. */
export interface Effects {
  /** Hosts that have an assignment now. */
  assigned: string[];
  /** Tell the hosts in progress that have not begun to leave it. */
  cancelsInProgress: boolean;
  /** Tell these the same: they were given up. */
  givenUp: string[];
  wakeDeployments: string[];
  wakesGroup: boolean;
}

/** How long a host that was given up in the middle, and that is here, may take to tell how it ended before something else starts on it. */
export const LATE_END_WAIT_MS = 300_000;

/** What triggers are told of a deployment's end. */
const END_EVENTS = {
  Succeeded: 'DeploymentSuccess',
  Failed: 'DeploymentFailure',
  Stopped: 'DeploymentStop',
} as const satisfies Record<Extract<Decision, { kind: 'end' }>['status'], DeploymentTriggerEvent>;

interface Commit {
  tx: DatabaseTransaction;
  parts: InsertParts;
  changes: ChangeSequence;
  now: number;
  /** The deployment as it will be; written back once, at the end. */
  row: DeploymentRow;
  effects: Effects;
}

/**
 * Writes all decisions of one round, guarded by the deployment's version.
 * @throws AppError `conflict` when another writer came first: roll back, load and decide again
 */
export async function commitDecisions(
  tx: DatabaseTransaction,
  parts: InsertParts,
  loaded: DeploymentRow,
  decisions: readonly Decision[],
  now: number,
): Promise<Effects> {
  const effects: Effects = {
    assigned: [],
    cancelsInProgress: false,
    givenUp: [],
    wakeDeployments: [],
    wakesGroup: false,
  };
  const commit: Commit = { tx, parts, changes: parts.changes, now, row: { ...loaded }, effects };
  const started = await startTargets(commit, decisions);
  for (const decision of decisions) {
    // A deployment's end frees its group, so it is written before a rollback takes the place.
    if (decision.kind === 'create-rollback') await writeRow(commit, loaded.version);
    await apply(commit, decision);
  }
  await writeRow(commit, loaded.version);
  await tellInstances(commit, 'InstanceStart', started);
  return effects;
}

async function apply(commit: Commit, decision: Decision): Promise<void> {
  const { row, now, effects } = commit;
  switch (decision.kind) {
    case 'begin':
      row.status = 'InProgress';
      row.started_at = now;
      if (row.rollback_triggering_deployment_id !== null)
        await commit.parts.triggers.deployment(commit.tx, 'DeploymentRollback', row, now);
      return;
    case 'start-target':
      return;
    case 'fail-target':
      return failTarget(commit, decision);
    case 'fail-in-progress':
      return failInProgress(commit, decision);
    case 'begin-ending':
      row.ending_as = decision.as;
      row.error_code = decision.error.code;
      row.error_message = decision.error.message;
      row.started_at ??= now;
      // Hosts that have not begun need not; after a health failure those in progress go on, since they were allowed to.
      effects.cancelsInProgress = decision.as === 'Stopped';
      return skipPending(commit);
    case 'end':
      row.status = decision.status;
      row.is_active = 0;
      row.ending_as = null;
      row.completed_at = now;
      row.error_code = decision.error?.code ?? null;
      row.error_message = decision.error?.message ?? null;
      effects.wakesGroup = true;
      await settleGroup(commit.tx, row, now);
      await commit.parts.triggers.deployment(commit.tx, END_EVENTS[decision.status], row, now);
      // What waited since a host of its own was being brought in may go on.
      if (row.creator === 'autoscaling') effects.wakeDeployments.push(...(await occupantOf(commit.tx, row.group_id)));
      return;
    case 'create-rollback': {
      const rollback = await createRollback(commit.tx, commit.parts, row, decision.revisionId, now);
      if ('id' in rollback) {
        row.rollback_deployment_id = rollback.id;
        effects.wakeDeployments.push(rollback.id);
      }
      row.rollback_message =
        'id' in rollback ? `${rollback.id} is to roll it back to ${row.previous_revision_label}.` : rollback.message;
      return;
    }
    case 'no-rollback':
      row.rollback_message = decision.message;
      return;
    default:
      return unreachable(decision);
  }
}

/** Returns the targets that have started. */
async function startTargets(commit: Commit, decisions: readonly Decision[]): Promise<number[]> {
  const { row, changes, now, effects } = commit;
  const updates: SqlValue[][] = [];
  const started: number[] = [];
  let unhealthy = 0;
  for (const decision of decisions) {
    if (decision.kind !== 'start-target') continue;
    started.push(decision.targetId);
    updates.push([now, decision.acceptBy, changes.next(), decision.targetId]);
    effects.assigned.push(decision.hostId);
    if (!decision.wasHealthy) unhealthy++;
  }
  if (updates.length === 0) return started;
  await commit.tx.executeMany(
    `UPDATE targets SET status = 'InProgress', started_at = ?, deadline_at = ?, change_sequence = ?
     WHERE id = ? AND status = 'Pending'`,
    updates,
  );
  // What has not been told in its time is not waited for again.
  await commit.tx.executeMany(
    `UPDATE targets SET late_end_until = NULL WHERE host_id = ? AND late_end_until IS NOT NULL`,
    effects.assigned.map((hostId) => [hostId]),
  );
  row.count_pending -= updates.length;
  row.count_pending_unhealthy -= unhealthy;
  row.count_in_progress += updates.length;
  return started;
}

async function tellInstances(commit: Commit, event: InstanceTriggerEvent, ids: readonly number[]): Promise<void> {
  await commit.parts.triggers.instances(commit.tx, event, { groupId: commit.row.group_id, ids }, commit.now);
}

async function failTarget(commit: Commit, decision: Extract<Decision, { kind: 'fail-target' }>): Promise<void> {
  const { row, tx, changes, now } = commit;
  await tx.query
    .updateTable('targets')
    .set({
      status: 'Failed',
      error_code: decision.errorCode,
      message: decision.message,
      completed_at: now,
      lost_deadline_at: null,
      late_end_until: decision.from === 'InProgress' ? now + LATE_END_WAIT_MS : null,
      change_sequence: changes.next(),
    })
    .where('id', '=', decision.targetId)
    .where('status', '=', decision.from)
    .execute();
  if (decision.from === 'Pending') {
    row.count_pending--;
    if (!decision.wasHealthy) row.count_pending_unhealthy--;
  } else row.count_in_progress--;
  row.count_failed++;
  await tellInstances(commit, 'InstanceFailure', [decision.targetId]);
  commit.effects.wakeDeployments.push(...(await waitingForHostOf(tx, decision.targetId)));
  if (decision.from === 'InProgress') await doubtHost(commit, decision.targetId);
  if (isUnreachable(decision.errorCode)) await oweHost(commit, decision.targetId);
}

async function failInProgress(
  commit: Commit,
  decision: Extract<Decision, { kind: 'fail-in-progress' }>,
): Promise<void> {
  const { row, tx, changes, now } = commit;
  const targets = await tx.selectRaw<{ id: number }>(
    `SELECT id FROM targets WHERE deployment_id = ? AND status = 'InProgress'`,
    [row.id],
  );
  await tx.executeMany(
    `UPDATE targets SET status = 'Failed', error_code = ?, message = ?, completed_at = ?, lost_deadline_at = NULL,
       late_end_until = ?, change_sequence = ? WHERE id = ?`,
    targets.map((target) => [
      decision.errorCode,
      decision.message,
      now,
      now + LATE_END_WAIT_MS,
      changes.next(),
      target.id,
    ]),
  );
  row.count_in_progress -= targets.length;
  row.count_failed += targets.length;
  await tellInstances(
    commit,
    'InstanceFailure',
    targets.map((target) => target.id),
  );
  for (const target of targets) {
    commit.effects.wakeDeployments.push(...(await waitingForHostOf(tx, target.id)));
    await doubtHost(commit, target.id);
  }
}

async function skipPending(commit: Commit): Promise<void> {
  const { row, tx, changes, now } = commit;
  if (row.count_pending === 0) return;
  // Positions are below the number of targets, so first + position is a number of its own for each.
  const first = changes.reserve(row.total_hosts + 1);
  await tx.executeMany(
    `UPDATE targets SET status = 'Skipped', completed_at = ?, change_sequence = ? + position
     WHERE deployment_id = ? AND status = 'Pending'`,
    [[now, first, row.id]],
  );
  row.count_skipped += row.count_pending;
  row.count_pending = 0;
  row.count_pending_unhealthy = 0;
}

/** A host that was given up in the middle: what it runs is not known until it reports, and it does not count as healthy. */
async function doubtHost({ tx, row, effects }: Commit, targetId: number): Promise<void> {
  const hosts = await tx.selectRaw<{ host_id: string }>('SELECT host_id FROM targets WHERE id = ?', [targetId]);
  effects.givenUp.push(...hosts.map((host) => host.host_id));
  await tx.executeMany(
    `UPDATE group_hosts SET revision_id = NULL, instance_health = 'Unhealthy', last_deployment_id = ?
     WHERE group_id = ? AND host_id = (SELECT host_id FROM targets WHERE id = ?)`,
    [[row.id, row.group_id, targetId]],
  );
  for (const { host_id } of hosts)
    await enterAnew(tx, { groupId: row.group_id, application: row.application, hostId: host_id });
}

/** A host that could not be reached is owed the group's revision once it is back, if it is still of the group. */
async function oweHost({ tx, row }: Commit, targetId: number): Promise<void> {
  await tx.executeMany(
    `UPDATE group_hosts SET converge = 'entering'
     WHERE group_id = ? AND host_id = (SELECT host_id FROM targets WHERE id = ?)`,
    [[row.group_id, targetId]],
  );
}

function isUnreachable(code: TargetErrorCode): boolean {
  return code === 'HOST_OFFLINE' || code === 'HOST_LOST';
}

async function waitingForHostOf(tx: DatabaseTransaction, targetId: number): Promise<string[]> {
  const rows = await tx.selectRaw<{ deployment_id: string }>(
    `SELECT DISTINCT w.deployment_id FROM targets t JOIN targets w ON w.host_id = t.host_id AND w.status = 'Pending'
     WHERE t.id = ?`,
    [targetId],
  );
  return rows.map((row) => row.deployment_id);
}

/** The deployment that occupies the group, if one does. */
async function occupantOf(tx: DatabaseTransaction, groupId: string): Promise<string[]> {
  const rows = await tx.query
    .selectFrom('deployments')
    .select('id')
    .where('group_id', '=', groupId)
    .where('is_active', '=', 1)
    .where('occupies_group', '=', 1)
    .execute();
  return rows.map((row) => row.id);
}

async function writeRow(commit: Commit, loadedVersion: number): Promise<void> {
  const { row, tx, changes } = commit;
  const expected = row.version;
  row.version = loadedVersion + 1;
  row.change_sequence = changes.next();
  const { id, number, idempotency_key, ...changing } = row;
  const result = await tx.query
    .updateTable('deployments')
    .set(changing)
    .where('id', '=', id)
    .where('version', '=', expected)
    .executeTakeFirst();
  if (result.numUpdatedRows !== 1n) throw new AppError('conflict', `${id} was changed by another writer`);
}
