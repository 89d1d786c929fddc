import * as z from 'zod';
import { resourceName } from '../model/application.ts';
import { DEFAULT_CONFIG_NAME, deploymentConfig, minimumHealthyHosts } from '../model/deployment-config.ts';
import {
  autoRollback,
  deploymentGroup,
  hookEnvironment,
  hostSelection,
  outdatedInstancesStrategy,
} from '../model/deployment-group.ts';
import { groupHost } from '../model/host.ts';
import { triggers } from '../model/trigger.ts';
import { defineRoute, noContent, page, pageQuery } from './route.ts';

const groupParams = z.strictObject({ application: resourceName, group: resourceName });

export const deploymentGroupRoutes = {
  listDeploymentGroups: defineRoute({
    method: 'GET',
    path: '/v1/applications/:application/deployment-groups',
    summary: 'List the deployment groups of an application by name.',
    caller: 'viewer',
    params: z.strictObject({ application: resourceName }),
    query: z.strictObject({ ...pageQuery }),
    reply: page(deploymentGroup),
    errors: ['not_found'],
  }),
  createDeploymentGroup: defineRoute({
    method: 'POST',
    path: '/v1/applications/:application/deployment-groups',
    summary: 'Create a deployment group.',
    caller: 'deployer',
    params: z.strictObject({ application: resourceName }),
    body: z.strictObject({
      name: resourceName,
      selection: hostSelection.strict(),
      deploymentConfigName: z.string().min(1).max(100).default(DEFAULT_CONFIG_NAME),
      /** On by default, unlike CodeDeploy: an operator who wants the broken revision to stay says so. */
      autoRollback: autoRollback.strict().default({ enabled: true, events: ['DEPLOYMENT_FAILURE'] }),
      outdatedInstancesStrategy: outdatedInstancesStrategy.default('UPDATE'),
      hookEnvironment: hookEnvironment.default({}),
      triggers: triggers.default([]),
      transientUnits: z.boolean().default(false),
    }),
    reply: deploymentGroup,
    status: 201,
    errors: ['not_found', 'conflict'],
  }),
  getDeploymentGroup: defineRoute({
    method: 'GET',
    path: '/v1/applications/:application/deployment-groups/:group',
    summary: 'One deployment group.',
    caller: 'viewer',
    params: groupParams,
    reply: deploymentGroup,
    errors: ['not_found'],
  }),
  updateDeploymentGroup: defineRoute({
    method: 'PATCH',
    path: '/v1/applications/:application/deployment-groups/:group',
    summary: 'Change a deployment group: what is absent stays, an empty list clears.',
    caller: 'deployer',
    params: groupParams,
    body: z.strictObject({
      name: resourceName.optional(),
      selection: hostSelection.strict().optional(),
      deploymentConfigName: z.string().min(1).max(100).optional(),
      autoRollback: autoRollback.strict().optional(),
      outdatedInstancesStrategy: outdatedInstancesStrategy.optional(),
      hookEnvironment: hookEnvironment.optional(),
      triggers: triggers.optional(),
      transientUnits: z.boolean().optional(),
    }),
    reply: deploymentGroup,
    errors: ['not_found', 'conflict'],
  }),
  deleteDeploymentGroup: defineRoute({
    method: 'DELETE',
    path: '/v1/applications/:application/deployment-groups/:group',
    summary: 'Delete a deployment group; refused while a deployment runs. What is deployed stays on the hosts.',
    caller: 'admin',
    params: groupParams,
    reply: noContent,
    status: 204,
    errors: ['not_found', 'conflict'],
  }),
  listGroupHosts: defineRoute({
    method: 'GET',
    path: '/v1/applications/:application/deployment-groups/:group/hosts',
    summary: 'The hosts that the group selects now, with their health and revision.',
    caller: 'viewer',
    params: groupParams,
    query: z.strictObject({ ...pageQuery }),
    reply: page(groupHost),
    errors: ['not_found'],
  }),
  listDeploymentConfigs: defineRoute({
    method: 'GET',
    path: '/v1/deployment-configs',
    summary: 'List deployment configs, the predefined ones first.',
    caller: 'viewer',
    query: z.strictObject({ ...pageQuery }),
    reply: page(deploymentConfig),
  }),
  createDeploymentConfig: defineRoute({
    method: 'POST',
    path: '/v1/deployment-configs',
    summary: 'Create a deployment config. A config never changes.',
    caller: 'deployer',
    body: z.strictObject({ name: resourceName, minimumHealthyHosts }),
    reply: deploymentConfig,
    status: 201,
    errors: ['conflict'],
  }),
  getDeploymentConfig: defineRoute({
    method: 'GET',
    path: '/v1/deployment-configs/:config',
    summary: 'One deployment config.',
    caller: 'viewer',
    params: z.strictObject({ config: z.string().min(1).max(100) }),
    reply: deploymentConfig,
    errors: ['not_found'],
  }),
  deleteDeploymentConfig: defineRoute({
    method: 'DELETE',
    path: '/v1/deployment-configs/:config',
    summary: 'Delete a deployment config that no group uses.',
    caller: 'admin',
    params: z.strictObject({ config: z.string().min(1).max(100) }),
    reply: noContent,
    status: 204,
    errors: ['not_found', 'conflict'],
  }),
} as const;
