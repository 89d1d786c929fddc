import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from './real-herd.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const PROGRAMS = ['drover', 'drover-agent', 'drover-coordinator'];
const TOOLS = ['ip', 'openssl', 'unshare', 'nsenter', 'mount', 'chroot'];

/** Why machines cannot be made here; null when they can. */
export function whyNoMachines(): string | null {
  if (process.getuid?.() !== 0) return 'needs root';
  const missing = TOOLS.filter((tool) => spawnSync('sh', ['-c', `command -v ${tool}`]).status !== 0);
  if (missing.length > 0) return `needs ${missing.join(', ')}`;
  const name = `drover-try-${process.pid}`;
  if (spawnSync('ip', ['netns', 'add', name]).status !== 0) return 'needs the right to make network namespaces';
  spawnSync('ip', ['netns', 'del', name]);
  const directory = mkdtempSync(join(tmpdir(), 'drover-try-'));
  const mounts = `mount -t tmpfs none ${directory} && cd ${directory} && mkdir u w r &&
    mount -t overlay none -o lowerdir=/,upperdir=u,workdir=w r && chroot r ${process.execPath} --version`;
  const { status } = spawnSync('unshare', ['--mount', '--pid', '--fork', 'sh', '-c', mounts]);
  rmSync(directory, { recursive: true });
  return status === 0 ? null : 'needs overlay mounts over the root filesystem';
}

export interface Ran {
  code: number | null;
  stdout: string;
  /** Standard output and error as they came. */
  text: string;
}

interface Machine {
  name: string;
  namespace: string;
  holder: ChildProcess;
  /** Process 1 of the machine: when it ends, everything in it has ended. */
  init: number;
}

/**
 * Machines on one network: each has its own address, host name, processes, and a writable view of this machine's files
 * that is gone afterwards. Drover's programs are in their PATH as built. `close` leaves nothing behind.
 */
export class Machines {
  readonly #directory = mkdtempSync(join(tmpdir(), 'drover-machines-'));
  readonly #prefix = `drv${process.pid}`;
  readonly #machines: Machine[] = [];
  readonly #running = new Set<ChildProcess>();

  async start(): Promise<void> {
    this.#ip('netns', 'add', this.#switch);
    this.#ip('-n', this.#switch, 'link', 'add', 'br0', 'type', 'bridge');
    this.#ip('-n', this.#switch, 'link', 'set', 'br0', 'up');
  }

