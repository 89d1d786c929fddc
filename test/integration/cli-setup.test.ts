import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readdir, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { parse } from 'yaml';
import { aDeployment, aGroup, aGroupHost, aHost, aRevision, aTarget, T0 } from '../support/api-samples.ts';
import { CliProcess, hasPseudoTerminal } from '../support/cli-process.ts';
import { FakeApi, type FakeRequest, problem } from '../support/fake-api.ts';
import { FakeHerd } from '../support/fake-herd.ts';

const page = (...items: unknown[]) => ({ items, nextCursor: null });
const APPSPEC =
  'version: 0.0\nos: linux\nfiles:\n  - source: /\n    destination: /srv/web\nhooks:\n  AfterInstall:\n    - location: run.sh\n';

describe('drover sets things up', function () {
  this.timeout(60_000);
  let api: FakeApi;
  let cli: CliProcess;
  let bundle: string;
  beforeEach(async () => {
    api = await FakeApi.start();
    cli = await CliProcess.create(api.url);
    bundle = join(cli.home, 'build');
    await mkdir(bundle);
    await writeFile(join(bundle, 'appspec.yml'), APPSPEC);
    await writeFile(join(bundle, 'run.sh'), '#!/bin/sh\ntrue\n');
    await chmod(join(bundle, 'run.sh'), 0o755);
  });
  afterEach(async () => {
    await api.close();
    await cli.remove();
  });

  const upload = 'POST /v1/applications/:application/revisions/upload';
  const acceptUploads = () => {
    api.on('GET /v1/applications/:application/revisions', page());
    api.on(upload, ({ query }: FakeRequest) => ({
      status: 201,
      body: aRevision({ digest: query['digest'] ?? '', label: query['label'] ?? '' }),
    }));
  };
  const uploads = () => api.requests.filter((request) => request.path.endsWith('/upload'));

  describe('push', () => {
    it('packs a directory, labels it by its digest, and sends nothing that is known', async () => {
      acceptUploads();
      const first = await cli.run(['push', 'build', '--app', 'web', '--json']);
      expect(first.exit, first.stderr).to.equal(0);
      const { revision, isNew } = JSON.parse(first.stdout) as {
        revision: { label: string; digest: string };
        isNew: boolean;
      };
      expect(isNew).to.equal(true);
      expect(revision.label).to.equal(revision.digest.slice(0, 8));
      const { query, raw, headers } = uploads()[0] as FakeRequest;
      expect(query).to.include({ bundleType: 'tgz', digest: revision.digest });
      expect(headers['content-length']).to.equal(String(raw.length));
      const listing = spawnSync('tar', ['tzf', '-'], { input: raw, encoding: 'utf8' });
      expect(listing.stdout.trim().split('\n')).to.have.members(['appspec.yml', 'run.sh']);
      const known = aRevision({ digest: revision.digest });
      api.on('GET /v1/applications/:application/revisions', page(known));
      api.on('POST /v1/applications/:application/revisions/:revision/push', known);
      const again = await cli.run(['push', 'build', '--app', 'web']);
      expect(again.stdout).to.contain('known already, nothing was sent');
      expect(uploads()).to.have.lengthOf(1);
      expect(api.requests.at(-2)?.query).to.include({ digest: revision.digest });
      expect(api.requests.at(-1)?.path).to.equal(`/v1/applications/web/revisions/${known.id}/push`);
    });

    it('sends a bundle that was known and is removed just then', async () => {
      acceptUploads();
      api.on('GET /v1/applications/:application/revisions', page(aRevision({ label: '1.0' })));
      const { exit, stdout } = await cli.run(['push', 'build', '--app', 'web', '--label', '1.0', '--json']);
      expect(exit).to.equal(0);
      expect(JSON.parse(stdout)).to.include({ isNew: true });
      expect(uploads()).to.have.lengthOf(1);
    });

    it('says that a bundle which is known keeps its label, and never lets it pass for another one', async () => {
      api.on('GET /v1/applications/:application/revisions', page(aRevision({ label: '1.0' })));
      api.on('POST /v1/applications/:application/revisions/:revision/push', aRevision({ label: '1.0' }));
      api.on('GET /v1/applications/:application/revisions/:revision', () => problem('not_found', 'no such revision'));
      const renamed = await cli.run(['push', 'build', '--app', 'web', '--label', '2.0']);
      expect(renamed.exit).to.equal(3);
      expect(renamed.stdout).to.equal('');
      expect((await cli.run(['push', 'build', '--app', 'web'])).stdout).to.match(/^1\.0 /);
      expect(renamed.stderr).to.contain('this bundle is here as 1.0 and keeps that label; there is no revision 2.0');
      api.on(
        'GET /v1/applications/:application/revisions/:revision',
        aRevision({ label: '2.0', digest: 'e'.repeat(64) }),
      );
      const taken = await cli.run(['push', 'build', '--app', 'web', '--label', '2.0']);
      expect(taken.exit).to.equal(3);
      expect(taken.stderr).to.contain('web has a revision 2.0 already, with other contents');
      expect(uploads()).to.deep.equal([]);
    });

    it('says the same when somebody else has pushed the bundle under another label just then', async () => {
      api.on('GET /v1/applications/:application/revisions', page());
      api.on('GET /v1/applications/:application/revisions/:revision', () => problem('not_found', 'no such revision'));
      api.on('POST /v1/applications/:application/revisions/upload', () => ({
        status: 201,
        body: aRevision({ label: '1.0' }),
      }));
      const { exit, stdout } = await cli.run(['push', 'build', '--app', 'web', '--label', '2.0', '--json']);
      expect(exit).to.equal(3);
      expect(JSON.parse(stdout))
        .to.have.property('error')
        .which.deep.includes({
          exitName: 'refused',
          message: 'this bundle is here as 1.0 and keeps that label; there is no revision 2.0',
          details: { revisionId: aRevision().id, label: '1.0' },
        });
    });

    it('tells which file cannot be packed, and what to do', async () => {
      acceptUploads();
      await writeFile(Buffer.concat([Buffer.from(join(bundle, 'caf')), Buffer.from([0xe9])]), '');
      const { exit, stderr } = await cli.run(['push', 'build', '--app', 'web']);
      expect(exit).to.equal(2);
      expect(stderr).to.contain('has a name that is not UTF-8, which bundles cannot hold');
    });

    it('leaves at once by Ctrl C while it packs, and leaves nothing behind', async () => {
      acceptUploads();
      await writeFile(join(bundle, 'large'), randomBytes(1_024 * 1_024));
      await truncate(join(bundle, 'large'), 64 * 1_024 ** 3);
      const temporary = join(cli.home, 'tmp');
      await mkdir(temporary);
      const child = cli.start(['push', 'build', '--app', 'web'], { env: { TMPDIR: temporary } });
      while ((await readdir(temporary)).length === 0) await sleep(50);
      child.process.kill('SIGINT');
      const { exit, stderr } = await child.finished;
      expect(exit).to.equal(130);
      expect(stderr).to.contain('left: nothing was registered');
      expect(await readdir(temporary)).to.deep.equal([]);
    });

    it('takes an archive as it is', async () => {
      acceptUploads();
      spawnSync('tar', ['cf', join(cli.home, 'web.tar'), '-C', bundle, '.']);
      const { exit, stdout } = await cli.run(['push', 'web.tar', '--app', 'web', '--label', '2.0']);
      expect(exit).to.equal(0);
      expect(stdout).to.match(/^2\.0 /);
      expect(uploads()[0]?.query).to.include({ bundleType: 'tar', label: '2.0' });
    });

    it('sends nothing when the AppSpec is wrong, and shows where', async () => {
      acceptUploads();
      await writeFile(join(bundle, 'appspec.yml'), APPSPEC.replace('run.sh', 'gone.sh'));
      const { exit, stderr } = await cli.run(['push', 'build', '--app', 'web']);
      expect(exit).to.equal(2);
      expect(stderr).to.match(/appspec\.yml:\d+:\d+: error: gone\.sh is not in the bundle/);
      expect(api.requests).to.deep.equal([]);
      expect((await cli.run(['push', 'build', '--app', 'web', '--no-lint'])).exit).to.equal(0);
    });

    it('says what is missing', async () => {
      expect((await cli.run(['push', 'build'])).stderr).to.contain('--app is missing');
      expect((await cli.run(['push', 'nowhere', '--app', 'web'])).stderr).to.contain(
        'there is no file or directory nowhere',
      );
      acceptUploads();
      api.on('GET /v1/applications/:application/revisions', () =>
        problem('not_found', 'there is no application wob', { hint: 'Did you mean web?' }),
      );
      const unknown = await cli.run(['push', 'build', '--app', 'wob']);
      expect(unknown.exit).to.equal(10);
      expect(unknown.stderr).to.contain('Did you mean web?');
    });

    it('happens first when a path is deployed', async () => {
      new FakeHerd(api).end('Succeeded');
      acceptUploads();
      const { exit } = await cli.run(['deploy', 'web/prod', './build', '--yes']);
      expect(exit).to.equal(0);
      expect(uploads()).to.have.lengthOf(1);
      expect(api.requested('POST', '/v1/deployments')[0]?.body).to.include({ revision: 'r-bbbbbbbbbbbb' });
    });
  });

  describe('lint', () => {
    it('needs no coordinator, and is content with what is right', async () => {
      const { exit, stdout, stderr } = await cli.run(['lint', 'build'], { env: { DROVER_URL: undefined } });
      expect(exit, stdout + stderr).to.equal(0);
      expect(stderr).to.contain('build/appspec.yml: 0 errors, 0 warnings');
    });

    it('tells every problem with line and caret, exits with 2, and has JSON', async () => {
      await writeFile(
        join(bundle, 'appspec.yml'),
        APPSPEC.replace('run.sh', 'gone.sh').replace('os: linux', 'os: windows'),
      );
      const { exit, stdout, stderr } = await cli.run(['lint', 'build']);
      expect(exit).to.equal(2);
      expect(stdout).to.match(/build\/appspec\.yml:2:\d+: error: .*\n {2}2 \| os: windows\n {4}\| +\^/);
      expect(stderr).to.match(/[1-9] errors?, \d+ warnings?/);
      const json = JSON.parse((await cli.run(['lint', 'build', '--json'])).stdout) as {
        errors: number;
        problems: { line: number }[];
      };
      expect(json.errors).to.be.greaterThan(0);
      expect(json.problems[0]?.line).to.equal(2);
    });

    it('says when there is no AppSpec, or no bundle at all', async () => {
      await mkdir(join(cli.home, 'empty'));
      expect((await cli.run(['lint', 'empty'])).stderr).to.contain('there is no appspec.yml in empty');
      await writeFile(join(cli.home, 'notes.txt'), 'hello');
      expect((await cli.run(['lint', 'notes.txt'])).stderr).to.contain(
        'neither a directory nor a tar, tgz or zip archive',
      );
    });
  });

  describe('groups', () => {
    const accept = (method: string) =>
      api.on(
        `${method} /v1/applications/:application/deployment-groups${method === 'POST' ? '' : '/:group'}`,
        ({ body }: FakeRequest) => ({
          status: method === 'POST' ? 201 : 200,
          body: { ...aGroup(), ...(body as object) },
        }),
      );

    it('are created by flags', async () => {
      accept('POST');
      api.on('GET /v1/applications/:application/deployment-groups/:group/hosts', page(aGroupHost('web-1')));
      const { exit, stdout } = await cli.run([
        'groups',
        'create',
        'web/edge',
        '--tag=role=web',
        '--tag=edge',
        '--config=careful',
        '--rollback=failure-or-stop',
        '--env=STAGE=prod',
        '--hooks-in=transient-unit',
      ]);
      expect(exit).to.equal(0);
      expect(stdout).to.equal('web/edge created. It selects 1 now.\n');
      expect(api.requests[0]?.body).to.deep.equal({
        name: 'edge',
        deploymentConfigName: 'careful',
        autoRollback: { enabled: true, events: ['DEPLOYMENT_FAILURE', 'DEPLOYMENT_STOP_ON_REQUEST'] },
        hookEnvironment: { STAGE: 'prod' },
        transientUnits: true,
        selection: {
          tagFilters: [
            { type: 'KEY_AND_VALUE', key: 'role', value: 'web' },
            { type: 'KEY_ONLY', key: 'edge' },
          ],
          tagSet: [],
          hostNames: [],
          scalingGroups: [],
        },
      });
    });

    it('are edited by what is given alone, so that nothing is taken back that somebody else changed meanwhile', async () => {
      api.on('GET /v1/applications/:application/deployment-groups/:group', aGroup());
      api.on('GET /v1/applications/:application/deployment-groups/:group/hosts', page());
      accept('PATCH');
      const edits: [flag: string, body: object][] = [
        ['--config=careful', { deploymentConfigName: 'careful' }],
        ['--host=web-9', { selection: { ...aGroup().selection, hostNames: ['web-9'] } }],
      ];
      for (const [flag, body] of edits) {
        const { exit, stderr } = await cli.run(['groups', 'edit', 'web/prod', flag, '--yes']);
        expect(exit, stderr).to.equal(0);
        expect(api.requests.findLast((request) => request.method === 'PATCH')?.body).to.deep.equal(body);
      }
    });

    it('are exported and applied: the difference is shown, asked for, and nothing is written when there is none', async () => {
      api.on('GET /v1/applications/:application/deployment-groups/:group', aGroup());
      api.on('GET /v1/applications/:application/deployment-groups/:group/hosts', page());
      accept('PATCH');
      const { stdout: yaml } = await cli.run(['groups', 'export', 'web/prod']);
      const same = await cli.run(['groups', 'apply', '-f', '-'], { stdin: yaml });
      expect(same.exit).to.equal(4);
      const changed = yaml.replace('CodeDeployDefault.OneAtATime', 'careful');
      await writeFile(join(cli.home, 'prod.yaml'), changed);
      const unanswered = await cli.run(['groups', 'apply', '-f', 'prod.yaml']);
      expect(unanswered.exit).to.equal(64);
      expect(unanswered.stderr).to.contain(
        '- deploymentConfigName: CodeDeployDefault.OneAtATime\n  + deploymentConfigName: careful',
      );
      const applied = await cli.run(['groups', 'apply', '-f', 'prod.yaml', '--yes']);
      expect(applied.exit).to.equal(0);
      expect(api.requests.filter((request) => request.method === 'PATCH')).to.have.lengthOf(1);
      expect(api.requests.find((request) => request.method === 'PATCH')?.body).to.include({
        deploymentConfigName: 'careful',
      });
    });

    it('are changed as far as was said yes to, and it is told how far that is', async function () {
      if (!hasPseudoTerminal()) return this.skip();
      api.on('GET /v1/applications/:application/deployment-groups/:group', ({ params }: FakeRequest) => ({
        body: aGroup({ name: params['group'] ?? '' }),
      }));
      api.on('GET /v1/applications/:application/deployment-groups/:group/hosts', page());
      accept('PATCH');
      const { stdout: yaml } = await cli.run(['groups', 'export', 'web/prod']);
      const careful = yaml.replace('CodeDeployDefault.OneAtATime', 'careful');
      await writeFile(join(cli.home, 'both.yaml'), `${careful.replace('name: prod', 'name: canary')}---\n${careful}`);
      const apply = cli.startOnTerminal(['groups', 'apply', '-f', 'both.yaml']);
      await apply.shows(/Change web\/canary .*\[y\/N\]/);
      apply.key('y\n');
      await apply.shows(/Change web\/prod .*\[y\/N\]/);
      apply.key('n\n');
      const { exit, stdout } = await apply.finished;
      expect(exit).to.equal(3);
      expect(stdout).to.contain('web/prod is as it was; changed: web/canary').and.not.to.contain('nothing was changed');
    });

    it('say where a file is wrong', async () => {
      const { exit, stderr } = await cli.run(['groups', 'apply', '-f', '-'], {
        stdin: 'application: web\nname: prod\nselection:\n  tags: {}\n',
      });
      expect(exit).to.equal(2);
      expect(stderr).to.contain('stdin:4:3: error:');
      expect(stderr).to.contain('  4 |   tags: {}\n    |   ^');
    });

    it('are shown with their hosts', async () => {
      api.on('GET /v1/applications/:application/deployment-groups/:group', aGroup());
      api.on(
        'GET /v1/applications/:application/deployment-groups/:group/hosts',
        page(aGroupHost('web-1'), aGroupHost('web-2', { presence: 'Offline', isInService: false })),
      );
      for (const command of [
        ['groups', 'show', 'web/prod'],
        ['status', 'web/prod'],
      ]) {
        const { stdout } = await cli.run(command);
        expect(stdout).to.contain('role=web');
        expect(stdout).to.contain('1 of 2 hosts');
        expect(stdout).to.match(/web-2 +Offline +Healthy +1\.8\.4 \(current\) +not in service/);
      }
    });
  });

  describe('hosts', () => {
    it('are said to be none only where none was left out', async () => {
      api.on('GET /v1/hosts', page());
      expect((await cli.run(['hosts', 'ls'])).stdout).to.equal('No host. Enrol one: drover hosts enrol-token\n');
      expect((await cli.run(['hosts', 'ls', '--tag', 'role=wbe'])).stdout).to.equal(
        'No host fits. See all: drover hosts ls\n',
      );
    });

    it('get join tokens: the secret alone on stdout', async () => {
      api.on('POST /v1/join-tokens', ({ body }: FakeRequest) => ({
        status: 201,
        body: {
          id: 'jt-1',
          usesLeft: 1,
          createdAt: T0,
          createdBy: 'ana',
          expiresAt: T0,
          secret: 'drover_join_x',
          ...(body as object),
        },
      }));
      const { stdout, stderr } = await cli.run([
        'hosts',
        'enrol-token',
        '--tag',
        'role=web',
        '--uses',
        '5',
        '--valid',
        '2h',
      ]);
      expect(stdout).to.equal('drover_join_x\n');
      expect(stderr).to.contain('not shown again');
      expect(api.requests[0]?.body).to.deep.equal({
        tags: { role: 'web' },
        zone: null,
        scalingGroup: null,
        uses: 5,
        validForSeconds: 7_200,
      });
    });

    it('get and lose tags one by one, and nothing is said of the others, which somebody else may change', async () => {
      api.on('PATCH /v1/hosts/:host', aHost('web-1', { tags: { role: 'api', zone: 'a' } }));
      const { stdout } = await cli.run(['hosts', 'tag', 'web-1', 'role=api', 'tier-', 'zone=a', 'tier=x', 'tier-']);
      expect(stdout).to.equal('web-1  role=api zone=a\n');
      expect(api.requests.map(({ method, body }) => ({ method, body }))).to.deep.equal([
        { method: 'PATCH', body: { setTags: { role: 'api', zone: 'a' }, removeTags: ['tier'] } },
      ]);
      expect((await cli.run(['hosts', 'tag', 'web-1', 'nonsense'])).exit).to.equal(2);
    });

    it('are forgotten only after a yes', async () => {
      api.on('GET /v1/hosts/:host', aHost('web-1'));
      api.on('DELETE /v1/hosts/:host', () => ({ status: 204 }));
      expect((await cli.run(['hosts', 'forget', 'web-1'])).exit).to.equal(64);
      expect((await cli.run(['hosts', 'forget', 'web-1', '--yes'])).stdout).to.equal('web-1 is forgotten\n');
    });
  });

  it("registers hosts with AWS's agent, with that agent's own file alone on stdout", async () => {
    const iamArn = 'arn:aws:iam::000000000000:user/web-7';
    const host = aHost('web-7', { agentKind: 'codedeploy', iamArn, agentVersion: null });
    api.on('POST /v1/hosts/codedeploy', () => ({
      status: 201,
      body: { host, accessKeyId: 'DROV0000000000000001', secretAccessKey: 'secret-1' },
    }));
    const { stdout, stderr } = await cli.run(['hosts', 'register-codedeploy-agent', 'web-7', '--tag', 'role=web']);
    expect(parse(stdout)).to.deep.equal({
      region: 'us-east-1',
      iam_user_arn: iamArn,
      aws_access_key_id: 'DROV0000000000000001',
      aws_secret_access_key: 'secret-1',
    });
    expect(stderr).to.contain(':deploy_control_endpoint: http://').and.to.contain(':s3_endpoint_override: http://');
    api.on('GET /v1/hosts', page({ ...host, agentVersion: 'OFFICIAL_1.8.1' }));
    expect((await cli.run(['hosts', 'ls'])).stdout).to.contain('AWS CodeDeploy OFFICIAL_1.8.1');
    api.on('GET /v1/hosts/:host', host);
    expect((await cli.run(['hosts', 'show', 'web-7'])).stdout).to.contain(iamArn);
  });

  it('makes access keys in the form that aws reads, and removes them by id', async () => {
    const key = {
      id: 'DROV0000000000000001',
      holder: { kind: 'operator', name: 'ci' },
      isSession: true,
      createdAt: T0,
      createdBy: 'ana',
      lastUsedAt: null,
      expiresAt: null,
    };
    api.on('POST /v1/access-keys', () => ({
      status: 201,
      body: { ...key, secretAccessKey: 'secret-1', sessionToken: 'token-1' },
    }));
    api.on('GET /v1/access-keys', page(key));
    api.on('DELETE /v1/access-keys/:id', () => ({ status: 204 }));
    const made = await cli.run(['access-keys', 'create', '--operator', 'ci', '--session', '--valid', '12h']);
    expect(made.stdout).to.equal(
      'AWS_ACCESS_KEY_ID=DROV0000000000000001\nAWS_SECRET_ACCESS_KEY=secret-1\nAWS_SESSION_TOKEN=token-1\n',
    );
    expect(api.requested('POST', '/v1/access-keys')[0]?.body).to.deep.equal({
      operator: 'ci',
      validForSeconds: 43_200,
      session: true,
    });
    expect((await cli.run(['access-keys', 'create'])).exit).to.equal(2);
    expect((await cli.run(['access-keys', 'ls'])).stdout).to.match(/DROV0000000000000001 +operator ci +never +never/);
    expect((await cli.run(['access-keys', 'rm', key.id, '--yes'])).exit).to.equal(0);
    expect(api.requested('DELETE', `/v1/access-keys/${key.id}`)).to.have.lengthOf(1);
  });

  it('makes tokens for operators, with the secret alone on stdout, and revokes them by name', async () => {
    const token = {
      id: 'ot-1',
      name: 'ci',
      role: 'deployer',
      createdAt: T0,
      createdBy: 'ana',
      lastUsedAt: null,
      expiresAt: null,
    };
    api.on('POST /v1/operator-tokens', () => ({ status: 201, body: { ...token, secret: 'drover_op_x' } }));
    api.on('GET /v1/operator-tokens', page(token));
    api.on('DELETE /v1/operator-tokens/:id', () => ({ status: 204 }));
    expect((await cli.run(['tokens', 'create', 'ci', '--role', 'deployer'])).stdout).to.equal('drover_op_x\n');
    expect((await cli.run(['tokens', 'ls'])).stdout).to.match(/ci +deployer +ot-1 +never/);
    expect((await cli.run(['tokens', 'rm', 'ci', '--yes'])).exit).to.equal(0);
    expect(api.requested('DELETE', '/v1/operator-tokens/ot-1')).to.have.lengthOf(1);
    expect((await cli.run(['tokens', 'create', 'x', '--role', 'king'])).stderr).to.contain('viewer, deployer, admin');
  });

  it('makes, shows and explains deployment configs', async () => {
    const config = {
      name: 'careful',
      minimumHealthyHosts: { type: 'FLEET_PERCENT', value: 90 },
      isPredefined: false,
      createdAt: T0,
    };
    api.on('POST /v1/deployment-configs', ({ body }: FakeRequest) => ({
      status: 201,
      body: { ...config, ...(body as object) },
    }));
    api.on('GET /v1/deployment-configs/:config', config);
    expect((await cli.run(['configs', 'create', 'careful', '--min-healthy', '90%'])).stdout).to.equal(
      'careful created: 90 % of the hosts\n',
    );
    expect(api.requests[0]?.body).to.deep.equal({
      name: 'careful',
      minimumHealthyHosts: { type: 'FLEET_PERCENT', value: 90 },
    });
    const { stdout } = await cli.run(['configs', 'preview', 'careful', '--hosts', '50']);
    expect(stdout).to.match(/45 of 50 hosts\nAt once +5 hosts\nEnds with +5 failures/);
    expect((await cli.run(['configs', 'create', 'x', '--min-healthy', '120%'])).exit).to.equal(2);
  });

  describe('the other ways to deploy', () => {
    it('rolls back a group, by its name or by a deployment of it', async () => {
      new FakeHerd(api).end('Succeeded');
      expect((await cli.run(['rollback', 'web/prod', '--to', '1.8.3', '--yes'])).exit).to.equal(0);
      expect((await cli.run(['rollback', 'd-8K1M2N3P4', '--yes', '--detach'])).exit).to.equal(0);
      const [first, second] = api.requested('POST', '/v1/applications/web/deployment-groups/prod/rollback');
      expect(first?.body).to.include({ to: '1.8.3' });
      expect(second?.body).to.include({ to: 'r-aaaaaaaaaaaa' });
    });

    it('asks before a rollback with the revision that it would bring, and brings that one', async () => {
      new FakeHerd(api).end('Succeeded');
      const gone = { presence: 'Offline', revisionId: 'r-bbbbbbbbbbbb' } as const;
      api.on(
        'GET /v1/applications/:application/deployment-groups/:group/hosts',
        page(aGroupHost('api-1', { revisionId: 'r-bbbbbbbbbbbb' }), aGroupHost('api-2', gone)),
      );
      const asked = await cli.run(['rollback', 'web/prod']);
      expect(asked.exit).to.equal(64);
      expect(asked.stderr).to.match(/^Plan: .*1\.8\.2 on 2 hosts, CodeDeployDefault.OneAtATime\. In service/m);
      expect(asked.stderr).to.contain('  1 host offline, and will fail: api-2\n');
      expect(asked.stderr).to.contain('back to 1.8.2');
    });

    it('leaves the revision to the coordinator where the key says that the rollback may be a repeated one', async () => {
      new FakeHerd(api).end('Succeeded');
      await cli.run(['rollback', 'web/prod', '--yes', '--idempotency-key=incident-7', '--detach']);
      const [request] = api.requested('POST', '/v1/applications/web/deployment-groups/prod/rollback');
      expect(request?.body).to.deep.equal({ idempotencyKey: 'incident-7' });
    });

    it('deploys what an earlier deployment did, in its way', async () => {
      const herd = new FakeHerd(api, { deploymentConfigName: 'careful', fileExistsBehavior: 'OVERWRITE' });
      herd.end('Succeeded');
      const { exit } = await cli.run(['redeploy', 'web/prod', 'd-8K1M2N3P4', '--yes']);
      expect(exit).to.equal(0);
      expect(api.requested('POST', '/v1/deployments')[0]?.body).to.include({
        revision: 'r-bbbbbbbbbbbb',
        deploymentConfigName: 'careful',
        fileExistsBehavior: 'OVERWRITE',
      });
    });

    it('deploys again to the hosts that failed, and says when there are none', async () => {
      const herd = new FakeHerd(api)
        .start('api-1')
        .fail('api-1')
        .end('Failed', { autoRollback: { enabled: false, events: [] } });
      api.on('GET /v1/deployments/:deployment/targets', ({ query }: FakeRequest) => ({
        body: page(...(query['status'] === 'Failed' ? [aTarget('api-1')] : [])),
      }));
      api.on(
        'GET /v1/applications/:application/deployment-groups/:group/hosts',
        page(aGroupHost('api-1', { presence: 'Offline' }), aGroupHost('api-2')),
      );
      const retried = await cli.run(['retry', 'd-8K1M2N3P4', '--yes', '--detach']);
      expect(retried.exit).to.equal(0);
      expect(retried.stderr).to.contain('on 1 of 2 hosts').and.contain('1 host offline, and will fail: api-1');
      expect(api.requested('POST', '/v1/deployments')[0]?.body).to.include({
        onlyFailedOf: 'd-8K1M2N3P4',
        description: 'again after d-8K1M2N3P4',
      });
      herd.deployment = aDeployment({
        status: 'Succeeded',
        completedAt: T0,
        overview: { Pending: 0, InProgress: 0, Succeeded: 5, Failed: 0, Skipped: 0 },
      });
      expect((await cli.run(['retry', 'd-8K1M2N3P4', '--yes'])).exit).to.equal(4);
    });

    it('passes every restriction and flag on', async () => {
      new FakeHerd(api);
      api.on('GET /v1/hosts', page(aHost('api-1')));
      await cli.run([
        'deploy',
        'web/prod',
        '--yes',
        '--detach',
        '--only=tag:zone=a',
        '--only=host:api-1,api-2',
        '--only=failed-of:d-8K1M2N3P4',
        '--ignore-application-stop-failures',
        '--file-exists-behavior=retain',
        '--config=careful',
        '--idempotency-key=build-77',
      ]);
      expect(api.requested('POST', '/v1/deployments')[0]?.body).to.deep.equal({
        application: 'web',
        deploymentGroup: 'prod',
        revision: 'r-bbbbbbbbbbbb',
        deploymentConfigName: 'careful',
        ignoreApplicationStopFailures: true,
        fileExistsBehavior: 'RETAIN',
        onlyTagFilters: [{ type: 'KEY_AND_VALUE', key: 'zone', value: 'a' }],
        onlyHostNames: ['api-1', 'api-2'],
        onlyFailedOf: 'd-8K1M2N3P4',
        idempotencyKey: 'build-77',
      });
      expect((await cli.run(['deploy', 'web/prod', '--only', 'nonsense'])).exit).to.equal(2);
    });
  });

  it('says what needs somebody: what runs, what was not mended, who is away', async () => {
    const now = Date.now();
    const failed = aDeployment({
      id: 'd-FAILED001',
      status: 'Failed',
      deploymentGroupId: 'g2',
      deploymentGroup: 'blue',
      createdAt: now - 7_200_000,
      completedAt: now - 7_000_000,
    });
    const mended = [
      aDeployment({
        id: 'd-MENDED001',
        status: 'Failed',
        deploymentGroupId: 'g3',
        createdAt: now - 9_000_000,
        completedAt: now,
      }),
      aDeployment({
        id: 'd-MENDED002',
        status: 'Succeeded',
        deploymentGroupId: 'g3',
        createdAt: now - 8_000_000,
        completedAt: now,
      }),
    ];
    const running = aDeployment({ createdAt: now - 5_000, startedAt: now - 5_000 });
    api.on('GET /v1/deployments', ({ query }: FakeRequest) => ({
      body: query['active'] === 'true' ? page(running) : page(running, failed, ...mended),
    }));
    api.on('GET /v1/hosts', page(aHost('web-9', { presence: 'Offline' })));
    api.on('GET /v1/applications', page({ id: 'a-1', name: 'web', description: '', createdAt: 0 }));
    api.on('GET /v1/applications/web/deployment-groups', page(aGroup(), aGroup({ id: 'g4', name: 'gone' })));
    api.on(
      'GET /v1/applications/web/deployment-groups/prod/hosts',
      page(aGroupHost('web-1', { isInService: false }), aGroupHost('web-2')),
    );
    const { exit, stdout, stderr } = await cli.run([]);
    expect(exit, stderr).to.equal(0);
    expect(stdout).to.match(/^Running +d-8K1M2N3P4 .*drover watch d-8K1M2N3P4$/m);
    expect(stdout).to.match(/^Not mended +d-FAILED001 .*web\/blue.*drover why d-FAILED001$/m);
    expect(stdout).to.match(/^Offline +1 host: web-9$/m);
    expect(stdout).to.match(/^In service +web\/prod {2}1 of 2 hosts, d-8K1M2N3P4 is at work there$/m);
    const { incompleteGroups } = JSON.parse((await cli.run(['status', '--json'])).stdout) as Record<string, unknown>;
    expect(incompleteGroups).to.deep.equal([
      {
        application: 'web',
        deploymentGroup: 'prod',
        hosts: 2,
        inServiceHosts: 1,
        runningDeploymentIds: ['d-8K1M2N3P4'],
      },
    ]);
    expect(stdout).not.to.contain('d-MENDED');
    api.on(
      'GET /v1/hosts',
      page(...Array.from({ length: 230 }, (_, at) => aHost(`edge-${at}`, { presence: 'Offline' }))),
    );
    expect((await cli.run([])).stdout).to.match(/^Offline +230 hosts: edge-0 edge-1 edge-2 edge-3 \+226$/m);
    const broughtIn = Array.from({ length: 1_200 }, (_, at) =>
      aDeployment({
        id: `d-IN${`${at}`.padStart(7, '0')}`,
        status: 'Succeeded',
        creator: 'autoscaling',
        createdAt: now,
      }),
    );
    api.on('GET /v1/deployments', ({ query }: FakeRequest) => {
      const all = query['active'] === 'true' ? [] : [...broughtIn, failed];
      const from = Number(query['cursor'] ?? 0);
      const to = from + Number(query['limit']);
      return { body: { items: all.slice(from, to), nextCursor: to < all.length ? `${to}` : null } };
    });
    expect((await cli.run([])).stdout, 'however many hosts were brought in since').to.contain('d-FAILED001');
    api.on('GET /v1/deployments', page()).on('GET /v1/hosts', page());
    expect((await cli.run(['status'])).stdout).to.equal(
      'In service  web/prod  1 of 2 hosts   drover status web/prod\n',
    );
    api.on('GET /v1/applications/web/deployment-groups/prod/hosts', page(aGroupHost('web-1')));
    expect((await cli.run(['status'])).stdout).to.equal(
      'Nothing runs, nothing of the last day is left broken, no host is offline or out of service.\n',
    );
  });

  it('lists no history of what is not there, and the audit of the last deployment', async () => {
    new FakeHerd(api);
    api.on('GET /v1/deployments', page());
    const absent = (what: string, hint: string) => () => problem('not_found', what, { hint });
    api.on('GET /v1/applications/:application', absent('there is no application nope', 'Did you mean node?'));
    api.on(
      'GET /v1/applications/web/deployment-groups/prdo',
      absent('there is no deployment group web/prdo', 'Did you mean prod?'),
    );
    const ofNothing = await cli.run(['history', '--app', 'nope']);
    expect([ofNothing.exit, ofNothing.stderr.split('\n')[1]]).to.deep.equal([10, '  Did you mean node?']);
    const ofNoGroup = await cli.run(['ls', '--group', 'web/prdo']);
    expect([ofNoGroup.exit, ofNoGroup.stderr.split('\n')[1]]).to.deep.equal([10, '  Did you mean prod?']);
    expect((await cli.run(['history', '--group', 'web/prod'])).stdout).to.equal('No deployment.\n');

    await cli.run(['deploy', 'web/prod', '--yes', '--detach']);
    api.on('GET /v1/audit', page());
    expect((await cli.run(['audit', '--on', 'last'])).exit).to.equal(0);
    expect(api.requested('GET', '/v1/audit')[0]?.query['subject']).to.equal('d-8K1M2N3P4');
  });

  it('lists history and audit with their filters', async () => {
    api.on('GET /v1/deployments', page(aDeployment()));
    api.on(
      'GET /v1/audit',
      page({
        sequence: 7,
        at: T0,
        actor: 'ana',
        action: 'deployment.create',
        subject: 'web/prod',
        details: {},
        remoteAddress: '10.0.0.1',
      }),
    );
    for (const name of ['history', 'ls']) {
      const { stdout } = await cli.run([
        name,
        '--group',
        'web/prod',
        '--status',
        'failed',
        '--since',
        '7d',
        '--active',
      ]);
      expect(stdout).to.match(/^DEPLOYMENT +GROUP +REVISION +STATUS/);
      expect(api.requests.at(-1)?.query).to.include({
        application: 'web',
        deploymentGroup: 'prod',
        status: 'Failed',
        active: 'true',
      });
    }
    const audit = await cli.run(['audit', '--by', 'ana', '--on', 'web/prod']);
    expect(audit.stdout).to.contain('2026-03-04 14:02:00 +00:00  ana  deployment.create  web/prod  10.0.0.1');
    expect(api.requests.at(-1)?.query).to.include({ actor: 'ana', subject: 'web/prod' });
  });
});
