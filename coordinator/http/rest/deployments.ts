import type { deploymentRoutes } from '../../../shared/api/deployments.ts';
import type { DeploymentHistory } from '../../services/deployment-history.ts';
import type { Deployments } from '../../services/deployments.ts';
import type { HandlersOf } from './handler.ts';
import type { LiveEvents } from './live-events.ts';

export function deploymentHandlers(services: {
  deployments: Deployments;
  deploymentHistory: DeploymentHistory;
  liveEvents: LiveEvents;
}): HandlersOf<typeof deploymentRoutes> {
  const { deployments, deploymentHistory, liveEvents } = services;
  return {
    createDeployment: ({ body, caller }) => deployments.create(body, caller),
    listDeployments: ({ query }) => deploymentHistory.list(query),
    getDeployment: ({ params }) => deploymentHistory.get(params.deployment),
    stopDeployment: ({ params, body, caller }) => deployments.stop(params.deployment, body, caller),
    getRollbackRevision: ({ params }) => deployments.rollbackRevision(params),
    rollbackGroup: ({ params, body, caller }) => deployments.rollbackGroup(params, body, caller),
    listTargets: ({ params, query }) => deploymentHistory.listTargets(params.deployment, query),
    getTarget: ({ params }) => deploymentHistory.getTarget(params.deployment, params.host),
    getOutput: ({ params, query }) => deploymentHistory.getOutput(params, query),
    listCauses: ({ params }) => deploymentHistory.listCauses(params.deployment),
    followDeployment: async ({ params, query, http }) => {
      // Says `not_found` in the usual form: once the stream is open it is too late for a status.
      const { id } = await deploymentHistory.get(params.deployment);
      return liveEvents.open(id, query.after, http);
    },
  };
}
