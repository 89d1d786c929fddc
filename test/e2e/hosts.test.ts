import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { until } from '../support/real-herd.ts';
import { Fleet, NEXT_VERSION, URL_OF_COORDINATOR, VERSION } from './hosts/fleet.ts';
import { whyNoHosts } from './hosts/systemd-hosts.ts';

const EXAMPLES = fileURLToPath(new URL('../../examples/', import.meta.url));
const FIVE = ['web-1', 'web-2', 'web-3', 'web-4', 'web-5'];
const whyNot = whyNoHosts();
const CABLE_OUT_MS = 30_000;
const ALL_AT_ONCE = '--config CodeDeployDefault.AllAtOnce';
const ONE_AT_A_TIME = '--config CodeDeployDefault.OneAtATime';

describe(`real hosts with the built packages${whyNot === null ? '' : ` (skipped: ${whyNot})`}`, function () {
  this.timeout(300_000);
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
    const from = Date.now();
    await fleet.start(FIVE, console.log);
    console.log(
      `    packages built and ${hosts.names.length} hosts booted in ${Math.round((Date.now() - from) / 1_000)} s`,
    );
  });
  after(async function () {
    this.timeout(60_000);
    await fleet.close();
  });
  afterEach(async function () {
    if (this.currentTest?.state === 'failed') console.log(await fleet.story());
  });

  it('installs the coordinator: as its own user, closed for others, ready when the command returns', async () => {
    await fleet.setUpCoordinator();
    await must('coordinator', 'drover whoami');
    const property = async (name: string) =>
      (await must('coordinator', `systemctl show --property ${name} --value drover-coordinator`)).trim();
    expect(await must('coordinator', `ps -o user= -p ${await property('MainPID')}`)).to.equal('drover\n');
    expect(await property('StatusText')).to.include('listening on https://');
    expect(await must('coordinator', 'stat -c %a /var/lib/drover')).to.equal('700\n');
    const security = await must('coordinator', 'systemd-analyze security --no-pager drover-coordinator | tail -n 1');
    console.log(`      ${security.trim()}`);
    // docs/install.md states it.
    expect(Number(/: ([\d.]+) /.exec(security)?.[1])).to.be.at.most(2);
  });

  it('shows a renewed certificate after a reload, and is not restarted by it', async () => {
    const pid = () => must('coordinator', 'systemctl show --property MainPID --value drover-coordinator');
    const before = await pid();
    const isShown = (file: string) =>
      `systemctl reload drover-coordinator
timeout 30 sh -c 'until curl -fsS --cacert ${file} ${URL_OF_COORDINATOR}/install/ca.crt | cmp - ${file}; do sleep 0.2; done'`;
    const inUse = '/etc/drover/tls/coordinator.crt';
    await must(
      'coordinator',
      `cp ${inUse} /root/first.crt
openssl req -x509 -key /etc/drover/tls/coordinator.key -days 60 -subj /CN=drover -addext subjectAltName=IP:${new URL(URL_OF_COORDINATOR).hostname} -out /root/renewed.crt
cp /root/renewed.crt ${inUse}
${isShown('/root/renewed.crt')}
cp /root/first.crt ${inUse}
${isShown('/root/first.crt')}`,
    );
    expect(await pid()).to.equal(before);
  });

  it('installs and enrols each host by one command, whatever way it comes to trust the coordinator', async () => {
    const token = await fleet.joinToken(5);
    const caFile = '/root/ca.crt';
    const crt = await must('coordinator', 'cat /etc/drover/tls/coordinator.crt');
    await must('web-2', `cat > ${caFile} <<'END'\n${crt}END`);
    const byCaFile = `curl -fsS --cacert ${caFile} ${URL_OF_COORDINATOR}/install.sh | sh -s -- --join ${token} --ca-file ${caFile}`;
    await Promise.all(
      FIVE.map((name) => must(name, name === 'web-2' ? byCaFile : fleet.installCommand(`--join ${token}`))),
    );
    await fleet.allOnline(FIVE);
    for (const name of FIVE) expect(await must(name, 'drover-agent --version')).to.equal(`${VERSION}\n`);
  });

  it('changes nothing when the command is run again', async () => {
    const before = await fleet.agentPid('web-1');
    const said = await must('web-1', fleet.installCommand(''));
    expect(said).to.include(`${VERSION} is installed`).and.to.include('enrolled already');
    expect(await fleet.agentPid('web-1')).to.equal(before);
  });

  it('installs nothing from a coordinator with another key, and says what is wrong with a token', async () => {
    const otherPin = `sha256//${Buffer.alloc(32, 7).toString('base64')}`;
    const script = `curl -fsSk ${URL_OF_COORDINATOR}/install.sh | sh -s -- --join x --pin '${otherPin}'`;
    expect(await fleet.mustFail('web-1', script, 12)).to.include('does not have the pinned key');
    expect(await fleet.mustFail('web-1', fleet.installCommand('--force --join wrong'), 11)).to.include('token');
    await fleet.allOnline(['web-1']);
  });

  it('deploys a site behind nginx, host by host, and brings it back where a version does not serve', async () => {
    await must('coordinator', 'drover apps create site');
    await must('coordinator', 'drover groups create site/web --tag role=web --config CodeDeployDefault.HalfAtATime');
    await fleet.pushSite('1.0.0');
    await must('coordinator', 'drover deploy site/web 1.0.0 --yes');
    await fleet.expectSite('1.0.0', FIVE);
    await fleet.pushSite('1.1.0');
    await must('coordinator', `drover deploy site/web 1.1.0 --yes ${ONE_AT_A_TIME}`);
    await fleet.expectSite('1.1.0', FIVE);
    // The site says another version than the bundle promises.
    await must(
      'coordinator',
      `cp -r site-1.1.0 site-bad && sed -i 's/expected=.*/expected=9.9.9/; s/-lt 50/-lt 5/' site-bad/scripts/validate.sh`,
    );
    await must('coordinator', 'drover push site-bad --app site --label bad');
    await fleet.mustFail('coordinator', 'drover deploy site/web bad --yes', 6);
    expect(await must('coordinator', 'drover why last')).to.match(/validate\.sh[\s\S]*expected version 9\.9\.9/);
    await fleet.expectSite('1.1.0', FIVE);
  });

  /** Deploys until one host is in the gate, does something to it, and expects that it failed and was brought back. */
  async function loseHostInGate(version: string, lose: (name: string) => Promise<void>): Promise<string> {
    await fleet.pushSite(version, { isGated: true });
    const deploy = `drover deploy site/web ${version} --yes --detach --quiet ${ONE_AT_A_TIME}`;
    const id = (await must('coordinator', deploy)).trim();
    let victim = '';
    await until('a host is in the gate', 60_000, async () => {
      for (const name of FIVE) if ((await fleet.gateRuns(name, id)) > 0) victim = name;
      return victim !== '';
    });
    await lose(victim);
    await fleet.openGate(version, FIVE);
    await fleet.mustFail('coordinator', `drover watch ${id} --timeout 120s`, 6);
    expect(await fleet.gateRuns(victim, id), 'runs of the hook').to.equal(1);
    await fleet.expectSite('1.1.0', FIVE);
    return must('coordinator', `drover why ${id}`);
  }

  it('tells how a hook ended when its host was rebooted under it, and brings that host back', async () => {
    const why = await loseHostInGate('1.2.0', (name) => hosts.reboot(name));
    // systemd ends what is left, and either its word or only its end is found afterwards.
    expect(why)
      .to.match(/AfterInstall > scripts\/gate\.sh/)
      .and.match(/ended by SIGTERM|unknown/i);
  });

  it('says that the outcome of a hook is unknown when its host lost power, and brings that host back', async () => {
    const why = await loseHostInGate('1.2.1', async (name) => {
      await hosts.switchOff(name);
      await hosts.boot(name);
    });
    expect(why).to.match(/unknown/i);
  });

  it('reboots each host whose hook asks for it, and goes on after the hook', async () => {
    await fleet.pushSite('1.2.2', { reboots: true });
    const bootIds = () => Promise.all(FIVE.map((name) => must(name, 'cat /proc/sys/kernel/random/boot_id')));
    const before = await bootIds();
    const deploy = `drover deploy site/web 1.2.2 --yes --detach --quiet ${ONE_AT_A_TIME}`;
    const id = (await must('coordinator', deploy)).trim();
    await must('coordinator', `drover watch ${id} --timeout 240s`, 250_000);
    const after = await bootIds();
    for (const [index, name] of FIVE.entries()) {
      expect(after[index], `boot of ${name}`).not.to.equal(before[index]);
      expect(await fleet.gateRuns(name, id), name).to.equal(1);
    }
    await fleet.expectSite('1.2.2', FIVE);
  });

  it('asks systemd to hold hooks to their limits, and for a unit of each where the group wants it', async () => {
    const names = FIVE.slice(0, 2);
    const limits = '{ memoryMaxBytes: 64M, cpuPercent: 50, maxTasks: 40 }';
    const files = {
      'appspec.yml': `version: 0.0
os: linux
hooks:
  BeforeInstall:
    - location: plain.sh
  AfterInstall:
    - location: limited.sh
      limits: ${limits}
`,
      'plain.sh': '#!/bin/sh\ncat /proc/self/cgroup > /var/tmp/unit-of-plain\n',
      // The kernel of a machine that runs this suite need not have the controllers: systemd's word is what can be had everywhere.
      'limited.sh': `#!/bin/sh
unit=$(sed -n 's|.*/\\(run-[^/]*\\.scope\\)$|\\1|p' /proc/self/cgroup | head -n 1)
systemctl show -p MemoryMax -p CPUQuotaPerSecUSec -p TasksMax "$unit" > /var/tmp/limits
`,
    };
    await must('coordinator', 'mkdir limits && drover apps create limits');
    for (const [file, text] of Object.entries(files))
      await must('coordinator', `cat > limits/${file} << 'END'\n${text}END`);
    await must('coordinator', 'drover push limits --app limits --label 1');
    const selection = names.map((name) => `--host ${name}`).join(' ');
    await must('coordinator', `drover groups create limits/some ${selection} --config CodeDeployDefault.AllAtOnce`);
    const unitsOfPlain = () => Promise.all(names.map((name) => must(name, 'cat /var/tmp/unit-of-plain')));

    await must('coordinator', 'drover deploy limits/some 1 --yes');
    for (const name of names)
      expect((await must(name, 'cat /var/tmp/limits')).split('\n').sort().join(' ').trim(), name).to.equal(
        'CPUQuotaPerSecUSec=500ms MemoryMax=67108864 TasksMax=40',
      );
    for (const unit of await unitsOfPlain()) expect(unit).to.match(/\/drover-agent\.service$/m);

    await must('coordinator', 'drover groups edit limits/some --hooks-in transient-unit --yes');
    await must('coordinator', 'drover redeploy limits/some 1 --yes');
    for (const unit of await unitsOfPlain()) expect(unit).to.match(/\/run-[^/]*\.scope$/m);
  });

  it('loses the network for 30 s in the middle of a deployment: the host walks on, and tells afterwards', async () => {
    const version = '1.3.0';
    const id = await fleet.deployIntoGate(version, FIVE, ALL_AT_ONCE);
    hosts.link('web-2', 'down');
    try {
      const out = new Promise((resolve) => setTimeout(resolve, CABLE_OUT_MS));
      await fleet.openGate(version, FIVE);
      await until('web-2 serves the new version', 60_000, async () => {
        const { stdout } = await hosts.run('web-2', 'curl -sS http://127.0.0.1:8081/version.txt || true');
        return stdout.trim() === version;
      });
      await until('web-2 is away', 60_000, async () => (await fleet.presence('web-2')) === 'Offline');
      await out;
    } finally {
      hosts.link('web-2', 'up');
    }
    await must('coordinator', `drover watch ${id} --timeout 120s`);
    for (const name of FIVE) expect(await fleet.gateRuns(name, id), name).to.equal(1);
    await fleet.expectSite(version, FIVE);
  });

  it('is ended by the watchdog when it hangs, and the next agent finds the hook', async () => {
    const version = '1.4.0';
    const dropIn = '/etc/systemd/system/drover-agent.service.d';
    await must('web-3', `mkdir -p ${dropIn} && printf '[Service]\\nWatchdogSec=12\\n' > ${dropIn}/watchdog.conf`);
    await must('web-3', 'systemctl daemon-reload && systemctl restart drover-agent');
    await fleet.allOnline(['web-3']);
    const id = await fleet.deployIntoGate(version, FIVE, ALL_AT_ONCE);
    const before = await fleet.agentPid('web-3');
    await must('web-3', `kill -STOP ${before}`);
    await until('another agent runs', 60_000, async () => {
      const now = await fleet.agentPid('web-3');
      return now !== before && now !== '0';
    });
    expect(await must('web-3', 'journalctl -u drover-agent')).to.include('Watchdog timeout');
    await fleet.openGate(version, FIVE);
    await must('coordinator', `drover watch ${id} --timeout 120s`);
    for (const name of FIVE) expect(await fleet.gateRuns(name, id), name).to.equal(1);
    await fleet.expectSite(version, FIVE);
    await must('web-3', `rm -r ${dropIn} && systemctl daemon-reload && systemctl restart drover-agent`);
  });

  it('upgrades agents in the middle of a deployment, by the same command', async () => {
    const version = '1.5.0';
    const id = await fleet.deployIntoGate(version, FIVE, ALL_AT_ONCE);
    const offered = fleet.putPackage('agent', NEXT_VERSION, 'coordinator');
    await must('coordinator', `install -m 644 ${offered} /usr/share/drover/packages/`);
    const upgraded = FIVE.slice(0, 3);
    await Promise.all(upgraded.map((name) => must(name, fleet.installCommand(''))));
    for (const name of upgraded) expect(await must(name, 'drover-agent --version')).to.equal(`${NEXT_VERSION}\n`);
    await fleet.openGate(version, FIVE);
    await must('coordinator', `drover watch ${id} --timeout 120s`);
    for (const name of FIVE) expect(await fleet.gateRuns(name, id), name).to.equal(1);
    await fleet.expectSite(version, FIVE);
  });

  it('upgrades the coordinator in the middle of a deployment', async () => {
    const version = '1.6.0';
    const id = await fleet.deployIntoGate(version, FIVE, ALL_AT_ONCE);
    const history = await must('coordinator', 'drover history --quiet');
    await must('coordinator', `dpkg -i ${fleet.putPackage('coordinator', NEXT_VERSION, 'coordinator')}`);
    await must('coordinator', `drover whoami && grep -q coordinator.crt /etc/drover/coordinator.yaml`);
    expect(await must('coordinator', 'drover-coordinator --version')).to.equal(`${NEXT_VERSION}\n`);
    await fleet.openGate(version, FIVE);
    await must('coordinator', `drover watch ${id} --timeout 120s`);
    expect(await must('coordinator', 'drover history --quiet')).to.equal(history);
    for (const name of FIVE) expect(await fleet.gateRuns(name, id), name).to.equal(1);
    await fleet.expectSite(version, FIVE);
  });

  it('fails on a host whose disk is full before it changes anything, and goes on when there is room', async () => {
    await must('web-4', 'mkdir -p /srv/media && mount -t tmpfs -o size=24m tmpfs /srv/media');
    await fleet.pushSite('1.7.0', { ballastMib: 48 });
    await fleet.mustFail('coordinator', `drover deploy site/web 1.7.0 --yes ${ONE_AT_A_TIME}`, 6);
    const why = await must('coordinator', 'drover why last');
    expect(why)
      .to.include('web-4')
      .and.to.match(/bytes free/);
    await fleet.expectSite('1.6.0', FIVE);
    expect(await must('web-4', 'ls /srv/media')).to.equal('');
    await must('web-4', 'mount -o remount,size=400m /srv/media');
    await must('coordinator', 'drover deploy site/web 1.7.0 --yes');
    await fleet.expectSite('1.7.0', FIVE);
    await must('web-4', 'test -s /srv/media/film');
  });

  it('scales out: a new host enrols as it boots, gets the good revision, and says when it may serve', async () => {
    await fleet.scaleOut('web-6', await fleet.joinToken());
    await until('web-6 says that it is ready', 90_000, async () => {
      const { stdout } = await hosts.run(
        'web-6',
        'test -e /run/in-service && echo in service; systemctl is-failed first-boot',
      );
      if (stdout.includes('failed')) throw new Error('its boot script failed');
      return stdout.includes('in service');
    });
    await fleet.expectSite('1.7.0', ['web-6']);
  });

  it('takes reboots of hosts and coordinator for what they are, when nothing is deployed', async () => {
    await Promise.all(['web-6', 'coordinator'].map((name) => hosts.reboot(name)));
    await until(
      'the coordinator answers',
      60_000,
      async () => (await hosts.run('coordinator', 'drover whoami')).code === 0,
    );
    await fleet.allOnline(['web-6']);
    await fleet.expectSite('1.7.0', ['web-6']);
  });

  it('gives up a host that is switched off for good, and goes on without it once it is forgotten', async () => {
    const id = await fleet.deployIntoGate('1.8.0', FIVE, ALL_AT_ONCE);
    await hosts.switchOff('web-5');
    const rest = ['web-1', 'web-2', 'web-3', 'web-4', 'web-6'];
    await fleet.openGate('1.8.0', rest);
    await must('coordinator', `drover watch ${id} --timeout 180s`);
    expect(await must('coordinator', `drover why ${id}`)).to.include('web-5');
    await fleet.expectSite('1.8.0', rest);
    await must('coordinator', 'drover hosts forget web-5 --yes');
    await fleet.pushSite('1.9.0');
    await must('coordinator', `drover deploy site/web 1.9.0 --yes ${ONE_AT_A_TIME}`);
    await fleet.expectSite('1.9.0', rest);
  });

  it('deploys a .war to Tomcat, and brings it back where a version does not answer', async () => {
    const bundles = mkdtempSync(join(tmpdir(), 'drover-tomcat-'));
    const names = FIVE.slice(1, 3);
    try {
      for (const version of ['1.0', '2.0', 'bad']) {
        const bundle = join(bundles, version);
        execFileSync(join(EXAMPLES, 'tomcat-hello/build.sh'), [version, bundle]);
        hosts.put(bundle, 'coordinator', `/root/tomcat-${version}`);
      }
    } finally {
      rmSync(bundles, { recursive: true });
    }
    // What Tomcat cannot unpack, it does not serve.
    await must('coordinator', 'echo damaged > tomcat-bad/hello.war');
    await must('coordinator', `sed -i 's/-lt 200/-lt 4/' tomcat-bad/scripts/validate.sh`);
    await must('coordinator', 'drover apps create hello');
    const selection = names.map((name) => `--host ${name}`).join(' ');
    await must('coordinator', `drover groups create hello/tomcat ${selection} --config CodeDeployDefault.HalfAtATime`);
    const ask = async (name: string) =>
      (await must('coordinator', `curl -sS --max-time 60 http://${fleet.addressOf(name)}:8080/hello/`)).trim();
    for (const version of ['1.0', '2.0']) {
      await must('coordinator', `drover push tomcat-${version} --app hello --label ${version}`);
      await must('coordinator', `drover deploy hello/tomcat ${version} --yes`, 240_000);
      for (const name of names) expect(await ask(name), name).to.equal(`hello from ${version}`);
    }
    await must('coordinator', 'drover push tomcat-bad --app hello --label bad');
    await fleet.mustFail('coordinator', 'drover deploy hello/tomcat bad --yes', 6);
    expect(await must('coordinator', 'drover why last')).to.match(/validate\.sh[\s\S]*expected: hello from bad/);
    for (const name of names) expect(await ask(name), name).to.equal('hello from 2.0');
  });

  it('leaves the application alone when the agent is removed, and when it is purged', async () => {
    await must('web-1', 'dpkg -r drover-agent');
    await fleet.expectSite('1.9.0', ['web-1']);
    await must('web-1', 'test ! -e /usr/bin/drover-agent && test -e /var/lib/drover-agent/identity.json');
    // Installed again, it is the same host.
    await must('web-1', fleet.installCommand(''));
    await fleet.allOnline(['web-1']);
    await must('web-1', 'dpkg --purge drover-agent');
    await must(
      'web-1',
      'test ! -e /var/lib/drover-agent && test ! -e /etc/drover && test -s /var/www/hello-site/index.html',
    );
    await must('web-1', '! systemctl list-unit-files | grep drover');
    await fleet.expectSite('1.9.0', ['web-1']);
  });

  it('keeps what the coordinator knows until it is purged', async () => {
    await must('coordinator', 'dpkg -r drover-coordinator && test -s /var/lib/drover/drover.db');
    await must('coordinator', `dpkg -i ${fleet.putPackage('coordinator', NEXT_VERSION, 'coordinator')}`);
    expect(await must('coordinator', 'drover hosts ls')).to.include('web-2');
    await must('coordinator', 'dpkg --purge drover-coordinator && test ! -e /var/lib/drover && test ! -e /etc/drover');
  });
});
