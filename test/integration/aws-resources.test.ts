import type { CodeDeploy } from '@aws-sdk/client-codedeploy';
import { paginateListApplications } from '@aws-sdk/client-codedeploy';
import { expect } from 'chai';
import { codeDeployClient, newAccessKey, newOperatorKey } from '../support/aws-tools.ts';
import { startTestCoordinator, type TestCoordinator } from '../support/coordinator.ts';
import { enrolHost } from '../support/raw-agent.ts';

const ROLE = 'arn:aws:iam::123456789012:role/codedeploy';
const WEB = { Key: 'role', Value: 'web', Type: 'KEY_AND_VALUE' } as const;
const ANY = { Key: 'any', Type: 'KEY_ONLY' } as const;

describe('CodeDeploy resources by the SDK', function () {
  this.timeout(20_000);
  let coordinator: TestCoordinator;
  let aws: CodeDeploy;
  before(async () => {
    coordinator = await startTestCoordinator();
    aws = codeDeployClient(coordinator.url, await newAccessKey(coordinator));
  });
  after(() => coordinator.remove());

  /** `Name: message` of what it fails with. */
  const failure = (work: Promise<unknown>) =>
    work.then(
      () => 'no failure',
      (error: Error) => `${error.name}: ${error.message}`,
    );
  const selectedHosts = async (application: string, group: string) => {
    const { body } = await coordinator.call('GET', `/v1/applications/${application}/deployment-groups/${group}/hosts`);
    return (body as { items: { hostName: string }[] }).items.map((host) => host.hostName);
  };

  describe('applications', () => {
    it('are created, renamed with all that is theirs, and deleted, twice', async () => {
      const { applicationId } = await aws.createApplication({ applicationName: 'shop' });
      await aws.createDeploymentGroup({ applicationName: 'shop', deploymentGroupName: 'all', serviceRoleArn: ROLE });
      expect(await failure(aws.createApplication({ applicationName: 'shop' }))).to.match(
        /^ApplicationAlreadyExistsException/,
      );
      await aws.createApplication({ applicationName: 'taken' });
      expect(await failure(aws.updateApplication({ applicationName: 'shop', newApplicationName: 'taken' }))).to.match(
        /^ApplicationAlreadyExistsException/,
      );
      await aws.updateApplication({ applicationName: 'shop', newApplicationName: 'store' });
      const { application } = await aws.getApplication({ applicationName: 'store' });
      expect(application).to.deep.include({ applicationId, computePlatform: 'Server', linkedToGitHub: false });
      expect(application?.createTime).to.be.instanceOf(Date);
      expect(Math.abs((application?.createTime?.getTime() ?? 0) - Date.now())).to.be.below(60_000);
      expect((await aws.listDeploymentGroups({ applicationName: 'store' })).deploymentGroups).to.deep.equal(['all']);
      expect(await failure(aws.getApplication({ applicationName: 'shop' }))).to.match(
        /^ApplicationDoesNotExistException/,
      );
      await aws.deleteApplication({ applicationName: 'store' });
      await aws.deleteApplication({ applicationName: 'store' });
      await aws.deleteApplication({ applicationName: 'taken' });
    });

    it('have names of their own rules, and no other platform than Server', async () => {
      expect(await failure(aws.createApplication({ applicationName: 'a b' }))).to.match(
        /^InvalidApplicationNameException/,
      );
      expect(await failure(aws.createApplication({ applicationName: 'x'.repeat(101) }))).to.match(
        /^InvalidApplicationNameException/,
      );
      expect(await failure(aws.createApplication({ applicationName: '' }))).to.match(
        /^ApplicationNameRequiredException/,
      );
      expect(await failure(aws.createApplication({ applicationName: 'x', computePlatform: 'Lambda' }))).to.match(
        /^InvalidComputePlatformException: .*Lambda is not served/,
      );
      expect(await failure(aws.createApplication({ applicationName: 'drover-agent' }))).to.match(
        /^InvalidOperationException: drover-agent is kept by the coordinator itself/,
      );
    });

    it('are listed in pages of a hundred', async () => {
      for (let number = 100; number < 230; number++)
        await coordinator.call('POST', '/v1/applications', { body: { name: `page-${number}` } });
      const pages: number[] = [];
      for await (const page of paginateListApplications({ client: aws }, {}))
        pages.push(page.applications?.length ?? 0);
      expect(pages).to.deep.equal([100, 30]);
      expect(await failure(aws.listApplications({ nextToken: 'x' }))).to.match(/^InvalidNextTokenException/);
      const { applicationsInfo } = await aws.batchGetApplications({ applicationNames: ['page-100', 'page-229'] });
      expect(applicationsInfo?.map((one) => one.applicationName)).to.deep.equal(['page-100', 'page-229']);
      const many = Array.from({ length: 101 }, (_, at) => `page-${100 + at}`);
      expect(await failure(aws.batchGetApplications({ applicationNames: many }))).to.match(
        /^BatchLimitExceededException/,
      );
    });
  });

  describe('deployment configs', () => {
    it('are created, told, listed with the predefined ones, and deleted unless they are used', async () => {
      const name = 'three-quarters';
      const { deploymentConfigId } = await aws.createDeploymentConfig({
        deploymentConfigName: name,
        minimumHealthyHosts: { type: 'FLEET_PERCENT', value: 75 },
      });
      const { deploymentConfigInfo } = await aws.getDeploymentConfig({ deploymentConfigName: name });
      expect(deploymentConfigInfo).to.deep.include({
        deploymentConfigId,
        minimumHealthyHosts: { type: 'FLEET_PERCENT', value: 75 },
      });
      expect((await aws.listDeploymentConfigs({})).deploymentConfigsList).to.include.members([
        'CodeDeployDefault.OneAtATime',
        name,
      ]);
      await aws.createApplication({ applicationName: 'uses' });
      await aws.createDeploymentGroup({
        applicationName: 'uses',
        deploymentGroupName: 'it',
        serviceRoleArn: ROLE,
        deploymentConfigName: name,
      });
      expect(await failure(aws.deleteDeploymentConfig({ deploymentConfigName: name }))).to.match(
        /^DeploymentConfigInUseException/,
      );
      await aws.deleteApplication({ applicationName: 'uses' });
      await aws.deleteDeploymentConfig({ deploymentConfigName: name });
      await aws.deleteDeploymentConfig({ deploymentConfigName: name });
      expect(await failure(aws.getDeploymentConfig({ deploymentConfigName: name }))).to.match(
        /^DeploymentConfigDoesNotExistException/,
      );
    });

    it('tell OneAtATime as CodeDeploy does, and refuse what cannot be', async () => {
      const { deploymentConfigInfo } = await aws.getDeploymentConfig({
        deploymentConfigName: 'CodeDeployDefault.OneAtATime',
      });
      expect(deploymentConfigInfo?.minimumHealthyHosts).to.deep.equal({ type: 'MOST_CONCURRENCY', value: 1 });
      const create = (more: object) => failure(aws.createDeploymentConfig({ deploymentConfigName: 'c', ...more }));
      const minimumHealthyHosts = { type: 'HOST_COUNT', value: 1 };
      expect(await create({})).to.match(/^InvalidMinimumHealthyHostValueException/);
      expect(await create({ minimumHealthyHosts: { type: 'FLEET_PERCENT', value: 100 } })).to.match(
        /^InvalidMinimumHealthyHostValueException/,
      );
      expect(await create({ minimumHealthyHosts, trafficRoutingConfig: { type: 'AllAtOnce' } })).to.match(
        /^InvalidTrafficRoutingConfigurationException/,
      );
      expect(await create({ minimumHealthyHosts, zonalConfig: {} })).to.match(
        /^InvalidZonalDeploymentConfigurationException: zones are not served yet/,
      );
      expect(await create({ minimumHealthyHosts, deploymentConfigName: 'CodeDeployDefault.Mine' })).to.match(
        /^InvalidDeploymentConfigNameException/,
      );
      expect(
        await failure(aws.deleteDeploymentConfig({ deploymentConfigName: 'CodeDeployDefault.OneAtATime' })),
      ).to.match(/^InvalidOperationException/);
    });
  });

  describe('deployment groups', () => {
    before(async () => {
      await aws.createApplication({ applicationName: 'web' });
      await enrolHost(coordinator, 'web-1', { token: { tags: { role: 'web' } } });
      await enrolHost(coordinator, 'web-2', { token: { tags: { role: 'web', any: 'x' } } });
      await enrolHost(coordinator, 'db-1', { token: { tags: { role: 'db', any: 'x' } } });
    });
    const create = (name: string, more: object = {}) =>
      aws.createDeploymentGroup({
        applicationName: 'web',
        deploymentGroupName: name,
        serviceRoleArn: ROLE,
        ...more,
      });
    const get = async (name: string) =>
      (await aws.getDeploymentGroup({ applicationName: 'web', deploymentGroupName: name })).deploymentGroupInfo ?? {};
    const update = (name: string, more: object) =>
      aws.updateDeploymentGroup({ applicationName: 'web', currentDeploymentGroupName: name, ...more });

    it('select by filters and sets of both kinds, and give them back as they were given', async () => {
      const filters = { ec2TagFilters: [WEB], onPremisesInstanceTagFilters: [ANY] };
      await create('filters', filters);
      expect(await selectedHosts('web', 'filters')).to.deep.equal(['db-1', 'web-1', 'web-2']);
      expect(await get('filters')).to.deep.include(filters);
      const set = { onPremisesTagSet: { onPremisesTagSetList: [[WEB], [ANY]] } };
      await create('set', set);
      expect(await selectedHosts('web', 'set')).to.deep.equal(['web-2']);
      expect(await get('set')).to.deep.include(set);
      const both = { ...set, ec2TagSet: { ec2TagSetList: [[{ Key: 'role', Value: 'db', Type: 'KEY_AND_VALUE' }]] } };
      await create('both', both);
      expect(await selectedHosts('web', 'both')).to.deep.equal(['db-1', 'web-2']);
      expect(await get('both')).to.deep.include(both);
    });

    it("have AWS's defaults: no rollback, in place, one at a time; no host without a filter", async () => {
      const { deploymentGroupId } = await create('plain');
      expect(await get('plain')).to.deep.include({
        deploymentGroupId,
        ec2TagFilters: [],
        onPremisesInstanceTagFilters: [],
        autoScalingGroups: [],
        triggerConfigurations: [],
        serviceRoleArn: ROLE,
        deploymentConfigName: 'CodeDeployDefault.OneAtATime',
        autoRollbackConfiguration: { enabled: false, events: [] },
        deploymentStyle: { deploymentType: 'IN_PLACE', deploymentOption: 'WITHOUT_TRAFFIC_CONTROL' },
        outdatedInstancesStrategy: 'UPDATE',
        computePlatform: 'Server',
      });
      expect(await selectedHosts('web', 'plain')).to.deep.equal([]);
    });

    it('keep on update what is absent, clear what is empty, and keep their id under a new name', async () => {
      const autoRollbackConfiguration = { enabled: true, events: ['DEPLOYMENT_FAILURE', 'DEPLOYMENT_STOP_ON_ALARM'] };
      const triggerConfigurations = [
        { triggerName: 't', triggerTargetArn: 'arn:aws:sns:us-east-1:1:x', triggerEvents: ['DeploymentFailure'] },
      ];
      await create('changing', {
        ec2TagFilters: [WEB],
        autoScalingGroups: ['asg-1'],
        autoRollbackConfiguration,
        triggerConfigurations,
      });
      const before = await get('changing');
      expect(before.autoScalingGroups).to.deep.equal([{ name: 'asg-1' }]);
      expect((await update('changing', { newDeploymentGroupName: 'changed' })).hooksNotCleanedUp).to.deep.equal([]);
      const renamed = await get('changed');
      expect(renamed).to.deep.equal({ ...before, deploymentGroupName: 'changed' });
      await update('changed', { ec2TagFilters: [], triggerConfigurations: [] });
      const cleared = await get('changed');
      expect(cleared).to.deep.include({ ec2TagFilters: [], triggerConfigurations: [], autoRollbackConfiguration });
      expect(cleared.autoScalingGroups).to.deep.equal([{ name: 'asg-1' }]);
      await update('changed', { onPremisesTagSet: { onPremisesTagSetList: [[WEB]] }, autoScalingGroups: [] });
      expect(await selectedHosts('web', 'changed')).to.deep.equal(['web-1', 'web-2']);
      await update('changed', { onPremisesInstanceTagFilters: [ANY] });
      expect(await get('changed')).to.deep.include({ onPremisesInstanceTagFilters: [ANY] });
      expect((await get('changed')).onPremisesTagSet, 'the other form gives way').to.equal(undefined);
      expect(await failure(update('changed', { newDeploymentGroupName: 'plain' }))).to.match(
        /^DeploymentGroupAlreadyExistsException/,
      );
      await aws.deleteDeploymentGroup({ applicationName: 'web', deploymentGroupName: 'changed' });
      const again = await create('changed');
      expect(again.deploymentGroupId).not.to.equal(before.deploymentGroupId);
    });

    it("show what was changed by Drover's own API too", async () => {
      await create('native', { ec2TagFilters: [WEB] });
      await coordinator.call('PATCH', '/v1/applications/web/deployment-groups/native', {
        body: {
          selection: { tagFilters: [{ type: 'KEY_ONLY', key: 'any' }] },
          autoRollback: { enabled: true, events: ['DEPLOYMENT_FAILURE'] },
        },
      });
      expect(await get('native')).to.deep.include({
        ec2TagFilters: [],
        onPremisesInstanceTagFilters: [ANY],
        autoRollbackConfiguration: { enabled: true, events: ['DEPLOYMENT_FAILURE'] },
      });
    });

    it("can be read and changed also where Drover's own API says of rollbacks what CodeDeploy's refuses", async () => {
      await create('own', { ec2TagFilters: [WEB] });
      const twice = ['DEPLOYMENT_FAILURE', 'DEPLOYMENT_FAILURE'];
      for (const events of [[], twice]) {
        const body = { autoRollback: { enabled: true, events } };
        await coordinator.call('PATCH', '/v1/applications/web/deployment-groups/own', { body });
        await update('own', { ec2TagFilters: [WEB] });
        expect((await get('own')).autoRollbackConfiguration).to.deep.equal({ enabled: true, events });
        await update('own', { ec2TagFilters: [WEB] });
      }
    });

    it('keep on update the tag sets that CodeDeploy has no form for', async () => {
      await create('sets');
      const only = (value: string) => [[{ type: 'KEY_AND_VALUE', key: 'role', value }]];
      const selection = { tagSet: only('a'), alternativeTagSets: [only('b'), only('db'), only('web')] };
      await coordinator.call('PATCH', '/v1/applications/web/deployment-groups/sets', { body: { selection } });
      expect(await selectedHosts('web', 'sets')).to.deep.equal(['db-1', 'web-1', 'web-2']);
      for (const autoScalingGroups of [['asg-9'], ['asg-8']]) {
        await update('sets', { autoScalingGroups });
        expect(await selectedHosts('web', 'sets')).to.deep.equal(['db-1', 'web-1', 'web-2']);
      }
    });

    const refused: [string, string, object][] = [
      [
        'both forms of EC2 tags',
        'InvalidEC2TagCombinationException',
        { ec2TagFilters: [WEB], ec2TagSet: { ec2TagSetList: [[WEB]] } },
      ],
      [
        'both forms of on-premises tags',
        'InvalidOnPremisesTagCombinationException',
        { onPremisesInstanceTagFilters: [WEB], onPremisesTagSet: { onPremisesTagSetList: [[WEB]] } },
      ],
      ['a filter without its key', 'InvalidEC2TagException', { ec2TagFilters: [{ Type: 'KEY_ONLY' }] }],
      [
        'a filter of no type that is known',
        'InvalidTagException',
        { onPremisesInstanceTagFilters: [{ Key: 'a', Type: 'LIKE' }] },
      ],
      [
        'four lists in a set',
        'TagSetListLimitExceededException',
        { ec2TagSet: { ec2TagSetList: [[WEB], [WEB], [WEB], [WEB]] } },
      ],
      ['a rollback on nothing', 'InvalidAutoRollbackConfigException', { autoRollbackConfiguration: { enabled: true } }],
      [
        'an alarm that nobody watches',
        'InvalidAlarmConfigException',
        { alarmConfiguration: { enabled: true, alarms: [{ name: 'a' }] } },
      ],
      ['blue/green', 'InvalidDeploymentStyleException', { deploymentStyle: { deploymentType: 'BLUE_GREEN' } }],
      [
        'traffic control',
        'InvalidDeploymentStyleException',
        { deploymentStyle: { deploymentOption: 'WITH_TRAFFIC_CONTROL' } },
      ],
      ['a trigger without events', 'InvalidTriggerConfigException', { triggerConfigurations: [{ triggerName: 't' }] }],
      ['ECS', 'InvalidECSServiceException', { ecsServices: [{ serviceName: 's', clusterName: 'c' }] }],
      ['a config that is not there', 'DeploymentConfigDoesNotExistException', { deploymentConfigName: 'no-such' }],
      ['a strategy that is not known', 'InvalidInputException', { outdatedInstancesStrategy: 'MAYBE' }],
      ['a tag without a key', 'InvalidTagsToAddException', { tags: [{ Value: 'x' }] }],
      ['no role', 'RoleRequiredException', { serviceRoleArn: '' }],
      ['a name of other characters', 'InvalidDeploymentGroupNameException', { deploymentGroupName: 'a/b' }],
      ['a name that is taken', 'DeploymentGroupAlreadyExistsException', { deploymentGroupName: 'plain' }],
      ['an application that is not there', 'ApplicationDoesNotExistException', { applicationName: 'no-such' }],
      ['a hook that would not run', 'InvalidInputException', { terminationHookEnabled: true }],
    ];
    for (const [what, exception, more] of refused)
      it(`refuse ${what} with ${exception}`, async () => {
        expect(await failure(create('refused', more))).to.match(new RegExp(`^${exception}: `));
      });

    it('are told in a batch, and those that are not there by name', async () => {
      const batch = await aws.batchGetDeploymentGroups({
        applicationName: 'web',
        deploymentGroupNames: ['plain', 'no-such'],
      });
      expect(batch.deploymentGroupsInfo?.map((one) => one.deploymentGroupName)).to.deep.equal(['plain']);
      expect(batch.errorMessage).to.contain('no-such');
    });
  });

  describe('tags of resources', () => {
    it('are set at creation and later, removed, and gone with the resource', async () => {
      await aws.createApplication({ applicationName: 'tagged', tags: [{ Key: 'team', Value: 'a' }] });
      const ResourceArn = 'arn:aws:codedeploy:eu-central-1:123456789012:application:tagged';
      await aws.tagResource({
        ResourceArn,
        Tags: [
          { Key: 'stage', Value: 'prod' },
          { Key: 'team', Value: 'b' },
        ],
      });
      const tags = async () => (await aws.listTagsForResource({ ResourceArn })).Tags;
      expect(await tags()).to.deep.equal([
        { Key: 'stage', Value: 'prod' },
        { Key: 'team', Value: 'b' },
      ]);
      await aws.untagResource({ ResourceArn, TagKeys: ['team'] });
      expect(await tags()).to.deep.equal([{ Key: 'stage', Value: 'prod' }]);
      await aws.deleteApplication({ applicationName: 'tagged' });
      expect(await failure(tags())).to.match(/^InvalidArnException: there is no application tagged/);
      expect(await failure(aws.tagResource({ ResourceArn, Tags: [{ Key: 'a', Value: 'b' }] }))).to.match(
        /^ApplicationDoesNotExistException/,
      );
      await aws.createApplication({ applicationName: 'tagged' });
      expect(await tags()).to.deep.equal([]);
      expect(await failure(aws.listTagsForResource({ ResourceArn: 'x' }))).to.match(/^InvalidArnException/);
      expect(
        await failure(aws.listTagsForResource({ ResourceArn: ResourceArn.replace('application', 'instance') })),
      ).to.match(/^ArnNotSupportedException/);
    });
  });

  describe('resources with too many tags', () => {
    const tags = Array.from({ length: 51 }, (_, at) => ({ Key: `key-${at}`, Value: '' }));

    it('are refused, and not made without them', async () => {
      const applicationName = 'over-tagged';
      const group = { applicationName, deploymentGroupName: 'all', serviceRoleArn: ROLE };
      expect(await failure(aws.createApplication({ applicationName, tags }))).to.match(/^InvalidTagsToAddException/);
      await aws.createApplication({ applicationName, tags: tags.slice(1) });
      expect(await failure(aws.createDeploymentGroup({ ...group, tags }))).to.match(/^InvalidTagsToAddException/);
      const { deploymentGroupId } = await aws.createDeploymentGroup({ ...group, tags: tags.slice(0, 1) });
      expect(deploymentGroupId).to.be.a('string');
      const ResourceArn = `arn:aws:codedeploy:eu-central-1:123456789012:deploymentgroup:${applicationName}/all`;
      expect((await aws.listTagsForResource({ ResourceArn })).Tags).to.deep.equal(tags.slice(0, 1));
      await aws.deleteApplication({ applicationName });
    });
  });

  describe('on-premises instances', () => {
    const iamUserArn = 'arn:aws:iam::123456789012:user/AWS/CodeDeploy/app-1';
    const names = async (filter: object) => (await aws.listOnPremisesInstances(filter)).instanceNames;

    it('are registered once, tagged, listed by tag, and remembered when they are gone', async () => {
      await aws.registerOnPremisesInstance({ instanceName: 'app-1', iamUserArn });
      expect(await failure(aws.registerOnPremisesInstance({ instanceName: 'app-1', iamUserArn }))).to.match(
        /^InstanceNameAlreadyRegisteredException/,
      );
      expect(await failure(aws.registerOnPremisesInstance({ instanceName: 'app-2', iamUserArn }))).to.match(
        /^IamUserArnAlreadyRegisteredException/,
      );
      await aws.createApplication({ applicationName: 'on-premises' });
      await aws.createDeploymentGroup({
        applicationName: 'on-premises',
        deploymentGroupName: 'all',
        serviceRoleArn: ROLE,
        onPremisesInstanceTagFilters: [{ Key: 'kind', Type: 'KEY_ONLY' }],
      });
      await aws.addTagsToOnPremisesInstances({ instanceNames: ['app-1'], tags: [{ Key: 'kind', Value: 'app' }] });
      expect(await selectedHosts('on-premises', 'all')).to.deep.equal(['app-1']);
      const { instanceInfo } = await aws.getOnPremisesInstance({ instanceName: 'app-1' });
      expect(instanceInfo).to.deep.include({
        instanceName: 'app-1',
        iamUserArn,
        instanceArn: 'arn:aws:codedeploy:us-east-1:000000000000:instance:app-1',
        tags: [{ Key: 'kind', Value: 'app' }],
      });
      expect(await names({ tagFilters: [{ Key: 'kind', Type: 'KEY_ONLY' }] })).to.deep.equal(['app-1']);
      await aws.removeTagsFromOnPremisesInstances({ instanceNames: ['app-1'], tags: [{ Key: 'kind', Value: 'app' }] });
      expect(await selectedHosts('on-premises', 'all')).to.deep.equal([]);
      await aws.deregisterOnPremisesInstance({ instanceName: 'app-1' });
      await aws.deregisterOnPremisesInstance({ instanceName: 'app-1' });
      const gone = (await aws.getOnPremisesInstance({ instanceName: 'app-1' })).instanceInfo;
      expect(gone?.deregisterTime).to.be.instanceOf(Date);
      expect(await names({ registrationStatus: 'Deregistered' })).to.deep.equal(['app-1']);
      expect(await names({ registrationStatus: 'Registered' })).not.to.include('app-1');
      await aws.registerOnPremisesInstance({ instanceName: 'app-1', iamUserArn });
      expect(await names({ registrationStatus: 'Deregistered' })).to.deep.equal([]);
    });

    it("are the hosts with Drover's own agent too", async () => {
      await enrolHost(coordinator, 'own-1', { token: { tags: { role: 'own' } } });
      const { instanceInfos } = await aws.batchGetOnPremisesInstances({ instanceNames: ['own-1', 'no-such'] });
      expect(instanceInfos?.map((one) => one.instanceName)).to.deep.equal(['own-1']);
      await aws.addTagsToOnPremisesInstances({ instanceNames: ['own-1'], tags: [{ Key: 'more', Value: '' }] });
      const { body } = await coordinator.call('GET', '/v1/hosts/own-1');
      expect(body).to.have.property('tags').that.deep.equals({ role: 'own', more: '' });
    });

    it('refuse what cannot be, by name', async () => {
      const register = (more: object) => failure(aws.registerOnPremisesInstance({ instanceName: 'bad', ...more }));
      expect(await register({})).to.match(/^IamArnRequiredException/);
      expect(await register({ iamUserArn, iamSessionArn: 'x' })).to.match(/^MultipleIamArnsProvidedException/);
      expect(await register({ iamUserArn: 'x' })).to.match(/^InvalidIamUserArnException/);
      expect(await register({ iamSessionArn: 'x' })).to.match(/^InvalidIamSessionArnException/);
      expect(await register({ iamUserArn, instanceName: 'a b' })).to.match(/^InvalidInstanceNameException/);
      const iamSessionArn = 'arn:aws:sts::123456789012:assumed-role/role/session';
      await aws.registerOnPremisesInstance({ instanceName: 'session-1', iamSessionArn });
      expect(await register({ iamSessionArn })).to.match(/^IamSessionArnAlreadyRegisteredException/);
      const tag = (more: object) =>
        failure(
          aws.addTagsToOnPremisesInstances({ instanceNames: ['session-1'], tags: [{ Key: 'a', Value: 'b' }], ...more }),
        );
      expect(await tag({ instanceNames: ['no-such'] })).to.match(/^InstanceNotRegisteredException/);
      expect(await tag({ tags: [] })).to.match(/^TagRequiredException/);
      expect(await tag({ tags: [{ Value: 'x' }] })).to.match(/^InvalidTagException/);
      const eleven = Array.from({ length: 11 }, (_, at) => ({ Key: `k${at}`, Value: '' }));
      expect(await tag({ tags: eleven })).to.match(/^TagLimitExceededException/);
      expect(await failure(aws.getOnPremisesInstance({ instanceName: 'never' }))).to.match(
        /^InstanceNotRegisteredException/,
      );
      expect(await failure(aws.listOnPremisesInstances({ tagFilters: [{ Type: 'VALUE_ONLY' }] }))).to.match(
        /^InvalidTagFilterException/,
      );
    });
  });

  describe('who may', () => {
    it("is told by the role of the key's operator, as in the native API", async () => {
      const viewer = codeDeployClient(coordinator.url, await newOperatorKey(coordinator, 'v', 'viewer'));
      const deployer = codeDeployClient(coordinator.url, await newOperatorKey(coordinator, 'd', 'deployer'));
      expect((await viewer.listDeploymentConfigs({})).deploymentConfigsList).not.to.equal(undefined);
      expect(await failure(viewer.createApplication({ applicationName: 'x' }))).to.match(
        /^AccessDeniedException: .*CreateApplication/,
      );
      await deployer.createApplication({ applicationName: 'by-deployer' });
      expect(await failure(deployer.deleteApplication({ applicationName: 'by-deployer' }))).to.match(
        /^AccessDeniedException/,
      );
      const { body } = await coordinator.call('GET', '/v1/audit?subject=by-deployer');
      expect((body as { items: { actor: string }[] }).items[0]?.actor).to.equal('d');
    });

    it("is nobody without a known key, and a host's key opens nothing here", async () => {
      const unknown = codeDeployClient(coordinator.url, { accessKeyId: 'DROVNOSUCHKEY0000000', secretAccessKey: 'x' });
      expect(await failure(unknown.listApplications({}))).to.match(/^UnrecognizedClientException/);
      const key = await newAccessKey(coordinator);
      const wrong = codeDeployClient(coordinator.url, { ...key, secretAccessKey: 'x' });
      expect(await failure(wrong.listApplications({}))).to.match(/^InvalidSignatureException: The request signature/);
      const temporary = await newAccessKey(coordinator, { operator: 'first-operator', session: true });
      expect((await codeDeployClient(coordinator.url, temporary).listApplications({})).applications).to.be.an('array');
      const { sessionToken: _token, ...without } = temporary;
      expect(await failure(codeDeployClient(coordinator.url, without).listApplications({}))).to.match(
        /^UnrecognizedClientException/,
      );
      await enrolHost(coordinator, 'key-holder');
      const host = codeDeployClient(coordinator.url, await newAccessKey(coordinator, { host: 'key-holder' }));
      expect(await failure(host.listApplications({}))).to.match(/^AccessDeniedException/);
    });

    it("answers what is no request of CodeDeploy's in its own form", async () => {
      const post = async (headers: Record<string, string>, body = '{}') => {
        const answer = await fetch(coordinator.url, { method: 'POST', headers, body });
        expect(answer.headers.get('content-type')).to.equal('application/x-amz-json-1.1');
        expect(answer.headers.get('x-amzn-requestid')).to.match(/^[0-9a-f-]{36}$/);
        return { status: answer.status, ...((await answer.json()) as { __type: string }) };
      };
      const target = { 'x-amz-target': 'CodeDeploy_20141006.ListApplications' };
      expect(await post(target)).to.include({ status: 400, __type: 'MissingAuthenticationTokenException' });
      expect(await post({})).to.include({ status: 400, __type: 'UnknownOperationException' });
      expect(await post({ 'x-amz-target': 'CodeDeploy_20141006.NoSuch' })).to.include({
        status: 400,
        __type: 'UnknownOperationException',
      });
      expect(await post({ ...target, authorization: 'AWS4-HMAC-SHA256 x' })).to.include({
        __type: 'IncompleteSignatureException',
      });
      expect(await post(target, 'x'.repeat(1_100_000))).to.include({ __type: 'ValidationException' });
    });
  });
});
