import { expect } from 'chai';
import fc from 'fast-check';
import { CodeDeployFleet } from '../support/codedeploy-fleet.ts';
import { startTestCoordinator, type TestCoordinator } from '../support/coordinator.ts';
import { signedFetch } from '../support/signed-requests.ts';

/** What AWS's agents know how to read, beside an answer. */
const EXCEPTIONS = [
  'ClientException',
  'DeploymentNotFoundException',
  'AccessDeniedException',
  'UnknownOperationException',
  'SerializationException',
];
const RUNS = Number(process.env['DROVER_TEST_FUZZ'] ?? 1_500);
const PARALLEL = 8;

describe('the command service of AWS agents, told nonsense', function () {
  this.timeout(300_000);
  let coordinator: TestCoordinator;
  let fleet: CodeDeployFleet;

  before(async () => {
    // Polls that happen to be right are not held.
    coordinator = await startTestCoordinator({
      timings: { commandPollHoldMs: 1 },
      limits: { requestsPerMinute: 1_000_000 },
    });
    fleet = new CodeDeployFleet(coordinator.url, coordinator.adminToken);
  });
  after(async () => {
    await fleet.close();
    await coordinator.remove();
  });

  it('answers, or refuses by a name that is in the protocol: never with a failure of its own', async () => {
    const host = await fleet.addHost('web-1');
    const send = signedFetch({ ...host, url: fleet.url, service: 'codedeploy-commands' });
    const anything = fc.oneof(
      fc.constant(undefined),
      fc.jsonValue({ maxDepth: 2 }),
      fc.string({ maxLength: 3_000, unit: 'binary' }),
      fc.constantFrom('Succeeded', 'Failed', host.iamArn, 'a/b/c/d-AAAAAAAAA', '{"IsCommandNoop":"x"}', '__proto__'),
    );
    const body = fc.oneof(
      {
        weight: 8,
        arbitrary: fc
          .record({
            HostIdentifier: anything,
            HostCommandIdentifier: anything,
            DeploymentExecutionId: anything,
            CommandStatus: anything,
            EstimatedCompletionTime: anything,
            Diagnostics: fc.oneof(anything, fc.record({ Format: anything, Payload: anything })),
          })
          .map((members) => JSON.stringify(members)),
      },
      { weight: 1, arbitrary: fc.jsonValue().map((value) => JSON.stringify(value)) },
      { weight: 1, arbitrary: fc.string({ maxLength: 200, unit: 'binary' }) },
    );
    const operation = fc.constantFrom(
      'PollHostCommand',
      'GetDeploymentSpecification',
      'PutHostCommandAcknowledgement',
      'PutHostCommandComplete',
      'PostHostCommandUpdate',
      'toString',
    );
    const cases = fc.sample(fc.record({ operation, body }), { numRuns: RUNS, seed: 20261126 });
    const seen = new Map<string, number>();
    const next = cases[Symbol.iterator]();
    const worker = async () => {
      for (const one of { [Symbol.iterator]: () => next }) {
        const response = await send('POST', '/', {
          headers: {
            'content-type': 'application/x-amz-json-1.1',
            'x-amz-target': `CodeDeployCommandService_v20141006.${one.operation}`,
          },
          body: one.body,
        });
        const answer = (await response.json()) as { __type?: string };
        const what = response.status === 200 ? 'ok' : `${response.status} ${answer.__type}`;
        seen.set(what, (seen.get(what) ?? 0) + 1);
        const allowed = ['ok', ...EXCEPTIONS.map((type) => `400 ${type}`)];
        expect(allowed, `${JSON.stringify(one)} got ${JSON.stringify(answer)}`).to.include(what);
      }
    };
    await Promise.all(Array.from({ length: PARALLEL }, worker));
    console.log(`      ${RUNS} requests: ${JSON.stringify(Object.fromEntries(seen))}`);
    expect([...seen.values()].reduce((sum, count) => sum + count, 0)).to.equal(RUNS);
  });
});
