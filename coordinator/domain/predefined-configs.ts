import { type DeploymentConfig, PREDEFINED_CONFIG_PREFIX } from '../../shared/model/deployment-config.ts';

/**
 * The configs that exist everywhere and are never stored. Source: AWS user guide, "Predefined deployment configurations for
 * an EC2/on-premises compute platform".
 */
export const PREDEFINED_CONFIGS: readonly DeploymentConfig[] = [
  predefined('OneAtATime', { type: 'MOST_CONCURRENCY', value: 1 }),
  predefined('HalfAtATime', { type: 'FLEET_PERCENT', value: 50 }),
  predefined('AllAtOnce', { type: 'FLEET_PERCENT', value: 0 }),
];

export function findPredefinedConfig(name: string): DeploymentConfig | null {
  return PREDEFINED_CONFIGS.find((config) => config.name === name) ?? null;
}

/** Names with this prefix belong to Drover, those of configs to come included. */
export function isReservedConfigName(name: string): boolean {
  return name.startsWith(PREDEFINED_CONFIG_PREFIX);
}

function predefined(name: string, minimumHealthyHosts: DeploymentConfig['minimumHealthyHosts']): DeploymentConfig {
  return { name: `${PREDEFINED_CONFIG_PREFIX}${name}`, minimumHealthyHosts, isPredefined: true, createdAt: 0 };
}
