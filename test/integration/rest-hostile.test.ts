import { createHash } from 'node:crypto';
import { expect } from 'chai';
import { problemBody, type Route } from '../../shared/api/route.ts';
import { routes } from '../../shared/api/routes.ts';
import { startTestCoordinator, type TestCoordinator, textAt } from '../support/coordinator.ts';
import { seededRandomness } from '../support/fake-randomness.ts';
import { hostileRequest } from '../support/hostile-requests.ts';

const SEED = Number(process.env['DROVER_TEST_SEED'] ?? 20_261_126);
const REQUESTS_PER_ROUTE = Number(process.env['DROVER_TEST_REQUESTS'] ?? 60);
/** It answers for as long as a deployment runs. */
const NOT_ASKED = new Set(['followDeployment']);

describe(`the native API under hostile requests (seed ${SEED})`, function () {
  this.timeout(600_000);
  let coordinator: TestCoordinator;
  const logged: object[] = [];
  before(async () => {
    const logger = {
      debug() {},
      info() {},
      warn() {},
      error: (fields: object) => void logged.push(fields),
      child: () => logger,
    };
    coordinator = await startTestCoordinator(
      { limits: { requestsPerMinute: 10_000_000, hostRequestsPerMinute: 10_000_000, enrolmentsPerMinute: 10_000_000 } },
      logger,
    );
  });
  after(() => coordinator.remove());

  it('answers each of them with a success or a problem that says what was wrong, and stays well', async () => {
    const bundle = Buffer.alloc(1_024);
    const digest = createHash('sha256').update(bundle).digest('hex');
    await coordinator.call('POST', '/v1/applications', { body: { name: 'web' } });
    const upload = `/v1/applications/web/revisions/upload?bundleType=tar&digest=${digest}&label=v1`;
    const revision = await coordinator.call('POST', upload, { body: bundle });
    await coordinator.call('POST', '/v1/applications/web/deployment-groups', {
      body: { name: 'prod', selection: { tagFilters: [{ type: 'KEY_ONLY', key: 'role' }] } },
    });
    const deployment = await coordinator.call('POST', '/v1/deployments', {
      body: { application: 'web', deploymentGroup: 'prod', revision: 'latest' },
    });
    const known = ['web', 'prod', 'v1', 'latest', digest, textAt(revision.body, 'id'), textAt(deployment.body, 'id')];
    known.push('CodeDeployDefault.OneAtATime', 'role');

    const randomness = seededRandomness(SEED);
    const answers = new Map<number, number>();
    const wrong: string[] = [];
    for (let round = 0; round < REQUESTS_PER_ROUTE; round++)
      for (const [name, route] of Object.entries(routes) as [string, Route][]) {
        if (NOT_ASKED.has(name)) continue;
        const { method, path, body } = hostileRequest(route, randomness, known);
        const response = await fetch(`${coordinator.url}${path}`, {
          method,
          headers: {
            authorization: `Bearer ${coordinator.adminToken}`,
            ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          },
          ...(body === undefined ? {} : { body }),
          redirect: 'manual',
        });
        const text = await response.text();
        answers.set(response.status, (answers.get(response.status) ?? 0) + 1);
        const isGood =
          response.status < 400
            ? response.status >= 200
            : [400, 401, 403, 404, 409, 413].includes(response.status) && isProblem(text);
        if (!isGood) wrong.push(`${name}: ${method} ${path} ${body?.slice(0, 300)}: ${response.status} ${text}`);
      }
    expect(wrong.slice(0, 10)).to.deep.equal([]);
    expect(logged.slice(0, 3)).to.deep.equal([]);
    expect((await coordinator.call('GET', '/readyz', { token: null })).status).to.equal(200);
    // A test that reached nothing would pass as well.
    expect(answers.get(200) ?? 0, JSON.stringify([...answers])).to.be.above(REQUESTS_PER_ROUTE);
    expect(answers.get(400) ?? 0).to.be.above(REQUESTS_PER_ROUTE);
  });
});

function isProblem(text: string): boolean {
  try {
    const problem = problemBody.parse(JSON.parse(text));
    return problem.detail !== '' && problem.code !== 'internal';
  } catch {
    return false;
  }
}
