import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { IN_PLACE_EVENTS } from '../../shared/model/lifecycle-event.ts';
import { DroverClient } from '../../shared/sdk/drover-client.ts';
import { hooksAppSpec, makeBundle, type TestBundle } from '../support/agent-process.ts';
import { CodeDeployFleet, type FleetHost } from '../support/codedeploy-fleet.ts';
import { startTestCoordinator, type TestCoordinator } from '../support/coordinator.ts';
import { enrolHost } from '../support/raw-agent.ts';
import { until } from '../support/real-herd.ts';
import { type AccessKeyPair, signedFetch } from '../support/signed-requests.ts';
import type { Command, Exchanged, SimulatedCodeDeployAgent } from '../support/simulated-codedeploy-agent.ts';

const OPENSSL = '/usr/bin/openssl';
const HOOKED = ['ApplicationStop', 'BeforeInstall', 'AfterInstall', 'ApplicationStart', 'ValidateService'];
const FILES = 'files:\n  - source: VERSION\n    destination: /opt/app\nfile_exists_behavior: OVERWRITE\n';

async function aBundle(version: string, hook = 'exit 0'): Promise<TestBundle> {
  const appSpec = hooksAppSpec(Object.fromEntries(HOOKED.map((event) => [event, ['hook.sh']])));
  const script = `#!/bin/sh\necho "$LIFECYCLE_EVENT ${version}" >> "$HOST_ROOT/trace"\n${hook}\n`;
  return makeBundle(`${appSpec}${FILES}`, { VERSION: `${version}\n`, 'hook.sh': script }, { VERSION: 0o644 });
}

