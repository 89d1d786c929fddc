import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { createAgentPackages } from '../../coordinator/agent-packages.ts';
import type { AgentUpdate } from '../../shared/sdk/drover-client.ts';
import { CliProcess } from '../support/cli-process.ts';
import { PlayedHerd } from '../support/played-herd.ts';
import type { PlayedHost } from '../support/played-host.ts';
import { until } from '../support/real-herd.ts';

const SCRIPTS = join(import.meta.dirname, '../../systemd/agent-update');
const FACTS = { architecture: 'x64', agentPackage: 'deb' };
const WAIT_MS = 30_000;

describe('agent updates', function () {
  this.timeout(60_000);
  let packages: string;
  let herd: PlayedHerd;
  const offer = (version: string, suffix = 'amd64.deb') =>
    writeFileSync(join(packages, `drover-agent_${version}_${suffix}`), `${version} for ${suffix}`);

  beforeEach(async () => {
    packages = mkdtempSync(join(tmpdir(), 'drover-offered-'));
    cpSync(SCRIPTS, join(packages, 'agent-update'), { recursive: true });
    offer('0.1.0');
    herd = await PlayedHerd.start(0, { packagesDirectory: packages, timings: { offlineAfterMs: 1_000 } });
  });
  afterEach(async () => {
    await herd.close();
    rmSync(packages, { recursive: true });
  });

  /** A host whose agent was installed from a package, and restarts as another version when it is told to. */
  async function addAgent(name: string, agentVersion = '0.1.0', facts: object = FACTS): Promise<PlayedHost> {
    const host = await herd.addHost(name);
    await become(host, agentVersion, facts);
    host.beforeEvent = async (event, { application, revision }) => {
      if (application === 'drover-agent' && event === 'ValidateService' && !host.fails.has(revision.label))
        await become(host, revision.label, facts);
    };
    return host;
  }
  async function become(host: PlayedHost, agentVersion: string, facts: object): Promise<void> {
    await host.disconnect();
    await host.connect({ agentVersion, facts, processId: `process-${host.name}-${agentVersion}` });
    // By its facts, too: the connection before may have told of the same version, and its end may not be written yet.
    await until(`${host.name} is ${agentVersion}`, WAIT_MS, async () => {
      const known = await herd.client.getHost({ host: host.name });
      const isNew = Object.entries(facts).every(([name, value]) => Object(known.facts)[name] === value);
      return known.presence === 'Online' && known.agentVersion === agentVersion && isNew;
    });
  }
  async function addAgents(count: number): Promise<PlayedHost[]> {
    const hosts: PlayedHost[] = [];
    for (let number = 1; number <= count; number++) hosts.push(await addAgent(`web-${number}`));
    return hosts;
  }
  async function ended(id: string): Promise<AgentUpdate> {
    let update = await herd.client.getAgentUpdate({ update: id });
    await until(`${id} has ended`, WAIT_MS, async () => {
      update = await herd.client.getAgentUpdate({ update: id });
      return update.status !== 'InProgress';
    });
    return update;
  }
  const wavesOf = ({ progress }: AgentUpdate) =>
    progress.map(({ hosts, succeeded, failed, skipped }) => ({ hosts, succeeded, failed, skipped }));
  const refusal = (promise: Promise<unknown>): Promise<{ code: string; message: string; details: object }> =>
    promise.then(
      () => expect.fail('it was not refused'),
      (error) => error,
    );

  it('go over the fleet in waves, each of them a deployment', async () => {
    await addAgents(5);
    offer('0.2.0');
    const versions = await herd.client.getAgentVersions();
    expect(versions).to.deep.include({ version: '0.2.0', outdatedHosts: 5, currentHosts: 0, leftOut: [] });
    expect(versions.running).to.deep.equal([{ version: '0.1.0', hosts: 5 }]);

    const update = await ended((await herd.client.startAgentUpdate({})).id);
    expect(update).to.deep.include({ status: 'Succeeded', version: '0.2.0', totalHosts: 5 });
    expect(wavesOf(update)).to.deep.equal([
      { hosts: 1, succeeded: 1, failed: 0, skipped: 0 },
      { hosts: 4, succeeded: 4, failed: 0, skipped: 0 },
    ]);
    const { items } = await herd.client.listHosts({});
    expect(items.map((host) => host.agentVersion)).to.deep.equal(Array(5).fill('0.2.0'));
    for (const { deploymentId } of update.progress) {
      const deployment = await herd.client.getDeployment({ deployment: deploymentId });
      expect(deployment).to.deep.include({
        application: 'drover-agent',
        deploymentGroup: 'fleet',
        revisionLabel: '0.2.0',
      });
    }
    expect((await herd.client.getAgentVersions()).outdatedHosts).to.equal(0);
  });

  it('hand the hosts a bundle that the same packages always give, and tell its scripts how long to wait', async () => {
    const [host] = await addAgents(1);
    offer('0.2.0');
    offer('0.2.0', 'amd64.tar.gz');
    await ended((await herd.client.startAgentUpdate({ healthyWithinSeconds: 33 })).id);
    const assignment = host?.assigned.at(-1);
    expect(assignment?.hookEnvironment).to.deep.equal({ DROVER_HEALTHY_WITHIN_SECONDS: '33' });
    const again = createAgentPackages({ directory: packages, scratch: join(packages, 'scratch') });
    const digest = await again.withBundle('0.2.0', async (bundle) => {
      const hash = createHash('sha256');
      for await (const chunk of bundle.open()) hash.update(chunk);
      return hash.digest('hex');
    });
    expect(assignment?.revision.digest).to.equal(digest);
  });

  it('stop with the first host that fails, and touch no other', async () => {
    const [first, ...others] = await addAgents(5);
    offer('0.2.0');
    first?.fails.add('0.2.0');
    const update = await ended((await herd.client.startAgentUpdate({})).id);
    expect(update.status).to.equal('Failed');
    expect(update.message).to.include('no other host is touched');
    expect(wavesOf(update)).to.deep.equal([{ hosts: 1, succeeded: 0, failed: 1, skipped: 0 }]);
    for (const host of others) expect(host.assigned).to.deep.equal([]);
  });

  it('stop when a wave has used up its budget', async () => {
    const hosts = await addAgents(4);
    offer('0.2.0');
    for (const host of hosts.slice(0, 2)) host.fails.add('0.2.0');
    const update = await ended((await herd.client.startAgentUpdate({ waves: ['100%'], budget: '2' })).id);
    expect(update.status).to.equal('Failed');
    expect(wavesOf(update)[0]).to.include({ failed: 2 });
  });

  it('believe no wave whose hosts come back with another version', async () => {
    const host = await addAgent('web-1');
    host.beforeEvent = async (event) => {
      if (event === 'ValidateService') await become(host, '0.1.5', FACTS);
    };
    offer('0.2.0');
    const { id } = await herd.client.startAgentUpdate({});
    let deploymentId = '';
    await until('its wave has ended', WAIT_MS, async () => {
      const [wave] = (await herd.client.getAgentUpdate({ update: id })).progress;
      deploymentId = wave?.deploymentId ?? '';
      return wave?.status === 'Succeeded';
    });
    expect((await herd.client.getDeployment({ deployment: deploymentId })).status).to.equal('Succeeded');
    // What it waits for would be told within a minute; that time is the unit tests' to let pass.
    expect((await herd.client.getAgentUpdate({ update: id })).status).to.equal('InProgress');
    await become(host, '0.2.0', FACTS);
    expect((await ended(id)).status).to.equal('Succeeded');
  });

  it('leave out whom they cannot update, and say why', async () => {
    await addAgents(1);
    await addAgent('from-source', '0.1.0', { architecture: 'x64' });
    await addAgent('arm', '0.1.0', { architecture: 'arm64', agentPackage: 'deb' });
    await addAgent('ahead', '0.3.0');
    const away = await addAgent('away');
    await herd.client.registerCodeDeployHost({ name: 'aws' });
    offer('0.2.0');
    await away.disconnect();
    await until(
      'it is away',
      WAIT_MS,
      async () => (await herd.client.getHost({ host: 'away' })).presence === 'Offline',
    );
    const { leftOut } = await herd.client.getAgentVersions();
    expect(leftOut.map(({ hostName, reason }) => [hostName, reason])).to.deep.equal([
      ['ahead', 'newer'],
      ['arm', 'no-package'],
      ['away', 'offline'],
      ['aws', 'aws-agent'],
      ['from-source', 'not-from-package'],
    ]);
    const update = await ended((await herd.client.startAgentUpdate({})).id);
    expect(update).to.deep.include({ status: 'Succeeded', message: '1 host run 0.2.0; 1 host had no turn' });
    // A later one takes it.
    await become(away, '0.1.0', FACTS);
    const later = await ended((await herd.client.startAgentUpdate({})).id);
    expect(later).to.deep.include({ status: 'Succeeded', totalHosts: 1 });
    expect((await herd.client.getHost({ host: 'ahead' })).agentVersion).to.equal('0.3.0');
  });

  it('can go back to an older version when asked to', async () => {
    await addAgent('web-1', '0.2.0');
    expect(await refusal(herd.client.startAgentUpdate({ version: '0.1.0' }))).to.have.nested.property(
      'details.reason',
      'nothing_to_do',
    );
    const update = await ended((await herd.client.startAgentUpdate({ version: '0.1.0', downgrade: true })).id);
    expect(update.status).to.equal('Succeeded');
    expect((await herd.client.getHost({ host: 'web-1' })).agentVersion).to.equal('0.1.0');
  });

  it('are refused when there is nothing to do, nothing offered, or one under way', async () => {
    const [host] = await addAgents(1);
    expect(await refusal(herd.client.startAgentUpdate({}))).to.deep.include({ code: 'conflict' });
    expect(await refusal(herd.client.startAgentUpdate({ version: '9.9.9' }))).to.include({ code: 'not_found' });
    offer('0.2.0');
    if (host !== undefined) host.holdAt = 'ApplicationStart';
    const { id } = await herd.client.startAgentUpdate({});
    const second = await refusal(herd.client.startAgentUpdate({}));
    expect(second).to.include({ code: 'conflict' });
    expect(second.details).to.include({ reason: 'active_agent_update', agentUpdateId: id });
    host?.release();
    await ended(id);
  });

  it('stop when asked to: hosts in the middle finish, no other starts', async () => {
    const hosts = await addAgents(3);
    offer('0.2.0');
    for (const host of hosts) host.holdAt = 'ApplicationStart';
    const { id } = await herd.client.startAgentUpdate({});
    await until('the first is in the middle', WAIT_MS, () => hosts[0]?.assigned.length === 1);
    const stopping = await herd.client.stopAgentUpdate({ update: 'last' });
    expect(stopping).to.deep.include({ id, status: 'InProgress', stopRequestedBy: 'first-operator' });
    await until('its deployment is asked to stop', WAIT_MS, async () => {
      const [wave] = (await herd.client.getAgentUpdate({ update: id })).progress;
      const deployment = await herd.client.getDeployment({ deployment: wave?.deploymentId ?? '' });
      return deployment.stopRequestedBy !== null;
    });
    for (const host of hosts) host.release();
    const update = await ended(id);
    expect(update.status).to.equal('Stopped');
    expect(hosts.map((host) => host.assigned.length)).to.deep.equal([1, 0, 0]);
    expect(await refusal(herd.client.stopAgentUpdate({ update: id }))).to.include({ code: 'conflict' });
    const { items } = await herd.client.listAudit({});
    expect(items.map((record) => record.action)).to.include.members([
      'agent-update.start',
      'agent-update.stop',
      'agent-update.end',
    ]);
  });

  it('go on when the coordinator is started again in the middle', async () => {
    const hosts = await addAgents(3);
    offer('0.2.0');
    for (const host of hosts) host.holdAt = 'ApplicationStart';
    const { id } = await herd.client.startAgentUpdate({});
    await until('the first is in the middle', WAIT_MS, () => hosts[0]?.assigned.length === 1);
    await herd.restartCoordinator();
    await Promise.all(hosts.map((host) => become(host, '0.1.0', FACTS)));
    for (const host of hosts) host.release();
    const update = await ended(id);
    expect(update.status).to.equal('Succeeded');
    expect(wavesOf(update)).to.deep.equal([
      { hosts: 1, succeeded: 1, failed: 0, skipped: 0 },
      { hosts: 2, succeeded: 2, failed: 0, skipped: 0 },
    ]);
  });

  it('go on when what the coordinator offers changes in the middle', async () => {
    const hosts = await addAgents(3);
    offer('0.2.0');
    for (const host of hosts) host.holdAt = 'ApplicationStart';
    const { id } = await herd.client.startAgentUpdate({});
    await until('the first is in the middle', WAIT_MS, () => hosts[0]?.assigned.length === 1);
    rmSync(join(packages, 'drover-agent_0.2.0_amd64.deb'));
    offer('0.3.0');
    for (const host of hosts) host.release();
    const update = await ended(id);
    expect(update).to.deep.include({ status: 'Succeeded', message: '3 hosts run 0.2.0' });
  });

  it('leave the fleet to its own deployments: no host enters the group, and none waits for it', async () => {
    await addAgents(2);
    offer('0.2.0');
    await ended((await herd.client.startAgentUpdate({})).id);
    const late = await addAgent('web-3');
    const { items } = await herd.client.listGroupHosts({ application: 'drover-agent', group: 'fleet' });
    expect(items).to.deep.equal([]);
    expect(late.assigned).to.deep.equal([]);
    expect(await herd.deploy('v1')).to.include({ status: 'Succeeded' });
  });

  it('keep their application to themselves', async () => {
    const isReserved = async (promise: Promise<unknown>) =>
      expect(await refusal(promise)).to.have.nested.property('details.reason', 'reserved');
    await isReserved(herd.client.createApplication({ name: 'drover-agent' }));
    await isReserved(herd.client.updateApplication({ application: 'app', name: 'drover-agent' }));
    await addAgents(1);
    offer('0.2.0');
    await ended((await herd.client.startAgentUpdate({})).id);
    const place = { application: 'drover-agent', group: 'fleet' };
    await isReserved(herd.client.updateDeploymentGroup({ ...place, selection: { hostNames: ['web-1'] } }));
    await isReserved(herd.client.deleteDeploymentGroup(place));
    await isReserved(herd.client.deleteApplication({ application: 'drover-agent' }));
    const deployment = { application: 'drover-agent', deploymentGroup: 'fleet', revision: '0.2.0' };
    await isReserved(herd.client.createDeployment(deployment));
    const application = 'drover-agent';
    await isReserved(herd.client.updateApplication({ application, description: 'mine' }));
    const bytes = Buffer.from('no agent at all');
    const stream = new Blob([Uint8Array.from(bytes)]).stream();
    const digest = createHash('sha256').update(bytes).digest('hex');
    await isReserved(
      herd.client.uploadBundle({ application, from: { stream }, digest, bundleType: 'tgz', label: '0.3.0' }),
    );
    const url = 'http://127.0.0.1:1/agent.tgz';
    await isReserved(herd.client.registerRevision({ application, url, bundleType: 'tgz' }));
    offer('0.3.0');
    const next = await ended((await herd.client.startAgentUpdate({})).id);
    expect(next).to.include({ status: 'Succeeded', version: '0.3.0' });
    expect((await herd.client.listRevisions({ application })).items.map((one) => one.label)).to.have.members([
      '0.2.0',
      '0.3.0',
    ]);
  });

  it('make another revision of a version that was built again', async () => {
    const host = await addAgent('web-1');
    offer('0.2.0');
    await ended((await herd.client.startAgentUpdate({})).id);
    writeFileSync(join(packages, 'drover-agent_0.2.0_amd64.deb'), 'built again');
    await become(host, '0.1.0', FACTS);
    host.beforeEvent = async (event) => {
      if (event === 'ValidateService') await become(host, '0.2.0', FACTS);
    };
    const update = await ended((await herd.client.startAgentUpdate({})).id);
    expect(update.status).to.equal('Succeeded');
    const { items } = await herd.client.listRevisions({ application: 'drover-agent' });
    expect(items.map((revision) => revision.label).sort()[0]).to.equal('0.2.0');
    expect(items).to.have.lengthOf(2);
  });

  it('say what is missing when the scripts are not there', async () => {
    await addAgents(1);
    offer('0.2.0');
    rmSync(join(packages, 'agent-update'), { recursive: true });
    const error = await refusal(herd.client.startAgentUpdate({}));
    expect(error).to.include({ code: 'not_found' });
    expect(error).to.have.property('message').that.includes('agent-update/');
  });

  describe('by the command', () => {
    let cli: CliProcess;
    const drover = async (...args: string[]) => {
      const { exit, stdout, stderr } = await cli.run(args, { env: { DROVER_TOKEN: herd.coordinator.adminToken } });
      return { exit, stdout, stderr };
    };
    beforeEach(async () => {
      cli = await CliProcess.create(herd.coordinator.url);
    });
    afterEach(() => cli.remove());

    it('tell what would be done, do it, and tell how it went', async () => {
      await addAgents(3);
      await addAgent('from-source', '0.1.0', {});
      offer('0.2.0');
      const versions = await drover('agents', 'versions');
      expect(versions.stdout)
        .to.include('3 hosts to update to 0.2.0')
        .and.match(/Left out: from-source: .*install\.sh/);
      expect((await drover('agents', 'update')).exit).to.equal(64);
      const update = await drover('agents', 'update', '--yes', '--waves', '1,100%');
      expect(update.exit, update.stderr).to.equal(0);
      expect(update.stdout)
        .to.match(/wave 1: 1 host, d-\w{9}\n/)
        .and.match(/wave 2: 2 of 2 \(Succeeded\)\n/)
        .and.match(/Succeeded: 3 hosts run 0\.2\.0\n$/);
      expect((await drover('agents', 'update', '--yes')).exit).to.equal(4);
      const status = JSON.parse((await drover('agents', 'status', '--json')).stdout);
      expect(status).to.have.nested.property('update.status', 'Succeeded');
      expect((await drover('agents', 'ls', '--quiet')).stdout).to.equal(`${status.update.id}\n`);
      expect((await drover('agents', 'status')).stdout).to.match(/^2 +d-\w{9} +Succeeded +2 +2 of 2$/m);
    });

    it('ask before they set a host back', async () => {
      await addAgent('web-1', '0.2.0');
      expect((await drover('agents', 'update', '0.1.0', '--yes')).exit).to.equal(4);
      const asked = await drover('agents', 'update', '0.1.0', '--downgrade');
      expect(asked.exit).to.equal(64);
      expect(asked.stderr).to.include('the agents of 1 host to 0.1.0');
      expect((await drover('agents', 'update', '0.1.0', '--downgrade', '--yes')).exit).to.equal(0);
    });

    it('end with 5 for a version that fails, and name where to read on', async () => {
      const [host] = await addAgents(2);
      offer('0.2.0');
      host?.fails.add('0.2.0');
      const update = await drover('agents', 'update', '--yes', '--json');
      expect(update.exit).to.equal(5);
      const lines = update.stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
      expect(lines.at(-1)).to.deep.include({ kind: 'exit', exit: 'failed', exitCode: 5 });
      expect(lines.at(-2)).to.have.nested.property('update.status', 'Failed');
      expect(update.stderr).to.match(/drover why d-\w{9}/);
    });

    it('end with 7 when somebody else stopped it, and with 0 for who did', async () => {
      const hosts = await addAgents(2);
      offer('0.2.0');
      for (const host of hosts) host.holdAt = 'ApplicationStart';
      const watching = drover('agents', 'update', '--yes');
      await until('the first is in the middle', WAIT_MS, () => hosts[0]?.assigned.length === 1);
      const stopping = drover('agents', 'stop');
      await until('it is asked to stop', WAIT_MS, async () => {
        const update = await herd.client.getAgentUpdate({ update: 'last' });
        const [wave] = update.progress;
        return (await herd.client.getDeployment({ deployment: wave?.deploymentId ?? '' })).stopRequestedBy !== null;
      });
      for (const host of hosts) host.release();
      expect([(await watching).exit, (await stopping).exit]).to.deep.equal([7, 0]);
    });

    it('refuse what is no wave or budget, before anything is asked of the coordinator', async () => {
      for (const args of [
        ['--waves', '1,much'],
        ['--budget', '0'],
        ['--waves', '101%'],
        ['--healthy-within', 'soon'],
      ])
        expect((await drover('agents', 'update', '--yes', ...args)).exit, args.join(' ')).to.equal(2);
    });

    it('are for admins; anybody who may deploy may stop one', async () => {
      await addAgents(1);
      offer('0.2.0');
      const { secret } = await herd.client.createOperatorToken({ name: 'deb', role: 'deployer' });
      const asDeployer = await cli.run(['agents', 'update', '--yes'], { env: { DROVER_TOKEN: secret } });
      expect(asDeployer.exit).to.equal(11);
      expect((await cli.run(['agents', 'stop'], { env: { DROVER_TOKEN: secret } })).exit).to.equal(10);
    });
  });

  it('need their directory only when one is made', async () => {
    mkdirSync(join(packages, 'empty'));
    const none = createAgentPackages({ directory: join(packages, 'absent'), scratch: join(packages, 'scratch') });
    expect(await none.list()).to.deep.equal([]);
  });
});
