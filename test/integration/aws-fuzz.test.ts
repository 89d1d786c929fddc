import { createHash } from 'node:crypto';
import { expect } from 'chai';
import { OPERATIONS } from '../../coordinator/http/aws/model.ts';
import { AwsRequests } from '../support/aws-requests.ts';
import { type AccessKeyPair, newAccessKey } from '../support/aws-tools.ts';
import { type MeasuredCoordinator, startMeasuredCoordinator } from '../support/measured-coordinator.ts';
import { growthOf, type Sample } from '../support/memory-growth.ts';
import { enrolHost } from '../support/raw-agent.ts';
import { sendPlainlySigned } from '../support/signed-requests.ts';

const REQUESTS = Number(process.env['DROVER_TEST_FUZZ'] ?? 1_500);
const SEED = Number(process.env['DROVER_TEST_SEED'] ?? Date.now() % 1_000_000);
/** Of the protocol, and for a state that a modelled operation has no name for. */
const COMMON = ['SerializationException', 'ValidationException', 'InvalidOperationException'];
const PARALLEL = 5;
/** Until caches, pools and compiled code are what they stay. */
const WARM_UP = Math.max(1_000, REQUESTS / 5);
const SAMPLES = 20;
/** What memory may grow by after the warm-up. Over 50,000 requests a leak of a hundred bytes each is more. */
const MAX_HEAP_GROWTH_BYTES = 4 * 1_024 * 1_024;
const MAX_RESIDENT_GROWTH_BYTES = 32 * 1_024 * 1_024;
/** A request that is not answered by then hangs. */
const HANGS_AFTER_MS = 30_000;
const BUNDLE = Buffer.from('a bundle');
const DIGEST = createHash('sha256').update(BUNDLE).digest('hex');

describe(`requests made from CodeDeploy's model (DROVER_TEST_FUZZ=${REQUESTS} DROVER_TEST_SEED=${SEED})`, function () {
  this.timeout(60_000 + 30 * REQUESTS);
  let coordinator: MeasuredCoordinator;
  let key: AccessKeyPair;
  /** Grows as deployments are made, up to a bound. */
  const deploymentIds = ['d-000000000', 'x'];
  before(async () => {
    coordinator = await startMeasuredCoordinator({
      limits: { requestsPerMinute: 10_000_000 },
      // Nobody listens there: what is to be fetched from GitHub fails at once.
      gitHub: { baseUrl: 'http://127.0.0.1:9' },
    });
    key = await newAccessKey(coordinator);
    await enrolHost(coordinator, 'web-1', { token: { tags: { role: 'web' } } });
  });
  after(() => coordinator.remove());

  it('get an answer, or an exception of their operation: no failure of the coordinator, no wait, no memory that grows', async () => {
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
    const samples: Sample[] = [];
    let answered = 0;
    const ask = async () => {
      const { operation, body } = requests.next();
      const text = JSON.stringify(body);
      const { status, answer } = await sendPlainlySigned(
        { url: coordinator.url, key, hangsAfterMs: HANGS_AFTER_MS },
        operation,
        text,
      );
      if (status === 200) {
        answered++;
        const { deploymentId } = answer as { deploymentId?: string };
        remember(deploymentId);
        return;
      }
      const { __type: exception = '' } = answer as { __type?: string };
      const modelled: readonly string[] = OPERATIONS[operation].errors;
      if (status !== 400 || (!modelled.includes(exception) && !COMMON.includes(exception)))
        wrong.push(`${operation} ${text.slice(0, 500)}: ${status} ${JSON.stringify(answer)}`);
    };
    for (let number = 0; number < REQUESTS; number += PARALLEL) {
      // Things to ask about are put back now and then: the requests delete them, too.
      if (number % (10 * PARALLEL) === 0) await furnish();
      if (number >= WARM_UP && samples.length < ((number - WARM_UP) * SAMPLES) / (REQUESTS - WARM_UP))
        samples.push({ after: number, ...(await coordinator.memoryInUse()) });
      await Promise.all(Array.from({ length: PARALLEL }, ask));
    }
    expect(wrong).to.deep.equal([]);
    expect(deploymentIds, 'deployments to ask about').to.have.length.above(2);
    expect(answered, 'requests that were fine').to.be.above(REQUESTS / 10);
    const growth = growthOf(samples);
    const seen = samples.map((one) => `${one.after}: ${one.heapBytes} ${one.residentBytes}`).join('\n');
    expect(growth.heapBytes, `bytes of the heap\n${seen}`).to.be.below(MAX_HEAP_GROWTH_BYTES);
    expect(growth.residentBytes, `bytes of the process\n${seen}`).to.be.below(MAX_RESIDENT_GROWTH_BYTES);
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
});
