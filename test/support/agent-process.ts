import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';
import { create } from 'tar';
import { IN_PLACE_EVENTS } from '../../shared/model/lifecycle-event.ts';
import type { Assignment } from '../../shared/protocol/messages.ts';
import type { FakeCoordinator } from './fake-coordinator.ts';

/** Built once in each test process: a bundle starts five times sooner than the sources, and some tests start hundreds. */
let bundled: string | null = null;

function agentProgram(): string {
  if (bundled !== null) return bundled;
  const directory = mkdtempSync(join(tmpdir(), 'drover-agent-program-'));
  const outfile = join(directory, 'drover-agent.mjs');
  const banner = "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);";
  buildSync({
    entryPoints: [join(ROOT, 'agent', 'main.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    banner: { js: banner },
    logLevel: 'warning',
  });
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
  bundled = outfile;
  return outfile;
}

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

interface CommandResult {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Whom the agent enrols with, and how to know that it is connected. */
type ItsCoordinator = Pick<FakeCoordinator, 'url' | 'until' | 'isConnected'>;

/** A real agent process on a state directory of its own. */
export class AgentProcess {
  readonly directory: string;
  readonly #coordinator: ItsCoordinator;
  readonly #children: ChildProcess[] = [];
  /** Another build than that of the sources. */
  #program: string | null = null;
  #current: ChildProcess | null = null;
  #log = '';

  constructor(coordinator: ItsCoordinator, config: object = {}) {
    this.#coordinator = coordinator;
    this.directory = mkdtempSync(join(tmpdir(), 'drover-agent-'));
    writeFileSync(
      join(this.directory, 'agent.yaml'),
      JSON.stringify({ stateDirectory: join(this.directory, 'state'), ...config }),
    );
  }

  get stateDirectory(): string {
    return join(this.directory, 'state');
  }

  /** What all its processes have logged. */
  get log(): string {
    return this.#log;
  }

  get pid(): number | undefined {
    return this.#current?.pid;
  }

  command(...args: string[]): Promise<CommandResult> {
    return this.#run('', {}, args);
  }

  commandIn(environment: Record<string, string>, ...args: string[]): Promise<CommandResult> {
    return this.#run('', environment, args);
  }

  commandWithInput(input: string, ...args: string[]): Promise<CommandResult> {
    return this.#run(input, {}, args);
  }

  async #run(input: string, environment: Record<string, string>, args: string[]): Promise<CommandResult> {
    const child = this.#spawn(args, environment);
    // A command that reads no input may have ended before it is written.
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
    let [stdout, stderr] = ['', ''];
    child.stdout?.on('data', (text) => (stdout += text));
    child.stderr?.on('data', (text) => (stderr += text));
    await once(child, 'close');
    return { code: child.exitCode, stdout, stderr };
  }

  async enrol(joinToken = 'drover_join_test'): Promise<void> {
    const result = await this.command('enrol', '--coordinator', this.#coordinator.url, '--token', joinToken);
    if (result.code !== 0) throw new Error(`enrol: ${result.stdout}${result.stderr}`);
  }

  /** The program itself, for scripts that call it: `node <program> …`. */
  get program(): string {
    return this.#program ?? agentProgram();
  }

  /** What is started from now on. @param program null: that of the sources */
  use(program: string | null): void {
    this.#program = program;
  }

  /** @param within a command that the agent is run by, `unshare` for one */
  start(environment: Record<string, string> = {}, within: readonly string[] = []): void {
    const child = this.#spawn(['run'], environment, within);
    const note = (text: string) => {
      this.#log = (this.#log + text).slice(-200_000);
    };
    child.stdout?.on('data', note);
    child.stderr?.on('data', note);
    this.#current = child;
  }

  async connected(): Promise<void> {
    await this.#coordinator.until('the agent is connected', () => this.#coordinator.isConnected());
  }

  kill(signal: 'SIGKILL' | 'SIGTERM'): Promise<number | null> {
    this.#current?.kill(signal);
    return this.ended();
  }

  /** Resolves with the exit code once the process has ended; at once when it has. */
  async ended(): Promise<number | null> {
    const child = this.#current;
    if (child !== null && child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    return child?.exitCode ?? null;
  }

  async remove(): Promise<void> {
    for (const child of this.#children) if (child.exitCode === null) child.kill('SIGKILL');
    await this.ended();
    rmSync(this.directory, { recursive: true, force: true });
  }

  #spawn(args: string[], environment: Record<string, string>, within: readonly string[] = []): ChildProcess {
    const agent = [process.execPath, this.program, '--config', join(this.directory, 'agent.yaml'), ...args];
    const [file = process.execPath, ...words] = [...within, ...agent];
    const child = spawn(file, words, {
      cwd: ROOT,
      env: { ...process.env, NODE_OPTIONS: '', ...environment },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.#children.push(child);
    return child;
  }
}

export interface TestBundle {
  digest: string;
  bytes: Uint8Array;
  bundleType: 'tgz';
}

/** A bundle of scripts: `{ 'scripts/stop.sh': '#!/bin/sh\n…' }`; all files executable unless `modes` says otherwise. */
export async function makeBundle(
  appSpec: string,
  files: Readonly<Record<string, string>>,
  modes: Readonly<Record<string, number>> = {},
  appSpecName = 'appspec.yml',
): Promise<TestBundle> {
  const directory = mkdtempSync(join(tmpdir(), 'drover-bundle-'));
  try {
    for (const [path, content] of Object.entries({ [appSpecName]: appSpec, ...files })) {
      mkdirSync(dirname(join(directory, path)), { recursive: true });
      writeFileSync(join(directory, path), content, { mode: modes[path] ?? 0o755 });
    }
    const file = join(directory, '..', `drover-bundle-${randomInt(1e9)}.tgz`);
    await create({ gzip: true, cwd: directory, file, portable: true }, ['.']);
    const bytes = readFileSync(file);
    rmSync(file);
    return { digest: createHash('sha256').update(bytes).digest('hex'), bytes, bundleType: 'tgz' };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** An AppSpec with hooks only: `{ AfterInstall: ['scripts/a.sh'] }`, or entries as they are. */
export function hooksAppSpec(hooks: Readonly<Record<string, readonly (string | object)[]>>): string {
  const entries = Object.fromEntries(
    Object.entries(hooks).map(([event, scripts]) => [
      event,
      scripts.map((script) => (typeof script === 'string' ? { location: script, timeout: 60 } : script)),
    ]),
  );
  // JSON is YAML.
  return `version: 0.0\nos: linux\nhooks: ${JSON.stringify(entries)}\n`;
}

let lastId = 0;
export function anAssignment(bundle: TestBundle, changes: Partial<Assignment> = {}): Assignment {
  lastId++;
  return {
    deploymentId: `d-${lastId.toString().padStart(9, '0')}`,
    application: 'web',
    deploymentGroupId: 'group-1',
    deploymentGroupName: 'prod',
    creator: 'user',
    revision: {
      id: `r-${lastId}`,
      label: `1.0.${lastId}`,
      digest: bundle.digest,
      bundleType: bundle.bundleType,
      sizeBytes: bundle.bytes.length,
    },
    lifecycleEvents: [...IN_PLACE_EVENTS],
    fileExistsBehavior: 'DISALLOW',
    ignoreApplicationStopFailures: false,
    appSpecFilename: 'appspec.yml',
    hookEnvironment: {},
    ...changes,
  };
}
