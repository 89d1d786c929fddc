import { accessKeyRoutes } from './access-keys.ts';
import { agentUpdateRoutes } from './agent-updates.ts';
import { agentRoutes } from './agents.ts';
import { applicationRoutes } from './applications.ts';
import { deploymentGroupRoutes } from './deployment-groups.ts';
import { deploymentRoutes } from './deployments.ts';
import { hostRoutes } from './hosts.ts';
import { operatorRoutes } from './operators.ts';
import { triggerMessageRoutes } from './trigger-messages.ts';

/** The whole native API. `GET /healthz`, `/readyz`, `/metrics` and `/v1/openapi.json` stand beside it. */
export const routes = {
  ...applicationRoutes,
  ...deploymentGroupRoutes,
  ...deploymentRoutes,
  ...hostRoutes,
  ...agentRoutes,
  ...operatorRoutes,
  ...accessKeyRoutes,
  ...triggerMessageRoutes,
  ...agentUpdateRoutes,
} as const;
export type RouteName = keyof typeof routes;
