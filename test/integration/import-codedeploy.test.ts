import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { type AccessKeyPair, codeDeployClient, newAccessKey } from '../support/aws-tools.ts';
import { CliProcess, type Finished } from '../support/cli-process.ts';
import { at, startTestCoordinator, type TestCoordinator } from '../support/coordinator.ts';
import { enrolHost } from '../support/raw-agent.ts';
import { startS3, type TestS3 } from '../support/s3-server.ts';

interface Item {
  kind: string;
  name: string;
  state: string;
  reasons: { code: string; text: string }[];
  notes: { code: string; text: string }[];
}

const GROUP = { deploymentConfigName: 'three', autoRollback: { enabled: true, events: ['DEPLOYMENT_FAILURE'] } };
const TOPIC = 'arn:aws:sns:eu-west-1:123456789012:deployments';

describe('drover import codedeploy', function () {
  this.timeout(120_000);
  /** The account: Drover itself, by its AWS-compatible API. */
  let source: TestCoordinator;
  let key: AccessKeyPair;
  let s3: TestS3;
  let directory: string;
  /** Where things are to be. */
  let target: TestCoordinator;
  let cli: CliProcess;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'drover-import-'));
    s3 = await startS3();
    await writeFile(join(directory, 'secret'), s3.secret);
    source = await startTestCoordinator({ s3: { ...s3.settings, secretAccessKeyFile: join(directory, 'secret') } });
    key = await newAccessKey(source);
    await source.call('POST', '/v1/deployment-configs', {
      body: { name: 'three', minimumHealthyHosts: { type: 'HOST_COUNT', value: 3 } },
    });
    for (const name of ['web', 'api']) await source.call('POST', '/v1/applications', { body: { name } });
    const client = codeDeployClient(source.url, key);
    await client.createDeploymentGroup({
      applicationName: 'web',
      deploymentGroupName: 'prod',
      serviceRoleArn: 'arn:aws:iam::123456789012:role/codedeploy',
      deploymentConfigName: 'three',
      ec2TagFilters: [{ Key: 'role', Value: 'web', Type: 'KEY_AND_VALUE' }],
      onPremisesInstanceTagFilters: [{ Key: 'rack', Type: 'KEY_ONLY' }],
      autoScalingGroups: ['web-asg'],
      autoRollbackConfiguration: { enabled: true, events: ['DEPLOYMENT_FAILURE'] },
      triggerConfigurations: [{ triggerName: 't', triggerTargetArn: TOPIC, triggerEvents: ['DeploymentFailure'] }],
    });
    await client.createDeploymentGroup({
      applicationName: 'api',
      deploymentGroupName: 'sets',
      serviceRoleArn: 'arn:aws:iam::123456789012:role/codedeploy',
      ec2TagSet: {
        ec2TagSetList: [[{ Key: 'a', Type: 'KEY_ONLY' }], [{ Key: 'b', Value: '1', Type: 'KEY_AND_VALUE' }]],
      },
      outdatedInstancesStrategy: 'IGNORE',
    });
    const eTag = await s3.put('builds/web-1.0.zip', Buffer.from('a bundle of version 1.0'));
    await client.registerApplicationRevision({
      applicationName: 'web',
      revision: {
        revisionType: 'S3',
        s3Location: { bucket: s3.bucket, key: 'builds/web-1.0.zip', bundleType: 'zip', eTag },
      },
    });
    client.destroy();
    await enrolHost(source, 'web-1', { token: { tags: { role: 'web' } } });
  });
  after(async () => {
    await source.remove();
    await s3.stop();
    await rm(directory, { recursive: true, force: true });
  });
  beforeEach(async () => {
    target = await startTestCoordinator();
    cli = await CliProcess.create(target.url);
    await mkdir(join(cli.home, '.aws'));
    await writeFile(
      join(cli.home, '.aws/credentials'),
      `[drover]\naws_access_key_id = ${key.accessKeyId}\naws_secret_access_key = ${key.secretAccessKey}\n` +
        `[store]\naws_access_key_id = ${s3.settings.accessKeyId}\naws_secret_access_key = ${s3.secret}\n`,
    );
    await writeFile(
      join(cli.home, '.aws/config'),
      '[profile drover]\nregion = eu-west-1\n[profile store]\nregion = us-east-1\n',
    );
  });
  afterEach(async () => {
    await cli.remove();
    await target.remove();
  });

  interface RunOptions {
    url?: string;
    env?: Record<string, string | undefined>;
  }
  const run = (args: string[], { url = source.url, env = {} }: RunOptions = {}): Promise<Finished> =>
    cli.run(['import', 'codedeploy', '--endpoint-url', url, ...args], {
      env: {
        DROVER_TOKEN: target.adminToken,
        AWS_ACCESS_KEY_ID: key.accessKeyId,
        AWS_SECRET_ACCESS_KEY: key.secretAccessKey,
        AWS_REGION: 'us-east-1',
        AWS_EC2_METADATA_DISABLED: 'true',
        ...env,
      },
    });
  async function items(args: string[], options?: RunOptions): Promise<{ exit: number | null; items: Item[] }> {
    const { exit, stdout, stderr } = await run([...args, '--json'], options);
    expect(stdout, stderr).to.match(/^\{/);
    return { exit, items: (JSON.parse(stdout) as { items?: Item[] }).items ?? [] };
  }
  const states = (all: readonly Item[]) => all.map((item) => `${item.state} ${item.kind} ${item.name}`);
  const BUNDLES = () => ['--s3-endpoint-url', s3.endpoint, '--s3-profile', 'store', '--revisions', 'all'];

  it('shows what it would do, and does nothing', async () => {
    const { exit, items: planned } = await items(['--dry-run', ...BUNDLES()]);
    expect(exit).to.equal(0);
    expect(states(planned)).to.deep.equal([
      'create deployment-config three',
      'create application api',
      'create application web',
      'create deployment-group api/sets',
      'create deployment-group web/prod',
      'create revision web s3://bundles/builds/web-1.0.zip',
      'cannot on-premises-instance web-1',
    ]);
    const prod = planned.find((item) => item.name === 'web/prod');
    expect(prod?.notes.map((note) => note.code)).to.deep.equal(['ec2-tags', 'scaling-groups', 'triggers']);
    expect(planned.at(-1)?.reasons[0]?.text).to.contain('drover hosts enrol-token --tag role=web');
    const applications = await target.call('GET', '/v1/applications');
    expect(at(applications.body, 'items')).to.deep.equal([]);
    const text = await run(['--dry-run']);
    expect(text.stdout).to.contain('to create');
    expect(text.stdout).to.match(/5 to create, 1 cannot\.\n$/);
    expect(text.stderr).to.equal('');
  });

  it('creates everything as it is there, and finds nothing left to do the second time', async () => {
    const first = await items([...BUNDLES(), '--yes']);
    expect(first.exit).to.equal(0);
    expect(first.items.filter((item) => item.state === 'created')).to.have.length(6);
    const path = '/v1/applications/web/deployment-groups/prod';
    const [there, here] = [await source.call('GET', path), await target.call('GET', path)];
    for (const part of ['selection', 'deploymentConfigName', 'autoRollback', 'outdatedInstancesStrategy', 'triggers'])
      expect(at(here.body, part), part).to.deep.equal(at(there.body, part));
    const sets = '/v1/applications/api/deployment-groups/sets';
    const [setsThere, setsHere] = [await source.call('GET', sets), await target.call('GET', sets)];
    expect(at(setsHere.body, 'selection')).to.deep.equal(at(setsThere.body, 'selection'));
    expect(at(setsHere.body, 'outdatedInstancesStrategy')).to.equal('IGNORE');
    const config = await target.call('GET', '/v1/deployment-configs/three');
    expect(at(config.body, 'minimumHealthyHosts')).to.deep.equal({ type: 'HOST_COUNT', value: 3 });
    const revisions = await target.call('GET', '/v1/applications/web/revisions');
    expect(at(revisions.body, 'items.0')).to.deep.include({
      digest: createHash('sha256').update('a bundle of version 1.0').digest('hex'),
      bundleType: 'zip',
      description: 'Imported from s3://bundles/builds/web-1.0.zip',
    });

    const before = await audit();
    const second = await items([...BUNDLES(), '--yes']);
    expect(second.exit).to.equal(4);
    expect(new Set(second.items.map((item) => item.state))).to.deep.equal(new Set(['same', 'cannot']));
    expect(await audit()).to.equal(before);
  });

  it('registers revisions in the order in which they were, so that the newest of them is `latest`', async () => {
    await source.call('POST', '/v1/applications', { body: { name: 'aged' } });
    const client = codeDeployClient(source.url, key);
    for (const version of ['1', '2', '3']) {
      const eTag = await s3.put(`aged-${version}.zip`, Buffer.from(`a bundle of version ${version}`));
      const s3Location = { bucket: s3.bucket, key: `aged-${version}.zip`, bundleType: 'zip', eTag } as const;
      await client.registerApplicationRevision({
        applicationName: 'aged',
        revision: { revisionType: 'S3', s3Location },
      });
    }
    client.destroy();
    const { exit } = await items([...BUNDLES(), '--application', 'aged', '--yes']);
    await source.call('DELETE', '/v1/applications/aged');
    expect(exit).to.equal(0);
    const latest = await target.call('GET', '/v1/applications/aged/revisions/latest');
    expect(at(latest.body, 'description')).to.equal('Imported from s3://bundles/aged-3.zip');
  });

  it('says what is here in another way, and leaves it so', async () => {
    await target.call('POST', '/v1/applications', { body: { name: 'web' } });
    await target.call('POST', '/v1/deployment-configs', {
      body: { name: 'three', minimumHealthyHosts: { type: 'HOST_COUNT', value: 2 } },
    });
    await target.call('POST', '/v1/applications/web/deployment-groups', {
      body: { name: 'prod', selection: {}, ...GROUP },
    });
    const { exit, items: planned } = await items(['--application', 'web', '--revisions', 'none', '--yes']);
    expect(exit).to.equal(4);
    expect(states(planned)).to.deep.equal([
      'differs deployment-config three',
      'same application web',
      'differs deployment-group web/prod',
    ]);
    expect(planned[2]?.reasons.map((one) => one.code)).to.deep.equal(['selection', 'triggers']);
    const group = await target.call('GET', '/v1/applications/web/deployment-groups/prod');
    expect(at(group.body, 'selection.scalingGroups')).to.deep.equal([]);
  });

  it('goes on where an earlier run ended', async () => {
    await target.call('POST', '/v1/applications', { body: { name: 'web' } });
    const { exit, items: done } = await items(['--application', 'web', '--revisions', 'none', '--yes']);
    expect(exit).to.equal(0);
    expect(states(done)).to.deep.equal([
      'created deployment-config three',
      'same application web',
      'created deployment-group web/prod',
    ]);
  });

  it('takes credentials and region from a profile, as the aws command does', async () => {
    const env = { AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined, AWS_REGION: undefined };
    const { exit, stderr } = await cli.run(
      ['import', 'codedeploy', '--endpoint-url', source.url, '--profile', 'drover', '--application', 'api', '--yes'],
      { env: { DROVER_TOKEN: target.adminToken, AWS_EC2_METADATA_DISABLED: 'true' } },
    );
    expect(exit, stderr).to.equal(0);
    const named = await run(['--application', 'api', '--dry-run'], { env: { ...env, AWS_PROFILE: 'drover' } });
    expect(named.exit, named.stderr).to.equal(4);
  });

  it('says what cannot be read from S3, and carries the rest over', async () => {
    const { exit, items: done } = await items(['--revisions', 'all', '--s3-endpoint-url', s3.endpoint, '--yes']);
    expect(exit).to.equal(0);
    const revision = done.find((item) => item.kind === 'revision');
    expect(revision).to.have.nested.property('reasons[0].code', 'not-permitted');
    await s3.put('builds/web-1.0.zip', Buffer.from('something else'));
    const overwritten = await items([...BUNDLES(), '--dry-run']);
    // Registered with its ETag: what is there now is another bundle.
    expect(overwritten.items.find((item) => item.kind === 'revision')).to.have.nested.property(
      'reasons[0].code',
      'overwritten',
    );
    await s3.put('builds/web-1.0.zip', Buffer.from('a bundle of version 1.0'));
  });

  it('leaves by Ctrl C in the middle of a bundle, and leaves nothing of it behind', async () => {
    // An S3 that begins to send, and then sends no more.
    const stalled = createServer((message, response) => {
      response.writeHead(200, { 'content-length': 1_000_000 });
      if (message.method === 'HEAD') response.end();
      else response.write('the beginning');
    });
    await new Promise<void>((resolve) => stalled.listen(0, '127.0.0.1', resolve));
    const endpoint = `http://127.0.0.1:${(stalled.address() as AddressInfo).port}`;
    const temporary = join(cli.home, 'tmp');
    await mkdir(temporary);
    try {
      const args = ['--s3-endpoint-url', endpoint, '--revisions', 'all', '--yes', '--endpoint-url', source.url];
      const child = cli.start(['import', 'codedeploy', ...args], {
        env: {
          TMPDIR: temporary,
          DROVER_TOKEN: target.adminToken,
          AWS_ACCESS_KEY_ID: key.accessKeyId,
          AWS_SECRET_ACCESS_KEY: key.secretAccessKey,
          AWS_REGION: 'us-east-1',
          AWS_EC2_METADATA_DISABLED: 'true',
        },
      });
      while ((await readdir(temporary)).length === 0) await sleep(50);
      child.process.kill('SIGINT');
      const { exit, stderr } = await child.finished;
      expect(exit, stderr).to.equal(130);
      expect(stderr).to.contain('left: what was created stays');
      expect(await readdir(temporary)).to.deep.equal([]);
    } finally {
      stalled.closeAllConnections();
      stalled.close();
    }
  });

  it('ends with the code of what went wrong', async () => {
    const wrong = await run(['--dry-run'], { env: { AWS_SECRET_ACCESS_KEY: 'wrong' } });
    expect([wrong.exit, wrong.stderr]).to.satisfy(
      ([exit, text]: [number, string]) => exit === 11 && /InvalidSignature/.test(text),
    );
    expect((await run(['--application', 'nowhere', '--dry-run'])).exit).to.equal(10);
    expect((await run(['--dry-run'], { url: 'http://127.0.0.1:9' })).exit).to.equal(12);
    const none = { AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined };
    const without = await run(['--dry-run'], { env: none });
    expect([without.exit, /no AWS credentials/.test(without.stderr)]).to.deep.equal([11, true]);
    expect((await run(['--yes=no'])).exit).to.equal(2);
    const unasked = await run(['--application', 'web']);
    expect([unasked.exit, /--yes/.test(unasked.stderr)]).to.deep.equal([64, true]);
  });

  it('goes on when AWS throttles, and tells what the credentials may not read', async () => {
    const throttled = new Map<string, number>();
    const proxy = await startProxy(source.url, (action) => {
      if (action === 'ListDeploymentConfigs') return 'AccessDeniedException';
      const times = throttled.get(action) ?? 0;
      throttled.set(action, times + 1);
      return times < 2 ? 'ThrottlingException' : null;
    });
    try {
      const { exit, items: planned } = await items(['--dry-run', '--revisions', 'none'], { url: proxy.url });
      expect(exit).to.equal(0);
      expect(states(planned)).to.deep.equal([
        'cannot deployment-config *',
        'create application api',
        'create application web',
        'create deployment-group api/sets',
        'cannot deployment-group web/prod',
        'cannot on-premises-instance web-1',
      ]);
      expect(planned[0]?.reasons[0]).to.have.property('code', 'not-permitted');
      expect(planned[0]?.reasons[0]?.text).to.contain('codedeploy:ListDeploymentConfigs');
      expect(throttled.get('ListApplications')).to.equal(3);
    } finally {
      await proxy.stop();
    }
  });

  it('reads an account of several pages', async () => {
    const large = await startTestCoordinator();
    try {
      const names = Array.from({ length: 130 }, (_, n) => `app-${String(n).padStart(3, '0')}`);
      for (const name of names) await large.call('POST', '/v1/applications', { body: { name } });
      for (let n = 0; n < 210; n++)
        await large.call('POST', '/v1/applications/app-007/deployment-groups', {
          body: { name: `group-${n}`, selection: { tagFilters: [{ type: 'KEY_ONLY', key: `k${n}` }] } },
        });
      const largeKey = await newAccessKey(large);
      const env = { AWS_ACCESS_KEY_ID: largeKey.accessKeyId, AWS_SECRET_ACCESS_KEY: largeKey.secretAccessKey };
      const first = await items(['--yes'], { url: large.url, env });
      expect(first.items.filter((item) => item.kind === 'application' && item.state === 'created')).to.have.length(130);
      expect(first.items.filter((item) => item.kind === 'deployment-group' && item.state === 'created')).to.have.length(
        210,
      );
      const second = await items(['--yes'], { url: large.url, env });
      expect(second.exit).to.equal(4);
      expect(new Set(second.items.map((item) => item.state))).to.deep.equal(new Set(['same']));
      // The other account's content comes beside it.
      expect((await items(['--yes'])).exit).to.equal(0);
      const last = await target.call('GET', '/v1/applications/app-007/deployment-groups/group-209');
      expect(at(last.body, 'selection.tagFilters.0.key')).to.equal('k209');
    } finally {
      await large.remove();
    }
  });

  /** How many changes there were. */
  async function audit(): Promise<unknown> {
    return at((await target.call('GET', '/v1/audit?limit=1')).body, 'items.0.sequence');
  }
});

/** Stands before CodeDeploy's endpoint and answers with an exception instead when it is told to. */
async function startProxy(
  url: string,
  refuse: (action: string) => string | null,
): Promise<{ url: string; stop(): Promise<void> }> {
  const server = createServer((message: IncomingMessage, response: ServerResponse) => {
    const action = String(message.headers['x-amz-target']).split('.').at(-1) ?? '';
    const exception = refuse(action);
    if (exception !== null) {
      message.resume();
      const body = JSON.stringify({ __type: exception, message: `no ${action} for you` });
      response.writeHead(400, { 'content-type': 'application/x-amz-json-1.1' }).end(body);
      return;
    }
    // The host header goes along: it is signed.
    const { hostname, port } = new URL(url);
    const { method = 'POST', headers, url: path = '/' } = message;
    const onward = request({ hostname, port, method, headers, path }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    message.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
