import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, createHmac } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { createNotifier } from '../../coordinator/notifiers.ts';
import { isAppError } from '../../shared/core/errors.ts';
import { systemClock } from '../../shared/core/system-clock.ts';
import type { TriggerMessage } from '../../shared/model/trigger.ts';
import { codeDeployClient, newAccessKey } from '../support/aws-tools.ts';
import { CliProcess } from '../support/cli-process.ts';
import {
  at,
  type ConfigText,
  startTestCoordinator,
  type TestCoordinator,
  testConfig,
  textAt,
} from '../support/coordinator.ts';
import { enrolHost } from '../support/raw-agent.ts';
import { until } from '../support/real-herd.ts';
import { startSns, type TestSns } from '../support/sns-server.ts';
import { answerWith, startReceiver, type TestReceiver } from '../support/webhook-receiver.ts';

const TOPIC = 'arn:aws:sns:eu-west-1:123456789012:deployments';
const FIFO = `${TOPIC}.fifo`;
const SNS_KEY = { accessKeyId: 'AKIDTRIGGERS', secretAccessKey: 'topic secret' };
const SIGNING_SECRET = `whsec_${Buffer.from('a webhook secret').toString('base64')}`;
const EVENTS = ['DeploymentStart', 'DeploymentFailure', 'InstanceFailure'];
type Caller = Pick<TestCoordinator, 'call'>;

