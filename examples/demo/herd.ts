import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { DroverClient } from '../../shared/sdk/drover-client.ts';
import { ask } from './availability.ts';
import { type Running, runDrover, runQuietly, startProgram, tailOf } from './processes.ts';

const HELLO_SERVICE = fileURLToPath(new URL('../hello-service/', import.meta.url));

export interface DemoHost {
  name: string;
  /** Where its service listens. */
  port: number;
  directory: string;
  agent: Running;
}

/** The demo's world: a coordinator, its hosts as processes with directories and ports of their own, and an operator. */
export class Herd {
  readonly directory = mkdtempSync(join(tmpdir(), 'drover-demo-'));
  readonly hosts: DemoHost[] = [];
  url = '';
  private coordinator: Running | null = null;
  private coordinatorPort = 0;
  private operator: DroverClient | null = null;
  private token = '';

  get client(): DroverClient {
    if (this.operator === null) throw new Error('the coordinator has not been started');
    return this.operator;
  }

  async startCoordinator(): Promise<void> {
    this.coordinatorPort ||= await freePort();
    this.url = `http://127.0.0.1:${this.coordinatorPort}`;
    const configPath = join(this.directory, 'coordinator.yaml');
    const dataDirectory = join(this.directory, 'coordinator');
    mkdirSync(dataDirectory, { recursive: true });
    writeFileSync(configPath, stringify({ dataDirectory, listen: { host: '127.0.0.1', port: this.coordinatorPort } }));
    this.coordinator = startProgram('drover-coordinator', ['run', '--config', configPath], this.log('coordinator'));
    const coordinator = this.coordinator;
    await until('the coordinator is ready', 15_000, async () => {
      if (!coordinator.isRunning()) throw new Error(`the coordinator ended:\n${tailOf(coordinator.logPath)}`);
      return fetch(`${this.url}/readyz`).then(
        (answer) => answer.ok,
        () => false,
      );
    });
    this.token = readFileSync(join(dataDirectory, 'first-operator-token'), 'utf8').trim();
    this.operator = new DroverClient({ url: this.url, token: this.token });
  }

  /** As a power cut would. */
  async killCoordinator(): Promise<void> {
    await this.coordinator?.end('SIGKILL');
  }

  /** One join token fixes the tags of every host that enrols with it: a host does not choose its own. */
  async createJoinToken(uses: number): Promise<string> {
    const { secret } = await this.client.createJoinToken({ tags: { role: 'web' }, uses });
    return secret;
  }

  async addHost(name: string, joinToken: string): Promise<DemoHost> {
    const directory = join(this.directory, name);
    const port = await freePort();
    mkdirSync(join(directory, 'root/opt/hello-service'), { recursive: true });
    const configPath = join(directory, 'agent.yaml');
    writeFileSync(
      configPath,
      stringify({
        coordinatorUrl: this.url,
        name,
        stateDirectory: join(directory, 'state'),
        // All hosts of the demo are one machine: each installs below a directory of its own.
        installRoot: join(directory, 'root'),
        hooks: { environment: { HELLO_PORT: String(port), HELLO_NODE: process.execPath } },
      }),
    );
    const tokenPath = join(directory, 'join-token');
    writeFileSync(tokenPath, joinToken, { mode: 0o600 });
    await runQuietly('drover-agent', ['enrol', '--config', configPath, '--token-file', tokenPath], this.log(name));
    const host = { name, port, directory, agent: this.startAgent(name, configPath) };
    this.hosts.push(host);
    return host;
  }

  restartAgent(host: DemoHost): void {
    host.agent = this.startAgent(host.name, join(host.directory, 'agent.yaml'));
  }

  async waitReady(host: DemoHost, timeoutSeconds: number): Promise<void> {
    const args = ['wait-ready', '--config', join(host.directory, 'agent.yaml'), '--timeout', String(timeoutSeconds)];
    await runQuietly('drover-agent', args, this.log(`${host.name}-wait-ready`));
  }

  /** A bundle of the example service with another version, and a slow migration when asked for. */
  makeBundle(version: string, slowSeconds?: number): string {
    const directory = join(this.directory, `hello-service-${version}`);
    cpSync(HELLO_SERVICE, directory, { recursive: true });
    writeFileSync(join(directory, 'VERSION'), `${version}\n`);
    if (slowSeconds !== undefined) writeFileSync(join(directory, 'SLOW'), `${slowSeconds}\n`);
    return directory;
  }

  /** The operator's command, as it would be typed. */
  drover(...args: string[]): Promise<number> {
    process.stdout.write(`\n$ drover ${args.join(' ').replaceAll(`${this.directory}/`, '')}\n`);
    return runDrover(args, {
      DROVER_URL: this.url,
      DROVER_TOKEN: this.token,
      XDG_CONFIG_HOME: join(this.directory, 'operator'),
      XDG_STATE_HOME: join(this.directory, 'operator'),
    });
  }

  /** The versions that the hosts really serve. */
  async versions(): Promise<string[]> {
    return Promise.all(this.hosts.map(async (host) => (await ask(host.port)).text.replace('hello from ', '')));
  }

  /** How often a hook of a deployment ran on a host, by the hook's own record. */
  hookRuns(host: DemoHost, deploymentId: string, event: string): number {
    const path = join(host.directory, 'root/opt/hello-service/hooks.log');
    if (!existsSync(path)) return 0;
    return readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => line === `${deploymentId} ${event}`).length;
  }

  lookAround(): string {
    return [
      `  export DROVER_URL=${this.url} DROVER_TOKEN=$(cat ${join(this.directory, 'coordinator/first-operator-token')})`,
      '  node dist/drover.js status',
      '  node dist/drover.js history',
      '  node dist/drover.js hosts ls',
      `  the processes to end: ${[this.coordinator, ...this.hosts.map((host) => host.agent)].map((p) => p?.pid).join(' ')}`,
      `  everything is below ${this.directory}`,
    ].join('\n');
  }

  /** Ends every process that the demo started, the deployed services included, and removes its directory. */
  async close(): Promise<void> {
    await Promise.all(this.hosts.map((host) => host.agent.end('SIGTERM')));
    await this.coordinator?.end('SIGTERM');
    for (const host of this.hosts) {
      const pidFile = join(host.directory, 'root/opt/hello-service/pid');
      if (existsSync(pidFile)) endProcess(Number(readFileSync(pidFile, 'utf8')));
    }
    rmSync(this.directory, { recursive: true, force: true });
  }

  logsOf(name: string): string {
    return existsSync(this.log(name)) ? tailOf(this.log(name)) : '';
  }

  private startAgent(name: string, configPath: string): Running {
    return startProgram('drover-agent', ['run', '--config', configPath], this.log(name));
  }

  private log(name: string): string {
    return join(this.directory, `${name}.log`);
  }
}

/** Waits for a condition, never for a time. */
export async function until(
  what: string,
  withinMs: number,
  condition: () => Promise<boolean> | boolean,
): Promise<void> {
  const giveUpAt = Date.now() + withinMs;
  while (!(await condition())) {
    if (Date.now() > giveUpAt) throw new Error(`gave up waiting ${withinMs / 1000} s until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => (typeof address === 'object' && address !== null ? resolve(address.port) : reject()));
    });
  });
}

function endProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGTERM');
  } catch {
    // It has ended by itself.
  }
}
