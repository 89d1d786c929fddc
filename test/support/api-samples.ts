import type { Deployment } from '../../shared/model/deployment.ts';
import type { DeploymentGroup } from '../../shared/model/deployment-group.ts';
import type { GroupHost, Host } from '../../shared/model/host.ts';
import type { Revision } from '../../shared/model/revision.ts';
import type { Target } from '../../shared/model/target.ts';

/** 2026-03-04 14:02:00 UTC. */
export const T0 = Date.UTC(2026, 2, 4, 14, 2, 0);

/** Builders of what the API answers; every field has a default that makes sense for `web/prod`. */
export function aDeployment(fields: Partial<Deployment> = {}): Deployment {
  return {
    id: 'd-8K1M2N3P4',
    application: 'web',
    deploymentGroup: 'prod',
    deploymentGroupId: '00000000-0000-4000-8000-000000000001',
    revisionId: 'r-bbbbbbbbbbbb',
    revisionLabel: '1.9.0',
    revisionDigest: 'b'.repeat(64),
    previousRevisionId: 'r-aaaaaaaaaaaa',
    previousRevisionLabel: '1.8.4',
    status: 'InProgress',
    endingAs: null,
    creator: 'user',
    createdBy: 'ana',
    description: '',
    deploymentConfigName: 'CodeDeployDefault.OneAtATime',
    minimumHealthyHosts: { type: 'MOST_CONCURRENCY', value: 1 },
    minimumHealthyCount: null,
    overview: { Pending: 5, InProgress: 0, Succeeded: 0, Failed: 0, Skipped: 0 },
    totalHosts: 5,
    alreadyCurrentHosts: 0,
    errorInformation: null,
    ignoreApplicationStopFailures: false,
    updateOutdatedInstancesOnly: false,
    fileExistsBehavior: 'DISALLOW',
    autoRollback: { enabled: true, events: ['DEPLOYMENT_FAILURE'] },
    rollbackInfo: { rollbackDeploymentId: null, rollbackTriggeringDeploymentId: null, rollbackMessage: null },
    followsDeploymentId: null,
    stopRequestedBy: null,
    createdAt: T0,
    startedAt: T0,
    completedAt: null,
    deadlineAt: T0 + 86_400_000,
    ...fields,
  };
}

export function aTarget(hostName: string, fields: Partial<Target> = {}): Target {
  return {
    deploymentId: 'd-8K1M2N3P4',
    hostId: `h-${hostName}`,
    hostName,
    status: 'Pending',
    lifecycleEvent: null,
    errorCode: null,
    message: null,
    diagnostics: null,
    startedAt: null,
    completedAt: null,
    ...fields,
  };
}

export function aFailedTarget(hostName: string, fields: Partial<Target> = {}): Target {
  return aTarget(hostName, {
    status: 'Failed',
    lifecycleEvent: 'AfterInstall',
    errorCode: 'HOOK_FAILED',
    message: 'scripts/migrate.sh exited with 1',
    diagnostics: {
      errorCode: 'ScriptFailed',
      scriptName: 'scripts/migrate.sh',
      message: 'exited with 1',
      logTail: 'BEGIN\nERROR: relation "orders_v2" already exists\nROLLBACK\n',
      exitCode: 1,
    },
    startedAt: T0,
    completedAt: T0 + 12_000,
    ...fields,
  });
}

export function aGroup(fields: Partial<DeploymentGroup> = {}): DeploymentGroup {
  return {
    id: '00000000-0000-4000-8000-000000000001',
    application: 'web',
    name: 'prod',
    selection: {
      tagFilters: [{ type: 'KEY_AND_VALUE', key: 'role', value: 'web' }],
      tagSet: [],
      hostNames: [],
      scalingGroups: [],
    },
    deploymentConfigName: 'CodeDeployDefault.OneAtATime',
    autoRollback: { enabled: true, events: ['DEPLOYMENT_FAILURE'] },
    outdatedInstancesStrategy: 'UPDATE',
    hookEnvironment: {},
    triggers: [],
    transientUnits: false,
    createdAt: T0,
    updatedAt: T0,
    lastGoodRevisionId: 'r-aaaaaaaaaaaa',
    lastGoodRevisionLabel: '1.8.4',
    lastSuccessfulDeploymentId: 'd-OLDOLDOLD',
    lastAttemptedDeploymentId: 'd-OLDOLDOLD',
    activeDeploymentId: null,
    ...fields,
  };
}

export function aGroupHost(hostName: string, fields: Partial<GroupHost> = {}): GroupHost {
  return {
    hostId: `h-${hostName}`,
    hostName,
    presence: 'Online',
    instanceHealth: 'Healthy',
    revisionHealth: 'Current',
    revisionId: 'r-aaaaaaaaaaaa',
    revisionLabel: '1.8.4',
    isInService: true,
    lastDeploymentId: 'd-OLDOLDOLD',
    ...fields,
  };
}

export function aHost(name: string, fields: Partial<Host> = {}): Host {
  return {
    id: `h-${name}`,
    name,
    tags: { role: 'web' },
    zone: null,
    scalingGroup: null,
    presence: 'Online',
    presenceSince: T0,
    lastContactAt: T0,
    enrolledAt: T0,
    agentKind: 'drover',
    iamArn: null,
    agentVersion: '0.1.0',
    clockOffsetMs: 3,
    facts: {},
    runningDeploymentId: null,
    ...fields,
  };
}

export function aRevision(fields: Partial<Revision> = {}): Revision {
  return {
    id: 'r-bbbbbbbbbbbb',
    application: 'web',
    label: '1.9.0',
    digest: 'b'.repeat(64),
    bundleType: 'tgz',
    sizeBytes: 1_048_576,
    source: { kind: 'uploaded' },
    description: '',
    registeredAt: T0,
    registeredBy: 'ana',
    firstUsedAt: null,
    lastUsedAt: null,
    ...fields,
  };
}
