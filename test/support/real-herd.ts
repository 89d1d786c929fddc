import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DroverClient } from '../../shared/sdk/drover-client.ts';

/** The built programs: what users run. `npm test` builds them first. */
export const DIST = fileURLToPath(new URL('../../dist/', import.meta.url));
type Program = 'drover' | 'drover-agent' | 'drover-coordinator';

export interface RealHost {
  readonly name: string;
  readonly directory: string;
  /** AppSpec destinations lie below. */
  readonly installRoot: string;
  agent: ChildProcess;
}

export interface HostOptions {
  tags?: Record<string, string>;
  scalingGroup?: string;
  /** Variables for its hooks. */
  environment?: Record<string, string>;
  /** Where it finds the coordinator; default: directly. */
  coordinatorUrl?: string;
}

/** A coordinator and agents as real processes, on 127.0.0.1 and free ports, with everything in one temporary directory. */
export class RealHerd {
  readonly directory = mkdtempSync(join(tmpdir(), 'drover-herd-'));
  readonly hosts: RealHost[] = [];
  readonly #settings: object;
  readonly #started: ChildProcess[] = [];
  #coordinator: ChildProcess | null = null;
  #port = 0;
  #client: DroverClient | null = null;
  #isClosed = false;
  /** Also when the test process ends before `close`: nothing may be left behind. */
  readonly #atExit = () => {
    for (const child of this.#started) if (isRunning(child)) child.kill('SIGKILL');
  };

