import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { createAccounts } from '../../agent/host/accounts.ts';
import { createNodeDisk } from '../../agent/host/node-disk.ts';
import { recoverInstall } from '../../agent/install/installer.ts';
import { readManifest } from '../../agent/install/records.ts';
import { readJournal } from '../../agent/journal/journal.ts';
import { silentLogger } from '../../shared/core/logger.ts';
import { AgentProcess, anAssignment, makeBundle, type TestBundle } from '../support/agent-process.ts';
import { type FakeCoordinator, startFakeCoordinator } from '../support/fake-coordinator.ts';
import { readTree } from '../support/tree.ts';

/** Before a change is after the one before it. */
const MOMENTS = ['torn', 'after'] as const;
const MAX_CHANGES = 200;
const disk = createNodeDisk();

/**
 * The real agent, ended by SIGKILL at every change that it makes to the disk, from its start to the end of a deployment that
 * takes the place of another. Between its death and the next agent's start the host is put right as that agent would: the
 * files must be the old ones or the new ones. Then the next agent goes on to the end.
 */
describe('an agent that is killed at every change of the disk', function () {
  this.timeout(600_000);
  let coordinator: FakeCoordinator;
  let agent: AgentProcess;
  let bundles: { files: Record<string, string>; bundle: TestBundle }[];

  beforeEach(async () => {
    coordinator = await startFakeCoordinator();
    agent = new AgentProcess(coordinator, { logLevel: 'warn' });
    await agent.enrol();
    const one = { 'app/same': 's', 'app/changed': '1', 'app/gone': '1', 'app/x': '1' };
    const two = { 'app/same': 's', 'app/changed': '2', 'app/fresh': '2', 'app/x/y': '2' };
    bundles = [];
    for (const files of [one, two]) {
      const bundle = await makeBundle(appSpec(), { ...files, 'note.sh': '#!/bin/sh\necho $DEPLOYMENT_ID >> $TRACE\n' });
      coordinator.addBundle(bundle.digest, bundle.bytes);
      bundles.push({ files, bundle });
    }
  });
  afterEach(async () => {
    await agent.remove();
    await coordinator.close();
  });

  const target = () => join(agent.directory, 'target');
  const trace = () => join(agent.directory, 'trace');
  const hash = () => createHash('sha256').update(readTree(target()).join('\n')).digest('hex');
  function appSpec(): string {
    const hooks = { AfterInstall: [{ location: 'note.sh', timeout: 20, env: { TRACE: trace() } }] };
    const files = [{ source: 'app', destination: target() }];
    return `version: 0.0\nos: linux\nfiles: ${JSON.stringify(files)}\nhooks: ${JSON.stringify(hooks)}\n`;
  }

  it('leaves the old files or the new ones, and the next agent ends what it began', async () => {
    mkdirSync(target(), { recursive: true });
    const trees: string[] = [];
    for (const { bundle } of bundles) {
      agent.start();
      await deploy(bundle);
      await agent.kill('SIGKILL');
      trees.push(hash());
    }
    const seen = { old: 0, new: 0 };
    for (let change = 1; ; change++) {
      expect(change, 'the deployment ends').to.be.below(MAX_CHANGES);
      let kills = 0;
      for (const moment of MOMENTS) {
        // To and fro: what is new now is old in the next round.
        const to = (change * MOMENTS.length + MOMENTS.indexOf(moment)) % 2;
        const [old, wanted] = [trees[1 - to], trees[to]];
        if (hash() !== old) {
          agent.start();
          await deploy(theBundle(1 - to));
          await agent.kill('SIGKILL');
        }
        rmSync(trace(), { force: true });
        const assignment = anAssignment(theBundle(to));
        coordinator.assign(assignment);
        agent.start({ DROVER_FAILPOINT: `disk:${change}:${moment}` });
        const isDead = agent.ended().then(() => true);
        const isDone = finished(assignment.deploymentId).then(() => false);
        if (await Promise.race([isDead, isDone])) kills++;
        else await agent.kill('SIGKILL');

        const place = `${moment} change ${change}`;
        const group = { groupId: 'group-1', stateDirectory: join(agent.stateDirectory, 'groups', 'group-1') };
        const noTools = async () => ({ exitCode: 127, stdout: '', stderr: '' });
        const accounts = createAccounts({ disk, run: noTools });
        await recoverInstall({ disk, run: noTools, accounts, logger: silentLogger }, group);
        const found = hash();
        expect([old, wanted], `${place}: ${readTree(target()).join(', ')}`).to.include(found);
        const by = (await readManifest(disk, group))?.deploymentId;
        expect(by === assignment.deploymentId, place).to.equal(found === wanted);
        seen[found === old ? 'old' : 'new']++;

        agent.start();
        await finished(assignment.deploymentId);
        expect(coordinator.finished(assignment.deploymentId), place).to.include({
          status: 'Succeeded',
          installedRevisionId: assignment.revision.id,
        });
        await agent.kill('SIGKILL');
        expect(hash(), place).to.equal(wanted);
        const state = await readJournal(disk, join(agent.stateDirectory, 'journal'));
        expect(state?.installed['group-1']?.deploymentId, place).to.equal(assignment.deploymentId);
        expect(readFileSync(trace(), 'utf8'), place).to.equal(`${assignment.deploymentId}\n`);
      }
      if (kills === 0) break;
    }
    expect(seen.old).to.be.above(30);
    expect(seen.new).to.be.above(10);
    expect(coordinator.violations).to.deep.equal([]);
  });

  it('knows after a local deployment that died which revision is installed', async () => {
    const directory = join(agent.directory, 'bundle');
    const local = () => agent.command('local', '-l', directory, '--json');
    const write = (version: string) => {
      mkdirSync(join(directory, 'app'), { recursive: true });
      const stop = { location: 'stop.sh', timeout: 20 };
      const spec = `files: ${JSON.stringify([{ source: 'app', destination: target() }])}\nhooks: ${JSON.stringify({ ApplicationStop: [stop] })}\n`;
      writeFileSync(join(directory, 'appspec.yml'), `version: 0.0\nos: linux\n${spec}`);
      writeFileSync(join(directory, 'app', 'version'), version);
      writeFileSync(
        join(directory, 'stop.sh'),
        `#!/bin/sh\necho ${version} $(cat ${target()}/version) > ${trace()}\n`,
        { mode: 0o755 },
      );
    };
    write('0');
    expect((await local()).code).to.equal(0);
    let installed = '0';
    for (let change = 1; ; change++) {
      const next = `${change}`;
      write(next);
      const result = await agent.commandIn({ DROVER_FAILPOINT: `disk:${change}:before` }, 'local', '-l', directory);
      write('last');
      expect((await local()).code, `after change ${change}`).to.equal(0);
      const [stopped, found] = readFileSync(trace(), 'utf8').trim().split(' ');
      expect([installed, next], `after change ${change}`).to.include(stopped);
      expect(found, `after change ${change}, what was stopped is what was there`).to.equal(stopped);
      if (result.code === 0) {
        expect(stopped).to.equal(next);
        return;
      }
      installed = 'last';
    }
  });

  function theBundle(index: number): TestBundle {
    const entry = bundles[index];
    if (entry === undefined) throw new Error(`no bundle ${index}`);
    return entry.bundle;
  }
  function finished(deploymentId: string): Promise<unknown> {
    return coordinator.until('finished', () => coordinator.finished(deploymentId) !== undefined, 30_000);
  }
  async function deploy(bundle: TestBundle): Promise<void> {
    const assignment = anAssignment(bundle);
    coordinator.assign(assignment);
    await finished(assignment.deploymentId);
    expect(coordinator.finished(assignment.deploymentId)?.status).to.equal('Succeeded');
  }
});
