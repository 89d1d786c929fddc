import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { expect } from 'chai';
import { AgentProcess, anAssignment, hooksAppSpec, makeBundle } from '../support/agent-process.ts';
import { makeCertificate } from '../support/certificates.ts';
import { type FakeCoordinator, startFakeCoordinator } from '../support/fake-coordinator.ts';

describe('drover-agent', function () {
  this.timeout(60_000);
  let coordinator: FakeCoordinator;
  let agent: AgentProcess;

  beforeEach(async () => {
    coordinator = await startFakeCoordinator();
    agent = new AgentProcess(coordinator, { hooks: { environment: { FROM_HOST: 'yes' } } });
  });
  afterEach(async () => {
    await agent.remove();
    await coordinator.close();
  });

  it('explains itself', async () => {
    expect((await agent.command('--version')).stdout).to.match(/^\d+\.\d+\.\d+\n$/);
    for (const command of ['run', 'enrol', 'status', 'wait-ready', 'local'])
      expect(await agent.command(command, '--help')).to.deep.include({ code: 0, stderr: '' });
    expect(await agent.command('nonsense')).to.include({ code: 2 });
    expect(await agent.command('local', '--type', 'rar')).to.include({ code: 2 });
  });

  it('stops at a bad configuration with its path and what it accepts', async () => {
    writeFileSync(join(agent.directory, 'agent.yaml'), 'logLevel: loud\n');
    const result = await agent.command('status');
    expect(result.code).to.equal(2);
    expect(result.stderr).to.match(/agent\.yaml: logLevel: .*"debug"\|"info"/);
  });

  it('enrols once, keeps its key to itself, and does it again only with --force', async () => {
    expect(await agent.command('run')).to.include({ code: 10 });
    const args = ['enrol', '--coordinator', coordinator.url, '--name', 'web-1'];
    expect((await agent.command(...args, '--token', 'wrong')).code).to.equal(11);
    const key = () => JSON.parse(readFileSync(join(agent.stateDirectory, 'identity.json'), 'utf8')).privateKey;
    const before = key();
    const enrolled = await agent.commandWithInput('drover_join_test\n', ...args, '--token-file', '-', '--json');
    expect(JSON.parse(enrolled.stdout)).to.include({ hostId: coordinator.hostId, hostName: 'web-1' });
    // The key of the attempt that failed is used again, so that a repeated enrolment is the same host.
    expect(key()).to.equal(before);
    expect(statSync(join(agent.stateDirectory, 'identity.json')).mode & 0o777).to.equal(0o600);
    const again = await agent.command(...args, '--token', 'drover_join_test');
    expect(again.code).to.equal(3);
    expect(again.stderr).to.match(/enrolled already, as web-1\n.*--force/);
    expect((await agent.command(...args, '--token', 'drover_join_test', '--force')).code).to.equal(0);
    expect(key()).to.not.equal(before);
  });

  it('says where its own trust is set when the authority of the coordinator is not known', async function () {
    const day = 86_400_000;
    const valid = { from: new Date(Date.now() - day), to: new Date(Date.now() + 100 * day) };
    const certificate = makeCertificate(join(agent.directory, 'tls'), valid);
    const other = makeCertificate(join(agent.directory, 'tls'), valid);
    if (certificate === null || other === null) return this.skip();
    const server = createServer({ cert: readFileSync(certificate.certFile), key: readFileSync(certificate.keyFile) });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    try {
      const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const enrol = () => agent.command('enrol', '--coordinator', url, '--token', 'drover_join_test');
      const file = join(agent.directory, 'agent.yaml');
      const first = await enrol();
      expect(first.code).to.equal(12);
      expect(first.stderr).to.contain('not signed by a known authority\nPut the certificate of its authority on this');
      expect(first.stderr)
        .to.contain(`caFile in ${file}.\n`)
        .and.not.to.match(/DROVER_CA_FILE|SDK|--ca-file/);
      const config = { stateDirectory: agent.stateDirectory, caFile: other.certFile };
      writeFileSync(file, JSON.stringify(config));
      expect((await enrol()).stderr).to.contain(`caFile in ${file} names ${other.certFile}, which has not`);
    } finally {
      server.close();
    }
  });

  it('refuses a second agent on the same state directory', async () => {
    await agent.enrol();
    agent.start();
    await agent.connected();
    const second = await agent.command('run');
    expect(second.code).to.equal(3);
    expect(second.stderr).to.contain(`another drover-agent already works on ${agent.stateDirectory}`);
  });

  it('tells its status, running or not', async () => {
    const status = async () => JSON.parse((await agent.command('status', '--json')).stdout);
    mkdirSync(agent.stateDirectory);
    expect(await status()).to.deep.include({ host: null, journal: null });
    await agent.enrol();
    agent.start();
    await agent.connected();
    const bundle = await makeBundle(hooksAppSpec({}), {});
    coordinator.addBundle(bundle.digest, bundle.bytes);
    const assignment = anAssignment(bundle);
    coordinator.assign(assignment);
    await coordinator.until('finished', () => coordinator.finished(assignment.deploymentId) !== undefined);
    let report = await status();
    while (report.agent.connection?.state !== 'connected') report = await status();
    expect(report.agent).to.include({ isRunning: true, pid: agent.pid });
    expect(report.installed[0]).to.include({ deploymentId: assignment.deploymentId, isIntact: true });
    const group = { application: 'web', deploymentGroupName: 'prod' };
    expect(report.installed[0]).to.deep.include({ deploymentGroupId: 'group-1', ...group });
    expect((await agent.command('status')).stdout).to.match(/^installed {3}1\.0\.\d+ in group web\/prod \(d-\w+\)$/m);
    const [drift] = JSON.parse((await agent.command('drift', '--json')).stdout).groups;
    expect(drift).to.deep.include({ groupId: 'group-1', ...group });
    expect((await agent.command('drift')).stdout).to.match(
      /^web\/prod \(installed by d-\w+\): 0 files as installed\n$/,
    );
    // Everything is acknowledged, and nothing is written to the journal for that alone.
    while (report.journal.unacknowledgedReports > 0) report = await status();
    await agent.kill('SIGTERM');
    expect((await status()).agent).to.deep.equal({ isRunning: false, pid: null, connection: null });
    expect((await agent.command('status')).stdout).to.match(/agent {7}not running/);
  });

  it('tells groups by their ids where an earlier agent has not kept the names', async () => {
    mkdirSync(agent.stateDirectory);
    copyFileSync('test/fixtures/recorded/journal-0.1.0', join(agent.stateDirectory, 'journal'));
    const id = 'fcadade2-93df-45c9-9831-9edb3ec6ae60';
    expect((await agent.command('status')).stdout).to.contain(`installed   b in group ${id} (d-5ACZF0Z04)\n`);
    const [installed] = JSON.parse((await agent.command('status', '--json')).stdout).installed;
    expect(installed).to.deep.include({ deploymentGroupId: id, application: null, deploymentGroupName: null });
  });

  it('has nothing to tell of a state directory that is not there', async () => {
    writeFileSync(join(agent.directory, 'file'), '');
    symlinkSync('nowhere', join(agent.directory, 'dangling'));
    symlinkSync('there', join(agent.directory, 'link'));
    for (const command of ['status', 'drift']) {
      const result = await agent.command(command);
      expect(result, command).to.include({ code: 2, stdout: '' });
      expect(result.stderr).to.match(/there is no state directory .*\/state\nAnother one is named with --state-dir/);
      for (const mistyped of ['file', 'dangling']) {
        const place = join(agent.directory, mistyped);
        const { code, stdout } = await agent.command('--state-directory', place, command, '--json');
        expect(code, `${command} ${mistyped}`).to.equal(2);
        expect(JSON.parse(stdout).error.message).to.equal(`there is no state directory ${place}`);
      }
      mkdirSync(join(agent.directory, 'there'), { recursive: true });
      expect((await agent.command('--state-directory', join(agent.directory, 'link'), command)).code).to.equal(0);
    }
  });

  it('stops with the place of the damage when its journal is damaged', async () => {
    await agent.enrol();
    agent.start();
    await agent.connected();
    await agent.kill('SIGTERM');
    const path = join(agent.stateDirectory, 'journal');
    const lines = readFileSync(path, 'utf8');
    writeFileSync(path, `${lines.slice(0, 30)}#${lines.slice(31)}${lines}`);
    const result = await agent.command('run');
    expect(result.code).to.equal(1);
    expect(result.stderr).to.contain(`the journal ${path} is unreadable at byte 0`);
  });

  it('says that its output cannot be written, and that a reader has gone is no failure', async () => {
    mkdirSync(agent.stateDirectory);
    const run = async (stdout: number | 'pipe', ...args: string[]) => {
      const config = ['--config', join(agent.directory, 'agent.yaml')];
      const child = spawn(process.execPath, [agent.program, ...config, ...args], { stdio: ['ignore', stdout, 'pipe'] });
      // To whom it is a pipe, nobody reads.
      child.stdout?.destroy();
      let stderr = '';
      child.stderr?.on('data', (text) => (stderr += text));
      await once(child, 'close');
      return { code: child.exitCode, stderr };
    };
    const full = openSync('/dev/full', 'w');
    try {
      const told = 'error: cannot write the output: ENOSPC: no space left on device, write\n';
      for (const args of [['status'], ['status', '--json'], ['drift', '--json'], ['--help']])
        expect(await run(full, ...args), args.join(' ')).to.deep.equal({ code: 1, stderr: told });
      const bundle = join(agent.directory, 'bundle');
      mkdirSync(bundle);
      writeFileSync(join(bundle, 'appspec.yml'), hooksAppSpec({ ValidateService: ['note.sh'] }));
      writeFileSync(join(bundle, 'note.sh'), `#!/bin/sh\necho >> ${agent.directory}/noted\n`, { mode: 0o755 });
      expect(await run(full, 'local', '-l', bundle)).to.deep.equal({ code: 1, stderr: told });
      expect(readFileSync(join(agent.directory, 'noted'), 'utf8')).to.equal('\n');
      expect(await run('pipe', 'local', '-l', bundle)).to.deep.equal({ code: 0, stderr: '' });
      expect(readFileSync(join(agent.directory, 'noted'), 'utf8')).to.equal('\n\n');
      expect(await run('pipe', 'status')).to.deep.equal({ code: 0, stderr: '' });
      // One block of 512 bytes is taken, and no more, as by a disk that is nearly full.
      const file = join(agent.directory, 'help');
      const cut = spawnSync(
        '/bin/sh',
        ['-c', 'ulimit -f 1; exec "$@" > "$0"', file, process.execPath, agent.program, 'local', '--help'],
        { encoding: 'utf8' },
      );
      expect(cut.stderr).to.equal('error: cannot write the output: EFBIG: file too large, write\n');
      expect(cut.status).to.equal(1);
      expect(statSync(file).size).to.be.within(1, 1_024);
    } finally {
      closeSync(full);
    }
  });

  it('waits until the host is ready, with an exit code that says so', async () => {
    const early = await agent.command('wait-ready', '--timeout', '0');
    expect(early).to.include({ code: 9, stderr: 'waiting: this host is not enrolled yet\n' });
    await agent.enrol();
    const waiting = await agent.command('wait-ready', '--timeout', '0', '--json');
    expect(waiting.code).to.equal(9);
    expect(JSON.parse(waiting.stdout)).to.deep.equal({
      isReady: false,
      reason: 'web/prod: no successful deployment yet',
    });
    coordinator.behaviour.isReady = true;
    expect(await agent.command('wait-ready', '--timeout', '10')).to.include({ code: 0, stdout: 'ready\n' });
  });

  describe('local', () => {
    function aBundleDirectory(validate: string, moreHooks: object = {}): string {
      const directory = join(agent.directory, 'bundle');
      mkdirSync(directory, { recursive: true });
      const appSpec = {
        version: 0.0,
        os: 'linux',
        files: [{ source: 'app.txt', destination: join(agent.directory, 'target') }],
        hooks: {
          ApplicationStop: [{ location: 'stop.sh' }],
          ValidateService: [{ location: 'validate.sh', timeout: 10 }],
          ...moreHooks,
        },
      };
      writeFileSync(join(directory, 'appspec.yml'), JSON.stringify(appSpec).replace('"version":0', '"version":0.0'));
      writeFileSync(join(directory, 'app.txt'), 'app');
      for (const [name, text] of [
        ['stop.sh', `echo "$LIFECYCLE_EVENT $APPLICATION_NAME $FROM_HOST" >> ${agent.directory}/trace`],
        ['validate.sh', validate],
      ] as const)
        writeFileSync(join(directory, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
      return directory;
    }

    it('prints its plan without touching anything', async () => {
      const directory = aBundleDirectory('true', { Mine: [{ location: 'stop.sh' }] });
      const text = await agent.command('local', '--bundle', directory, '--plan', '--events', 'ValidateService,Mine');
      expect(text).to.include({ code: 0, stderr: '' });
      expect(text.stdout).to.match(
        /Install +copy app\.txt to .*target\nValidateService +run validate\.sh, at most 10 s/,
      );
      const json = await agent.command('local', '--bundle', directory, '--plan', '--json', '--events', 'Mine');
      expect(JSON.parse(json.stdout).steps.map((step: { kind: string }) => step.kind)).to.deep.equal([
        'download-bundle',
        'install',
        'run-hook',
      ]);
      expect(existsSync(join(agent.directory, 'target'))).to.equal(false);
      expect(existsSync(join(agent.directory, 'trace'))).to.equal(false);
    });

    it('deploys a directory, then again, stopping with the script of the first', async () => {
      const directory = aBundleDirectory('test -e target || true');
      for (let time = 0; time < 2; time++) {
        const result = await agent.command('local', '-l', directory, '-a', 'shop');
        expect(result).to.include({ code: 0, stderr: '' });
        expect(result.stdout).to.match(/AppSpec file valid\. Local deployment successful\n$/);
      }
      expect(readFileSync(join(agent.directory, 'target', 'app.txt'), 'utf8')).to.equal('app');
      expect(readFileSync(join(agent.directory, 'trace'), 'utf8')).to.equal('ApplicationStop shop yes\n');
    });

    it('deploys an archive', async () => {
      const bundle = await makeBundle(hooksAppSpec({ AfterInstall: ['a.sh'] }), {
        'a.sh': `#!/bin/sh\necho archive > ${agent.directory}/trace\n`,
      });
      writeFileSync(join(agent.directory, 'bundle.tgz'), bundle.bytes);
      const result = await agent.command('local', '-l', join(agent.directory, 'bundle.tgz'), '-t', 'tgz', '--json');
      expect(result.code).to.equal(0);
      expect(JSON.parse(result.stdout)).to.deep.include({ status: 'Succeeded', message: null });
      expect(readFileSync(join(agent.directory, 'trace'), 'utf8')).to.equal('archive\n');
    });

    it('deploys an archive with everything in one directory', async () => {
      const script = `#!/bin/sh\necho "$PWD" > ${agent.directory}/trace\n`;
      const appSpec = hooksAppSpec({ AfterInstall: ['a.sh'] });
      const bundle = await makeBundle(appSpec, { 'app-1/a.sh': script }, {}, 'app-1/appspec.yml');
      writeFileSync(join(agent.directory, 'bundle.tgz'), bundle.bytes);
      expect(await agent.command('local', '-l', join(agent.directory, 'bundle.tgz'), '-t', 'tgz')).to.include({
        code: 0,
      });
      expect(readFileSync(join(agent.directory, 'trace'), 'utf8')).to.match(/\/deployment-archive\/app-1\n$/);
      const deployments = join(agent.stateDirectory, 'local', 'deployments');
      expect(readdirSync(deployments)).to.deep.equal(['default-local-deployment-group']);
    });

    it('looks at the bundle before it stops what runs', async () => {
      expect((await agent.command('local', '-l', aBundleDirectory('true'))).code).to.equal(0);
      const at = (name: string) => join(agent.directory, name);
      for (const name of ['empty', 'broken']) mkdirSync(at(name));
      writeFileSync(join(at('broken'), 'appspec.yml'), 'version: 0.0\nos: linux\nfiles: 3\n');
      const whole = await makeBundle(hooksAppSpec({}), {});
      const without = await makeBundle('no AppSpec', {}, {}, 'readme.txt');
      writeFileSync(at('whole.tgz'), whole.bytes);
      writeFileSync(at('cut.tgz'), whole.bytes.subarray(0, 100));
      writeFileSync(at('without.tgz'), without.bytes);
      for (const [args, told] of [
        [['-l', at('mistyped')], /there is no bundle at .*mistyped\nGive --bundle a directory/],
        [['-l', at('empty')], /the bundle has no AppSpec file .*\nNothing was changed\./],
        [['-l', at('broken')], /appspec\.yml:3:\d+: /],
        [['-l', at('whole.tgz')], /whole\.tgz is a file, but --type is directory\nIt is an archive: give --type tgz\./],
        [['-l', at('empty'), '-t', 'tgz'], /empty is a directory, but --type is tgz/],
        [['-l', at('whole.tgz'), '-t', 'zip'], /begins like a tgz: give --type tgz\./],
        [['-l', at('cut.tgz'), '-t', 'tgz'], /unpack .*cut\.tgz: /],
        [['-l', at('without.tgz'), '-t', 'tgz'], /the bundle has no AppSpec file/],
      ] as const) {
        const result = await agent.command('local', ...args);
        expect(result, args.join(' ')).to.include({ code: 2, stdout: '' });
        expect(result.stderr, args.join(' ')).to.match(told);
      }
      expect(existsSync(at('trace')), 'ApplicationStop was run').to.equal(false);
      const deployments = join(agent.stateDirectory, 'local', 'deployments');
      expect(readdirSync(deployments)).to.deep.equal(['default-local-deployment-group']);
    });

    it('tells afterwards which of the installed files were changed by hand', async () => {
      mkdirSync(agent.stateDirectory);
      expect(await agent.command('drift')).to.include({ code: 0, stdout: 'Nothing is installed on this host.\n' });
      const directory = aBundleDirectory('true');
      const target = join(agent.directory, 'target');
      const appSpec = JSON.stringify([{ source: 'app', destination: target }]);
      writeFileSync(join(directory, 'appspec.yml'), `version: 0.0\nos: linux\nfiles: ${appSpec}\n`);
      mkdirSync(join(directory, 'app'));
      for (const name of ['edited', 'same-size', 'gone', 'closed', 'kept'])
        writeFileSync(join(directory, 'app', name), name);
      symlinkSync('kept', join(directory, 'app', 'link'));
      expect((await agent.command('local', '-l', directory)).code).to.equal(0);
      const group = 'default-local-deployment-group';
      const before = await agent.command('drift');
      expect(before.code).to.equal(0);
      expect(before.stdout).to.match(/^default-local-deployment-group \(installed by d-.*\): 6 files as installed\n$/);

      writeFileSync(join(target, 'edited'), 'edited by hand');
      writeFileSync(join(target, 'same-size'), 'SAME-SIZE');
      rmSync(join(target, 'gone'));
      chmodSync(join(target, 'closed'), 0o600);
      rmSync(join(target, 'link'));
      symlinkSync('gone', join(target, 'link'));
      writeFileSync(join(target, 'of-somebody-else'), '');
      const after = await agent.command('drift', '--json');
      expect(after.code).to.equal(13);
      const [drift] = JSON.parse(after.stdout).groups;
      expect(drift).to.deep.include({ groupId: group, checkedFiles: 6, changedFiles: 5, isInstalling: false });
      expect(drift).to.deep.include({ application: null, deploymentGroupName: null });
      expect(drift.files).to.deep.equal([
        { path: join(target, 'closed'), change: 'mode' },
        { path: join(target, 'edited'), change: 'content' },
        { path: join(target, 'gone'), change: 'missing' },
        { path: join(target, 'link'), change: 'link' },
        { path: join(target, 'same-size'), change: 'content' },
      ]);
      const text = (await agent.command('drift')).stdout;
      expect(text).to.contain(': 5 of 6 files were changed\n').and.to.contain(`  ${target}/gone is missing\n`);
    });

    it('copies no directory into itself, whatever links lead there', async () => {
      writeFileSync(join(agent.directory, 'appspec.yml'), hooksAppSpec({}));
      symlinkSync(agent.stateDirectory, join(agent.directory, 'link'));
      symlinkSync(agent.directory, join(tmpdir(), `${basename(agent.directory)}-up`));
      const up = join(tmpdir(), `${basename(agent.directory)}-up`);
      const installed = join(agent.stateDirectory, 'local', 'mine');
      mkdirSync(installed, { recursive: true });
      writeFileSync(join(installed, 'appspec.yml'), hooksAppSpec({}));
      try {
        for (const [bundle, state, told] of [
          [agent.directory, agent.stateDirectory, 'contains the state directory'],
          [agent.directory, join(agent.directory, 'link'), 'contains the state directory'],
          [agent.directory, join(up, 'state', 'not-yet'), 'contains the state directory'],
          [installed, agent.stateDirectory, 'lies in the state directory'],
          [agent.stateDirectory, agent.stateDirectory, 'contains the state directory'],
        ] as const) {
          const result = await agent.command('--state-directory', state, 'local', '-l', bundle);
          expect(result, `${bundle} ${state}`).to.include({ code: 2, stdout: '' });
          expect(result.stderr).to.contain(`${bundle} cannot be a bundle: it ${told} ${state}\n`);
        }
      } finally {
        rmSync(up);
      }
      expect(await agent.command('local', '-l', aBundleDirectory('true'))).to.include({ code: 0 });
    });

    it('tells what failed and exits with 5', async () => {
      const result = await agent.command('local', '-l', aBundleDirectory('echo broken; exit 4'));
      expect(result.code).to.equal(5);
      expect(result.stdout).to.match(
        /ValidateService +Failed .*\n +Script at .*validate\.sh failed with exit code 4\n +broken\n/,
      );
      // Once, and not again with the end.
      expect(result.stdout.match(/validate\.sh failed/g)).to.have.length(1);
      expect(result.stdout).to.match(/\nLocal deployment d-\w+-local Failed: ValidateService failed\n$/);
    });

    it('refuses what is not a path, and an order of events that cannot work', async () => {
      expect(await agent.command('local', '-l', 's3://bucket/key')).to.include({ code: 2 });
      expect(await agent.command('local', '-e', 'AfterInstall,Install,DownloadBundle')).to.include({ code: 2 });
    });
  });
});
