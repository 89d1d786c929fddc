import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { DroverClient, isAppError } from '../../shared/sdk/drover-client.ts';
import { AgentProcess, makeBundle } from '../support/agent-process.ts';
import { CliProcess, type Finished } from '../support/cli-process.ts';
import { PlayedHerd } from '../support/played-herd.ts';
import { until } from '../support/real-herd.ts';

const NAMES = ['a.txt', 'b.txt', 'c.txt', 'd.txt'];

describe('drover hosts drift', function () {
  this.timeout(60_000);
  let herd: PlayedHerd;
  let agent: AgentProcess;
  let cli: CliProcess;
  beforeEach(async () => {
    herd = await PlayedHerd.start(0);
    const { coordinator } = herd;
    agent = new AgentProcess(
      {
        url: coordinator.url,
        until: () => herd.online('web-1'),
        isConnected: () => true,
      },
      { name: 'web-1' },
    );
    cli = await CliProcess.create(coordinator.url);
    cli.env['DROVER_TOKEN'] = coordinator.adminToken;
  });
  afterEach(async () => {
    await agent.remove();
    await herd.close();
    await cli.remove();
  });

  const target = (name = '') => join(agent.directory, 'target', name);
  const drift = (...words: string[]): Promise<Finished> => cli.run(['hosts', 'drift', 'web-1', ...words]);

  async function started(): Promise<void> {
    const { secret } = await herd.client.createJoinToken({ tags: { role: 'web' } });
    await agent.enrol(secret);
    agent.start();
    await agent.connected();
  }

  async function deployed(): Promise<string> {
    const bundle = await makeBundle(
      `version: 0.0\nos: linux\nfiles:\n  - source: /app\n    destination: ${target()}\n`,
      Object.fromEntries(NAMES.map((name) => [`app/${name}`, name])),
      Object.fromEntries(NAMES.map((name) => [`app/${name}`, 0o644])),
    );
    await herd.client.uploadBundle({
      application: 'app',
      from: { stream: new Blob([Uint8Array.from(bundle.bytes)]).stream(), sizeBytes: bundle.bytes.byteLength },
      digest: bundle.digest,
      bundleType: 'tgz',
      label: 'real',
    });
    const ended = await herd.deploy('real');
    expect(ended.status).to.equal('Succeeded');
    return ended.id;
  }

  it('asks a real agent which of its files were changed by hand', async () => {
    await started();
    expect(await drift()).to.include({ exit: 0, stdout: 'Nothing is installed on this host.\n' });
    const deploymentId = await deployed();
    expect(await drift()).to.include({
      exit: 0,
      stdout: `app/all (installed by ${deploymentId}): 4 files as installed\n`,
    });

    writeFileSync(target('a.txt'), 'other');
    chmodSync(target('b.txt'), 0o600);
    rmSync(target('c.txt'));
    const changed = await drift();
    expect(changed.exit).to.equal(13);
    expect(changed.stdout.split('\n')).to.deep.equal([
      `app/all (installed by ${deploymentId}): 3 of 4 files were changed`,
      `  ${target('a.txt')} has other contents`,
      `  ${target('b.txt')} has another mode`,
      `  ${target('c.txt')} is missing`,
      '',
    ]);
    const document = JSON.parse((await drift('--json')).stdout);
    expect(document).to.deep.include({ v: 1, host: 'web-1', isTruncated: false });
    expect(document.groups[0]).to.deep.include({ application: 'app', deploymentGroup: 'all', changedFiles: 3 });
    expect((await drift('--quiet')).stdout).to.equal(
      NAMES.slice(0, 3)
        .map((name) => `${target(name)}\n`)
        .join(''),
    );
  });

  it('may be asked by a viewer', async () => {
    await started();
    const { secret } = await herd.client.createOperatorToken({ name: 'vera', role: 'viewer' });
    const viewer = new DroverClient({ url: herd.coordinator.url, token: secret });
    expect(await viewer.findHostDrift({ host: 'web-1' })).to.deep.equal({
      host: 'web-1',
      groups: [],
      isTruncated: false,
    });
  });

  it('tells in the words of the host why it could not look', async () => {
    await started();
    await deployed();
    const groups = join(agent.stateDirectory, 'groups');
    rmSync(groups, { recursive: true });
    writeFileSync(groups, 'no directory');
    const failed = await drift();
    expect(failed.exit).to.equal(12);
    expect(failed.stderr)
      .to.match(/web-1 could not look: .*ENOTDIR/)
      .and.to.contain('drover-agent doctor');
    rmSync(groups);
    mkdirSync(groups);
    expect((await drift()).exit, 'and is asked again').to.equal(0);
  });

  it('says so at once when the host is away', async () => {
    await started();
    await agent.kill('SIGTERM');
    await until('the coordinator knows', 30_000, async () => {
      const { presence } = await herd.client.getHost({ host: 'web-1' });
      return presence !== 'Online';
    });
    const away = await drift();
    expect(away.exit).to.equal(12);
    expect(away.stderr).to.contain('web-1 has no connection').and.to.contain('drover hosts show web-1');
    expect((await cli.run(['hosts', 'drift', 'web-7'])).exit).to.equal(10);
  });

  it('is not asked of an older agent, and ends with the connection of a host that says nothing', async () => {
    const older = await herd.addHost('web-1');
    await older.disconnect();
    await older.connect({ protocol: { major: 1, minor: 0 } });
    const refused = await drift();
    expect(refused.exit).to.equal(3);
    expect(refused.stderr).to.contain('this agent cannot');

    await older.disconnect();
    await older.connect();
    const asking = herd.client.findHostDrift({ host: 'web-1' }).catch((error: unknown) => error);
    await until('the host is asked', 10_000, () => older.driftQuestions.length === 1);
    await older.disconnect();
    expect(isAppError(await asking, 'unavailable')).to.equal(true);
  });
});
