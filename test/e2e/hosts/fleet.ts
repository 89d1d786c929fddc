import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { until } from '../../support/real-herd.ts';
import { SystemdHosts } from './systemd-hosts.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const ADDRESS = '10.21.0.1';
export const URL_OF_COORDINATOR = `https://${ADDRESS}:7717`;
export const VERSION: string = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).version;
/** What is upgraded to. */
export const NEXT_VERSION = VERSION.replace(/\d+$/, (patch) => String(Number(patch) + 1));
/** The last output is shown when a story fails. */
const MAX_TOLD = 20_000;

export interface PackageBuild {
  version: string;
  /** Another one than that of the sources. */
  protocol?: string;
  /** Default: both. */
  part?: 'agent';
}

export interface SiteOptions {
  /** Its AfterInstall waits on each host until `openGate`. */
  isGated?: boolean;
  /** Its AfterInstall asks for a reboot of the host. */
  reboots?: boolean;
  /** A file of so many MiB goes to /srv/media. */
  ballastMib?: number;
}

/**
 * A coordinator and hosts, installed from packages. The site of examples/nginx-site is what is deployed; a gated version
 * stops in the middle of a deployment on every host, inside a hook, for as long as a story needs.
 */
export class Fleet {
  readonly hosts = new SystemdHosts();
  readonly #scratch = mkdtempSync(join(tmpdir(), 'drover-fleet-'));
  #told = '';
  #pin = '';

  /** Builds packages, and boots the hosts. */
  async start(
    names: readonly string[],
    say: (text: string) => void,
    builds: readonly PackageBuild[] = [{ version: VERSION }, { version: NEXT_VERSION }],
  ): Promise<void> {
    this.hosts.start(say);
    for (const { version, protocol, part } of builds) {
      const options = ['--fast', '--version', version, '--outdir', this.packagesOf(version)];
      if (protocol !== undefined) options.push('--protocol', protocol);
      if (part !== undefined) options.push('--part', part);
      execFileSync(process.execPath, ['.ci/package.mjs', ...options], { cwd: ROOT });
    }
    this.hosts.install('coordinator', `${ADDRESS}/24`);
    for (const name of names) this.#install(name);
    await Promise.all(['coordinator', ...names].map((name) => this.hosts.boot(name)));
  }

  /** Where the packages of a version are, on this machine. */
  packagesOf(version: string): string {
    return join(this.#scratch, version);
  }

  /** Puts a host into the rack without switching it on. */
  #install(name: string): void {
    this.hosts.install(name, `10.21.0.${this.hosts.names.length + 10}/24`);
  }

  /** Puts a host into the rack whose image enrols it at its first boot, and switches it on. */
  async scaleOut(name: string, token: string): Promise<void> {
    this.#install(name);
    const install = `curl -fsSk --retry 5 --pinnedpubkey "${this.#pin}" ${URL_OF_COORDINATOR}/install.sh |
  sh -s -- --join-file /etc/join-token --pin "${this.#pin}"`;
    const script = `#!/bin/sh\nset -eu\n${install}\ndrover-agent wait-ready --timeout 120\ntouch /run/in-service\n`;
    const unit = `[Unit]
After=network-online.target
ConditionPathExists=!/var/lib/drover-agent/identity.json
[Service]
Type=oneshot
ExecStart=/usr/local/sbin/first-boot
[Install]
WantedBy=multi-user.target
`;
    this.hosts.writeToDisk(name, '/etc/join-token', token, 0o600);
    this.hosts.writeToDisk(name, '/usr/local/sbin/first-boot', script, 0o755);
    this.hosts.writeToDisk(name, '/etc/systemd/system/first-boot.service', unit);
    this.hosts.linkOnDisk(
      name,
      '/etc/systemd/system/multi-user.target.wants/first-boot.service',
      '../first-boot.service',
    );
    await this.hosts.boot(name);
  }

  /** Copies a package of this version into a host; answers its path there. */
  putPackage(part: 'agent' | 'coordinator', version: string, name: string, suffix = '.deb'): string {
    const file = readdirSync(this.packagesOf(version)).find(
      (entry) => entry.startsWith(`drover-${part}_`) && entry.endsWith(suffix),
    );
    if (file === undefined) throw new Error(`no package of ${part} ${version} was built`);
    this.hosts.put(join(this.packagesOf(version), file), name, `/root/${file}`);
    return `/root/${file}`;
  }

