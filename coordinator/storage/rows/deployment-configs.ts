import { AppError } from '../../../shared/core/errors.ts';
import { type DeploymentConfig, storedMinimumHealthyHosts } from '../../../shared/model/deployment-config.ts';
import { nearNamesHint } from '../../domain/near-names.ts';
import { findPredefinedConfig, PREDEFINED_CONFIGS } from '../../domain/predefined-configs.ts';
import type { Queryable } from '../database.ts';
import type { Tables } from '../tables.ts';

const HINT_NAMES = 200;

export function toDeploymentConfig(row: Tables['deployment_configs']): DeploymentConfig {
  return {
    name: row.name,
    minimumHealthyHosts: storedMinimumHealthyHosts.parse({ type: row.minimum_type, value: row.minimum_value }),
    isPredefined: false,
    createdAt: row.created_at,
  };
}

/** A predefined or a stored config. @throws AppError `not_found` with the nearest name as a hint */
export async function findDeploymentConfig(query: Queryable, name: string): Promise<DeploymentConfig> {
  const predefined = findPredefinedConfig(name);
  if (predefined !== null) return predefined;
  const row = await query.selectFrom('deployment_configs').selectAll().where('name', '=', name).executeTakeFirst();
  if (row !== undefined) return toDeploymentConfig(row);
  const stored = await query.selectFrom('deployment_configs').select('name').limit(HINT_NAMES).execute();
  const known = [...PREDEFINED_CONFIGS, ...stored].map((config) => config.name);
  throw new AppError('not_found', `there is no deployment config ${name}`, {
    details: { noun: 'deployment-config' },
    hint: nearNamesHint(name, known, 'List them: drover configs ls'),
  });
}
