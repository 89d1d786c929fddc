import { expect } from 'chai';
import { PROTOCOL_VERSION } from '../../shared/protocol/versions.ts';
import { until } from '../support/real-herd.ts';
import { Fleet, NEXT_VERSION, VERSION } from './hosts/fleet.ts';
import { whyNoHosts } from './hosts/systemd-hosts.ts';

const FIVE = ['web-1', 'web-2', 'web-3', 'web-4', 'web-5'];
const [FIRST = ''] = FIVE;
const ENDS_AT_ONCE = '0.1.2';
const NEVER_CONNECTS = '0.1.3';
const GOOD_AGAIN = '0.1.4';
const BROKEN_ARCHIVE = '0.1.5';
const ALL_AT_ONCE = '--config CodeDeployDefault.AllAtOnce';
const { major, minor } = PROTOCOL_VERSION;
const whyNot = whyNoHosts();

describe(`agent updates on real hosts${whyNot === null ? '' : ` (skipped: ${whyNot})`}`, function () {
  this.timeout(400_000);
  // Says how long each story takes.
  this.slow(1);
  // Each story goes on where the one before ended.
  this.bail(true);
  const fleet = new Fleet();
  const { hosts } = fleet;
  const must = fleet.must.bind(fleet);

  before(async function () {
    if (whyNot !== null) return this.skip();
    this.timeout(900_000);
    await fleet.start(FIVE, console.log, [
      { version: VERSION },
      // Agents one minor version of the protocol newer than the coordinator, too far from it, and one older.
      { version: NEXT_VERSION, protocol: `${major}.${minor + 1}`, part: 'agent' },
      { version: NEVER_CONNECTS, protocol: `${major}.${minor + 2}`, part: 'agent' },
      { version: GOOD_AGAIN, protocol: `${major}.${minor - 1}`, part: 'agent' },
    ]);
    for (const version of [ENDS_AT_ONCE, BROKEN_ARCHIVE]) fleet.breakAgent(version, NEXT_VERSION);
    await fleet.setUpCoordinator();
    const token = await fleet.joinToken(5);
    await must('web-5', installedFromArchive(fleet));
    await Promise.all(FIVE.map((name) => must(name, fleet.installCommand(`--join ${token}`))));
    await fleet.allOnline(FIVE);
    await must('coordinator', 'drover apps create site && drover groups create site/web --tag role=web');
    await fleet.pushSite('1.0.0');
    await must('coordinator', `drover deploy site/web 1.0.0 --yes ${ALL_AT_ONCE}`);
  });
  after(async function () {
    this.timeout(60_000);
    await fleet.close();
  });
  afterEach(async function () {
    if (this.currentTest?.state === 'failed') console.log(await fleet.story());
  });

  const pids = (names: readonly string[]) => Promise.all(names.map((name) => fleet.agentPid(name)));
  const configurations = () => Promise.all(FIVE.map((name) => must(name, 'cat /etc/drover/agent.yaml')));
  async function expectVersion(version: string, names: readonly string[]): Promise<void> {
    await fleet.allOnline(names);
    for (const name of names) expect(await must(name, 'drover-agent --version'), name).to.equal(`${version}\n`);
    const { items } = JSON.parse(await must('coordinator', 'drover hosts ls --json'));
    for (const host of items)
      if (names.includes(host.name)) expect(host.agentVersion, `${host.name} as it said hello`).to.equal(version);
  }
  async function lastUpdate(): Promise<{
    status: string;
    message: string;
    progress: { deploymentId: string; status: string; hosts: number; succeeded: number; failed: number }[];
  }> {
    return JSON.parse(await must('coordinator', 'drover agents status --json')).update;
  }

  it('has nothing to do while every host has what is offered', async () => {
    await fleet.mustFail('coordinator', 'drover agents update --yes', 4);
    expect(await must('coordinator', 'drover agents versions')).to.include(`Nothing to update to ${VERSION}`);
  });

  it('updates five hosts in waves, each once the deployment on it has ended', async () => {
    await fleet.offerAgent(NEXT_VERSION);
    expect(await must('coordinator', 'drover agents versions')).to.include(`5 hosts to update to ${NEXT_VERSION}`);
    const [before, configuration] = [await pids(FIVE), await configurations()];
    const id = await fleet.deployIntoGate('1.1.0', FIVE, ALL_AT_ONCE);
    await must('coordinator', 'drover agents update --yes --detach');
    await until('the first wave is there', 30_000, async () => (await lastUpdate()).progress.length === 1);
    const [wave] = (await lastUpdate()).progress;
    expect(wave).to.deep.include({ hosts: 1, succeeded: 0, failed: 0 });
    const targets = JSON.parse(await must('coordinator', `drover status ${wave?.deploymentId} --json`));
    expect(targets.deployment.overview).to.deep.include({ Pending: 1, InProgress: 0 });
    expect(await pids(FIVE), 'agents while hooks run').to.deep.equal(before);
    await fleet.openGate('1.1.0', FIVE);
    await must('coordinator', `drover watch ${id} --timeout 120s`);
    const watched = await must('coordinator', 'drover agents status --watch', 390_000);
    expect(watched).to.include(`Succeeded: 5 hosts run ${NEXT_VERSION}`);
    expect((await lastUpdate()).progress.map((one) => [one.hosts, one.succeeded])).to.deep.equal([
      [1, 1],
      [4, 4],
    ]);
    await expectVersion(NEXT_VERSION, FIVE);
    for (const name of FIVE) expect(await fleet.gateRuns(name, id), name).to.equal(1);
    expect(await configurations()).to.deep.equal(configuration);
    await expectNothingLeft();
  });

  /** The unit removes itself, and the kept version is of no use any more. */
  async function expectNothingLeft(): Promise<void> {
    for (const name of FIVE) {
      expect(await must(name, `find /etc/systemd -name 'drover-agent-update*'`), name).to.equal('');
      expect(await must(name, 'ls /var/lib/drover-agent/agent-update'), name).to.not.match(/kept|new|tree/);
    }
  }

  it('deploys to agents of the next minor version of the protocol', async () => {
    await fleet.pushSite('1.2.0');
    await must('coordinator', `drover deploy site/web 1.2.0 --yes ${ALL_AT_ONCE}`);
    await fleet.expectSite('1.2.0', FIVE);
  });

  async function expectPutBack(
    version: string,
    options: string,
    { lastWords, first = FIRST, suffixes }: { lastWords: RegExp; first?: string; suffixes?: readonly string[] },
  ): Promise<void> {
    await fleet.offerAgent(version, suffixes);
    const others = FIVE.filter((name) => name !== first);
    const [before, configuration] = [await pids(others), await configurations()];
    const output = await fleet.mustFail('coordinator', `drover agents update --yes ${options}`, 5);
    expect(output).to.match(/Failed: wave 1 \(d-\w+\): 1 of 1 host failed; no other host is touched/);
    const { status, progress } = await lastUpdate();
    expect(status).to.equal('Failed');
    expect(progress).to.have.lengthOf(1);
    const why = await must('coordinator', `drover why ${progress[0]?.deploymentId}`);
    expect(why)
      .to.match(/ApplicationStart > update\.sh/)
      .and.match(lastWords);
    expect(why).to.include(`${NEXT_VERSION} is back, and is connected`).and.to.include(first);
    await expectVersion(NEXT_VERSION, FIVE);
    expect(await pids(others), 'agents of the hosts that were not touched').to.deep.equal(before);
    expect(await configurations()).to.deep.equal(configuration);
    await expectNothingLeft();
    // What dpkg believes is what is there.
    const known = await must(FIRST, `dpkg-query -W -f '\${Version} \${db:Status-Status}' drover-agent; dpkg --audit`);
    expect(known).to.equal(`${NEXT_VERSION} installed`);
    await must(FIRST, 'dpkg --verify drover-agent');
  }

  it('puts an agent back that ends at once, on the first host, and stops', async () => {
    await expectPutBack(ENDS_AT_ONCE, '--healthy-within 15s', { lastWords: /no such luck/ });
  });

  it('puts an agent back that runs and does not connect, on the first host, and stops', async () => {
    await expectPutBack(NEVER_CONNECTS, '--healthy-within 15s', { lastWords: /protocol/ });
  });

  it('puts an agent back that was installed from the archive', async () => {
    // Nobody else has a package then.
    const only = { suffixes: ['.tar.gz'], first: 'web-5' };
    await expectPutBack(BROKEN_ARCHIVE, '--healthy-within 15s', { lastWords: /no such luck/, ...only });
  });

  it('deploys to the host that had another version for a while', async () => {
    await fleet.pushSite('1.3.0');
    await must('coordinator', `drover deploy site/web 1.3.0 --yes ${ALL_AT_ONCE}`);
    await fleet.expectSite('1.3.0', FIVE);
  });

  it('goes on after its updater was killed, and after the power was cut in the middle', async () => {
    await fleet.offerAgent(GOOD_AGAIN);
    const configuration = await configurations();
    await must('coordinator', `drover agents update ${GOOD_AGAIN} --yes --detach --waves 100% --budget 100%`);
    /** How far the updater is with this version; nothing of an earlier one. */
    const phaseOf = async (name: string) => {
      const look = `cd /var/lib/drover-agent/agent-update && grep -qF "version='${GOOD_AGAIN}'" job && cat phase || true`;
      return (await hosts.run(name, look)).stdout.trim();
    };
    await Promise.all([
      until('web-2 has kept its old version', 60_000, async () => (await phaseOf('web-2')) === 'kept').then(() =>
        must('web-2', 'systemctl kill --signal KILL drover-agent-update'),
      ),
      until('web-3 has begun to install', 60_000, async () => (await phaseOf('web-3')) !== '').then(async () => {
        await hosts.switchOff('web-3');
        await hosts.boot('web-3');
      }),
    ]);
    // How update.sh would have ended on web-3 is not known, and told so; four of five are within the budget.
    const watched = await must('coordinator', 'drover agents status --watch', 390_000);
    expect(watched).to.include(`Succeeded: 4 hosts run ${GOOD_AGAIN}; 1 host failed`);
    await until('web-3 has ended its update', 120_000, async () => {
      const { stdout } = await hosts.run('web-3', 'cat /var/lib/drover-agent/agent-update/verdict || true');
      return stdout.trim() === 'updated';
    });
    await expectVersion(GOOD_AGAIN, FIVE);
    expect(await must('web-2', 'cat /var/lib/drover-agent/agent-update/log')).to.include('goes on; it was:');
    expect(await configurations()).to.deep.equal(configuration);
    await expectNothingLeft();
  });

  it('deploys to agents of the minor version before', async () => {
    await fleet.pushSite('1.4.0');
    await must('coordinator', `drover deploy site/web 1.4.0 --yes ${ALL_AT_ONCE}`);
    await fleet.expectSite('1.4.0', FIVE);
  });
});

/** As docs/install.md says for systems without dpkg; the one command finds it installed, and enrols. */
function installedFromArchive(fleet: Fleet): string {
  const archive = fleet.putPackage('agent', VERSION, 'web-5', '.tar.gz');
  return `tar -xzf ${archive} -C / --no-same-owner --keep-directory-symlink && rm ${archive}
mkdir -p /etc/drover && cp /usr/share/doc/drover-agent/agent.yaml.packaged /etc/drover/agent.yaml
systemd-tmpfiles --create && systemctl daemon-reload`;
}
