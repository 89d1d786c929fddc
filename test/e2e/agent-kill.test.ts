import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Assignment } from '../../shared/protocol/messages.ts';
import { AgentProcess, anAssignment, hooksAppSpec, makeBundle } from '../support/agent-process.ts';
import { type FakeCoordinator, startFakeCoordinator } from '../support/fake-coordinator.ts';

const HOOKED = ['ApplicationStop', 'BeforeInstall', 'AfterInstall', 'ApplicationStart', 'ValidateService'];
const MOMENTS = ['before', 'torn', 'written', 'synced'] as const;
/** Appends to the journal that one deployment makes, generously; each is killed at each moment. */
const APPENDS = 16;
const RANDOM_KILLS = 40;

/**
 * The agent is killed at every journal write, at each moment of the write, and at random times; after each kill another one
 * is started on what the first left. Every script must have run exactly once in each deployment, and every report must
 * arrive, in order, once.
 */
describe('an agent that is killed again and again', function () {
  this.timeout(600_000);
  let coordinator: FakeCoordinator;
  let agent: AgentProcess;
  let trace: string;
  let bundle: Awaited<ReturnType<typeof makeBundle>>;

  before(async () => {
    coordinator = await startFakeCoordinator();
    agent = new AgentProcess(coordinator, { logLevel: 'warn' });
    await agent.enrol();
    trace = join(agent.directory, 'trace');
    bundle = await makeBundle(
      hooksAppSpec(Object.fromEntries(HOOKED.map((event) => [event, ['one.sh', 'two.sh']]))),
      Object.fromEntries(
        ['one', 'two'].map((name) => [
          `${name}.sh`,
          `#!/bin/sh\necho "$DEPLOYMENT_ID $LIFECYCLE_EVENT ${name}" >> ${trace}\n`,
        ]),
      ),
    );
    coordinator.addBundle(bundle.digest, bundle.bytes);
  });
  after(async () => {
    await agent.remove();
    await coordinator.close();
  });

  let kills = 0;
  let hasInstalled = false;

  async function finish(assignment: Assignment): Promise<void> {
    await coordinator.until(
      `${assignment.deploymentId} is finished`,
      () => coordinator.finished(assignment.deploymentId) !== undefined,
      30_000,
    );
    check(assignment);
  }

  function check({ deploymentId }: Assignment): void {
    const lines = (existsSync(trace) ? readFileSync(trace, 'utf8') : '').split('\n');
    const events = coordinator.events(deploymentId);
    const ran = lines
      .filter((line) => line.startsWith(`${deploymentId} `))
      .map((line) => line.slice(deploymentId.length + 1));
    expect(ran, `${deploymentId}: each script at most once`).to.have.length(new Set(ran).size);
    // Only agents are killed here, never hooks, so every outcome can be known.
    expect(events.filter((event) => event.status !== 'Succeeded')).to.deep.equal([]);
    const expected = HOOKED.filter((event) => hasInstalled || event !== 'ApplicationStop');
    expect(ran).to.deep.equal(expected.flatMap((event) => [`${event} one`, `${event} two`]));
    hasInstalled = true;
    expect(events, 'an outcome for each event').to.have.length(7);
    expect(coordinator.violations).to.deep.equal([]);
  }

  it('runs every script once and loses no report when killed at each journal write', async () => {
    for (let append = 1; append <= APPENDS; append++)
      for (const moment of MOMENTS) {
        const assignment = anAssignment(bundle);
        coordinator.assign(assignment);
        agent.start({ DROVER_FAILPOINT: `journal:${append}:${moment}` });
        // An agent that needed fewer writes finishes; every other one dies at the write.
        const isDead = agent.ended().then(() => true);
        const isDone = coordinator
          .until('finished', () => coordinator.finished(assignment.deploymentId) !== undefined, 30_000)
          .then(() => false);
        if (await Promise.race([isDead, isDone])) kills++;
        else await agent.kill('SIGKILL');
        agent.start();
        await finish(assignment);
        await isDone;
        await agent.kill('SIGKILL');
        kills++;
      }
  });

  it('runs every script once and loses no report when killed at any time', async () => {
    const assignments: Assignment[] = [];
    for (let kill = 0; kill < RANDOM_KILLS; kill++) {
      const assignment = anAssignment(bundle);
      assignments.push(assignment);
      coordinator.assign(assignment);
      const accepted = () => coordinator.reports.some((report) => report.deploymentId === assignment.deploymentId);
      agent.start();
      // The interesting time is after the assignment has arrived; how long after differs from kill to kill.
      await coordinator.until('accepted', accepted, 30_000);
      await new Promise((resolve) => setTimeout(resolve, (kill * 7) % 60));
      await agent.kill('SIGKILL');
      kills++;
    }
    agent.start();
    for (const assignment of assignments) await finish(assignment);
    expect(kills, 'kills in all').to.be.at.least(100);
  });
});
