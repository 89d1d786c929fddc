import { type DeploymentGroupSettings, deploymentGroupSettings } from '../../../shared/model/deployment-group.ts';
import type { DeploymentGroupRow } from '../tables.ts';

export function settingsOf(row: Pick<DeploymentGroupRow, 'settings'>): DeploymentGroupSettings {
  return deploymentGroupSettings.parse(JSON.parse(row.settings));
}
