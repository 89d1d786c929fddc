import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { createNodeDisk } from '../../agent/host/node-disk.ts';
import { readJournal } from '../../agent/journal/journal.ts';
import { IN_PLACE_EVENTS } from '../../shared/model/lifecycle-event.ts';
import { AgentProcess, anAssignment, hooksAppSpec, makeBundle, type TestBundle } from '../support/agent-process.ts';
import { type FakeCoordinator, startFakeCoordinator } from '../support/fake-coordinator.ts';
import { until } from '../support/real-herd.ts';

const SEVEN = Object.fromEntries(
  ['ApplicationStop', 'BeforeInstall', 'AfterInstall', 'ApplicationStart', 'ValidateService'].map((event) => [
    event,
    ['scripts/note.sh'],
  ]),
);

describe('an agent and its deployments', function () {
  this.timeout(60_000);
  let coordinator: FakeCoordinator;
  let agent: AgentProcess;

  beforeEach(async () => {
    coordinator = await startFakeCoordinator();
    agent = new AgentProcess(coordinator);
    await agent.enrol();
  });
  afterEach(async () => {
    await agent.remove();
    await coordinator.close();
  });

  async function noting(trace: string): Promise<TestBundle> {
    const bundle = await makeBundle(hooksAppSpec(SEVEN), {
      'scripts/note.sh': `#!/bin/sh\necho "$LIFECYCLE_EVENT $DROVER_REVISION" | tee -a ${trace}\n`,
    });
    coordinator.addBundle(bundle.digest, bundle.bytes);
    return bundle;
  }

  it('walks the seven events, reports each, streams the output, and stops with the installed revision', async () => {
    const trace = join(agent.directory, 'trace');
    const bundle = await noting(trace);
    agent.start();
    await agent.connected();
    const [first, second] = [anAssignment(bundle), anAssignment(bundle)];
    for (const assignment of [first, second]) {
      coordinator.assign(assignment);
      await coordinator.until('finished', () => coordinator.finished(assignment.deploymentId) !== undefined);
    }
    expect(coordinator.finished(first.deploymentId)).to.include({
      status: 'Succeeded',
      installedRevisionId: first.revision.id,
    });
    expect(coordinator.events(first.deploymentId).map((report) => report.event)).to.deep.equal([...IN_PLACE_EVENTS]);
    expect(readFileSync(trace, 'utf8').split('\n').filter(Boolean)).to.deep.equal([
      // The first deployment has nothing to stop; the second runs the installed revision's script, told of the new one.
      ...['BeforeInstall', 'AfterInstall', 'ApplicationStart', 'ValidateService'].map(
        (e) => `${e} ${first.revision.label}`,
      ),
      ...Object.keys(SEVEN).map((event) => `${event} ${second.revision.label}`),
    ]);
    await coordinator.until(
      'the output has arrived',
      () => coordinator.outputOf(second.deploymentId, 'ValidateService').length > 0,
    );
    expect(coordinator.outputOf(second.deploymentId, 'ApplicationStop').toString()).to.equal(
      `ApplicationStop ${second.revision.label}\n`,
    );
    await agent.kill('SIGTERM');
    agent.start();
    await coordinator.until('it says what it has, at each connection', () => coordinator.installed.length > 0);
    expect(coordinator.installed.at(-1)).to.deep.equal([
      {
        deploymentGroupId: second.deploymentGroupId,
        deploymentId: second.deploymentId,
        revisionId: second.revision.id,
      },
    ]);
    // The second deployment of the digest downloads nothing.
    expect(coordinator.downloads).to.have.length(1);
    expect(coordinator.violations).to.deep.equal([]);
  });

  it('79. 113. makes the directory of a deployment first, and tells where it looked for an AppSpec', async () => {
    const bundle = await makeBundle('not the AppSpec', {}, {}, 'other.txt');
    coordinator.addBundle(bundle.digest, bundle.bytes);
    agent.start();
    await agent.connected();
    const assignment = anAssignment(bundle, { appSpecFilename: 'deploy/app.yml' });
    coordinator.assign(assignment);
    await coordinator.until('finished', () => coordinator.finished(assignment.deploymentId) !== undefined);
    const directory = join(agent.stateDirectory, 'deployments', 'group-1', assignment.deploymentId);
    expect(coordinator.finished(assignment.deploymentId)).to.include({
      status: 'Failed',
      message: `DownloadBundle: the bundle has no AppSpec file deploy/app.yml, appspec.yml or appspec.yaml in ${directory}/deployment-archive`,
    });
    expect(readdirSync(directory)).to.include.members(['logs', 'runs']);
  });

  it('fails a deployment whose directory cannot be made, and does the next one when it can', async () => {
    const bundle = await makeBundle(hooksAppSpec({}), {});
    coordinator.addBundle(bundle.digest, bundle.bytes);
    const inTheWay = join(agent.stateDirectory, 'deployments', 'group-1');
    mkdirSync(dirname(inTheWay), { recursive: true });
    writeFileSync(inTheWay, '');
    agent.start();
    await agent.connected();
    const [first, second] = [anAssignment(bundle), anAssignment(bundle)];
    coordinator.assign(first);
    await coordinator.until('finished', () => coordinator.finished(first.deploymentId) !== undefined);
    const { status, message } = coordinator.finished(first.deploymentId) ?? {};
    expect(status).to.equal('Failed');
    expect(message).to.contain('the directory of the deployment cannot be made').and.to.contain(inTheWay);

    rmSync(inTheWay);
    coordinator.assign(second);
    await coordinator.until('finished', () => coordinator.finished(second.deploymentId) !== undefined);
    expect(coordinator.finished(second.deploymentId)?.status).to.equal('Succeeded');
  });

  it('tells of a file that stands in the way which deployment of another group has put it there', async () => {
    const appSpec = `version: 0.0\nos: linux\nfiles:\n  - {source: app, destination: ${agent.directory}/srv}\n`;
    const bundle = await makeBundle(appSpec, { 'app/a': 'A' });
    coordinator.addBundle(bundle.digest, bundle.bytes);
    agent.start();
    await agent.connected();
    const first = anAssignment(bundle);
    const moved = anAssignment(bundle, { deploymentGroupId: 'group-2' });
    for (const assignment of [first, moved]) {
      coordinator.assign(assignment);
      await coordinator.until('finished', () => coordinator.finished(assignment.deploymentId) !== undefined);
    }
    expect(coordinator.finished(first.deploymentId)?.status).to.equal('Succeeded');
    expect(coordinator.finished(moved.deploymentId)).to.include({ status: 'Failed' });
    expect(coordinator.finished(moved.deploymentId)?.message).to.contain(
      `already exists at this location: ${agent.directory}/srv/a, installed by ${first.deploymentId} of another deployment group (`,
    );
  });

  it('does not say that it has what another group has replaced since', async () => {
    const files = `files:\n  - {source: app, destination: ${agent.directory}/srv}\n`;
    const bundle = await makeBundle(`version: 0.0\nos: linux\n${files}`, { 'app/a': 'A' });
    const failing = await makeBundle(`${hooksAppSpec({ BeforeInstall: ['scripts/fail.sh'] })}${files}`, {
      'app/a': 'B',
      'scripts/fail.sh': '#!/bin/sh\nexit 1\n',
    });
    for (const { digest, bytes } of [bundle, failing]) coordinator.addBundle(digest, bytes);
    agent.start();
    await agent.connected();
    const first = anAssignment(bundle);
    const other = anAssignment(bundle, { deploymentGroupId: 'group-2', fileExistsBehavior: 'OVERWRITE' });
    const back = anAssignment(failing);
    const otherAgain = anAssignment(failing, { deploymentGroupId: 'group-2' });
    for (const assignment of [first, other, back, otherAgain]) {
      coordinator.assign(assignment);
      await coordinator.until('finished', () => coordinator.finished(assignment.deploymentId) !== undefined);
    }
    expect(coordinator.finished(other.deploymentId)).to.include({ status: 'Succeeded' });
    expect(coordinator.finished(back.deploymentId)).to.include({ status: 'Failed', installedRevisionId: null });
    expect(coordinator.finished(otherAgain.deploymentId)).to.include({
      status: 'Failed',
      installedRevisionId: other.revision.id,
    });
  });

  it('leaves a file to the group that has taken it over, when its own revision has it no more', async () => {
    const srv = join(agent.directory, 'srv');
    const bundleOf = async (files: Record<string, string>) => {
      const bundle = await makeBundle(
        `version: 0.0\nos: linux\nfiles:\n  - {source: app, destination: ${srv}}\n`,
        files,
      );
      coordinator.addBundle(bundle.digest, bundle.bytes);
      return bundle;
    };
    const [both, shared, own] = [
      await bundleOf({ 'app/base': 'B', 'app/shared': 'of the base' }),
      await bundleOf({ 'app/shared': 'of the web' }),
      await bundleOf({ 'app/base': 'C' }),
    ];
    agent.start();
    await agent.connected();
    const run = async (...assignments: ReturnType<typeof anAssignment>[]) => {
      for (const assignment of assignments) {
        coordinator.assign(assignment);
        await coordinator.until('finished', () => coordinator.finished(assignment.deploymentId) !== undefined);
        expect(coordinator.finished(assignment.deploymentId)?.status).to.equal('Succeeded');
      }
    };
    const web = { deploymentGroupId: 'group-2', fileExistsBehavior: 'OVERWRITE' } as const;
    await run(anAssignment(both), anAssignment(shared, web), anAssignment(own));
    expect(readFileSync(join(srv, 'shared'), 'utf8')).to.equal('of the web');
    expect(readFileSync(join(srv, 'base'), 'utf8')).to.equal('C');

    // It is taken back, and then belongs to the first group again.
    await run(anAssignment(both, { fileExistsBehavior: 'OVERWRITE' }), anAssignment(own));
    expect(readdirSync(srv)).to.deep.equal(['base']);
  });

  it('88. 109. 126. writes down what it unpacked, what it installed and which scripts it ran', async () => {
    const bundle = await noting(join(agent.directory, 'trace'));
    agent.start();
    await agent.connected();
    const assignment = anAssignment(bundle);
    coordinator.assign(assignment);
    await coordinator.until('finished', () => coordinator.finished(assignment.deploymentId) !== undefined);
    const { deploymentId } = assignment;
    const directory = join(agent.stateDirectory, 'deployments', 'group-1', deploymentId);
    const state = await readJournal(createNodeDisk(), join(agent.stateDirectory, 'journal'));
    expect(state?.installed['group-1']).to.deep.include({
      archiveRoot: join(directory, 'deployment-archive'),
      appSpecPath: 'appspec.yml',
      deploymentId,
      digest: bundle.digest,
    });
    const records = readFileSync(join(agent.stateDirectory, 'journal'), 'utf8');
    expect(records.indexOf('"kind":"bundle-ready"')).to.be.below(records.indexOf('"event":"BeforeInstall"'));
    const log = readFileSync(join(directory, 'logs', 'scripts.log'), 'utf8').split('\n');
    expect(log[0]).to.match(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d LifecycleEvent - BeforeInstall \(new revision 1\./);
    expect(log[1]).to.match(/ Script - scripts\/note\.sh$/);
    expect(log[2]).to.match(/ Succeeded after \d+ ms$/);
    expect(readFileSync(join(directory, 'logs', 'BeforeInstall.log'), 'utf8')).to.match(/^BeforeInstall 1\./);
  });

  it('goes back to the revision before without a download, whatever the cache may hold, and keeps each revision once', async () => {
    await agent.remove();
    agent = new AgentProcess(coordinator, { limits: { maxCacheBytes: 0 } });
    await agent.enrol();
    agent.start();
    await agent.connected();
    const bundles: TestBundle[] = [];
    for (const name of ['one', 'two', 'three']) {
      const bundle = await makeBundle(hooksAppSpec({ AfterInstall: ['a.sh'] }), {
        'a.sh': `#!/bin/sh\necho ${name}\n`,
      });
      coordinator.addBundle(bundle.digest, bundle.bytes);
      bundles.push(bundle);
    }
    const deploy = async (index: number) => {
      const assignment = anAssignment(bundles[index] as TestBundle);
      coordinator.assign(assignment);
      await coordinator.until('finished', () => coordinator.finished(assignment.deploymentId) !== undefined);
      expect(coordinator.finished(assignment.deploymentId)?.status).to.equal('Succeeded');
      return assignment.deploymentId;
    };
    const digests = (...indexes: number[]) => indexes.map((index) => bundles[index]?.digest).sort();
    const cached = () => readdirSync(join(agent.stateDirectory, 'cache')).sort();
    const settled = (...indexes: number[]) =>
      coordinator.until('tidied', () => JSON.stringify(cached()) === JSON.stringify(digests(...indexes)));
    for (const index of [0, 1, 2, 2]) await deploy(index);
    await settled(1, 2);
    expect(coordinator.downloads).to.have.length(3);
    const last = await deploy(1);
    expect(coordinator.downloads, 'the rollback downloads nothing').to.have.length(3);
    await settled(1, 2);
    // Unpacked there is only what is installed; the directories of the others hold their logs.
    const group = join(agent.stateDirectory, 'deployments', 'group-1');
    const isUnpacked = (name: string) => existsSync(join(group, name, 'deployment-archive'));
    await coordinator.until('tidied', () => readdirSync(group).filter(isUnpacked).length === 1);
    expect(readdirSync(group).filter(isUnpacked)).to.deep.equal([last]);
    expect(readdirSync(group)).to.have.length(3);
  });

  it('leads current to the release that is called after the digest, there and back', async () => {
    const app = join(agent.directory, 'app');
    const appSpec = `version: 0.0\nos: linux\nstrategy: release-directory\nrelease: {directory: ${app}}\nfiles: [{source: app, destination: ${app}/current}]\n`;
    agent.start();
    await agent.connected();
    const bundles = await Promise.all(['one', 'two'].map((name) => makeBundle(appSpec, { 'app/version': name })));
    for (const each of bundles) coordinator.addBundle(each.digest, each.bytes);
    const [one, two] = bundles as [TestBundle, TestBundle];
    for (const [bundle, version] of [
      [one, 'one'],
      [two, 'two'],
      [one, 'one'],
    ] as const) {
      const assignment = anAssignment(bundle);
      coordinator.assign(assignment);
      await coordinator.until('finished', () => coordinator.finished(assignment.deploymentId) !== undefined);
      expect(coordinator.finished(assignment.deploymentId)?.status).to.equal('Succeeded');
      expect(readlinkSync(join(app, 'current'))).to.equal(`releases/${bundle.digest.slice(0, 16)}`);
      expect(readFileSync(join(app, 'current', 'version'), 'utf8')).to.equal(version);
    }
  });

  it('keeps output that has not arrived yet, also of a deployment that seems the oldest since the clock was set back', async () => {
    const directory = join(agent.stateDirectory, 'deployments', 'group-1');
    const tomorrow = new Date(Date.now() + 86_400_000);
    for (const deploymentId of ['d-AAAAAAAA1', 'd-AAAAAAAA2', 'd-AAAAAAAA3']) {
      mkdirSync(join(directory, deploymentId), { recursive: true });
      utimesSync(join(directory, deploymentId), tomorrow, tomorrow);
    }
    const bundle = await makeBundle(hooksAppSpec({ BeforeInstall: ['a.sh'] }), {
      'a.sh': '#!/bin/sh\nhead -c 300000 /dev/zero | tr "\\0" a\necho "the reason"\nexit 1\n',
    });
    coordinator.addBundle(bundle.digest, bundle.bytes);
    agent.start();
    await agent.connected();
    coordinator.behaviour.loseAcknowledgements = true;
    const assignment = anAssignment(bundle);
    coordinator.assign(assignment);
    await coordinator.until('finished', () => coordinator.finished(assignment.deploymentId) !== undefined);
    await agent.kill('SIGTERM');

    coordinator.behaviour.loseAcknowledgements = false;
    agent.start();
    const sent = () => coordinator.outputOf(assignment.deploymentId, 'BeforeInstall').toString();
    await coordinator.until('all of it has arrived', () => sent().endsWith('the reason\n'));
    expect(sent()).to.have.length(300_000 + 'the reason\n'.length);
  });

  it('masks secrets in the output that leaves the host, also when they come in two pieces', async () => {
    await agent.remove();
    agent = new AgentProcess(coordinator, {
      hooks: { environment: { API_TOKEN: 'tok-1234567890' }, secrets: { variables: ['API_TOKEN'] } },
    });
    await agent.enrol();
    const gate = join(agent.directory, 'gate');
    const wait = `while [ ! -e ${gate} ]; do sleep 0.01; done`;
    const bundle = await makeBundle(hooksAppSpec({ AfterInstall: ['a.sh'] }), {
      'a.sh': `#!/bin/sh\nprintf 'first %s then tok-12345' "$API_TOKEN"\n${wait}\necho 67890 end\n`,
    });
    coordinator.addBundle(bundle.digest, bundle.bytes);
    agent.start();
    await agent.connected();
    const assignment = anAssignment(bundle);
    coordinator.assign(assignment);
    const sent = () => coordinator.outputOf(assignment.deploymentId, 'AfterInstall').toString();
    await coordinator.until('the first piece has arrived', () => sent().length > 0);
    expect(sent()).to.equal('first ************** then ');
    writeFileSync(gate, '');
    await coordinator.until('the rest has arrived', () => sent().endsWith('end\n'));
    expect(sent()).to.equal('first ************** then ************** end\n');
  });

  it('masks secrets of a script that an agent before this one has started', async () => {
    await agent.remove();
    agent = new AgentProcess(coordinator, { hooks: { secrets: { variables: ['API_TOKEN'] } } });
    await agent.enrol();
    const [gate, printed, end] = ['gate', 'printed', 'end'].map((name) => join(agent.directory, name));
    const script = { location: 'a.sh', timeout: 60, env: { API_TOKEN: 'tok-1234567890' } };
    const wait = (file: string | undefined) => `while [ ! -e ${file} ]; do sleep 0.01; done`;
    const bundle = await makeBundle(hooksAppSpec({ AfterInstall: [script] }), {
      'a.sh': `#!/bin/sh\n${wait(gate)}\necho "first $API_TOKEN"\n: > ${printed}\n${wait(end)}\n`,
    });
    coordinator.addBundle(bundle.digest, bundle.bytes);
    agent.start();
    await agent.connected();
    const assignment = anAssignment(bundle);
    coordinator.assign(assignment);
    await coordinator.until('the hook runs', () =>
      coordinator.runningEvents.includes(`${assignment.deploymentId} AfterInstall`),
    );
    await agent.kill('SIGKILL');
    writeFileSync(String(gate), '');
    await until('it has printed', 10_000, () => existsSync(String(printed)));
    agent.start();
    const sent = () => coordinator.outputOf(assignment.deploymentId, 'AfterInstall').toString();
    await coordinator.until('the output has arrived', () => sent().length > 0);
    expect(sent()).to.equal('first **************\n');
    writeFileSync(String(end), '');
    await coordinator.until('finished', () => coordinator.finished(assignment.deploymentId) !== undefined);
  });

  it('125. reports the failed event with its script, skips the rest, and keeps going when only the stop failed', async () => {
    const bundle = await makeBundle(
      hooksAppSpec({ ApplicationStop: ['stop.sh'], AfterInstall: ['scripts/break it.sh'] }),
      { 'stop.sh': '#!/bin/sh\nexit 9\n', 'scripts/break it.sh': '#!/bin/sh\necho out; echo err >&2; exit 3\n' },
    );
    const good = await makeBundle(hooksAppSpec({ ApplicationStop: ['stop.sh'] }), { 'stop.sh': '#!/bin/sh\nexit 9\n' });
    for (const each of [bundle, good]) coordinator.addBundle(each.digest, each.bytes);
    agent.start();
    await agent.connected();
    const failing = anAssignment(bundle);
    coordinator.assign(failing);
    await coordinator.until('finished', () => coordinator.finished(failing.deploymentId) !== undefined);
    const [event] = coordinator.events(failing.deploymentId).filter((report) => report.status === 'Failed');
    expect(event?.diagnostics).to.deep.equal({
      errorCode: 'ScriptFailed',
      scriptName: 'scripts/break it.sh',
      message: 'Script at specified location: scripts/break it.sh failed with exit code 3',
      logTail: 'out\nerr\n',
      exitCode: 3,
    });
    const skipped = coordinator.events(failing.deploymentId).filter((report) => report.status === 'Skipped');
    expect(skipped.map((report) => report.event)).to.deep.equal(['ApplicationStart', 'ValidateService']);
    expect(coordinator.finished(failing.deploymentId)?.installedRevisionId).to.equal(failing.revision.id);

    const ignoring = anAssignment(good, { ignoreApplicationStopFailures: true });
    coordinator.assign(ignoring);
    await coordinator.until('finished', () => coordinator.finished(ignoring.deploymentId) !== undefined);
    expect(coordinator.finished(ignoring.deploymentId)?.status).to.equal('Succeeded');
    expect(coordinator.events(ignoring.deploymentId)[0]).to.include({ event: 'ApplicationStop', status: 'Failed' });
  });

  it('finds its running hook again after a SIGKILL, waits for it, and runs it once', async () => {
    const [trace, gate] = [join(agent.directory, 'trace'), join(agent.directory, 'gate')];
    const bundle = await makeBundle(hooksAppSpec({ AfterInstall: ['wait.sh'], ValidateService: ['note.sh'] }), {
      'wait.sh': `#!/bin/sh\necho begin >> ${trace}\nwhile [ ! -e ${gate} ]; do sleep 0.05; done\necho end >> ${trace}\n`,
      'note.sh': `#!/bin/sh\necho validate >> ${trace}\n`,
    });
    coordinator.addBundle(bundle.digest, bundle.bytes);
    agent.start();
    await agent.connected();
    const assignment = anAssignment(bundle);
    coordinator.assign(assignment);
    await coordinator.until('the hook runs', () =>
      coordinator.runningEvents.includes(`${assignment.deploymentId} AfterInstall`),
    );
    await agent.kill('SIGKILL');
    agent.start();
    await coordinator.until('the second agent is here', () => coordinator.hellos.length === 2);
    expect(coordinator.hellos[1]?.deployments).to.deep.equal([assignment.deploymentId]);
    // A stop in good order leaves the hook running as well.
    expect(await agent.kill('SIGTERM')).to.equal(0);
    expect(coordinator.finished(assignment.deploymentId)).to.equal(undefined);
    writeFileSync(gate, '');
    agent.start();
    await coordinator.until('finished', () => coordinator.finished(assignment.deploymentId) !== undefined);
    expect(coordinator.finished(assignment.deploymentId)?.status).to.equal('Succeeded');
    expect(readFileSync(trace, 'utf8')).to.equal('begin\nend\nvalidate\n');
    expect(coordinator.violations).to.deep.equal([]);
  });

  it('never runs a repeated assignment twice, and cancels only what has not begun', async () => {
    const [trace, gate] = [join(agent.directory, 'trace'), join(agent.directory, 'gate')];
    const bundle = await makeBundle(hooksAppSpec({ BeforeInstall: ['wait.sh'] }), {
      'wait.sh': `#!/bin/sh\necho "$DEPLOYMENT_ID" >> ${trace}\nwhile [ ! -e ${gate} ]; do sleep 0.05; done\n`,
    });
    coordinator.addBundle(bundle.digest, bundle.bytes);
    agent.start();
    await agent.connected();
    const [running, waiting] = [anAssignment(bundle), anAssignment(bundle)];
    coordinator.assign(running);
    await coordinator.until('the hook runs', () => coordinator.runningEvents.length > 0);
    for (let repeat = 0; repeat < 3; repeat++)
      coordinator.sendRaw(JSON.stringify({ kind: 'assignment', assignment: running }));
    coordinator.assign(waiting);
    await coordinator.until('accepted', () => coordinator.reports.some((r) => r.deploymentId === waiting.deploymentId));
    coordinator.cancel(waiting.deploymentId, 'stopped');
    coordinator.cancel(running.deploymentId, 'stopped');
    coordinator.cancel('d-NEVERSEEN', 'stopped');
    await coordinator.until('both cancelled', () =>
      [waiting.deploymentId, 'd-NEVERSEEN'].every((id) => coordinator.finished(id)?.status === 'Skipped'),
    );
    writeFileSync(gate, '');
    await coordinator.until('finished', () => coordinator.finished(running.deploymentId) !== undefined);
    expect(coordinator.finished(running.deploymentId)?.status).to.equal('Succeeded');
    // A repeat of what has ended is reported again, and not run; so is one that was cancelled before it came.
    for (const deploymentId of [running.deploymentId, 'd-NEVERSEEN'])
      coordinator.sendRaw(JSON.stringify({ kind: 'assignment', assignment: { ...running, deploymentId } }));
    await coordinator.until('both told again', () =>
      [running.deploymentId, 'd-NEVERSEEN'].every(
        (id) => coordinator.reports.filter((r) => r.kind === 'finished' && r.deploymentId === id).length === 2,
      ),
    );
    expect(readFileSync(trace, 'utf8')).to.equal(`${running.deploymentId}\n`);
    expect(coordinator.violations).to.deep.equal([]);
  });

  it('keeps the installed revision and the newest ones, and takes a missing archive for a first deployment', async () => {
    const bundle = await noting(join(agent.directory, 'trace'));
    agent.start();
    await agent.connected();
    const assignments = Array.from({ length: 5 }, () => anAssignment(bundle));
    for (const assignment of assignments) {
      coordinator.assign(assignment);
      await coordinator.until('finished', () => coordinator.finished(assignment.deploymentId) !== undefined);
    }
    const group = join(agent.stateDirectory, 'deployments', 'group-1');
    await coordinator.until('connected', () => coordinator.isConnected());
    rmSync(join(group, assignments.at(-1)?.deploymentId ?? '', 'deployment-archive'), { recursive: true });
    const next = anAssignment(bundle);
    coordinator.assign(next);
    await coordinator.until('finished', () => coordinator.finished(next.deploymentId) !== undefined);
    const [stop] = coordinator.events(next.deploymentId);
    expect(stop).to.include({ event: 'ApplicationStop', status: 'Succeeded' });
    expect(stop?.diagnostics?.message).to.match(/taken as a first deployment: the archive of .* is not usable/);
    expect(coordinator.finished(next.deploymentId)?.status).to.equal('Succeeded');
    expect(readdirSync(group).length).to.be.at.most(4);
    expect(existsSync(join(group, next.deploymentId, 'deployment-archive', 'appspec.yml'))).to.equal(true);
  });
});
