import { AppError } from '../../../shared/core/errors.ts';
import { type Deployment, deployment } from '../../../shared/model/deployment.ts';
import type { MinimumHealthyHosts } from '../../../shared/model/deployment-config.ts';
import type { Queryable } from '../database.ts';
import type { DeploymentRow } from '../tables.ts';

export function toDeployment(row: DeploymentRow): Deployment {
  return {
    id: row.id,
    application: row.application,
    deploymentGroup: row.group_name,
    deploymentGroupId: row.group_id,
    revisionId: row.revision_id,
    revisionLabel: row.revision_label,
    revisionDigest: row.revision_digest,
    previousRevisionId: row.previous_revision_id,
    previousRevisionLabel: row.previous_revision_label,
    status: deployment.shape.status.parse(row.status),
    endingAs: deployment.shape.endingAs.parse(row.ending_as),
    creator: deployment.shape.creator.parse(row.creator),
    createdBy: row.created_by,
    description: row.description,
    deploymentConfigName: row.config_name,
    minimumHealthyHosts: minimumOf(row),
    minimumHealthyCount: row.minimum_count,
    overview: {
      Pending: row.count_pending,
      InProgress: row.count_in_progress,
      Succeeded: row.count_succeeded,
      Failed: row.count_failed,
      Skipped: row.count_skipped,
    },
    totalHosts: row.total_hosts,
    alreadyCurrentHosts: row.already_current_hosts,
    ...(row.forgotten_hosts > 0 ? { forgottenHosts: row.forgotten_hosts } : {}),
    errorInformation:
      row.error_code === null
        ? null
        : deployment.shape.errorInformation.parse({ code: row.error_code, message: row.error_message ?? '' }),
    ignoreApplicationStopFailures: row.ignore_application_stop_failures === 1,
    updateOutdatedInstancesOnly: row.update_outdated_instances_only === 1,
    fileExistsBehavior: deployment.shape.fileExistsBehavior.parse(row.file_exists_behavior),
    autoRollback: deployment.shape.autoRollback.parse(JSON.parse(row.auto_rollback)),
    rollbackInfo: {
      rollbackDeploymentId: row.rollback_deployment_id,
      rollbackTriggeringDeploymentId: row.rollback_triggering_deployment_id,
      rollbackMessage: row.rollback_message,
    },
    followsDeploymentId: row.follows_deployment_id,
    stopRequestedBy: row.stop_requested_by,
    ...(row.is_restart === 1 ? { isRestart: true } : {}),
    createdAt: row.created_at,
    startedAt: row.started_at,
    completedAt: row.completed_at,
    deadlineAt: row.deadline_at,
  };
}

export function minimumOf(row: Pick<DeploymentRow, 'minimum_type' | 'minimum_value'>): MinimumHealthyHosts {
  return deployment.shape.minimumHealthyHosts.parse({ type: row.minimum_type, value: row.minimum_value });
}

/** @throws AppError `not_found` */
export async function deploymentRow(query: Queryable, id: string): Promise<DeploymentRow> {
  const row = await query.selectFrom('deployments').selectAll().where('id', '=', id).executeTakeFirst();
  if (row === undefined)
    throw new AppError('not_found', `there is no deployment ${id}`, {
      details: { noun: 'deployment' },
      hint: 'List them: drover history',
    });
  return row;
}
