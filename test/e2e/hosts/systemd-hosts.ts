import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Ran } from '../../support/namespaces.ts';
import { until } from '../../support/real-herd.ts';
import { buildImage, WORK_DIRECTORY } from './image.ts';

const TOOLS = [
  'systemd-nspawn',
  'debootstrap',
  'ip',
  'unshare',
  'setpriv',
  'nsenter',
  'mount',
  'dpkg-deb',
  'strip',
  'openssl',
];
/** systemd-nspawn's exit status when the host asked for a reboot and there is no unit to restart. */
const REBOOT_STATUS = 133;
const BOOT_TIMEOUT_MS = 60_000;
/** Enough of a journal to see what went wrong. */
const JOURNAL_LINES = 25;

/** Why there can be no such hosts here; null when there can. */
export function whyNoHosts(): string | null {
  if (process.getuid?.() !== 0) return 'needs root';
  const missing = TOOLS.filter((tool) => spawnSync('sh', ['-c', `command -v ${tool}`]).status !== 0);
  return missing.length === 0 ? null : `needs ${missing.join(', ')}`;
}

interface Host {
  name: string;
  index: number;
  directory: string;
  namespace: string;
  /** systemd-nspawn with its namespaces around it; null while the host is off. */
  holder: ChildProcess | null;
  /** How often it has come up. */
  boots: number;
  /** True once nobody expects it to run: it is not started again when it reboots. */
  isOff: boolean;
}

/**
 * Hosts as they are in a rack: each a Debian with its own systemd, journal, disk, address and network cable, from one image.
 * They outlive nothing: every process of a host is in a process namespace that the kernel ends when this process ends,
 * however it ends, and mounts are in that namespace's own view. `close` removes disks, networks and control groups; what a
 * run that was killed left of those is removed by the next.
 */
export class SystemdHosts {
  readonly #directory = join(WORK_DIRECTORY, `run-${process.pid}`);
  readonly #prefix = `drh${process.pid}`;
  readonly #hosts: Host[] = [];
  readonly #running = new Set<ChildProcess>();
  #image = '';

