import { createHash } from 'node:crypto';
import * as sdk from '@aws-sdk/client-codedeploy';
import { expect } from 'chai';
import { codeDeployClient, newAccessKey } from '../support/aws-tools.ts';
import { PlayedHerd } from '../support/played-herd.ts';
import { until } from '../support/real-herd.ts';

const ROLE = 'arn:aws:iam::123456789012:role/codedeploy';
const MORE = 120;
const PAGE = 100;
/** Requests at a time. */
const PARALLEL = 10;

const numbered = (prefix: string) => Array.from({ length: MORE }, (_, at) => `${prefix}-${1_000 + at}`);

async function eachOf<Item>(items: readonly Item[], work: (item: Item) => Promise<unknown>): Promise<void> {
  for (let from = 0; from < items.length; from += PARALLEL)
    await Promise.all(items.slice(from, from + PARALLEL).map(work));
}

describe('lists of more than a page', function () {
  this.timeout(120_000);
  let herd: PlayedHerd;
  let aws: sdk.CodeDeploy;
  /** Of a deployment to all hosts. */
  let deploymentId: string;

  before(async () => {
    herd = await PlayedHerd.start(1, {}, { autoRollback: { enabled: false, events: [] } });
    aws = codeDeployClient(herd.coordinator.url, await newAccessKey(herd.coordinator));
    await eachOf(numbered('application'), (applicationName) => aws.createApplication({ applicationName }));
    await eachOf(numbered('group'), (deploymentGroupName) =>
      aws.createDeploymentGroup({ applicationName: 'app', deploymentGroupName, serviceRoleArn: ROLE }),
    );
    await eachOf(numbered('config'), (deploymentConfigName) =>
      aws.createDeploymentConfig({ deploymentConfigName, minimumHealthyHosts: { type: 'HOST_COUNT', value: 1 } }),
    );
    await eachOf(numbered('v'), (label) => herd.addRevision(label));
    await eachOf(numbered('instance'), (instanceName) =>
      aws.registerOnPremisesInstance({ instanceName, iamUserArn: `arn:aws:iam::123456789012:user/${instanceName}` }),
    );
    for (let from = 0; from < MORE; from += PAGE)
      await aws.addTagsToOnPremisesInstances({
        instanceNames: numbered('instance').slice(from, from + PAGE),
        tags: [{ Key: 'role', Value: 'web' }],
      });
    // All but one of the hosts are not there, which is enough to succeed.
    deploymentId = (await herd.deploy('v1')).id;
    // Groups without hosts: each fails at once.
    await eachOf(numbered('group'), async (group) => {
      const { id } = await herd.create('v1', { deploymentGroup: group });
      await herd.ended(id);
    });
  });
  after(() => herd.close());

  /** By the SDK's paginator: the sizes of its pages, and everything that was on them. */
  async function paged<Page>(
    pages: AsyncIterable<Page>,
    itemsOf: (page: Page) => readonly string[] | undefined,
  ): Promise<{ sizes: number[]; all: string[] }> {
    const sizes: number[] = [];
    const all: string[] = [];
    for await (const page of pages) {
      const items = itemsOf(page) ?? [];
      sizes.push(items.length);
      all.push(...items);
    }
    expect(new Set(all).size, 'nothing comes twice').to.equal(all.length);
    return { sizes, all };
  }

  /** The same for an operation that the SDK has no paginator for. */
  async function* pagesOf<Page extends { nextToken?: string | undefined }>(
    list: (nextToken: string | undefined) => Promise<Page>,
  ): AsyncGenerator<Page> {
    let nextToken: string | undefined;
    do {
      const page = await list(nextToken);
      yield page;
      nextToken = page.nextToken;
    } while (nextToken !== undefined);
  }

  const paginators: Record<string, () => Promise<void>> = {
    async paginateListApplications() {
      const { sizes, all } = await paged(
        sdk.paginateListApplications({ client: aws }, {}),
        (page) => page.applications,
      );
      expect(sizes).to.deep.equal([PAGE, MORE + 1 - PAGE]);
      expect(all).to.have.members(['app', ...numbered('application')]);
    },
    async paginateListDeploymentGroups() {
      const pages = sdk.paginateListDeploymentGroups({ client: aws }, { applicationName: 'app' });
      const { sizes, all } = await paged(pages, (page) => page.deploymentGroups);
      expect(sizes).to.deep.equal([PAGE, MORE + 1 - PAGE]);
      expect(all).to.have.members(['all', ...numbered('group')]);
    },
    async paginateListDeploymentConfigs() {
      const pages = sdk.paginateListDeploymentConfigs({ client: aws }, {});
      const { sizes, all } = await paged(pages, (page) => page.deploymentConfigsList);
      // The predefined ones come on top of the first page.
      expect(sizes).to.deep.equal([3 + PAGE, MORE - PAGE]);
      expect(all).to.include.members(['CodeDeployDefault.OneAtATime', ...numbered('config')]);
    },
    async paginateListApplicationRevisions() {
      const pages = sdk.paginateListApplicationRevisions({ client: aws }, { applicationName: 'app' });
      const { sizes, all } = await paged(pages, (page) => page.revisions?.map((one) => one.s3Location?.key ?? ''));
      expect(sizes).to.deep.equal([PAGE, MORE + 4 - PAGE]);
      const digest = createHash('sha256').update('bundle v-1000').digest('hex');
      expect(all).to.include(`app/${digest}.tgz`);
    },
    async paginateListDeployments() {
      const { sizes, all } = await paged(sdk.paginateListDeployments({ client: aws }, {}), (page) => page.deployments);
      expect(sizes).to.deep.equal([PAGE, MORE + 1 - PAGE]);
      expect(all.at(-1), 'the newest first').to.equal(deploymentId);
    },
    async paginateListDeploymentInstances() {
      const pages = sdk.paginateListDeploymentInstances({ client: aws }, { deploymentId });
      const { sizes, all } = await paged(pages, (page) => page.instancesList);
      expect(sizes).to.deep.equal([PAGE, MORE + 1 - PAGE]);
      expect(all).to.have.members(['web-1', ...numbered('instance')]);
    },
  };
  for (const [name, test] of Object.entries(paginators)) it(`are told as a whole by ${name}`, test);

  it('are told by every paginator that the SDK has', () => {
    const exported = Object.keys(sdk).filter((name) => name.startsWith('paginate'));
    expect(Object.keys(paginators)).to.have.members(exported);
  });

  it('go on where they were when revisions come meanwhile, which come first', async () => {
    const list = async (nextToken?: string) => {
      const page = await aws.listApplicationRevisions({
        applicationName: 'app',
        sortBy: 'registerTime',
        sortOrder: 'descending',
        nextToken,
      });
      return { keys: page.revisions?.map((one) => one.s3Location?.key ?? '') ?? [], nextToken: page.nextToken };
    };
    const first = await list();
    await herd.addRevision('late');
    const second = await list(first.nextToken);
    const all = [...first.keys, ...second.keys];
    expect(new Set(all).size, 'nothing comes twice').to.equal(all.length);
    expect(all).to.have.length(MORE + 4);
  });

  it('are told as a whole, too, where the SDK has no paginator', async () => {
    const targets = await paged(
      pagesOf((nextToken) => aws.listDeploymentTargets({ deploymentId, nextToken })),
      (page) => page.targetIds,
    );
    expect(targets.sizes).to.deep.equal([PAGE, MORE + 1 - PAGE]);
    const instances = await paged(
      pagesOf((nextToken) => aws.listOnPremisesInstances({ nextToken })),
      (page) => page.instanceNames,
    );
    expect(instances.sizes).to.deep.equal([PAGE, MORE + 1 - PAGE]);
    expect(instances.all).to.have.members(['web-1', ...numbered('instance')]);
    const tokens = await aws.listGitHubAccountTokenNames({});
    expect(tokens.nextToken).to.equal(undefined);
  });

  it('are waited for by both of the waiters, until the deployment has succeeded or failed', async () => {
    const quick = { client: aws, maxWaitTime: 60, minDelay: 1, maxDelay: 1 };
    const [host] = herd.hosts;
    if (host === undefined) throw new Error('no host');
    host.fails.add('v3');
    const failed = { deploymentId: (await herd.deploy('v3')).id };
    // A failure is a state for the older one, and thrown by the newer one.
    expect((await sdk.waitForDeploymentSuccessful(quick, failed)).state).to.equal('FAILURE');
    const thrown = await sdk.waitUntilDeploymentSuccessful(quick, failed).catch((error: Error) => error);
    expect(thrown).to.be.instanceOf(Error).with.property('message').that.contains('FAILURE');
    // In this order: the host stays in the group, and does not have to be brought in.
    await aws.addTagsToOnPremisesInstances({ instanceNames: ['web-1'], tags: [{ Key: 'kind', Value: 'played' }] });
    await aws.updateDeploymentGroup({
      applicationName: 'app',
      currentDeploymentGroupName: 'all',
      deploymentConfigName: 'CodeDeployDefault.AllAtOnce',
      ec2TagFilters: [],
      onPremisesInstanceTagFilters: [{ Key: 'kind', Value: 'played', Type: 'KEY_AND_VALUE' }],
    });
    host.holdAt = 'ValidateService';
    const { id } = await herd.create('v2');
    await until('the host has begun', 20_000, () => host.assigned.some((one) => one.deploymentId === id));
    const waits = [sdk.waitForDeploymentSuccessful, sdk.waitUntilDeploymentSuccessful].map((wait) =>
      wait(quick, { deploymentId: id }),
    );
    host.release();
    expect((await Promise.all(waits)).map((one) => one.state)).to.deep.equal(['SUCCESS', 'SUCCESS']);
    expect(Object.keys(sdk).filter((name) => name.startsWith('wait'))).to.have.members([
      'waitForDeploymentSuccessful',
      'waitUntilDeploymentSuccessful',
    ]);
  });
});