  /** Packages of an agent that ends as soon as it is started, whatever it is asked. */
  breakAgent(version: string, from: string): void {
    const tree = join(this.#scratch, `broken-${version}`);
    const name = readdirSync(this.packagesOf(from)).find((entry) => /^drover-agent_.*\.deb$/.test(entry));
    if (name === undefined) throw new Error(`no package of agent ${from} was built`);
    execFileSync('dpkg-deb', ['--raw-extract', join(this.packagesOf(from), name), tree]);
    writeFileSync(
      join(tree, 'usr/lib/drover-agent/drover-agent.js'),
      "process.stderr.write('no such luck\\n');\nprocess.exit(1);\n",
    );
    const control = join(tree, 'DEBIAN/control');
    writeFileSync(control, readFileSync(control, 'utf8').replace(`Version: ${from}\n`, `Version: ${version}\n`));
    mkdirSync(this.packagesOf(version));
    const path = join(this.packagesOf(version), name.replace(from, version));
    execFileSync('dpkg-deb', ['--root-owner-group', '-Zgzip', '-z1', '-b', tree, path]);
    const archive = path.replace(/\.deb$/, '.tar.gz');
    execFileSync('tar', ['-czf', archive, '--exclude=./DEBIAN', '--exclude=./etc', '-C', tree, '.']);
  }

  /** The coordinator offers the packages of another version of the agent from now on. */
  async offerAgent(version: string, suffixes: readonly string[] = ['.deb', '.tar.gz']): Promise<void> {
    for (const suffix of suffixes) {
      const offered = this.putPackage('agent', version, 'coordinator', suffix);
      await this.must('coordinator', `install -m 644 ${offered} /usr/share/drover/packages/ && rm ${offered}`);
    }
  }

  /** As docs/install.md says, with a certificate of its own and little patience for hosts that are away. */
  async setUpCoordinator(): Promise<void> {
    await this.must('coordinator', `dpkg -i ${this.putPackage('coordinator', VERSION, 'coordinator')}`);
    await this.must(
      'coordinator',
      `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=drover \\
  -addext subjectAltName=IP:${ADDRESS} -keyout /etc/drover/tls/coordinator.key -out /etc/drover/tls/coordinator.crt
chown root:drover /etc/drover/tls/coordinator.key && chmod 640 /etc/drover/tls/coordinator.key
cat >> /etc/drover/coordinator.yaml <<END
listen: { host: 0.0.0.0, port: 7717 }
tls: { certFile: /etc/drover/tls/coordinator.crt, keyFile: /etc/drover/tls/coordinator.key }
timings: { hostLostAfterMs: 60000 }
END
systemctl restart drover-coordinator
drover login ${URL_OF_COORDINATOR} --ca-file /etc/drover/tls/coordinator.crt --token-file /var/lib/drover/first-operator-token`,
    );
    const key = await this.must(
      'coordinator',
      `openssl x509 -in /etc/drover/tls/coordinator.crt -pubkey -noout | openssl pkey -pubin -outform der |
  openssl dgst -sha256 -binary | base64`,
    );
    this.#pin = `sha256//${key.trim()}`;
  }

  /** The one command, with the coordinator's pin. */
  installCommand(options: string, pin = this.#pin): string {
    return `curl -fsSk --pinnedpubkey '${pin}' ${URL_OF_COORDINATOR}/install.sh | sh -s -- --pin '${pin}' ${options}`;
  }

  async joinToken(uses = 1): Promise<string> {
    return (await this.must('coordinator', `drover hosts enrol-token --tag role=web --uses ${uses} --quiet`)).trim();
  }

  /** Runs a script that has to succeed; answers with what it printed. */
  async must(name: string, script: string, timeoutMs = 180_000): Promise<string> {
    const ran = await this.hosts.run(name, script, timeoutMs);
    this.#told = `${this.#told}\n[${name}]$ ${script}\n${ran.text}`.slice(-MAX_TOLD);
    expect(ran.code, `on ${name}: ${script}\n${ran.text}`).to.equal(0);
    return ran.stdout;
  }

  async mustFail(name: string, script: string, code: number): Promise<string> {
    const ran = await this.hosts.run(name, script, 180_000);
    this.#told = `${this.#told}\n[${name}]$ ${script}\n${ran.text}`.slice(-MAX_TOLD);
    expect(ran.code, `on ${name}: ${script}\n${ran.text}`).to.equal(code);
    return ran.text;
  }

  /** Pushes a version of the site. */
  async pushSite(
    version: string,
    { isGated = false, reboots = false, ballastMib = 0 }: SiteOptions = {},
  ): Promise<void> {
    const bundle = join(this.#scratch, `site-${version}`);
    cpSync(join(ROOT, 'examples/nginx-site'), bundle, { recursive: true });
    writeFileSync(join(bundle, 'site/version.txt'), `${version}\n`);
    const appSpecPath = join(bundle, 'appspec.yml');
    let appSpec = readFileSync(appSpecPath, 'utf8');
    const addHook = (name: string, text: string) => {
      const entry = `    - location: scripts/${name}\n      timeout: 240\n`;
      appSpec = appSpec.replace('  AfterInstall:\n', `  AfterInstall:\n${entry}`);
      writeFileSync(join(bundle, 'scripts', name), text, { mode: 0o755 });
    };
    if (isGated) addHook('gate.sh', GATE);
    if (reboots) addHook('reboot.sh', REBOOT);
    if (ballastMib > 0) {
      appSpec = appSpec.replace('files:\n', 'files:\n  - source: ballast\n    destination: /srv/media\n');
      mkdirSync(join(bundle, 'ballast'));
      for (let i = 0; i < ballastMib; i++) appendFileSync(join(bundle, 'ballast/film'), Buffer.alloc(1_048_576, i));
    }
    writeFileSync(appSpecPath, appSpec);
    this.hosts.put(bundle, 'coordinator', `/root/site-${version}`);
    await this.must('coordinator', `drover push site-${version} --app site --label ${version}`);
  }

  /** Starts a deployment of a gated version; answers with its id once the hosts are in the gate. */
  async deployIntoGate(version: string, names: readonly string[], options = ''): Promise<string> {
    await this.pushSite(version, { isGated: true });
    const id = (
      await this.must('coordinator', `drover deploy site/web ${version} --yes --detach --quiet ${options}`)
    ).trim();
    for (const name of names)
      await until(`${name} is in the gate of ${version}`, 60_000, async () => (await this.gateRuns(name, id)) > 0);
    return id;
  }

  async openGate(version: string, names: readonly string[]): Promise<void> {
    await Promise.all(names.map((name) => this.must(name, `touch /var/tmp/gate-open-${version}`)));
  }

  /** How often the gate's script was started on a host in this deployment. */
  async gateRuns(name: string, deploymentId: string): Promise<number> {
    const { stdout } = await this.hosts.run(name, `grep -c ${deploymentId} /var/tmp/gate-runs || true`);
    return Number(stdout);
  }

  /** What the hosts serve, asked for over HTTP from the coordinator's host. */
  async expectSite(version: string, names: readonly string[]): Promise<void> {
    for (const name of names) {
      const { text } = await this.hosts.run(
        'coordinator',
        `curl -sS --max-time 10 http://${this.addressOf(name)}:8081/version.txt`,
      );
      expect(text.trim(), `what ${name} serves`).to.equal(version);
    }
  }

  addressOf(name: string): string {
    return `10.21.0.${this.hosts.names.indexOf(name) + 10}`;
  }

  async presence(name: string): Promise<string> {
    const { stdout } = await this.hosts.run('coordinator', 'drover hosts ls --json');
    // The form that `drover help json` promises; empty while the coordinator is away.
    const { items } = JSON.parse(stdout || '{"items":[]}') as { items: { name: string; presence: string }[] };
    return items.find((host) => host.name === name)?.presence ?? 'none';
  }

  async allOnline(names: readonly string[]): Promise<void> {
    for (const name of names)
      await until(`${name} is online`, 60_000, async () => (await this.presence(name)) === 'Online');
  }

  async agentPid(name: string): Promise<string> {
    return (await this.must(name, 'systemctl show --property MainPID --value drover-agent')).trim();
  }

  /** What was run lately, and what the hosts' services said. */
  async story(): Promise<string> {
    const parts = [this.#told];
    for (const name of this.hosts.names) parts.push(`== ${name}\n${await this.hosts.journal(name)}`);
    return parts.join('\n');
  }

  async close(): Promise<void> {
    await this.hosts.close();
    rmSync(this.#scratch, { recursive: true, force: true });
  }
}

const GATE = `#!/bin/sh
set -eu
echo "$DEPLOYMENT_ID" >> /var/tmp/gate-runs
tries=0
while [ ! -e "/var/tmp/gate-open-$BUNDLE_VERSION" ]; do
  tries=$((tries + 1))
  if [ "$tries" -gt 2000 ]; then exit 1; fi
  sleep 0.1
done
`;

const REBOOT = `#!/bin/sh
set -eu
echo "$DEPLOYMENT_ID" >> /var/tmp/gate-runs
exec drover-agent reboot-and-continue
`;