  start(say: (text: string) => void): void {
    this.#image = buildImage(say);
    removeLeftovers();
    mkdirSync(this.#directory, { recursive: true });
    ip('netns', 'add', this.#switch);
    ip('-n', this.#switch, 'link', 'add', 'br0', 'type', 'bridge');
    ip('-n', this.#switch, 'link', 'set', 'br0', 'up');
  }

  get names(): string[] {
    return this.#hosts.map((host) => host.name);
  }

  /** Puts a host into the rack, cabled and not switched on. @param address with its prefix length: `10.21.0.1/24` */
  install(name: string, address: string): void {
    const host: Host = {
      name,
      index: this.#hosts.length,
      directory: join(this.#directory, name),
      namespace: `${this.#prefix}-${name}`,
      holder: null,
      boots: 0,
      isOff: true,
    };
    this.#hosts.push(host);
    for (const part of ['upper/etc', 'work', 'root']) mkdirSync(join(host.directory, part), { recursive: true });
    writeFileSync(join(host.directory, 'upper/etc/hostname'), `${name}\n`);
    ip('netns', 'add', host.namespace);
    ip('-n', this.#switch, 'link', 'add', port(host), 'type', 'veth', 'peer', 'name', 'host0', 'netns', host.namespace);
    ip('-n', this.#switch, 'link', 'set', port(host), 'master', 'br0', 'up');
    ip('-n', host.namespace, 'link', 'set', 'lo', 'up');
    ip('-n', host.namespace, 'addr', 'add', address, 'dev', 'host0');
    ip('-n', host.namespace, 'link', 'set', 'host0', 'up');
  }

  /** A file on the disk of a host that is off: what an image or cloud-init would bring. */
  writeToDisk(name: string, path: string, text: string, mode = 0o644): void {
    const file = join(this.#host(name).directory, 'upper', path);
    mkdirSync(join(file, '..'), { recursive: true });
    writeFileSync(file, text, { mode });
  }

  linkOnDisk(name: string, path: string, target: string): void {
    const link = join(this.#host(name).directory, 'upper', path);
    mkdirSync(join(link, '..'), { recursive: true });
    symlinkSync(target, link);
  }

  /** Switches a host on, and waits until it has booted. */
  async boot(name: string): Promise<void> {
    const host = this.#host(name);
    host.isOff = false;
    this.#switchOn(host);
    await this.#isUp(host, host.boots);
  }

  /** An orderly reboot, as `systemctl reboot` does it; resolves when the host is up again. */
  async reboot(name: string): Promise<void> {
    const host = this.#host(name);
    const next = host.boots + 1;
    await this.run(name, 'systemctl reboot');
    await this.#isUp(host, next);
  }

  /** @param boots how often it must have come up */
  async #isUp(host: Host, boots: number): Promise<void> {
    await until(`${host.name} has booted`, BOOT_TIMEOUT_MS, async () => {
      if (host.holder === null) throw new Error(`${host.name} did not boot: ${this.console(host.name)}`);
      if (host.boots < boots) return false;
      const { stdout } = await this.run(host.name, 'systemctl is-system-running || true');
      return /^(running|degraded)$/m.test(stdout);
    });
  }

  /** Pulls the plug. Its disk is kept, and nothing on it is flushed. */
  async switchOff(name: string): Promise<void> {
    const host = this.#host(name);
    host.isOff = true;
    const { holder } = host;
    if (holder === null) return;
    const init = initOf(holder);
    if (init !== null) killIfThere(init);
    else holder.kill('SIGKILL');
    if (holder.exitCode === null && holder.signalCode === null) await once(holder, 'exit');
  }

  /** Runs a shell script in a host to its end; the first command that fails ends it. */
  async run(name: string, script: string, timeoutMs = 60_000): Promise<Ran> {
    const { holder } = this.#host(name);
    const init = holder === null ? null : initOf(holder);
    if (init === null) return { code: null, stdout: '', text: `${name} is off` };
    const namespaces = ['--mount', '--uts', '--ipc', '--net', '--pid', '--root', '--wd'];
    const bash = ['bash', '-euo', 'pipefail', '-c', `cd /root\n${script}`];
    const child = spawn('nsenter', ['--target', String(init), ...namespaces, ...bash], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root', LANG: 'C.UTF-8', TERM: 'dumb' },
    });
    this.#running.add(child);
    let [stdout, text] = ['', ''];
    child.stdout?.on('data', (piece) => {
      stdout += piece;
      text += piece;
    });
    child.stderr?.on('data', (piece) => (text += piece));
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
    await once(child, 'close');
    clearTimeout(timer);
    this.#running.delete(child);
    return { code: child.exitCode, stdout, text: child.signalCode === null ? text : `${text}[${child.signalCode}]` };
  }

  /** Copies a file or directory of this machine into a running host. */
  put(source: string, name: string, path: string): void {
    const { holder } = this.#host(name);
    const init = holder === null ? null : initOf(holder);
    if (init === null) throw new Error(`${name} is off`);
    cpSync(source, join(`/proc/${init}/root`, path), { recursive: true });
  }

  /** Pulls the network cable, or puts it back. */
  link(name: string, state: 'up' | 'down'): void {
    ip('-n', this.#switch, 'link', 'set', port(this.#host(name)), state);
  }

  /** What it said on its console. */
  console(name: string): string {
    return lastLines(join(this.#host(name).directory, 'console.log'));
  }

  /** The end of what its services said. */
  async journal(name: string): Promise<string> {
    return (
      await this.run(name, `journalctl --no-pager -n ${JOURNAL_LINES} -o short-precise -u 'drover-*' -u first-boot`)
    ).text;
  }

  async close(): Promise<void> {
    for (const host of this.#hosts) host.isOff = true;
    await Promise.all(this.#hosts.map((host) => this.switchOff(host.name)));
    for (const child of this.#running) child.kill('SIGKILL');
    for (const { namespace } of this.#hosts) spawnSync('ip', ['netns', 'del', namespace]);
    spawnSync('ip', ['netns', 'del', this.#switch]);
    for (const host of this.#hosts) removeControlGroups(groupName(host));
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #switchOn(host: Host): void {
    const nspawn = [
      ...['systemd-nspawn', '-q', '--keep-unit', '--register=no', '--boot', '--console=pipe'],
      ...['-D', join(host.directory, 'root'), `--machine=${host.name}`, `--hostname=${host.name}`],
      ...[
        `--network-namespace-path=/run/netns/${host.namespace}`,
        '--resolv-conf=off',
        '--timezone=off',
        '--link-journal=no',
      ],
      // What a host may do with its disk: mounts of its own.
      '--capability=CAP_SYS_ADMIN',
    ];
    // A control group of its own, or all hosts would share one; mounts that nobody else sees.
    const script = `set -e
for group in ${controlGroupRoots()
      .map((root) => join(root, groupName(host)))
      .join(' ')}; do
  mkdir -p "$group"; echo $$ > "$group/cgroup.procs"
done
mount --make-rprivate /
mount -t overlay overlay -o lowerdir=${this.#image},upperdir=${host.directory}/upper,workdir=${host.directory}/work ${host.directory}/root
exec unshare --mount --pid --fork --kill-child=SIGKILL --mount-proc "$@" > ${host.directory}/console.log 2>&1 < /dev/null`;
    const holder = spawn(
      'setpriv',
      ['--pdeathsig', 'KILL', 'unshare', '--mount', 'bash', '-c', script, 'bash', ...nspawn],
      { stdio: ['ignore', 'ignore', 'pipe'], detached: true },
    );
    holder.stderr?.on('data', (text) => writeFileSync(join(host.directory, 'console.log'), text, { flag: 'a' }));
    host.holder = holder;
    host.boots++;
    holder.once('exit', (code) => {
      host.holder = null;
      if (code === REBOOT_STATUS && !host.isOff) this.#switchOn(host);
    });
  }

  get #switch(): string {
    return `${this.#prefix}-switch`;
  }

  #host(name: string): Host {
    const host = this.#hosts.find((candidate) => candidate.name === name);
    if (host === undefined) throw new Error(`there is no host ${name}`);
    return host;
  }
}

function port(host: Host): string {
  return `p${host.index}`;
}

function groupName(host: Host): string {
  return host.namespace;
}

/** Control groups v1 have systemd's hierarchy and often v2 beside it; v2 alone has one. */
function controlGroupRoots(): string[] {
  const v1 = ['/sys/fs/cgroup/systemd', '/sys/fs/cgroup/unified'].filter((path) => existsSync(path));
  return v1.length > 0 ? v1 : ['/sys/fs/cgroup'];
}

/** Process 1 of a host as this machine sees it; null when there is none (yet). */
function initOf(holder: ChildProcess): number | null {
  const waiting = holder.pid === undefined ? [] : [holder.pid];
  for (let pid = waiting.pop(); pid !== undefined; pid = waiting.pop()) {
    const children = childrenOf(pid);
    waiting.push(...children);
    // nspawn is process 1 of a namespace, too; the host's is one further in.
    if (nameOf(pid) === 'systemd' && depthOf(pid) >= 3) return pid;
  }
  return null;
}

function childrenOf(pid: number): number[] {
  return readOr(`/proc/${pid}/task/${pid}/children`).split(' ').filter(Boolean).map(Number);
}

function nameOf(pid: number): string {
  return readOr(`/proc/${pid}/comm`).trim();
}

/** How many process namespaces a process is in, and 0 unless it is the first of the innermost. */
function depthOf(pid: number): number {
  const ids = /^NSpid:\s+(.*)$/m.exec(readOr(`/proc/${pid}/status`))?.[1]?.split(/\s+/) ?? [];
  return ids.at(-1) === '1' ? ids.length : 0;
}

/** A process that has just ended has no files any more. */
function readOr(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function lastLines(path: string): string {
  return readOr(path).split('\n').slice(-JOURNAL_LINES).join('\n');
}

/** Of runs whose process has ended: their hosts ended with it. */
function removeLeftovers(): void {
  for (const name of readdirSync(WORK_DIRECTORY)) {
    const pid = /^run-(\d+)$/.exec(name)?.[1];
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    for (const namespace of readdirSync('/run/netns').filter((entry) => entry.startsWith(`drh${pid}-`))) {
      spawnSync('ip', ['netns', 'del', namespace]);
      removeControlGroups(namespace);
    }
    rmSync(join(WORK_DIRECTORY, name), { recursive: true, force: true });
  }
}

function removeControlGroups(name: string): void {
  for (const root of controlGroupRoots()) {
    const group = join(root, name);
    // Deepest first; these are no ordinary directories, whose files would have to go before.
    if (existsSync(group)) spawnSync('find', [group, '-depth', '-type', 'd', '-exec', 'rmdir', '{}', ';']);
  }
}

function ip(...args: string[]): void {
  const { status, stderr } = spawnSync('ip', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`ip ${args.join(' ')}: ${stderr}`);
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}
