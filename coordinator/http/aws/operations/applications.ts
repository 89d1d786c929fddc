import { isAppError } from '../../../../shared/core/errors.ts';
import type { Application } from '../../../../shared/model/application.ts';
import { AwsException, refusedAs } from '../exceptions.ts';
import type { Value } from '../model.ts';
import { checkBatch } from '../translate/batches.ts';
import { PAGE_ITEMS, paged } from '../translate/paging.ts';
import { toTags } from '../translate/tags.ts';
import type { OperationsOf } from './operation.ts';

const MAX_BATCH = 100;

export const applicationOperations: OperationsOf<
  | 'CreateApplication'
  | 'GetApplication'
  | 'BatchGetApplications'
  | 'ListApplications'
  | 'UpdateApplication'
  | 'DeleteApplication'
> = {
  CreateApplication: {
    role: 'deployer',
    async run({ applicationName, computePlatform = 'Server', tags = [] }, { applications, caller }) {
      if (computePlatform !== 'Server')
        throw new AwsException(
          'InvalidComputePlatformException',
          `Drover deploys to hosts: computePlatform is Server; ${computePlatform} is not served`,
        );
      const set = toTags(tags, 'InvalidTagsToAddException');
      const made = await refusedAs('InvalidTagsToAddException', () =>
        applications.create({ name: applicationName, description: '' }, caller, set),
      );
      return { applicationId: made.id };
    },
  },
  GetApplication: {
    role: 'viewer',
    run: async ({ applicationName }, { applications }) => ({
      application: toInfo(await applications.get(applicationName)),
    }),
  },
  BatchGetApplications: {
    role: 'viewer',
    async run({ applicationNames }, { applications }) {
      checkBatch(applicationNames, MAX_BATCH, 'ApplicationNameRequiredException');
      return {
        applicationsInfo: await Promise.all(applicationNames.map(async (name) => toInfo(await applications.get(name)))),
      };
    },
  },
  ListApplications: {
    role: 'viewer',
    async run({ nextToken }, { applications }) {
      const page = await paged(() => applications.list({ cursor: nextToken, limit: PAGE_ITEMS }));
      return { applications: page.items.map((one) => one.name), nextToken: page.nextCursor ?? undefined };
    },
  },
  UpdateApplication: {
    role: 'deployer',
    async run({ applicationName, newApplicationName }, { applications, caller }) {
      if (applicationName === undefined)
        throw new AwsException('ApplicationNameRequiredException', 'applicationName is required');
      await applications.update(applicationName, { name: newApplicationName }, caller);
    },
  },
  DeleteApplication: {
    role: 'admin',
    async run({ applicationName }, { applications, caller }) {
      try {
        await applications.delete(applicationName, caller);
      } catch (error) {
        // Deleting what is not there is fine, as in CodeDeploy.
        if (!isAppError(error, 'not_found')) throw error;
      }
    },
  },
};

function toInfo(application: Application): Value<'ApplicationInfo'> {
  return {
    applicationId: application.id,
    applicationName: application.name,
    createTime: application.createdAt,
    linkedToGitHub: false,
    computePlatform: 'Server',
  };
}
