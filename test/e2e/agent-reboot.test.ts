import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { AgentProcess, anAssignment, hooksAppSpec, makeBundle } from '../support/agent-process.ts';
import { type FakeCoordinator, startFakeCoordinator } from '../support/fake-coordinator.ts';
import { until } from '../support/real-herd.ts';

/** Its first process is another at each start, and when that ends everything in it does: a boot, as far as it can be had here. */
const MACHINE = [
  'unshare',
  '--pid',
  '--fork',
  '--kill-child=SIGKILL',
  '--mount-proc',
  'sh',
  '-c',
  '"$@" & wait',
  'init',
];
const whyNot = spawnSync('unshare', [...MACHINE.slice(1), 'true']).status === 0 ? null : 'needs root and unshare';

describe(`a host that is rebooted by a hook${whyNot === null ? '' : ` (skipped: ${whyNot})`}`, function () {
  this.timeout(60_000);
  let coordinator: FakeCoordinator;
  let agent: AgentProcess;

  before(async function () {
    if (whyNot !== null) return this.skip();
    coordinator = await startFakeCoordinator();
  });
  after(() => coordinator?.close());
  afterEach(() => agent?.remove());

  it('goes on with the deployment after each boot, and runs every script once', async () => {
    agent = new AgentProcess(coordinator, { hooks: { rebootCommand: ['/bin/sh', '-c', `touch "$0"`, 'REQUEST'] } });
    const config = join(agent.directory, 'agent.yaml');
    const [request, trace] = [join(agent.directory, 'reboot-wanted'), join(agent.directory, 'trace')];
    writeFileSync(config, readFileSync(config, 'utf8').replace('REQUEST', request));
    await agent.enrol();
    const note = (name: string, then = '') => `#!/bin/sh\necho "$LIFECYCLE_EVENT ${name}" >> ${trace}\n${then}\n`;
    const ask = `exec ${process.execPath} ${agent.program} reboot-and-continue`;
    const bundle = await makeBundle(
      hooksAppSpec({
        BeforeInstall: ['kernel.sh', 'after.sh'],
        AfterInstall: ['code.sh'],
        ValidateService: ['after.sh'],
      }),
      { 'kernel.sh': note('kernel', ask), 'code.sh': note('code', 'exit 194'), 'after.sh': note('after') },
    );
    coordinator.addBundle(bundle.digest, bundle.bytes);
    const assignment = anAssignment(bundle);
    coordinator.assign(assignment);
    for (let boot = 0; boot < 2; boot++) {
      agent.start({}, MACHINE);
      await until('the hook asks for a reboot', 20_000, () => existsSync(request));
      await agent.kill('SIGKILL');
      rmSync(request);
    }
    agent.start({}, MACHINE);
    const isDone = () => coordinator.finished(assignment.deploymentId) !== undefined;
    await coordinator.until('the deployment has ended', isDone, 20_000);
    expect(coordinator.finished(assignment.deploymentId)?.status).to.equal('Succeeded');
    expect(readFileSync(trace, 'utf8').trim().split('\n')).to.deep.equal([
      'BeforeInstall kernel',
      'BeforeInstall after',
      'AfterInstall code',
      'ValidateService after',
    ]);
    expect(existsSync(request)).to.equal(false);
    expect(coordinator.violations).to.deep.equal([]);
  });

  it('says that reboot-and-continue is for hooks only', async () => {
    agent = new AgentProcess(coordinator);
    expect(await agent.command('reboot-and-continue')).to.include({ code: 2 });
    const inHook = { DEPLOYMENT_ID: 'd-1', LIFECYCLE_EVENT: 'AfterInstall' };
    expect(await agent.commandIn(inHook, 'reboot-and-continue')).to.deep.equal({ code: 194, stdout: '', stderr: '' });
  });
});
