import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RevisionLocation, waitUntilDeploymentSuccessful } from '@aws-sdk/client-codedeploy';
import { expect } from 'chai';
import { hooksAppSpec, makeBundle } from '../support/agent-process.ts';
import { type AccessKeyPair, awsCli, codeDeployClient, hasAwsCli } from '../support/aws-tools.ts';
import { RealHerd, type RealHost, until } from '../support/real-herd.ts';
import { startS3, type TestS3 } from '../support/s3-server.ts';

const ROLE = 'arn:aws:iam::123456789012:role/codedeploy';
const VERSION_FILE = 'opt/shop/VERSION';
const USER_ARN = 'arn:aws:iam::123456789012:user/AWS/CodeDeploy/later-1';

/** Every call is one of `aws deploy`, of Debian's awscli; what it did is looked for on the hosts. */
(hasAwsCli ? describe : describe.skip)(
  `aws deploy${hasAwsCli ? '' : ' (skipped: /usr/bin/aws is missing)'}`,
  function () {
    this.timeout(300_000);
    let herd: RealHerd;
    let s3: TestS3;
    let key: AccessKeyPair;
    let home: string;
    let aws: ReturnType<typeof awsCli>;
    /** Operations that the real command called. */
    const called = new Set<string>();

    before(async () => {
      s3 = await startS3();
      home = mkdtempSync(join(tmpdir(), 'drover-aws-cli-'));
      writeFileSync(join(home, 's3-secret'), s3.secret);
      herd = new RealHerd({ s3: { ...s3.settings, secretAccessKeyFile: join(home, 's3-secret') } });
      await herd.startCoordinator();
      for (const name of ['web-1', 'web-2']) await herd.addHost(name, { tags: { role: 'web' } });
      await until(
        'both hosts are online',
        30_000,
        async () => (await herd.client.listHosts({ presence: 'Online' })).items.length === 2,
      );
      const made = await herd.client.createAccessKey({ operator: 'first-operator' });
      key = { accessKeyId: made.id, secretAccessKey: made.secretAccessKey };
      aws = awsCli(herd.url, key, home);
    });
    after(async () => {
      await herd.close();
      await s3.stop();
      rmSync(home, { recursive: true, force: true });
    });

    /** The answer as JSON; undefined when there is none. */
    async function deploy(...args: string[]): Promise<Answer> {
      called.add(args[0] ?? '');
      const { code, stdout, stderr } = await aws(['deploy', ...args]);
      if (code !== 0)
        throw new Error(`aws deploy ${args.join(' ')}: exit ${code}: ${stderr}${herd.log('coordinator')}`);
      return stdout.trim() === '' ? {} : (JSON.parse(stdout) as Answer);
    }
    /** The exception that it fails with. */
    async function exceptionOf(...args: string[]): Promise<string> {
      called.add(args[0] ?? '');
      const { code, stderr } = await aws(['deploy', ...args]);
      expect(code, stderr).to.equal(254);
      return /An error occurred \((\w+)\)/.exec(stderr)?.[1] ?? stderr;
    }
    const versionOn = (host: RealHost) => {
      const path = join(host.installRoot, VERSION_FILE);
      return existsSync(path) ? readFileSync(path, 'utf8').trim() : null;
    };
    const versions = () => herd.hosts.map(versionOn);
    /** Puts a bundle into the store that installs its version; `bad` fails in its validation. */
    async function upload(version: string): Promise<{ location: string; eTag: string; sdk: RevisionLocation }> {
      const files = 'files:\n  - source: VERSION\n    destination: /opt/shop\nfile_exists_behavior: OVERWRITE\n';
      const script = `#!/bin/sh\necho "this is ${version}"\n${version === 'bad' ? 'echo broken >&2; exit 7' : 'exit 0'}\n`;
      const { bytes } = await makeBundle(
        `${hooksAppSpec({ ValidateService: ['validate.sh'] })}${files}`,
        { VERSION: `${version}\n`, 'validate.sh': script },
        { VERSION: 0o644 },
      );
      const eTag = await s3.put(`shop/${version}.tgz`, bytes);
      const location = { bucket: s3.bucket, key: `shop/${version}.tgz`, bundleType: 'tgz' as const, eTag };
      return {
        location: `bucket=${location.bucket},key=${location.key},bundleType=tgz,eTag=${eTag}`,
        eTag,
        sdk: { revisionType: 'S3', s3Location: location },
      };
    }
    const group = ['--application-name', 'shop', '--deployment-group-name', 'prod'];

    it('sets up application, config, group and tags', async () => {
      const { applicationId } = await deploy('create-application', '--application-name', 'shops');
      await deploy('update-application', '--application-name', 'shops', '--new-application-name', 'shop');
      const { application } = await deploy('get-application', '--application-name', 'shop');
      expect(application).to.include({ applicationId, computePlatform: 'Server' });
      expect((await deploy('list-applications'))['applications']).to.deep.equal(['shop']);
      expect(
        (await deploy('batch-get-applications', '--application-names', 'shop'))['applicationsInfo'],
      ).to.have.length(1);
      await deploy(
        'create-deployment-config',
        '--deployment-config-name',
        'one-stays',
        '--minimum-healthy-hosts',
        'type=HOST_COUNT,value=1',
      );
      expect((await deploy('list-deployment-configs'))['deploymentConfigsList']).to.include('one-stays');
      expect(
        (await deploy('get-deployment-config', '--deployment-config-name', 'one-stays'))['deploymentConfigInfo'],
      ).to.deep.include({ minimumHealthyHosts: { type: 'HOST_COUNT', value: 1 } });
      await deploy(
        'create-deployment-group',
        '--application-name',
        'shop',
        '--deployment-group-name',
        'live',
        '--service-role-arn',
        ROLE,
        '--deployment-config-name',
        'one-stays',
        '--on-premises-instance-tag-filters',
        'Key=role,Value=web,Type=KEY_AND_VALUE',
        '--tags',
        'Key=team,Value=a',
      );
      await deploy(
        'update-deployment-group',
        '--application-name',
        'shop',
        '--current-deployment-group-name',
        'live',
        '--new-deployment-group-name',
        'prod',
        '--auto-rollback-configuration',
        'enabled=true,events=DEPLOYMENT_FAILURE',
      );
      expect((await deploy('get-deployment-group', ...group))['deploymentGroupInfo']).to.deep.include({
        onPremisesInstanceTagFilters: [{ Key: 'role', Value: 'web', Type: 'KEY_AND_VALUE' }],
        autoRollbackConfiguration: { enabled: true, events: ['DEPLOYMENT_FAILURE'] },
      });
      expect((await deploy('list-deployment-groups', '--application-name', 'shop'))['deploymentGroups']).to.deep.equal([
        'prod',
      ]);
      const batch = ['--application-name', 'shop', '--deployment-group-names', 'prod'];
      expect((await deploy('batch-get-deployment-groups', ...batch))['deploymentGroupsInfo']).to.have.length(1);
      const arn = ['--resource-arn', 'arn:aws:codedeploy:us-east-1:000000000000:deploymentgroup:shop/prod'];
      await deploy('tag-resource', ...arn, '--tags', 'Key=stage,Value=prod');
      await deploy('untag-resource', ...arn, '--tag-keys', 'team');
      expect((await deploy('list-tags-for-resource', ...arn))['Tags']).to.deep.equal([{ Key: 'stage', Value: 'prod' }]);
    });

    it('registers a revision, deploys it, and waits: it is on both hosts', async () => {
      const { location, eTag } = await upload('1.0.0');
      await deploy('register-application-revision', '--application-name', 'shop', '--s3-location', location);
      const found = await deploy('get-application-revision', '--application-name', 'shop', '--s3-location', location);
      expect(at(found, 'revision', 's3Location', 'eTag')).to.equal(eTag);
      expect((await deploy('list-application-revisions', '--application-name', 'shop'))['revisions']).to.have.length(1);
      const revisions = JSON.stringify([found['revision']]);
      const batch = ['--application-name', 'shop', '--revisions', revisions];
      expect((await deploy('batch-get-application-revisions', ...batch))['revisions']).to.have.length(1);

      const { deploymentId } = await deploy('create-deployment', ...group, '--s3-location', location);
      const id = String(deploymentId);
      await deploy('wait', 'deployment-successful', '--deployment-id', id);
      expect(versions()).to.deep.equal(['1.0.0', '1.0.0']);

      expect(at(await deploy('get-deployment', '--deployment-id', id), 'deploymentInfo', 'status')).to.equal(
        'Succeeded',
      );
      expect((await deploy('batch-get-deployments', '--deployment-ids', id))['deploymentsInfo']).to.have.length(1);
      expect(
        (await deploy('list-deployments', ...group, '--include-only-statuses', 'Succeeded'))['deployments'],
      ).to.deep.equal([id]);
      const ofDeployment = ['--deployment-id', id];
      expect((await deploy('list-deployment-targets', ...ofDeployment))['targetIds']).to.have.members([
        'web-1',
        'web-2',
      ]);
      const target = await deploy('get-deployment-target', ...ofDeployment, '--target-id', 'web-1');
      expect(at(target, 'deploymentTarget', 'instanceTarget', 'status')).to.equal('Succeeded');
      const targets = await deploy('batch-get-deployment-targets', ...ofDeployment, '--target-ids', 'web-1', 'web-2');
      expect(targets['deploymentTargets']).to.have.length(2);
      expect((await deploy('list-deployment-instances', ...ofDeployment))['instancesList']).to.have.length(2);
      const instance = await deploy('get-deployment-instance', ...ofDeployment, '--instance-id', 'web-2');
      expect(at(instance, 'instanceSummary', 'lifecycleEvents')).to.have.length(7);
      const instances = await deploy('batch-get-deployment-instances', ...ofDeployment, '--instance-ids', 'web-2');
      expect(instances['instancesSummary']).to.have.length(1);
    });

    it('brings the good revision back when one fails, and shows what the script printed', async () => {
      const { location } = await upload('bad');
      const { deploymentId } = await deploy(
        'create-deployment',
        ...group,
        '--s3-location',
        location,
        '--deployment-config-name',
        'CodeDeployDefault.AllAtOnce',
      );
      const id = String(deploymentId);
      const waited = await aws(['deploy', 'wait', 'deployment-successful', '--deployment-id', id]);
      expect(waited.code, waited.stderr).to.equal(255);
      const { deploymentInfo } = await deploy('get-deployment', '--deployment-id', id);
      expect(at(deploymentInfo, 'status')).to.equal('Failed');
      const rollback = String(at(deploymentInfo, 'rollbackInfo', 'rollbackDeploymentId'));
      await deploy('wait', 'deployment-successful', '--deployment-id', rollback);
      expect(versions()).to.deep.equal(['1.0.0', '1.0.0']);
      const target = await deploy('get-deployment-target', '--deployment-id', id, '--target-id', 'web-1');
      const events = at(target, 'deploymentTarget', 'instanceTarget', 'lifecycleEvents') as Answer[];
      const failed = events.find((event) => event['status'] === 'Failed');
      expect(at(failed, 'diagnostics', 'errorCode')).to.equal('ScriptFailed');
      expect(at(failed, 'diagnostics', 'scriptName')).to.equal('validate.sh');
      expect(at(failed, 'diagnostics', 'logTail')).to.contain('broken');
    });

    it('does the same with the SDK: typed errors, the waiter, the outcome on the hosts', async () => {
      const client = codeDeployClient(herd.url, key);
      const { sdk } = await upload('1.1.0');
      const request = { applicationName: 'shop', deploymentGroupName: 'prod', revision: sdk };
      const { deploymentId } = await client.createDeployment(request);
      const { state } = await waitUntilDeploymentSuccessful(
        { client, maxWaitTime: 60, minDelay: 1, maxDelay: 1 },
        { deploymentId },
      );
      expect(state).to.equal('SUCCESS');
      expect(versions()).to.deep.equal(['1.1.0', '1.1.0']);
      const failure = await client.getDeployment({ deploymentId: 'd-000000000' }).catch((error: unknown) => error);
      expect(failure).to.have.property('name', 'DeploymentDoesNotExistException');
    });

    it('refuses to continue what does not wait, and to stop what has ended', async () => {
      const [id = ''] = ((await deploy('list-deployments', ...group))['deployments'] ?? []) as string[];
      for (const command of ['stop-deployment', 'continue-deployment', 'skip-wait-time-for-instance-termination'])
        expect(await exceptionOf(command, '--deployment-id', id), command).to.equal(
          'DeploymentAlreadyCompletedException',
        );
    });

    it('registers, tags and deregisters on-premises instances', async () => {
      const name = ['--instance-name', 'later-1'];
      const names = ['--instance-names', 'later-1'];
      await deploy('register-on-premises-instance', ...name, '--iam-user-arn', USER_ARN);
      await deploy('add-tags-to-on-premises-instances', ...names, '--tags', 'Key=kind,Value=later');
      const filter = ['--tag-filters', 'Key=kind,Value=later,Type=KEY_AND_VALUE'];
      expect((await deploy('list-on-premises-instances', ...filter))['instanceNames']).to.deep.equal(['later-1']);
      expect(at(await deploy('get-on-premises-instance', ...name), 'instanceInfo', 'iamUserArn')).to.equal(USER_ARN);
      const batch = await deploy('batch-get-on-premises-instances', '--instance-names', 'later-1', 'web-1');
      expect(batch['instanceInfos']).to.have.length(2);
      await deploy('remove-tags-from-on-premises-instances', ...names, '--tags', 'Key=kind,Value=later');
      expect((await deploy('list-on-premises-instances', ...filter))['instanceNames']).to.deep.equal([]);
      await deploy('deregister-on-premises-instance', ...name);
      expect(await exceptionOf('get-on-premises-instance', '--instance-name', 'never')).to.equal(
        'InstanceNotRegisteredException',
      );
    });

    it('knows of no GitHub tokens and no stacks, and deletes what it made', async () => {
      expect((await deploy('list-git-hub-account-token-names'))['tokenNameList']).to.deep.equal([]);
      expect(await exceptionOf('delete-git-hub-account-token', '--token-name', 'x')).to.equal(
        'GitHubAccountTokenDoesNotExistException',
      );
      await deploy('delete-resources-by-external-id', '--external-id', 'x');
      const [id = ''] = ((await deploy('list-deployments', ...group))['deployments'] ?? []) as string[];
      expect(
        await exceptionOf('put-lifecycle-event-hook-execution-status', '--deployment-id', id, '--status', 'Succeeded'),
      ).to.equal('UnsupportedActionForDeploymentTypeException');
      expect(await exceptionOf('delete-deployment-config', '--deployment-config-name', 'one-stays')).to.equal(
        'DeploymentConfigInUseException',
      );
      await deploy('delete-deployment-group', ...group);
      await deploy('delete-deployment-config', '--deployment-config-name', 'one-stays');
      await deploy('delete-application', '--application-name', 'shop');
      expect((await deploy('list-applications'))['applications']).to.deep.equal([]);
    });

    it('has called every operation that it knows', async () => {
      const help = await aws(['deploy', 'no-such-command']);
      // A usage error lists the commands; some are aws's own, which call several services, or none.
      const own = new Set(['push', 'register', 'deregister', 'install', 'uninstall', 'wait', 'help']);
      const listed = help.stderr.split('valid choices are:')[1]?.match(/[a-z][a-z-]+/g) ?? [];
      const commands = listed.filter((name) => !own.has(name));
      expect(commands, help.stderr).to.have.length.above(40);
      expect(commands.filter((name) => !called.has(name))).to.deep.equal([]);
    });
  },
);

type Answer = Record<string, unknown>;

function at(value: unknown, ...path: string[]): unknown {
  return path.reduce<unknown>((inner, name) => (inner as Answer | undefined)?.[name], value);
}