  /** @param settings the coordinator's, beside its address and directory */
  constructor(settings: object = {}) {
    this.#settings = settings;
    process.once('exit', this.#atExit);
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get token(): string {
    return readFileSync(join(this.directory, 'coordinator/first-operator-token'), 'utf8').trim();
  }

  get client(): DroverClient {
    this.#client ??= new DroverClient({ url: this.url, token: this.token });
    return this.#client;
  }

  /** Starts it without waiting until it answers. The address stays the same over restarts. */
  async spawnCoordinator(): Promise<void> {
    this.#port ||= await freePort();
    const config = join(this.directory, 'coordinator.yaml');
    const dataDirectory = join(this.directory, 'coordinator');
    mkdirSync(dataDirectory, { recursive: true });
    // JSON is YAML.
    writeFileSync(
      config,
      JSON.stringify({ dataDirectory, listen: { host: '127.0.0.1', port: this.#port }, ...this.#settings }),
    );
    this.#coordinator = this.#spawn('drover-coordinator', ['run', '--config', config], 'coordinator');
  }

  async startCoordinator(): Promise<void> {
    await this.spawnCoordinator();
    await until('the coordinator is ready', 30_000, async () => {
      if (!isRunning(this.#coordinator)) throw new Error(`the coordinator ended:\n${this.log('coordinator')}`);
      return fetch(`${this.url}/readyz`).then(
        (answer) => answer.ok,
        () => false,
      );
    });
  }

  /** Also when it is running no more. Resolves when the process is gone. */
  endCoordinator(signal: NodeJS.Signals): Promise<void> {
    return endProcess(this.#coordinator, signal);
  }

  /** For signals that do not end it, such as SIGSTOP and SIGCONT. */
  signalCoordinator(signal: NodeJS.Signals): void {
    this.#coordinator?.kill(signal);
  }

  async addHost(name: string, options: HostOptions = {}): Promise<RealHost> {
    const { secret } = await this.client.createJoinToken({
      tags: options.tags ?? { role: 'web' },
      ...(options.scalingGroup === undefined ? {} : { scalingGroup: options.scalingGroup }),
    });
    const directory = join(this.directory, name);
    const installRoot = join(directory, 'root');
    mkdirSync(installRoot, { recursive: true });
    writeFileSync(
      this.#configOf(name),
      JSON.stringify({
        coordinatorUrl: options.coordinatorUrl ?? this.url,
        name,
        stateDirectory: join(directory, 'state'),
        installRoot,
        hooks: { environment: { HOST: name, ...options.environment } },
      }),
    );
    writeFileSync(join(directory, 'join-token'), secret, { mode: 0o600 });
    const enrolled = await this.run('drover-agent', [
      'enrol',
      '--config',
      this.#configOf(name),
      '--token-file',
      join(directory, 'join-token'),
    ]);
    if (enrolled.code !== 0) throw new Error(`${name} did not enrol: ${enrolled.stdout}${enrolled.stderr}`);
    const host = { name, directory, installRoot, agent: this.#spawnAgent(name) };
    this.hosts.push(host);
    return host;
  }

  endAgent(host: RealHost, signal: NodeJS.Signals): Promise<void> {
    return endProcess(host.agent, signal);
  }

  restartAgent(host: RealHost): void {
    host.agent = this.#spawnAgent(host.name);
  }

  /** The operator's command. */
  drover(...args: string[]): Promise<Ended> {
    return this.run('drover', args, {
      DROVER_URL: this.url,
      DROVER_TOKEN: this.token,
      XDG_CONFIG_HOME: join(this.directory, 'operator'),
      XDG_STATE_HOME: join(this.directory, 'operator'),
    });
  }

  async run(program: Program, args: readonly string[], environment: Record<string, string> = {}): Promise<Ended> {
    const child = spawn(process.execPath, [join(DIST, `${program}.js`), ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...environment },
    });
    this.#started.push(child);
    let [stdout, stderr] = ['', ''];
    child.stdout?.on('data', (text) => (stdout += text));
    child.stderr?.on('data', (text) => (stderr += text));
    await once(child, 'close');
    return { code: child.exitCode, stdout, stderr };
  }

  /** The end of what a process has logged: `coordinator`, or a host's name. */
  log(name: string, lines = 20): string {
    const path = join(this.directory, `${name}.log`);
    return existsSync(path) ? readFileSync(path, 'utf8').trimEnd().split('\n').slice(-lines).join('\n') : '';
  }

  get port(): number {
    return this.#port;
  }

  /** Ends everything that was started; the directory stays when its logs are still of use. */
  async close(options: { keepFiles?: boolean } = {}): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.hosts.map((host) => endProcess(host.agent, 'SIGTERM')));
    await endProcess(this.#coordinator, 'SIGTERM');
    await Promise.all(this.#started.map((child) => endProcess(child, 'SIGKILL')));
    process.off('exit', this.#atExit);
    if (options.keepFiles !== true) rmSync(this.directory, { recursive: true, force: true });
  }

  #configOf(name: string): string {
    return join(this.directory, name, 'agent.yaml');
  }

  #spawnAgent(name: string): ChildProcess {
    return this.#spawn('drover-agent', ['run', '--config', this.#configOf(name)], name);
  }

  #spawn(program: Program, args: readonly string[], logName: string): ChildProcess {
    if (this.#isClosed) throw new Error('nothing is started in a herd that has been closed');
    const log = openSync(join(this.directory, `${logName}.log`), 'a');
    const child = spawn(process.execPath, [join(DIST, `${program}.js`), ...args], { stdio: ['ignore', log, log] });
    closeSync(log);
    // Only those that may still run: hundreds are started and killed.
    this.#started.splice(0, this.#started.length, ...this.#started.filter(isRunning), child);
    return child;
  }
}

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Waits for a condition, never for a time; what it threw last is in the message when it gives up. */
export async function until(
  what: string,
  withinMs: number,
  condition: () => Promise<boolean> | boolean,
): Promise<void> {
  const giveUpAt = Date.now() + withinMs;
  while (!(await condition())) {
    if (Date.now() > giveUpAt) throw new Error(`gave up waiting ${withinMs / 1_000} s until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (typeof address !== 'object' || address === null) throw new Error('a TCP server has an address');
  return address.port;
}

function isRunning(child: ChildProcess | null): child is ChildProcess {
  return child !== null && child.exitCode === null && child.signalCode === null;
}

export async function endProcess(child: ChildProcess | null, signal: NodeJS.Signals): Promise<void> {
  if (!isRunning(child)) return;
  const gone = once(child, 'exit');
  child.kill(signal);
  // One that was stopped takes no signal but SIGKILL.
  child.kill('SIGCONT');
  await gone;
}
