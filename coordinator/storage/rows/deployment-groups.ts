import { AppError } from '../../../shared/core/errors.ts';
import {
  type DeploymentGroup,
  type DeploymentGroupSettings,
  deploymentGroupSettings,
} from '../../../shared/model/deployment-group.ts';
import { type Trigger, trigger } from '../../../shared/model/trigger.ts';
import type { AwsGroupSettings } from '../../domain/aws-group-settings.ts';
import { nearNamesHint } from '../../domain/near-names.ts';
import type { Queryable } from '../database.ts';
import type { DeploymentGroupRow } from '../tables.ts';
import { applicationRow } from './applications.ts';

const HINT_NAMES = 200;

export function settingsOf(row: Pick<DeploymentGroupRow, 'settings' | 'aws_settings'>): DeploymentGroupSettings {
  return deploymentGroupSettings.parse({ triggers: keptTriggers(row), ...JSON.parse(row.settings) });
}

/** The group's triggers alone, for where hosts' reports are written: no schema is walked, since what is stored was checked. */
export function triggersOf(row: Pick<DeploymentGroupRow, 'settings' | 'aws_settings'>): readonly Trigger[] {
  const { triggers } = JSON.parse(row.settings) as { triggers?: Trigger[] };
  return triggers ?? keptTriggers(row);
}

/** Before triggers were acted upon, they were kept as CodeDeploy's API had given them; a group that is written has them in its settings. */
function keptTriggers(row: Pick<DeploymentGroupRow, 'aws_settings'>): Trigger[] {
  const kept = awsSettingsOf(row)['triggerConfigurations'];
  if (!Array.isArray(kept)) return [];
  return kept.flatMap((one: Record<string, unknown>) => {
    const parsed = trigger.safeParse({
      name: one['triggerName'],
      target: one['triggerTargetArn'],
      events: one['triggerEvents'],
    });
    return parsed.success ? [parsed.data] : [];
  });
}

export function awsSettingsOf(row: Pick<DeploymentGroupRow, 'aws_settings'>): AwsGroupSettings {
  // Written by the layer that reads it, which has checked it against CodeDeploy's model.
  return JSON.parse(row.aws_settings) as AwsGroupSettings;
}

/** @throws AppError `not_found` with the nearest name as a hint */
export async function deploymentGroupRow(
  query: Queryable,
  params: { application: string; group: string },
): Promise<DeploymentGroupRow> {
  const row = await query
    .selectFrom('deployment_groups')
    .selectAll()
    .where('application', '=', params.application)
    .where('name', '=', params.group)
    .executeTakeFirst();
  if (row !== undefined) return row;
  await applicationRow(query, params.application);
  const known = await query
    .selectFrom('deployment_groups')
    .select('name')
    .where('application', '=', params.application)
    .limit(HINT_NAMES)
    .execute();
  throw new AppError('not_found', `${params.application} has no deployment group ${params.group}`, {
    details: { noun: 'deployment-group' },
    hint: nearNamesHint(
      params.group,
      known.map((group) => group.name),
      `Create it: drover groups create ${params.application}/${params.group}`,
    ),
  });
}

/** Groups as the API shows them, in the order of the rows: two look-ups for all of them. */
export async function toDeploymentGroups(
  query: Queryable,
  rows: readonly DeploymentGroupRow[],
): Promise<DeploymentGroup[]> {
  if (rows.length === 0) return [];
  const revisionIds = rows.flatMap((row) => row.last_good_revision_id ?? []);
  const revisions =
    revisionIds.length === 0
      ? []
      : await query.selectFrom('revisions').select(['id', 'label']).where('id', 'in', revisionIds).execute();
  const active = await query
    .selectFrom('deployments')
    .select(['id', 'group_id'])
    .where('is_active', '=', 1)
    .where('occupies_group', '=', 1)
    .where(
      'group_id',
      'in',
      rows.map((row) => row.id),
    )
    .execute();
  const labels = new Map(revisions.map((revision) => [revision.id, revision.label]));
  const activeIds = new Map(active.map((deployment) => [deployment.group_id, deployment.id]));
  return rows.map((row) => ({
    ...settingsOf(row),
    id: row.id,
    application: row.application,
    name: row.name,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    lastGoodRevisionId: row.last_good_revision_id,
    lastGoodRevisionLabel: labels.get(row.last_good_revision_id ?? '') ?? null,
    lastSuccessfulDeploymentId: row.last_successful_deployment_id,
    lastAttemptedDeploymentId: row.last_attempted_deployment_id,
    activeDeploymentId: activeIds.get(row.id) ?? null,
  }));
}
