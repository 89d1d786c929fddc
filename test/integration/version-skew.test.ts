import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { PROGRAM_VERSION, PROTOCOL_VERSION } from '../../shared/protocol/versions.ts';
import { AgentProcess, anAssignment, hooksAppSpec, makeBundle } from '../support/agent-process.ts';
import { type FakeCoordinator, startFakeCoordinator } from '../support/fake-coordinator.ts';
import { PlayedHerd } from '../support/played-herd.ts';
import { until } from '../support/real-herd.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const WAIT_MS = 30_000;
const { major, minor } = PROTOCOL_VERSION;

/** Builds of the real agent that say another version of themselves, and of the protocol. */
const BUILDS = {
  newer: { version: '0.9.0', protocol: `${major}.${minor + 1}` },
  older: { version: '0.0.9', protocol: `${major}.${minor - 1}` },
  tooNew: { version: '1.9.0', protocol: `${major}.${minor + 2}` },
} as const;
type Build = keyof typeof BUILDS;

describe('an agent and a coordinator of different minor versions', function () {
  this.timeout(90_000);
  let builds: string;
  let herd: PlayedHerd;
  let agent: AgentProcess;

  before(() => {
    builds = mkdtempSync(join(tmpdir(), 'drover-skew-'));
    for (const [name, { version, protocol }] of Object.entries(BUILDS))
      execFileSync(
        process.execPath,
        [
          '.ci/build.mjs',
          '--outdir',
          join(builds, name),
          '--version',
          version,
          '--protocol',
          protocol,
          '--no-sourcemap',
        ],
        { cwd: ROOT },
      );
    // The bundles are ES modules, whatever stands above.
    writeFileSync(join(builds, 'package.json'), '{ "type": "module" }\n');
  });
  after(() => rmSync(builds, { recursive: true }));

  beforeEach(async () => {
    herd = await PlayedHerd.start(0);
    agent = new AgentProcess(
      { url: herd.coordinator.url, until: () => herd.online('web-1'), isConnected: () => true },
      { name: 'web-1' },
    );
    const { secret } = await herd.client.createJoinToken({ tags: { role: 'web' } });
    await agent.enrol(secret);
  });
  afterEach(async () => {
    await agent.remove();
    await herd.close();
  });

  const versionOf = async () => (await herd.client.getHost({ host: 'web-1' })).agentVersion;
  async function run(build: Build | null): Promise<void> {
    agent.use(build === null ? null : join(builds, build, 'drover-agent.js'));
    agent.start();
    const expected = build === null ? PROGRAM_VERSION : BUILDS[build].version;
    await until(`the agent is connected as ${expected}`, WAIT_MS, async () => (await versionOf()) === expected);
    await herd.online('web-1');
  }

  const ran = () => join(agent.directory, 'ran');
  const gate = () => join(agent.directory, 'gate');
  /** Its AfterInstall says that it runs, and waits for the gate. */
  async function pushGated(label: string): Promise<void> {
    const bundle = await makeBundle(hooksAppSpec({ AfterInstall: ['gate.sh'], ValidateService: ['say.sh'] }), {
      'gate.sh': `#!/bin/sh\necho run >> ${ran()}\nwhile [ ! -e ${gate()} ]; do sleep 0.05; done\n`,
      'say.sh': '#!/bin/sh\necho "said by $DEPLOYMENT_ID"\n',
    });
    await herd.client.uploadBundle({
      application: 'app',
      from: { stream: new Blob([Uint8Array.from(bundle.bytes)]).stream(), sizeBytes: bundle.bytes.byteLength },
      digest: bundle.digest,
      bundleType: 'tgz',
      label,
    });
  }
  const runs = () => (existsSync(ran()) ? execFileSync('wc', ['-l', ran()], { encoding: 'utf8' }).trim() : '0');

  for (const build of ['newer', 'older'] as const)
    it(`deploy, with the ${build} agent: reports, output, and a second deployment`, async () => {
      await run(build);
      await pushGated('gated');
      writeFileSync(gate(), '');
      const { id, status } = await herd.deploy('gated');
      expect(status).to.equal('Succeeded');
      await until('its output is stored', WAIT_MS, async () => {
        const place = { deployment: id, host: 'web-1', event: 'ValidateService' };
        return (await herd.client.getOutput(place)).text.includes(`said by ${id}`);
      });
      expect((await herd.deploy('gated')).status).to.equal('Succeeded');
    });

  for (const [before, after] of [
    [null, 'newer'],
    ['newer', null],
    [null, 'older'],
    ['older', null],
    ['older', 'newer'],
    ['newer', 'older'],
  ] as const)
    it(`let an agent be replaced in the middle of a hook: ${before ?? 'own'} by ${after ?? 'own'} version`, async () => {
      await run(before);
      await pushGated('gated');
      const { id } = await herd.create('gated');
      await until('the hook runs', WAIT_MS, () => runs().startsWith('1 '));
      await agent.kill('SIGTERM');
      await run(after);
      writeFileSync(gate(), '');
      expect((await herd.ended(id)).overview).to.include({ Succeeded: 1 });
      expect(runs(), 'runs of the hook').to.match(/^1 /);
    });

  it('refuse each other when they are two minor versions apart: the agent says so, and the host stays away', async () => {
    agent.use(join(builds, 'tooNew', 'drover-agent.js'));
    agent.start();
    await until('the agent has been told', WAIT_MS, () => /this coordinator speaks protocol/.test(agent.log));
    const host = await herd.client.getHost({ host: 'web-1' });
    expect(host).to.include({ agentVersion: null, presence: 'Offline' });
    // The one before takes over again, on the same state.
    await agent.kill('SIGTERM');
    await run(null);
  });
});

describe('an agent under a newer coordinator', function () {
  this.timeout(60_000);
  let coordinator: FakeCoordinator;
  let agent: AgentProcess;
  beforeEach(async () => {
    coordinator = await startFakeCoordinator();
    agent = new AgentProcess(coordinator);
    await agent.enrol();
    agent.start();
    await agent.connected();
  });
  afterEach(async () => {
    await agent.remove();
    await coordinator.close();
  });

  it('passes over what it does not know, and does the rest', async () => {
    const bundle = await makeBundle(hooksAppSpec({ AfterInstall: ['say.sh'] }), {
      'say.sh': '#!/bin/sh\necho hello\n',
    });
    coordinator.addBundle(bundle.digest, bundle.bytes);
    const assignment = anAssignment(bundle);
    // More of them than bad frames would be borne.
    for (let count = 0; count < 20; count++) coordinator.sendRaw(JSON.stringify({ kind: 'teleport', to: 'the moon' }));
    coordinator.assign({ ...assignment, novelty: { of: 'the next version' } } as typeof assignment);
    await coordinator.until('it has ended', () => coordinator.finished(assignment.deploymentId) !== undefined);
    expect(coordinator.finished(assignment.deploymentId)).to.include({ status: 'Succeeded' });
    expect(coordinator.hellos, 'connections').to.have.length(1);
    expect(coordinator.violations).to.deep.equal([]);
  });
});