describe('triggers', function () {
  this.timeout(60_000);
  let directory: string;
  let receiver: TestReceiver;
  let sns: TestSns;
  const cleanUp: (() => unknown)[] = [];

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'drover-triggers-'));
    receiver = await startReceiver();
    sns = await startSns(SNS_KEY, [TOPIC, FIFO]);
    await writeFile(join(directory, 'sns'), `${SNS_KEY.secretAccessKey}\n`);
    await writeFile(join(directory, 'webhook'), `${SIGNING_SECRET}\n`);
  });
  afterEach(async () => {
    for (const step of cleanUp.splice(0).reverse()) await step();
    await receiver.stop();
    await sns.stop();
    await rm(directory, { recursive: true, force: true });
  });

  const settings = (): ConfigText => ({
    sns: { endpoint: sns.url, accessKeyId: SNS_KEY.accessKeyId, secretAccessKeyFile: join(directory, 'sns') },
    webhooks: { signingSecretFile: join(directory, 'webhook') },
    timings: { triggerTimeoutMs: 500 },
  });

  async function start(changes: ConfigText = {}): Promise<TestCoordinator> {
    const coordinator = await startTestCoordinator({ ...settings(), ...changes });
    cleanUp.push(() => coordinator.remove());
    return coordinator;
  }

  /** An application with a revision, a host that never connects, and a group with triggers; a deployment there fails at once. */
  async function prepare(coordinator: TestCoordinator, triggers: object[]): Promise<void> {
    await coordinator.call('POST', '/v1/applications', { body: { name: 'web' } });
    await enrolHost(coordinator, 'web-1', { token: { tags: { role: 'web' } } });
    await register(coordinator);
    await makeGroup(coordinator, triggers);
  }

  const tell = (target: string, events: string[] = EVENTS) => ({ name: 'ops', target, events });

  async function undelivered(coordinator: Caller, state = 'dead'): Promise<TriggerMessage[]> {
    const { body } = await coordinator.call('GET', `/v1/trigger-messages?state=${state}`);
    return (body as { items: TriggerMessage[] }).items;
  }

  it('posts what happens to a webhook, signed, in order', async () => {
    const coordinator = await start();
    await prepare(coordinator, [tell(`${receiver.url}/hooks/a?b=c`)]);
    const id = await deploy(coordinator);
    const requests = await receiver.received(3);
    expect(requests.map((one) => one.headers['drover-event'])).to.deep.equal([
      'DeploymentStart',
      'InstanceFailure',
      'DeploymentFailure',
    ]);
    for (const { method, path, headers, body } of requests) {
      expect({ method, path }).to.deep.equal({ method: 'POST', path: '/hooks/a?b=c' });
      expect(headers['content-type']).to.equal('application/json');
      expect(headers['user-agent']).to.match(/^drover-coordinator\//);
      const text = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`;
      const hmac = createHmac('sha256', 'a webhook secret').update(text).digest('base64');
      expect(headers['webhook-signature']).to.equal(`v1,${hmac}`);
    }
    const [first, second, third] = requests.map((one) => JSON.parse(one.body) as Record<string, string>);
    expect(first).to.include({ eventTriggerName: 'ops', deploymentId: id, status: 'CREATED' });
    expect(second).to.include({ instanceId: 'arn:aws:codedeploy:us-east-1:000000000000:instance:web-1' });
    expect(third).to.include({ status: 'FAILED', applicationName: 'web', deploymentGroupName: 'prod' });
    await nothingIsLeft(coordinator);
    const metrics = await coordinator.call('GET', '/metrics');
    expect(metrics.body).to.contain('drover_trigger_messages_total{outcome="delivered"} 3');
  });

  it('publishes to topics of an SNS endpoint, with signature, subject and id', async () => {
    const coordinator = await start();
    await prepare(coordinator, [
      tell(TOPIC, ['DeploymentFailure']),
      { ...tell(FIFO, ['DeploymentFailure']), name: 'fifo' },
    ]);
    const id = await deploy(coordinator);
    await until('both topics have it', 20_000, () => sns.published.length === 2);
    const plain = sns.published.find((one) => one.topic === TOPIC);
    const fifo = sns.published.find((one) => one.topic === FIFO);
    expect(plain?.subject).to.equal(`FAILED: AWS CodeDeploy ${id} in us-east-1 to web`);
    expect(JSON.parse(plain?.message ?? '')).to.include({
      deploymentId: id,
      status: 'FAILED',
      eventTriggerName: 'ops',
    });
    expect(plain?.groupId).to.equal(null);
    expect(fifo).to.include({ groupId: id, deduplicationId: fifo?.attributes['drover.message-id'] });
    await nothingIsLeft(coordinator);
  });

  it('acts on triggers that CodeDeploy’s API sets', async () => {
    const coordinator = await start();
    await prepare(coordinator, []);
    const client = codeDeployClient(coordinator.url, await newAccessKey(coordinator));
    cleanUp.push(() => client.destroy());
    const trigger = {
      triggerName: 'aws',
      triggerTargetArn: TOPIC,
      triggerEvents: ['DeploymentStart'] as ['DeploymentStart'],
    };
    const place = { applicationName: 'web', currentDeploymentGroupName: 'prod' };
    await client.updateDeploymentGroup({ ...place, triggerConfigurations: [trigger] });
    const group = await coordinator.call('GET', '/v1/applications/web/deployment-groups/prod');
    expect(at(group.body, 'triggers')).to.deep.equal([{ name: 'aws', target: TOPIC, events: ['DeploymentStart'] }]);
    const id = await deploy(coordinator);
    await until('the topic has it', 20_000, () => sns.published.length === 1);
    expect(sns.published[0]?.subject).to.equal(`CREATED: AWS CodeDeploy ${id} in us-east-1 to web`);
    const refusal = await client
      .updateDeploymentGroup({ ...place, triggerConfigurations: [{ ...trigger, triggerTargetArn: 'ftp://x' }] })
      .catch((error: Error) => error);
    expect(refusal).to.include({ name: 'InvalidTriggerConfigException' });
  });

  it('tries again when a receiver is down, slow, or answers 500', async () => {
    const coordinator = await start();
    await prepare(coordinator, [tell(receiver.url, ['DeploymentStart'])]);
    // A hanging one, a broken one, one that is not there.
    const answers = [() => {}, answerWith(500, 'oops'), answerWith(302, '', { location: `${receiver.url}/other` })];
    receiver.answering = (request, response) => (answers.shift() ?? answerWith(204))(request, response);
    await deploy(coordinator);
    const requests = await receiver.received(4);
    expect(new Set(requests.map((one) => one.headers['webhook-id'])).size).to.equal(1);
    expect(new Set(requests.map((one) => one.path))).to.deep.equal(new Set(['/']));
    await nothingIsLeft(coordinator);
  });

  it('believes the status of an answer, also when the rest of it never comes, or is cut off', async () => {
    const send = async (target: string) => {
      const notifier = await createNotifier(testConfig(directory), systemClock);
      const message = { id: 'm', target, event: 'DeploymentStart', deploymentId: 'd', subject: 's', body: '{}' };
      return notifier.send(message, AbortSignal.timeout(300));
    };
    receiver.answering = (_request, response) => void response.writeHead(200, { 'content-length': '10' }).write('half');
    expect(await send(receiver.url)).to.deep.equal({ kind: 'delivered' });
    receiver.answering = (_request, response) =>
      void response.writeHead(200, { 'content-length': '10' }).write('half', () => response.destroy());
    expect(await send(receiver.url)).to.deep.equal({ kind: 'delivered' });
    receiver.answering = (_request, response) => void response.writeHead(410).write('gone');
    expect(await send(receiver.url)).to.include({ kind: 'refused', reason: 'answered 410' });
  });

  it('does not sign with a secret that is empty', async () => {
    for (const text of ['', ' \n', 'whsec_', 'whsec_==']) {
      await writeFile(join(directory, 'webhook'), text);
      const error = await createNotifier(testConfig(directory, settings()), systemClock).catch((thrown) => thrown);
      expect(isAppError(error, 'invalid'), `"${text}"`).to.equal(true);
      expect(error.message).to.match(/^webhooks\.signingSecretFile: /);
    }
  });

  it('delivers to a receiver that comes up later', async () => {
    const coordinator = await start();
    const { port } = new URL(receiver.url);
    await receiver.stop();
    await prepare(coordinator, [tell(receiver.url, ['DeploymentStart'])]);
    await deploy(coordinator);
    await until('it was tried', 20_000, async () => (await undelivered(coordinator, 'waiting'))[0]?.attempts === 1);
    const [waiting] = await undelivered(coordinator, 'waiting');
    expect(waiting?.lastError).to.contain('ECONNREFUSED');
    receiver = await startReceiver(Number(port));
    const [request] = await receiver.received(1);
    expect(request?.headers['webhook-id']).to.equal(waiting?.id);
  });

  it('makes a dead letter when a receiver is gone, and delivers it when asked again', async () => {
    const coordinator = await start();
    await prepare(coordinator, [tell(receiver.url, ['DeploymentStart'])]);
    receiver.answering = answerWith(410);
    await deploy(coordinator);
    await until('it is a dead letter', 20_000, async () => (await undelivered(coordinator)).length === 1);
    const [dead] = await undelivered(coordinator);
    expect(dead).to.include({ event: 'DeploymentStart', lastError: 'answered 410', attempts: 1, triggerName: 'ops' });
    const whole = await coordinator.call('GET', `/v1/trigger-messages/${dead?.id}`);
    expect(textAt(whole.body, 'body')).to.equal(receiver.requests[0]?.body);

    receiver.answering = answerWith(204);
    const again = await coordinator.call('POST', '/v1/trigger-messages/retry', { body: {} });
    expect(again.body).to.deep.equal({ retried: 1 });
    const requests = await receiver.received(2);
    expect(requests[1]?.headers['webhook-id']).to.equal(dead?.id);
    await nothingIsLeft(coordinator);
    const audit = await coordinator.call('GET', '/v1/audit?limit=1');
    expect(at(audit.body, 'items.0.action')).to.equal('trigger-message.retry');
  });

  it('drops a dead letter, and says so of one that is not there', async () => {
    const coordinator = await start();
    await prepare(coordinator, [tell(receiver.url, ['DeploymentStart'])]);
    receiver.answering = answerWith(410);
    await deploy(coordinator);
    await until('it is a dead letter', 20_000, async () => (await undelivered(coordinator)).length === 1);
    const path = `/v1/trigger-messages/${(await undelivered(coordinator))[0]?.id}`;
    expect((await coordinator.call('DELETE', path)).status).to.equal(204);
    expect((await coordinator.call('DELETE', path)).status).to.equal(404);
    expect((await coordinator.call('POST', `${path}/retry`)).status).to.equal(404);
    expect(await undelivered(coordinator)).to.deep.equal([]);
  });

  it('keeps what goes to a topic as a dead letter while no SNS endpoint is configured', async () => {
    const coordinator = await start({ sns: null });
    await prepare(coordinator, [tell(TOPIC, ['DeploymentStart'])]);
    await deploy(coordinator);
    await until('it is a dead letter', 20_000, async () => (await undelivered(coordinator)).length === 1);
    expect((await undelivered(coordinator))[0]?.lastError).to.contain('set sns');
  });

  for (const [what, key, topic, outcome] of [
    [
      'a wrong secret',
      { ...SNS_KEY, secretAccessKey: 'other' },
      TOPIC,
      { kind: 'failed', reason: /^answered 403: SignatureDoesNotMatch: / },
    ],
    ['an unknown key', { ...SNS_KEY, accessKeyId: 'AKIDOTHER' }, TOPIC, { kind: 'failed', reason: /security token/ }],
    [
      'a topic that is not there',
      SNS_KEY,
      `${TOPIC}-2`,
      { kind: 'failed', reason: /^answered 404: NotFound: Topic does not exist$/ },
    ],
  ] as const)
    it(`says what SNS says of ${what}`, async () => {
      await writeFile(join(directory, 'other'), key.secretAccessKey);
      const config = testConfig(directory, {
        sns: { endpoint: sns.url, accessKeyId: key.accessKeyId, secretAccessKeyFile: join(directory, 'other') },
      });
      const notifier = await createNotifier(config, systemClock);
      const message = { id: 'm', target: topic, event: 'DeploymentStart', deploymentId: 'd', subject: 's', body: '{}' };
      const result = await notifier.send(message, new AbortController().signal);
      expect(result.kind).to.equal(outcome.kind);
      expect(result).to.have.property('reason').that.matches(outcome.reason);
      expect(sns.published).to.deep.equal([]);
    });

  it('refuses triggers that could not be delivered, by name', async () => {
    const coordinator = await start();
    await coordinator.call('POST', '/v1/applications', { body: { name: 'web' } });
    for (const [triggers, told] of [
      [[tell('ftp://chat.example/')], 'triggers.0.target'],
      [[tell('https://user:password@chat.example/')], 'triggers.0.target'],
      [[tell('arn:aws:sqs:eu-west-1:1:queue')], 'triggers.0.target'],
      [[{ ...tell(TOPIC), events: ['DeploymentDone'] }], 'triggers.0.events.0'],
      [[{ ...tell(TOPIC), events: [] }], 'triggers.0.events'],
      [[tell(TOPIC), tell(receiver.url)], 'two triggers have the same name'],
    ] as const) {
      const answer = await makeGroup(coordinator, triggers);
      expect(answer.status, told).to.equal(400);
      expect(textAt(answer.body, 'detail')).to.contain(told);
    }
  });

  it('are set by `drover groups`, and their dead letters seen and retried by `drover triggers`', async () => {
    const coordinator = await start();
    await prepare(coordinator, []);
    receiver.answering = answerWith(422, 'no');
    const cli = await CliProcess.create(coordinator.url);
    cleanUp.push(() => cli.remove());
    const drover = (...args: string[]) => cli.run(args, { env: { DROVER_TOKEN: coordinator.adminToken } });
    const trigger = ['--trigger', `ops=${receiver.url}/x`, '--trigger-event', 'deploymentstart'];
    const edited = await drover('groups', 'edit', 'web/prod', ...trigger, '--yes');
    expect(edited.exit, edited.stderr).to.equal(0);
    const shown = await drover('groups', 'show', 'web/prod');
    expect(shown.stdout).to.contain('Trigger');
    expect(shown.stdout).to.contain('ops: DeploymentStart');
    expect((await drover('triggers', 'ls')).stdout).to.contain('Every message is delivered.');

    const id = await deploy(coordinator);
    await until('it is a dead letter', 20_000, async () => (await undelivered(coordinator)).length === 1);
    const [dead] = await undelivered(coordinator);
    const short = dead?.id.slice(0, 8) ?? '';
    const listed = await drover('triggers', 'ls', '--state', 'dead');
    for (const text of [short, 'dead', 'DeploymentStart', id, 'answered 422']) expect(listed.stdout).to.contain(text);
    const one = await drover('triggers', 'show', short, '--json');
    expect(JSON.parse(one.stdout)).to.have.nested.property('message.body', receiver.requests[0]?.body);

    receiver.answering = answerWith(200);
    const retried = await drover('triggers', 'retry', '--all');
    expect([retried.exit, retried.stdout]).to.deep.equal([0, '1 dead letter tried again now\n']);
    await nothingIsLeft(coordinator);
    expect((await drover('triggers', 'retry', '--target', `${receiver.url}/x`)).exit).to.equal(4);
    expect((await drover('triggers', 'retry', short)).exit).to.equal(10);
    expect((await drover('triggers', 'retry')).exit).to.equal(2);
    expect((await drover('groups', 'edit', 'web/prod', '--drop-triggers', '--yes')).exit).to.equal(0);
    expect((await drover('groups', 'show', 'web/prod')).stdout).not.to.contain('Trigger');
  });

  it('reach the receiver of the examples, which checks the signature', async () => {
    const file = 'examples/webhook-receiver.mjs';
    const child = spawn(process.execPath, [file, join(directory, 'webhook'), '0'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    cleanUp.push(() => child.kill('SIGKILL'));
    let printed = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      printed += chunk.toString('utf8');
    });
    await until('it listens', 20_000, () => printed.includes('\n'));
    const url = /http:\/\/\S+/.exec(printed)?.[0] ?? '';
    expect((await fetch(url, { method: 'POST', body: '{}' })).status).to.equal(401);
    const coordinator = await start();
    await prepare(coordinator, [tell(url)]);
    const id = await deploy(coordinator);
    await until('it has all of them', 20_000, () => printed.split('\n').length > 4);
    expect(printed.trimEnd().split('\n').slice(1)).to.deep.equal([
      `DeploymentStart ${id} web/prod`,
      `InstanceFailure ${id} arn:aws:codedeploy:us-east-1:000000000000:instance:web-1`,
      `DeploymentFailure ${id} web/prod`,
    ]);
    await nothingIsLeft(coordinator);
  });

  it('delivers what was committed before the coordinator was killed, under the same id', async () => {
    const { child, ...first } = await startProcess(directory, settings());
    cleanUp.push(() => child.kill('SIGKILL'));
    // The message is committed and under way: the receiver has it, and the coordinator never hears so.
    receiver.answering = () => {};
    await prepare(first as TestCoordinator, [tell(receiver.url, ['DeploymentStart'])]);
    await deploy(first);
    const [lost] = await receiver.received(1);
    const gone = new Promise((resolve) => child.once('close', resolve));
    child.kill('SIGKILL');
    await gone;

    receiver.answering = answerWith(204);
    const second = await startProcess(directory, settings());
    cleanUp.push(() => second.child.kill('SIGKILL'));
    const requests = await receiver.received(2);
    expect(requests[1]?.headers['webhook-id']).to.equal(lost?.headers['webhook-id']);
    expect(requests[1]?.body).to.equal(lost?.body);
    await nothingIsLeft(second);
  });

  async function nothingIsLeft(coordinator: Caller): Promise<void> {
    await until('every message is delivered', 20_000, async () => {
      const { body } = await coordinator.call('GET', '/v1/trigger-messages');
      return (body as { items: unknown[] }).items.length === 0;
    });
  }
});

const makeGroup = (coordinator: Caller, triggers: readonly object[]) =>
  coordinator.call('POST', '/v1/applications/web/deployment-groups', {
    body: {
      name: 'prod',
      selection: { tagFilters: [{ type: 'KEY_AND_VALUE', key: 'role', value: 'web' }] },
      triggers,
    },
  });

async function register(coordinator: Caller): Promise<void> {
  const bytes = Buffer.from('the host that it is for never comes to read it');
  const digest = createHash('sha256').update(bytes).digest('hex');
  const path = `/v1/applications/web/revisions/upload?digest=${digest}&bundleType=tar&label=1`;
  const { status, body } = await coordinator.call('POST', path, { body: bytes });
  if (status !== 201) throw new Error(`no revision: ${JSON.stringify(body)}`);
}

async function deploy(coordinator: Caller): Promise<string> {
  const { body } = await coordinator.call('POST', '/v1/deployments', {
    body: { application: 'web', deploymentGroup: 'prod', revision: '1' },
  });
  return textAt(body, 'id');
}

/** The real program, on a data directory of its own. */
async function startProcess(
  directory: string,
  settings: ConfigText,
): Promise<Caller & Pick<TestCoordinator, 'adminToken'> & { child: ChildProcess }> {
  const dataDirectory = join(directory, 'data');
  const config = join(directory, 'coordinator.yaml');
  // JSON is YAML.
  await writeFile(config, JSON.stringify({ ...settings, dataDirectory, listen: { port: 0 } }));
  const child = spawn(process.execPath, ['--import=tsx', 'coordinator/main.ts', '--config', config], {
    env: { PATH: process.env['PATH'] ?? '' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    output += chunk.toString('utf8');
  });
  await until('the coordinator listens', 30_000, () => /"url":"([^"]+)"/.test(output));
  const url = /"url":"([^"]+)"/.exec(output)?.[1] ?? '';
  const adminToken = (await readFile(join(dataDirectory, 'first-operator-token'), 'utf8')).trim();
  return {
    child,
    adminToken,
    async call(method, path, { token = adminToken, body } = {}) {
      const isBytes = body instanceof Uint8Array;
      const response = await fetch(`${url}${path}`, {
        method,
        headers: {
          ...(token === null ? {} : { authorization: `Bearer ${token}` }),
          ...(body === undefined ? {} : { 'content-type': isBytes ? 'application/octet-stream' : 'application/json' }),
        },
        ...(body === undefined ? {} : { body: isBytes ? body : JSON.stringify(body) }),
      });
      return { status: response.status, headers: response.headers, body: await response.json() };
    },
  };
}