  /** @param address with its prefix length: `10.20.0.1/24` */
  async add(name: string, address: string): Promise<void> {
    const namespace = `${this.#prefix}-${name}`;
    const port = `p${this.#machines.length}`;
    this.#ip('netns', 'add', namespace);
    this.#ip('-n', this.#switch, 'link', 'add', port, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace);
    this.#ip('-n', this.#switch, 'link', 'set', port, 'master', 'br0', 'up');
    this.#ip('-n', namespace, 'link', 'set', 'lo', 'up');
    this.#ip('-n', namespace, 'addr', 'add', address, 'dev', 'eth0');
    this.#ip('-n', namespace, 'link', 'set', 'eth0', 'up');
    const directory = join(this.#directory, name);
    const unshare = ['unshare', '--mount', '--uts', '--pid', '--fork', '--kill-child=SIGKILL'];
    const holder = spawn('ip', ['netns', 'exec', namespace, ...unshare, 'bash', '-c', setUp(name, directory)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    holder.stdout?.on('data', (text) => (said += text));
    holder.stderr?.on('data', (text) => (said += text));
    const machine: Machine = { name, namespace, holder, init: 0 };
    this.#machines.push(machine);
    await until(`machine ${name} is up`, 10_000, () => {
      if (holder.exitCode !== null) throw new Error(`machine ${name} did not come up: ${said}`);
      return said.includes('READY');
    });
    machine.init = Number(readFileSync(`/proc/${holder.pid}/task/${holder.pid}/children`, 'utf8').trim());
  }

  /** Runs a shell script to its end; the first command that fails ends it. */
  async run(name: string, script: string, timeoutMs = 60_000): Promise<Ran> {
    const child = this.#enter(name, script);
    let [stdout, text] = ['', ''];
    child.stdout?.on('data', (piece) => {
      stdout += piece;
      text += piece;
    });
    child.stderr?.on('data', (piece) => (text += piece));
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
    await once(child, 'close');
    clearTimeout(timer);
    return { code: child.exitCode, stdout, text };
  }

  /** Runs on until the machine ends; the output is in /root/<logName>.log there. */
  runInBackground(name: string, script: string, logName: string): void {
    this.#enter(name, `exec > /root/${logName}.log 2>&1\n${script}`);
  }

  async copy(from: string, paths: readonly string[], to: string, directory: string): Promise<void> {
    for (const path of paths) {
      const source = this.#fileOf(from, path);
      const target = join(this.#fileOf(to, directory), path.split('/').at(-1) ?? '');
      const copied = spawnSync('cp', ['-p', source, target]);
      if (copied.status !== 0) throw new Error(`copy ${path} from ${from} to ${to}: ${copied.stderr}`);
    }
  }

  /** Pulls the network cable, or puts it back. */
  link(name: string, state: 'up' | 'down'): void {
    this.#ip('-n', this.#machine(name).namespace, 'link', 'set', 'eth0', state);
  }

  async close(): Promise<void> {
    for (const machine of this.#machines) {
      // Its namespaces of mounts and processes end with it.
      if (machine.init > 1) killIfThere(machine.init);
      machine.holder.kill('SIGKILL');
      if (machine.holder.exitCode === null && machine.holder.signalCode === null) await once(machine.holder, 'exit');
      spawnSync('ip', ['netns', 'del', machine.namespace]);
    }
    for (const child of this.#running) child.kill('SIGKILL');
    spawnSync('ip', ['netns', 'del', this.#switch]);
    rmSync(this.#directory, { recursive: true, force: true });
  }

  get #switch(): string {
    return `${this.#prefix}-switch`;
  }

  #machine(name: string): Machine {
    const machine = this.#machines.find((candidate) => candidate.name === name);
    if (machine === undefined) throw new Error(`there is no machine ${name}`);
    return machine;
  }

  #fileOf(name: string, path: string): string {
    return join(`/proc/${this.#machine(name).init}/root`, path.startsWith('/') ? path : join('/root', path));
  }

  #enter(name: string, script: string): ChildProcess {
    const { init } = this.#machine(name);
    const namespaces = ['--mount', '--uts', '--net', '--pid', '--root', '--wd'];
    const bash = ['bash', '-euo', 'pipefail', '-c', `cd /root\n${script}`];
    const child = spawn('nsenter', ['--target', String(init), ...namespaces, ...bash], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'] ?? '', HOME: '/root', LANG: 'C.UTF-8', TERM: 'dumb' },
    });
    this.#running.add(child);
    child.once('exit', () => this.#running.delete(child));
    return child;
  }

  #ip(...args: string[]): void {
    const { status, stderr } = spawnSync('ip', args, { encoding: 'utf8' });
    if (status !== 0) throw new Error(`ip ${args.join(' ')}: ${stderr}`);
  }
}

/** Runs as process 1 of the machine, whose mounts nobody else sees. Bash stays, because it reaps what others leave. */
function setUp(name: string, directory: string): string {
  return `set -e
mount --make-rprivate /
mkdir -p ${directory} && mount -t tmpfs none ${directory} && cd ${directory} && mkdir upper work root
mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root
mount --rbind /dev root/dev && mount -t proc proc root/proc && mount --rbind /sys root/sys && mount -t tmpfs tmp root/tmp
mkdir -p root${ROOT} && mount --bind ${ROOT} root${ROOT} && mount -o remount,bind,ro root${ROOT}
hostname ${name}
mount -t tmpfs home root/root
rm -rf root/etc/drover root/var/lib/drover root/var/lib/drover-agent root/opt/hello-service
mkdir -p root/etc/drover
ln -s ${ROOT}examples root/root/examples
for program in ${PROGRAMS.join(' ')}; do ln -sf ${ROOT}dist/$program.js root/usr/bin/$program; done
exec chroot root bash -c 'echo READY; while :; do sleep 1000 & wait; done'
`;
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}
