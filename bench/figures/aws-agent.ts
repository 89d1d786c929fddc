import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { isTerminal } from '../../shared/model/deployment.ts';
import { IN_PLACE_EVENTS } from '../../shared/model/lifecycle-event.ts';
import type { DroverClient } from '../../shared/sdk/drover-client.ts';
import { SimulatedCodeDeployAgent } from '../../test/support/simulated-codedeploy-agent.ts';
import { type Figure, lineOf } from '../figure.ts';
import { setUpApplication } from '../support/application.ts';
import { startCoordinator } from '../support/coordinator.ts';
import { until } from '../support/processes.ts';

/** Of one event: the poll that is answered, the specification, the acknowledgement, the completion. */
const REQUESTS_PER_EVENT = 4;
const WARM_UP_ROUNDS = 8;
const POLL_MS = 2;

/**
 * Seven events by the protocol of AWS's agent, which knows single commands: what the coordinator adds to a deployment when the
 * host itself takes no time. The agent is simulated in this process; it takes turns with as many signed requests that change nothing.
 */
export const awsAgent: Figure = {
  name: 'aws-agent',
  summary: "seven events over the protocol of AWS's agent, which does nothing in them, against bare requests",
  async run(bench) {
    const coordinator = await startCoordinator(bench, 'coordinator');
    const { client, url } = coordinator;
    const application = await setUpApplication(bench, client);
    const { host, accessKeyId, secretAccessKey } = await client.registerCodeDeployHost({
      name: 'aws-1',
      tags: { role: 'web' },
    });
    const directory = join(bench.directory, 'agent');
    mkdirSync(directory);
    const agent = new SimulatedCodeDeployAgent({
      url,
      accessKeyId,
      secretAccessKey,
      hostIdentifier: host.iamArn ?? '',
      directory,
      scripted: () => ({ errorCode: 0, message: 'Succeeded: ' }),
    });
    agent.start();
    bench.defer(() => agent.stop());
    await until('the host is online', async () => (await client.getHost({ host: 'aws-1' })).presence === 'Online');

    const deployments: number[] = [];
    const requests: number[] = [];
    const times = bench.isQuick ? 10 : 60;
    for (let round = -WARM_UP_ROUNDS; round < times; round++) {
      const before = agent.exchanges.length;
      const tookMs = await deploy(client, application);
      const asked = agent.exchanges.slice(before).filter((one) => one.operation === 'PollHostCommand');
      const commands = asked.filter((one) => 'HostCommand' in one.answer).length;
      if (commands !== IN_PLACE_EVENTS.length)
        throw new Error(`${commands} commands in ${asked.length} polls for ${IN_PLACE_EVENTS.length} events`);
      const bareMs = await bareRequests(agent);
      if (round < 0) continue;
      deployments.push(tookMs);
      requests.push(bareMs);
    }
    if (agent.errors.length > 0) throw new Error(`the agent met ${String(agent.errors[0])}`);
    const count = REQUESTS_PER_EVENT * IN_PLACE_EVENTS.length;
    bench.line(lineOf({ what: `${count} signed requests that change nothing`, unit: 'ms', values: requests }));
    bench.line(
      lineOf({
        what: "seven events of AWS's agent, one held poll for each",
        unit: 'ms',
        values: deployments,
        peer: { name: 'bare requests', values: requests },
        aims: [{ of: 'median', atMost: 250 }],
        note: 'by the instants in the history, from the start of the deployment to its end',
      }),
    );
  },
};

async function deploy(
  client: DroverClient,
  request: { application: string; deploymentGroup: string; revision: string },
): Promise<number> {
  let deployment = await client.createDeployment(request);
  while (!isTerminal(deployment.status)) {
    await pause(POLL_MS);
    deployment = await client.getDeployment({ deployment: deployment.id });
  }
  if (deployment.status !== 'Succeeded')
    throw new Error(`${deployment.id} is ${deployment.status}: ${JSON.stringify(deployment.errorInformation)}`);
  return (deployment.completedAt ?? Number.NaN) - (deployment.startedAt ?? Number.NaN);
}

async function bareRequests(agent: SimulatedCodeDeployAgent): Promise<number> {
  const before = performance.now();
  for (let sent = 0; sent < REQUESTS_PER_EVENT * IN_PLACE_EVENTS.length; sent++)
    await agent.call('PostHostCommandUpdate', { HostCommandIdentifier: 'none' });
  return performance.now() - before;
}
