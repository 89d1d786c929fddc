import { newDeploymentId } from '../../shared/core/ids.ts';
import type { Randomness } from '../../shared/core/randomness.ts';
import type { DeploymentCreator } from '../../shared/model/deployment.ts';
import type { MinimumHealthyHosts } from '../../shared/model/deployment-config.ts';
import type { AutoRollback, FileExistsBehavior } from '../../shared/model/deployment-group.ts';
import { minimumHealthyCount } from '../rollout/minimum-healthy.ts';
import type { ChangeSequence } from '../storage/change-sequence.ts';
import type { DatabaseTransaction } from '../storage/database.ts';
import { settingsOf } from '../storage/rows/deployment-groups.ts';
import type { DeploymentGroupRow, DeploymentRow, RevisionRow } from '../storage/tables.ts';
import type { TriggerOutbox } from './trigger-outbox.ts';

export interface NewDeployment {
  group: DeploymentGroupRow;
  revision: RevisionRow;
  creator: DeploymentCreator;
  createdBy: string;
  description: string;
  configName: string;
  minimum: MinimumHealthyHosts;
  /** Given for a rollback, which keeps the minimum of the deployment it answers; computed from the hosts otherwise. */
  minimumCount?: number;
  /** In the order of the plan. */
  targets: readonly NewTarget[];
  /** Hosts of the group that run the revision already and are left alone. */
  alreadyCurrentHosts: number;
  ignoreApplicationStopFailures: boolean;
  updateOutdatedInstancesOnly: boolean;
  fileExistsBehavior: FileExistsBehavior;
  autoRollback: AutoRollback;
  hookEnvironment: Readonly<Record<string, string>>;
  isPartial: boolean;
  /** The last good revision once more, on purpose. */
  isRestart?: boolean;
  idempotencyKey: string | null;
  followsDeploymentId: string | null;
  rollbackTriggeringDeploymentId: string | null;
}

export interface NewTarget {
  hostId: string;
  hostName: string;
  wasHealthy: boolean;
}

export interface InsertParts {
  randomness: Randomness;
  changes: ChangeSequence;
  deploymentTimeoutMs: number;
  triggers: TriggerOutbox;
}

/**
 * Writes a deployment with its targets. The unique index on active deployments refuses a second one for the group: callers
 * look first to give the better message.
 */
export async function insertDeployment(
  tx: DatabaseTransaction,
  parts: InsertParts,
  request: NewDeployment,
  now: number,
): Promise<DeploymentRow> {
  const id = newDeploymentId(parts.randomness);
  const highest = await tx.query
    .selectFrom('deployments')
    .select((e) => e.fn.max('number').as('number'))
    .executeTakeFirst();
  const previous = await revisionLabel(tx, request.group.last_good_revision_id);
  const totalHosts = request.targets.length + request.alreadyCurrentHosts;
  const row: DeploymentRow = {
    id,
    number: Number(highest?.number ?? 0) + 1,
    application: request.group.application,
    group_id: request.group.id,
    group_name: request.group.name,
    revision_id: request.revision.id,
    revision_label: request.revision.label,
    revision_digest: request.revision.digest,
    previous_revision_id: request.group.last_good_revision_id,
    previous_revision_label: previous,
    status: 'Created',
    ending_as: null,
    error_code: null,
    error_message: null,
    creator: request.creator,
    created_by: request.createdBy,
    description: request.description,
    config_name: request.configName,
    minimum_type: request.minimum.type,
    minimum_value: request.minimum.value,
    minimum_count: request.minimumCount ?? minimumHealthyCount(request.minimum, totalHosts),
    total_hosts: totalHosts,
    already_current_hosts: request.alreadyCurrentHosts,
    forgotten_hosts: 0,
    count_pending: request.targets.length,
    count_pending_unhealthy: request.targets.filter((target) => !target.wasHealthy).length,
    count_in_progress: 0,
    count_succeeded: 0,
    count_failed: 0,
    count_skipped: 0,
    ignore_application_stop_failures: request.ignoreApplicationStopFailures ? 1 : 0,
    update_outdated_instances_only: request.updateOutdatedInstancesOnly ? 1 : 0,
    file_exists_behavior: request.fileExistsBehavior,
    auto_rollback: JSON.stringify(request.autoRollback),
    hook_environment: JSON.stringify(request.hookEnvironment),
    transient_units: settingsOf(request.group).transientUnits ? 1 : 0,
    occupies_group: request.creator === 'autoscaling' ? 0 : 1,
    is_partial: request.isPartial ? 1 : 0,
    is_active: 1,
    idempotency_key: request.idempotencyKey,
    follows_deployment_id: request.followsDeploymentId,
    rollback_deployment_id: null,
    rollback_triggering_deployment_id: request.rollbackTriggeringDeploymentId,
    rollback_message: null,
    is_restart: request.isRestart === true ? 1 : 0,
    stop_requested_at: null,
    stop_requested_by: null,
    stop_rollback: null,
    created_at: now,
    started_at: null,
    completed_at: null,
    deadline_at: now + parts.deploymentTimeoutMs,
    output_cleared_at: null,
    version: 1,
    change_sequence: parts.changes.next(),
  };
  await tx.query.insertInto('deployments').values(row).execute();
  await insertTargets(tx, parts, id, request.targets);
  await tx.query
    .updateTable('deployment_groups')
    .set({ last_attempted_deployment_id: id })
    .where('id', '=', request.group.id)
    .execute();
  await tx.query
    .updateTable('revisions')
    .set((e) => ({ last_used_at: now, first_used_at: e.fn.coalesce('first_used_at', e.val(now)) }))
    .where('id', '=', request.revision.id)
    .execute();
  await parts.triggers.deployment(tx, 'DeploymentStart', row, now);
  return row;
}

async function insertTargets(
  tx: DatabaseTransaction,
  parts: InsertParts,
  deploymentId: string,
  targets: readonly NewTarget[],
): Promise<void> {
  const firstChange = parts.changes.reserve(targets.length);
  await tx.executeMany(
    `INSERT INTO targets (deployment_id, position, host_id, host_name, status, was_healthy, change_sequence)
     VALUES (?, ?, ?, ?, 'Pending', ?, ?)`,
    targets.map((target, position) => [
      deploymentId,
      position,
      target.hostId,
      target.hostName,
      target.wasHealthy ? 1 : 0,
      firstChange + position,
    ]),
  );
}

async function revisionLabel(tx: DatabaseTransaction, revisionId: string | null): Promise<string | null> {
  if (revisionId === null) return null;
  const row = await tx.query.selectFrom('revisions').select('label').where('id', '=', revisionId).executeTakeFirst();
  return row?.label ?? null;
}
