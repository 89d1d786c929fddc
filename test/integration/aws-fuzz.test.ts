import { createHash, createHmac } from 'node:crypto';
import { expect } from 'chai';
import { OPERATIONS } from '../../coordinator/http/aws/model.ts';
import { AwsRequests } from '../support/aws-requests.ts';
import { type AccessKeyPair, newAccessKey } from '../support/aws-tools.ts';
import { startTestCoordinator, type TestCoordinator } from '../support/coordinator.ts';
import { enrolHost } from '../support/raw-agent.ts';

const REQUESTS = Number(process.env['DROVER_TEST_FUZZ'] ?? 1_500);
const SEED = Number(process.env['DROVER_TEST_SEED'] ?? Date.now() % 1_000_000);
/** Of the protocol, and for a state that a modelled operation has no name for. */
const COMMON = ['SerializationException', 'ValidationException', 'InvalidOperationException'];
const BUNDLE = Buffer.from('a bundle');
const DIGEST = createHash('sha256').update(BUNDLE).digest('hex');

describe(`requests made from CodeDeploy's model (DROVER_TEST_FUZZ=${REQUESTS} DROVER_TEST_SEED=${SEED})`, function () {
  this.timeout(60_000 + 30 * REQUESTS);
  let coordinator: TestCoordinator;
  let key: AccessKeyPair;
  /** Grows as deployments are made, up to a bound. */
  const deploymentIds = ['d-000000000', 'x'];
  before(async () => {
    coordinator = await startTestCoordinator({
      limits: { requestsPerMinute: 10_000_000 },
      // Nobody listens there: what is to be fetched from GitHub fails at once.
      gitHub: { baseUrl: 'http://127.0.0.1:9' },
    });
    key = await newAccessKey(coordinator);
    await enrolHost(coordinator, 'web-1', { token: { tags: { role: 'web' } } });
  });
  after(() => coordinator.remove());

  it('get an answer, or an exception of their operation: never a failure of the coordinator', async () => {
    const requests = new AwsRequests(SEED, {
      ApplicationName: ['a', 'b'],
      DeploymentGroupName: ['g', 'h'],
      DeploymentConfigName: ['CodeDeployDefault.AllAtOnce', 'mine'],
      DeploymentId: deploymentIds,
      S3Bucket: ['drover', 'drover', 'other'],
      S3Key: [`a/${DIGEST}.tgz`, 'k'],
      ETag: [''],
      VersionId: [''],
      CommitId: ['a'.repeat(40), 'x'],
      Repository: ['a/b', 'x'],
      NextToken: ['WzEwMF0', 'WyJhIl0', '1', 'x'],
      Arn: ['arn:aws:codedeploy:us-east-1:1:application:a', 'arn:aws:codedeploy:x:1:deploymentgroup:a/g', 'x'],
      Role: ['arn:aws:iam::123456789012:role/r', 'x'],
      IamUserArn: ['arn:aws:iam::123456789012:user/u', 'x'],
      IamSessionArn: ['arn:aws:sts::123456789012:assumed-role/a/b', 'x'],
    });
    const wrong: string[] = [];
    let answered = 0;
    for (let number = 0; number < REQUESTS; number++) {
      // Things to ask about are put back now and then: the requests delete them, too.
      if (number % 50 === 0) await furnish();
      const { operation, body } = requests.next();
      const text = JSON.stringify(body);
      const { status, answer } = await send(operation, text);
      if (status === 200) {
        answered++;
        const { deploymentId } = answer as { deploymentId?: string };
        remember(deploymentId);
        continue;
      }
      const { __type: exception = '' } = answer as { __type?: string };
      const modelled: readonly string[] = OPERATIONS[operation].errors;
      if (status !== 400 || (!modelled.includes(exception) && !COMMON.includes(exception)))
        wrong.push(`${operation} ${text.slice(0, 500)}: ${status} ${JSON.stringify(answer)}`);
    }
    expect(wrong).to.deep.equal([]);
    expect(deploymentIds, 'deployments to ask about').to.have.length.above(2);
    expect(answered, 'requests that were fine').to.be.above(REQUESTS / 10);
  });

  function remember(id: string | undefined): void {
    if (id !== undefined) deploymentIds.splice(2, deploymentIds.length > 20 ? 1 : 0, id);
  }

  async function furnish(): Promise<void> {
    for (const name of ['a', 'b']) {
      await coordinator.call('POST', '/v1/applications', { body: { name } });
      const group = { name: 'g', selection: { hostNames: ['web-1'] } };
      await coordinator.call('POST', `/v1/applications/${name}/deployment-groups`, { body: group });
      const upload = `/v1/applications/${name}/revisions/upload?digest=${DIGEST}&bundleType=tgz`;
      await coordinator.call('POST', upload, { body: BUNDLE });
      const { body } = await coordinator.call('POST', '/v1/deployments', {
        body: { application: name, deploymentGroup: 'g', revision: DIGEST },
      });
      remember((body as { id?: string }).id);
    }
  }

  /** Signed by the book: an SDK would not send most of these. */
  async function send(operation: string, body: string): Promise<{ status: number; answer: unknown }> {
    const at = `${new Date().toISOString().replaceAll(/[-:]/g, '').slice(0, 15)}Z`;
    const target = `CodeDeploy_20141006.${operation}`;
    const names = 'host;x-amz-date;x-amz-target';
    const scope = `${at.slice(0, 8)}/us-east-1/codedeploy/aws4_request`;
    const sha = (text: string) => createHash('sha256').update(text).digest('hex');
    const lines = `host:${new URL(coordinator.url).host}\nx-amz-date:${at}\nx-amz-target:${target}\n`;
    const text = `AWS4-HMAC-SHA256\n${at}\n${scope}\n${sha(`POST\n/\n\n${lines}\n${names}\n${sha(body)}`)}`;
    const signingKey = scope
      .split('/')
      .reduce<Buffer>(
        (last, part) => createHmac('sha256', last).update(part).digest(),
        Buffer.from(`AWS4${key.secretAccessKey}`),
      );
    const signature = createHmac('sha256', signingKey).update(text).digest('hex');
    const answer = await fetch(coordinator.url, {
      method: 'POST',
      body,
      headers: {
        'x-amz-date': at,
        'x-amz-target': target,
        authorization: `AWS4-HMAC-SHA256 Credential=${key.accessKeyId}/${scope}, SignedHeaders=${names}, Signature=${signature}`,
      },
    });
    const json = await answer.text();
    return { status: answer.status, answer: json === '' ? {} : JSON.parse(json) };
  }
});
