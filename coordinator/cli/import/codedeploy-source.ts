import type {
  ApplicationInfo,
  CodeDeployClient,
  DeploymentConfigInfo,
  DeploymentGroupInfo,
  InstanceInfo,
  RevisionLocation,
} from '@aws-sdk/client-codedeploy';
import { PREDEFINED_CONFIG_PREFIX } from '../../../shared/model/deployment-config.ts';
import { CommandFailure } from '../exit-codes.ts';
import { awsFailure, errorName } from './aws-failure.ts';

/** How the account is reached, as the aws command takes it; what is undefined is found by AWS's usual rules. */
export interface AwsAccess {
  profile: string | undefined;
  region: string | undefined;
  endpointUrl: string | undefined;
}

/**
 * Reads an account through CodeDeploy's public API. Throttled and broken calls are repeated by AWS's own client.
 * All throw CommandFailure that names the action.
 */
export interface CodeDeploySource {
  /** All, or those named. */
  applications(names: readonly string[] | undefined): Promise<ApplicationInfo[]>;
  groups(application: string): Promise<DeploymentGroupInfo[]>;
  /** Names of the account's own. */
  configNames(): Promise<string[]>;
  config(name: string): Promise<DeploymentConfigInfo>;
  /** The newest first, `limit` of them at most. */
  revisions(application: string, limit: number): Promise<RevisionLocation[]>;
  instances(): Promise<InstanceInfo[]>;
  close(): void;
}

/** Attempts of one call: throttling of a busy account lasts some seconds, and the pauses grow. */
const MAX_ATTEMPTS = 8;
/** Names in one call. Source: CodeDeploy API Reference, BatchGetApplications and BatchGetDeploymentGroups. */
const BATCH = 100;
const CONNECT_TIMEOUT_MS = 10_000;
const ANSWER_TIMEOUT_MS = 60_000;

export async function openCodeDeploySource(access: AwsAccess): Promise<CodeDeploySource> {
  const sdk = await import('./aws-sdk.ts');
  const client: CodeDeployClient = new sdk.CodeDeployClient({
    ...(access.profile === undefined ? {} : { profile: access.profile }),
    ...(access.region === undefined ? {} : { region: access.region }),
    ...(access.endpointUrl === undefined ? {} : { endpoint: access.endpointUrl }),
    maxAttempts: MAX_ATTEMPTS,
    requestHandler: { connectionTimeout: CONNECT_TIMEOUT_MS, requestTimeout: ANSWER_TIMEOUT_MS },
  });

  async function call<Output>(action: string, run: () => Promise<Output>): Promise<Output> {
    try {
      return await run();
    } catch (error) {
      throw awsFailure(error, `codedeploy:${action}`);
    }
  }

  /** Every item of a list that comes in pages. */
  async function paged<Item>(
    action: string,
    page: (nextToken: string | undefined) => Promise<{ items: Item[] | undefined; nextToken: string | undefined }>,
    limit = Number.POSITIVE_INFINITY,
  ): Promise<Item[]> {
    const all: Item[] = [];
    let nextToken: string | undefined;
    do {
      const answer = await call(action, () => page(nextToken));
      all.push(...(answer.items ?? []));
      nextToken = answer.nextToken;
    } while (nextToken !== undefined && all.length < limit);
    return all.slice(0, limit);
  }

  return {
    async applications(names) {
      if (names !== undefined) {
        const found: ApplicationInfo[] = [];
        for (const applicationName of new Set(names)) found.push(await oneApplication(applicationName));
        return found;
      }
      const listed = await paged('ListApplications', async (nextToken) => {
        const answer = await client.send(new sdk.ListApplicationsCommand({ nextToken }));
        return { items: answer.applications, nextToken: answer.nextToken };
      });
      const found = await inBatches(listed, (applicationNames) =>
        call('BatchGetApplications', async () => {
          const { applicationsInfo } = await client.send(new sdk.BatchGetApplicationsCommand({ applicationNames }));
          return applicationsInfo ?? [];
        }),
      );
      return found.sort((a, b) => ((a.applicationName ?? '') < (b.applicationName ?? '') ? -1 : 1));
    },
    async groups(applicationName) {
      const names = await paged('ListDeploymentGroups', async (nextToken) => {
        const answer = await client.send(new sdk.ListDeploymentGroupsCommand({ applicationName, nextToken }));
        return { items: answer.deploymentGroups, nextToken: answer.nextToken };
      });
      return inBatches(names, (deploymentGroupNames) =>
        call('BatchGetDeploymentGroups', async () => {
          const command = new sdk.BatchGetDeploymentGroupsCommand({ applicationName, deploymentGroupNames });
          return (await client.send(command)).deploymentGroupsInfo ?? [];
        }),
      );
    },
    async configNames() {
      const names = await paged('ListDeploymentConfigs', async (nextToken) => {
        const answer = await client.send(new sdk.ListDeploymentConfigsCommand({ nextToken }));
        return { items: answer.deploymentConfigsList, nextToken: answer.nextToken };
      });
      return names.filter((name) => !name.startsWith(PREDEFINED_CONFIG_PREFIX));
    },
    config: (deploymentConfigName) =>
      call('GetDeploymentConfig', async () => {
        const answer = await client.send(new sdk.GetDeploymentConfigCommand({ deploymentConfigName }));
        return answer.deploymentConfigInfo ?? {};
      }),
    revisions: (applicationName, limit) =>
      paged(
        'ListApplicationRevisions',
        async (nextToken) => {
          const command = { applicationName, sortBy: 'registerTime', sortOrder: 'descending', nextToken } as const;
          const answer = await client.send(new sdk.ListApplicationRevisionsCommand(command));
          return { items: answer.revisions, nextToken: answer.nextToken };
        },
        limit,
      ),
    async instances() {
      const names = await paged('ListOnPremisesInstances', async (nextToken) => {
        const command = new sdk.ListOnPremisesInstancesCommand({ registrationStatus: 'Registered', nextToken });
        const answer = await client.send(command);
        return { items: answer.instanceNames, nextToken: answer.nextToken };
      });
      return inBatches(names, (instanceNames) =>
        call('BatchGetOnPremisesInstances', async () => {
          const answer = await client.send(new sdk.BatchGetOnPremisesInstancesCommand({ instanceNames }));
          return answer.instanceInfos ?? [];
        }),
      );
    },
    close: () => client.destroy(),
  };

  async function oneApplication(applicationName: string): Promise<ApplicationInfo> {
    try {
      return (await client.send(new sdk.GetApplicationCommand({ applicationName }))).application ?? {};
    } catch (error) {
      if (errorName(error) !== 'ApplicationDoesNotExistException') throw awsFailure(error, 'codedeploy:GetApplication');
      throw new CommandFailure('not-found', `the account has no application ${applicationName} in this region`, {
        hint: 'aws deploy list-applications lists them.',
      });
    }
  }
}

async function inBatches<Item>(
  names: readonly string[],
  get: (names: string[]) => Promise<readonly Item[]>,
): Promise<Item[]> {
  const all: Item[] = [];
  for (let at = 0; at < names.length; at += BATCH) all.push(...(await get(names.slice(at, at + BATCH))));
  return all;
}
