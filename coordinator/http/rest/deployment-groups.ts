import type { deploymentGroupRoutes } from '../../../shared/api/deployment-groups.ts';
import type { DeploymentConfigs } from '../../services/deployment-configs.ts';
import type { DeploymentGroups } from '../../services/deployment-groups.ts';
import type { HandlersOf } from './handler.ts';

export function deploymentGroupHandlers(services: {
  deploymentGroups: DeploymentGroups;
  deploymentConfigs: DeploymentConfigs;
}): HandlersOf<typeof deploymentGroupRoutes> {
  const { deploymentGroups, deploymentConfigs } = services;
  return {
    listDeploymentGroups: ({ params, query }) => deploymentGroups.list(params, query),
    createDeploymentGroup: ({ params, body, caller }) => deploymentGroups.create(params, body, caller),
    getDeploymentGroup: ({ params }) => deploymentGroups.get(params),
    updateDeploymentGroup: ({ params, body, caller }) => deploymentGroups.update(params, body, caller),
    deleteDeploymentGroup: ({ params, caller }) => deploymentGroups.delete(params, caller),
    listGroupHosts: ({ params, query }) => deploymentGroups.listHosts(params, query),
    listDeploymentConfigs: ({ query }) => deploymentConfigs.list(query),
    createDeploymentConfig: async ({ body, caller }) => deploymentConfigs.create(body, caller),
    getDeploymentConfig: ({ params }) => deploymentConfigs.get(params.config),
    deleteDeploymentConfig: ({ params, caller }) => deploymentConfigs.delete(params.config, caller),
  };
}
