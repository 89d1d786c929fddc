import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { createDeployments } from '../../agent/deployment/deployments.ts';
import type { Assignment } from '../../shared/protocol/messages.ts';
import { anAssignment, hooksAppSpec } from '../support/agent-process.ts';
import { type DeploymentsWorld, openDeploymentsWorld } from '../support/deployments-world.ts';
import { until } from '../support/real-herd.ts';
import { type TreeSpec, temporaryDirectory } from '../support/tree.ts';

const executable = (text: string) => ({ text: `#!/bin/sh\n${text}\n`, mode: 0o755 });

describe('a hook that asks for a reboot', function () {
  this.timeout(30_000);
  let scratch: ReturnType<typeof temporaryDirectory>;
  let trace: string;
  let assignment: Assignment;

  beforeEach(() => {
    scratch = temporaryDirectory();
    trace = join(scratch.path, 'trace');
    assignment = anAssignment(
      { digest: 'a'.repeat(64), bytes: new Uint8Array(), bundleType: 'tgz' },
      { lifecycleEvents: ['DownloadBundle', 'AfterInstall', 'ApplicationStart'] },
    );
  });
  afterEach(() => scratch.remove());

  const noting = (name: string, then = '') => executable(`echo ${name} >> ${trace}\n${then}`);
  const bundle = (): TreeSpec => ({
    'appspec.yml': hooksAppSpec({ AfterInstall: ['one.sh', 'kernel.sh', 'two.sh'], ApplicationStart: ['start.sh'] }),
    'one.sh': noting('one'),
    'kernel.sh': noting('kernel', 'exit 194'),
    'two.sh': noting('two'),
    'start.sh': noting('start'),
  });
  const ran = () => (existsSync(trace) ? readFileSync(trace, 'utf8').trim().split('\n') : []);
  const finished = (world: DeploymentsWorld) => world.journal.state.finished[0];
  const failedEvent = (world: DeploymentsWorld) =>
    world.journal.state.reports.find((report) => report.kind === 'event' && report.status === 'Failed');

  /** An agent until `isOver`, stopped then. */
  async function agent(
    boot: string,
    isOver: (world: DeploymentsWorld) => boolean,
    host: { bundle?: TreeSpec; maxReboots?: number; rebootTimeoutMs?: number } = {},
  ): Promise<DeploymentsWorld> {
    const world = await openDeploymentsWorld(scratch.path, { boot, bundle: bundle(), ...host });
    const deployments = createDeployments(world.parts);
    deployments.start();
    await deployments.accept(assignment);
    await until('it is over', 20_000, () => isOver(world));
    await deployments.stop();
    await world.journal.close();
    return world;
  }

  it('has the host rebooted and goes on with the next script, each of them run once', async () => {
    const before = await agent('boot-1', (world) => world.reboots > 0);
    expect(ran()).to.deep.equal(['one', 'kernel']);
    expect(finished(before)).to.equal(undefined);

    // Restarted before the host went down, the agent asks for the reboot again and for nothing else.
    await agent('boot-1', (world) => world.reboots > 0);
    expect(ran()).to.deep.equal(['one', 'kernel']);

    const after = await agent('boot-2', (world) => finished(world) !== undefined);
    expect(finished(after)?.status).to.equal('Succeeded');
    expect(after.reboots).to.equal(0);
    expect(ran()).to.deep.equal(['one', 'kernel', 'two', 'start']);
    const log = after.parts.layout.deployment('group-1', assignment.deploymentId).eventLog('AfterInstall');
    expect(readFileSync(log, 'utf8')).to.equal(
      '[drover] kernel.sh asked for a reboot\n[drover] the host has been booted; the deployment goes on\n',
    );
  });

  it('takes a host that went down before the request was written down for rebooted', async () => {
    const rebooting = {
      ...bundle(),
      // The agent is gone when the script ends.
      'kernel.sh': noting('kernel', `while [ ! -e ${scratch.path}/go ]; do sleep 0.01; done; exit 194`),
    };
    await agent('boot-1', () => ran().includes('kernel'), { bundle: rebooting });
    const { writeFileSync } = await import('node:fs');
    writeFileSync(join(scratch.path, 'go'), '');
    const runs = join(scratch.path, 'state/deployments/group-1', assignment.deploymentId, 'runs');
    await until('it has ended', 20_000, () => existsSync(join(runs, 'AfterInstall-1-1.status')));
    const after = await agent('boot-2', (world) => finished(world) !== undefined);
    expect(after.reboots).to.equal(0);
    expect(finished(after)?.status).to.equal('Succeeded');
    expect(ran()).to.deep.equal(['one', 'kernel', 'two', 'start']);
  });

  it('fails the event when the deployment has had as many reboots as it may', async () => {
    const again = { ...bundle(), 'two.sh': noting('two', 'exit 194') };
    await agent('boot-1', (world) => world.reboots > 0, { bundle: again });
    const after = await agent('boot-2', (world) => finished(world) !== undefined, { bundle: again, maxReboots: 1 });
    expect(after.reboots).to.equal(0);
    expect(failedEvent(after)).to.deep.include({
      event: 'AfterInstall',
      diagnostics: {
        errorCode: 'ScriptFailed',
        scriptName: 'two.sh',
        message:
          'two.sh asked for a reboot (exit code 194), but the deployment has had 1 of at most 1 (hooks.maxReboots)',
        exitCode: 194,
      },
    });
    expect(ran()).to.deep.equal(['one', 'kernel', 'two']);
  });

  it('fails the event when the host refuses, and when it does not go down in time', async () => {
    const world = await openDeploymentsWorld(scratch.path, { boot: 'boot-1', bundle: bundle() });
    const refusing = { reboot: () => Promise.reject(new Error('Access denied')), maxReboots: 3, timeoutMs: 60_000 };
    const deployments = createDeployments({ ...world.parts, reboots: refusing });
    deployments.start();
    await deployments.accept(assignment);
    await deployments.idle();
    expect(finished(world)?.message).to.equal('AfterInstall: kernel.sh asked for a reboot: Access denied');
    await world.journal.close();

    assignment = { ...assignment, deploymentId: 'd-second' };
    // Not less: the request is on the disk before the host is asked, and a busy disk takes its time for that.
    const late = await agent('boot-1', (each) => each.journal.state.finished.length === 2, { rebootTimeoutMs: 2_000 });
    expect(late.reboots).to.equal(1);
    expect(late.journal.state.finished[1]?.message).to.match(/has not been booted within 2 s$/);
  });

  it('is a failure in a local deployment', async () => {
    const world = await openDeploymentsWorld(scratch.path, {
      boot: 'boot-1',
      bundle: bundle(),
      changes: { reboots: null },
    });
    const deployments = createDeployments(world.parts);
    deployments.start();
    await deployments.accept(assignment);
    await deployments.idle();
    expect(finished(world)?.message).to.contain('which a local deployment does not do');
    await world.journal.close();
  });
});