describe("hosts with AWS's CodeDeploy agent", function () {
  this.timeout(60_000);
  let coordinator: TestCoordinator;
  let fleet: CodeDeployFleet;

  beforeEach(async () => {
    coordinator = await startTestCoordinator();
    fleet = new CodeDeployFleet(coordinator.url, coordinator.adminToken);
    await fleet.createGroup();
  });
  afterEach(async () => {
    await fleet.close();
    await coordinator.remove();
  });

  it('go through the seven events, one held poll for each, with real scripts and files', async () => {
    const host = await fleet.addHost('web-1');
    host.agent.start();
    await fleet.online('web-1');
    const first = await fleet.deploy(await fleet.push(await aBundle('1')));
    expect((await fleet.ended(first)).status).to.equal('Succeeded');
    const second = await fleet.deploy(await fleet.push(await aBundle('2')));
    expect((await fleet.ended(second)).status).to.equal('Succeeded');

    expect(fleet.installed(host, 'opt/app/VERSION')).to.equal('2\n');
    expect(fleet.installed(host, 'trace').trim().split('\n').slice(4)).to.deep.equal(
      HOOKED.map((event) => `${event} ${event === 'ApplicationStop' ? 1 : 2}`),
    );
    expect(await fleet.events(second, 'web-1')).to.deep.equal(IN_PLACE_EVENTS.map((event) => `${event} Succeeded`));
    expect(commandsOf(host.agent).map((command) => command.CommandName)).to.deep.equal([
      ...IN_PLACE_EVENTS,
      ...IN_PLACE_EVENTS,
    ]);
    // No poll was answered with nothing: each command came with the one that was held.
    const polls = host.agent.exchanges.filter(({ operation }) => operation === 'PollHostCommand');
    expect(polls).to.have.length(2 * IN_PLACE_EVENTS.length);
    expect(host.agent.errors).to.deep.equal([]);
  });

  it('need no more than a round trip for each call: the seven events of scripted outcomes are timed', async () => {
    const host = await fleet.addHost('web-1', { scripted: () => ({ errorCode: 0, message: 'Succeeded: ' }) });
    host.agent.start();
    await fleet.online('web-1');
    const took: number[] = [];
    for (let round = 0; round < 5; round++) {
      const id = await fleet.deploy(await fleet.push(await aBundle(String(round))));
      const { startedAt, completedAt, status } = await fleet.ended(id);
      expect(status).to.equal('Succeeded');
      took.push((completedAt ?? 0) - (startedAt ?? 0));
    }
    console.log(`      seven events of AWS's protocol: ${took.join(', ')} ms (the first signs with a new key)`);
  });

  it('speak the service of `enable_auth_policy` just as well', async () => {
    const host = await fleet.addHost('web-1', {
      prefix: 'CodeDeployCommandService',
      scripted: () => ({ errorCode: 0 }),
    });
    host.agent.start();
    await fleet.online('web-1');
    const id = await fleet.deploy(await fleet.push(await aBundle('1')));
    expect((await fleet.ended(id)).status).to.equal('Succeeded');
  });

  it('tell why they failed, with what the script printed; the host is brought back by a rollback', async () => {
    const host = await fleet.addHost('web-1');
    host.agent.start();
    await fleet.online('web-1');
    await fleet.ended(await fleet.deploy(await fleet.push(await aBundle('1'))));
    const hook = '[ "$LIFECYCLE_EVENT" != ValidateService ] || { echo no answer; exit 3; }';
    const bad = await fleet.deploy(await fleet.push(await aBundle('2', hook)));
    expect((await fleet.ended(bad)).status).to.equal('Failed');
    const { diagnostics, errorCode } = await fleet.client.getTarget({ deployment: bad, host: 'web-1' });
    expect(errorCode).to.equal('HOOK_FAILED');
    expect(diagnostics).to.include({
      errorCode: 'ScriptFailed',
      scriptName: 'hook.sh',
      message: 'Script at specified location: hook.sh failed with exit code 3',
      logTail: '[stdout]no answer\n',
    });
    const output = await fleet.client.getOutput({ deployment: bad, host: 'web-1', event: 'ValidateService' });
    expect(output.text).to.equal('[stdout]no answer\n');
    // The file itself is away for a moment while the agent replaces it.
    const { rollbackInfo } = await fleet.client.getDeployment({ deployment: bad });
    expect((await fleet.ended(rollbackInfo.rollbackDeploymentId ?? '')).status).to.equal('Succeeded');
    expect(fleet.installed(host, 'opt/app/VERSION')).to.equal('1\n');
    const failures = host.agent.exchanges.filter(({ body }) => body.CommandStatus === 'Failed');
    expect(
      failures.map(({ status }) => status),
      'told twice, and taken twice',
    ).to.deep.equal([200, 200]);
  });

  it('go on after a restart of the coordinator, with the same certificate', async () => {
    let letGo = () => {};
    const isHeld = new Promise<void>((resolve) => (letGo = resolve));
    const reached: string[] = [];
    const host = await fleet.addHost('web-1', {
      scripted: async ({ CommandName }) => {
        reached.push(CommandName);
        if (CommandName === 'AfterInstall') await isHeld;
        return { errorCode: 0 };
      },
    });
    host.agent.start();
    await fleet.online('web-1');
    const id = await fleet.deploy(await fleet.push(await aBundle('1')));
    await until('AfterInstall runs', 10_000, () => reached.includes('AfterInstall'));
    const signing = join(coordinator.dataDirectory, 'specification-signing.pem');
    const before = readFileSync(signing, 'utf8');
    expect(statSync(signing).mode & 0o777).to.equal(0o600);
    const last = commandsOf(host.agent).at(-1) as Command;
    const stopping = host.agent.stop();
    letGo();
    await stopping;
    await coordinator.restart();
    // The address is another one now; the command is the same.
    const agent = fleet.agentOf(host, { scripted: () => ({ errorCode: 0 }) }, coordinator.url);
    const { answer } = await agent.call('PostHostCommandUpdate', { HostCommandIdentifier: last.HostCommandIdentifier });
    expect(answer.CommandStatus).to.equal('InProgress');
    await agent.complete(last, { errorCode: 0 });
    agent.start();
    const client = new DroverClient({ url: coordinator.url, token: coordinator.adminToken });
    await until('the deployment has ended', 20_000, async () => {
      return (await client.getDeployment({ deployment: id })).status === 'Succeeded';
    });
    expect(commandsOf(agent).map((command) => command.CommandName)).to.deep.equal([
      'ApplicationStart',
      'ValidateService',
    ]);
    expect(readFileSync(signing, 'utf8')).to.equal(before);
    await agent.stop();
  });

  describe('get a specification', () => {
    let host: FleetHost;
    let command: Command;
    let envelope: { Format: string; Payload: string };
    beforeEach(async () => {
      host = await fleet.addHost('web-1');
      const polling = host.agent.pollOnce();
      await fleet.online('web-1');
      await fleet.deploy(await fleet.push(await aBundle('1')), { fileExistsBehavior: 'RETAIN' });
      command = (await polling) as Command;
      const { answer } = await host.agent.call('GetDeploymentSpecification', {
        DeploymentExecutionId: command.DeploymentExecutionId,
        HostIdentifier: host.iamArn,
      });
      envelope = (answer.DeploymentSpecification as { GenericEnvelope: typeof envelope }).GenericEnvelope;
    });

    it('that openssl verifies, and that it refuses once a byte is changed', async () => {
      expect(envelope.Format).to.equal('PKCS7/JSON');
      expect(envelope.Payload).to.match(/^-----BEGIN PKCS7-----\n/);
      const specification = JSON.parse(await opensslVerify(envelope.Payload));
      expect(specification.DeploymentId).to.match(/^d-[A-Z0-9]{9}$/);
      const der = Buffer.from(envelope.Payload.replaceAll(/-----[A-Z0-9 ]+-----|\s/g, ''), 'base64');
      der.set(Buffer.from('DeploymentIX'), der.indexOf('DeploymentId'));
      const changed = `-----BEGIN PKCS7-----\n${(der.toString('base64').match(/.{1,64}/g) ?? []).join('\n')}\n-----END PKCS7-----\n`;
      expect(await opensslVerify(changed).catch(() => 'refused')).to.equal('refused');
    });

    it('with all that the agent insists on', async () => {
      const specification = JSON.parse(await opensslVerify(envelope.Payload));
      const group = await fleet.client.getDeploymentGroup({ application: 'app', group: 'web' });
      const { S3Revision } = specification.Revision;
      expect(specification).to.deep.equal({
        DeploymentId: command.DeploymentExecutionId.split('/').at(-1),
        DeploymentGroupId: group.id,
        DeploymentGroupName: 'web',
        ApplicationName: 'app',
        DeploymentCreator: 'user',
        DeploymentType: 'IN_PLACE',
        AppSpecFilename: 'appspec.yml',
        AgentActionOverrides: { AgentOverrides: { FileExistsBehavior: 'RETAIN' } },
        Revision: { RevisionType: 'S3', S3Revision },
      });
      expect(S3Revision).to.include({ Bucket: 'drover_bundles', BundleType: 'tgz' });
      expect(S3Revision.Key).to.equal(`app/${S3Revision.ETag}.tgz`);
    });

    it('and with it the bundle, which nobody else gets', async () => {
      const { S3Revision } = (await host.agent.specification(command)).Revision;
      const path = `/${S3Revision.Bucket}/${S3Revision.Key}`;
      const other = await fleet.addHost('web-2');
      const as = (key: AccessKeyPair) => signedFetch({ url: fleet.url, service: 's3', ...key });
      const whole = await as(host)('GET', path, { headers: { 'x-amz-checksum-mode': 'ENABLED' } });
      expect(whole.status).to.equal(200);
      expect(whole.headers.get('etag')).to.equal(`"${S3Revision.ETag}"`);
      const bytes = Buffer.from(await whole.arrayBuffer());
      const sum = createHash('sha256').update(bytes).digest();
      expect(sum.toString('hex')).to.equal(S3Revision.ETag);
      expect(whole.headers.get('x-amz-checksum-sha256')).to.equal(sum.toString('base64'));
      const head = await as(host)('HEAD', path);
      expect(head.headers.get('content-length')).to.equal(String(bytes.length));
      const part = await as(host)('GET', path, { headers: { range: 'bytes=2-5' } });
      expect([part.status, Buffer.from(await part.arrayBuffer())]).to.deep.equal([206, bytes.subarray(2, 6)]);

      const refused = async (response: Response) => [
        response.status,
        /<Code>(\w+)<\/Code>/.exec(await response.text())?.[1],
      ];
      expect(await refused(await as(other)('GET', path))).to.deep.equal([404, 'NoSuchKey']);
      expect(await refused(await as(host)('GET', `/${S3Revision.Bucket}/app/other.tgz`))).to.deep.equal([
        404,
        'NoSuchKey',
      ]);
      expect(await refused(await as({ ...host, secretAccessKey: 'wrong' })('GET', path))).to.deep.equal([
        403,
        'SignatureDoesNotMatch',
      ]);
      expect(await refused(await fetch(`${fleet.url}${path}`))).to.deep.equal([403, 'AccessDenied']);
    });
  });

  describe('are refused', () => {
    const typeOf = ({ status, answer }: Exchanged) => `${status} ${answer.__type}`;

    it("when they ask as another host, with an operator's key, or with Drover's agent", async () => {
      const host = await fleet.addHost('web-1');
      const foreign = { HostIdentifier: 'arn:aws:iam::000000000000:user/web-2' };
      expect(typeOf(await host.agent.call('PollHostCommand', foreign))).to.equal('400 AccessDeniedException');
      const operators = await fleet.client.createAccessKey({ operator: 'first-operator' });
      const drovers = await enrolHost(coordinator, 'web-9').then(({ name }) =>
        fleet.client.createAccessKey({ host: name }),
      );
      for (const { id, secretAccessKey } of [operators, drovers]) {
        const agent = fleet.agentOf({ ...host, accessKeyId: id, secretAccessKey });
        expect(typeOf(await agent.call('PollHostCommand', { HostIdentifier: host.iamArn }))).to.equal(
          '400 AccessDeniedException',
        );
      }
    });

    it('by names that they know, when they say what is not in the protocol', async () => {
      const host = await fleet.addHost('web-1');
      const { agent, iamArn } = host;
      const say = async (operation: string, body: Record<string, unknown>) => typeOf(await agent.call(operation, body));
      expect(await say('PollHostCommands', {})).to.equal('400 UnknownOperationException');
      expect(await say('constructor', {})).to.equal('400 UnknownOperationException');
      expect(await say('PollHostCommand', {})).to.equal('400 ClientException');
      const specification = { HostIdentifier: iamArn, DeploymentExecutionId: 'a/b/c/d-AAAAAAAAA' };
      expect(await say('GetDeploymentSpecification', specification)).to.equal('400 DeploymentNotFoundException');
      expect(await say('GetDeploymentSpecification', { ...specification, DeploymentExecutionId: 'a/b' })).to.equal(
        '400 ClientException',
      );
      const other = fleet.agentOf(host, { prefix: 'CodeDeployCommandService_v20991231' });
      expect(typeOf(await other.call('PollHostCommand', {}))).to.equal('400 UnknownOperationException');
      const thief = fleet.agentOf({ ...host, secretAccessKey: 'guessed' });
      expect(typeOf(await thief.call('PollHostCommand', { HostIdentifier: iamArn }))).to.equal(
        '400 InvalidSignatureException',
      );
      const nobody = fleet.agentOf({ ...host, accessKeyId: 'DROVNOBODYNOBODY0000' });
      expect(typeOf(await nobody.call('PollHostCommand', { HostIdentifier: iamArn }))).to.equal(
        '400 UnrecognizedClientException',
      );
    });
  });

  it('are told in the words that they look for when they ask too often', async () => {
    const busy = await startTestCoordinator({ limits: { requestsPerMinute: 20 } });
    try {
      const there = new CodeDeployFleet(busy.url, busy.adminToken);
      const { agent, iamArn } = await there.addHost('web-1');
      const asked = { HostIdentifier: iamArn, DeploymentExecutionId: 'a/b/c/d-AAAAAAAAA' };
      let last = await agent.call('GetDeploymentSpecification', asked);
      for (let more = 0; more < 20 && last.answer['__type'] === 'DeploymentNotFoundException'; more++)
        last = await agent.call('GetDeploymentSpecification', asked);
      expect(last).to.deep.include({
        status: 400,
        answer: { __type: 'ThrottlingException', message: 'Rate exceeded' },
      });
      await there.close();
    } finally {
      await busy.remove();
    }
  });

  it('find an address that answers something when they look at its certificate first', async () => {
    const { status } = await fetch(fleet.url);
    expect(status).to.equal(404);
  });
});

function commandsOf(agent: SimulatedCodeDeployAgent): Command[] {
  return agent.exchanges.flatMap(({ operation, answer }) =>
    operation === 'PollHostCommand' && answer.HostCommand !== undefined ? [answer.HostCommand as Command] : [],
  );
}

/** What was signed, when the signature fits; the chain is not looked at, as the agent does not. */
async function opensslVerify(pem: string): Promise<string> {
  const child = execFile(OPENSSL, ['cms', '-verify', '-noverify', '-binary', '-inform', 'PEM']);
  let [text, said] = ['', ''];
  child.stdout?.on('data', (part) => (text += part));
  child.stderr?.on('data', (part) => (said += part));
  child.stdin?.end(pem);
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(said);
  return text;
}
