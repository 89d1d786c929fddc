import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { build } from 'esbuild';

const ROOT = join(import.meta.dirname, '../..');
/** Against a command that hangs; one that has hundreds of requests to make takes a quarter of it beside other suites. */
const LIMIT_MS = 60_000;
/** Of util-linux: runs a command on a pseudo terminal. */
const TERMINAL_MAKER = 'script';

export interface Finished {
  exit: number | null;
  stdout: string;
  stderr: string;
}

let bundled: Promise<string> | undefined;

/** The command as it is delivered, bundled once per test run: unbundled, each call would compile it anew. */
function bundledCommand(): Promise<string> {
  bundled ??= bundle();
  return bundled;
}

async function bundle(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'drover-cli-bundle-'));
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
  const outfile = join(directory, 'drover.mjs');
  const require =
    "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);";
  await build({
    absWorkingDir: ROOT,
    entryPoints: ['coordinator/cli/main.ts'],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    banner: { js: require },
    logLevel: 'warning',
  });
  return outfile;
}

/** The real command as a child process, with a home of its own. */
export class CliProcess {
  readonly home: string;
  readonly env: Record<string, string>;
  readonly #words: readonly string[];

  private constructor(home: string, env: Record<string, string>, words: readonly string[]) {
    this.home = home;
    this.env = env;
    this.#words = words;
  }

  /** @param url the coordinator's address, or undefined for nobody */
  static async create(url: string | undefined): Promise<CliProcess> {
    const home = await mkdtemp(join(tmpdir(), 'drover-cli-'));
    return new CliProcess(
      home,
      {
        PATH: process.env['PATH'] ?? '',
        HOME: home,
        LANG: 'C.UTF-8',
        TERM: 'xterm',
        TZ: 'UTC',
        ...(url === undefined ? {} : { DROVER_URL: url, DROVER_TOKEN: 'secret' }),
      },
      [process.execPath, await bundledCommand()],
    );
  }

  remove(): Promise<void> {
    return rm(this.home, { recursive: true });
  }

  /** Runs to the end, without a terminal. */
  run(
    args: readonly string[],
    options: { stdin?: string; env?: Record<string, string | undefined>; cwd?: string } = {},
  ): Promise<Finished> {
    const child = this.start(args, options);
    child.process.stdin?.end(options.stdin ?? '');
    return child.finished;
  }

  /** Begins, without a terminal. */
  start(args: readonly string[], options: { env?: Record<string, string | undefined>; cwd?: string } = {}): Running {
    return new Running(spawn(process.execPath, [...this.#words.slice(1), ...args], this.#spawnOptions(options)));
  }

  /** Runs to the end by a line of the shell, in which `$DROVER` is the command. */
  runByShell(line: string): Promise<Finished> {
    const words = this.#words.map((word) => `'${word}'`).join(' ');
    const child = spawn('sh', ['-c', line.replaceAll('$DROVER', words)], this.#spawnOptions({}));
    child.stdin.end();
    return new Running(child).finished;
  }

  /** Begins on a pseudo terminal of 80 x 24; what it shows is all on stdout. Keys are written to stdin. */
  startOnTerminal(
    args: readonly string[],
    options: { env?: Record<string, string | undefined>; size?: string } = {},
  ): Running {
    const words = [...this.#words, ...args].map((word) => `'${word.replaceAll("'", "'\\''")}'`);
    const line = `stty ${options.size ?? 'cols 80 rows 24'}; exec ${words.join(' ')}`;
    return new Running(
      spawn(TERMINAL_MAKER, ['-qec', line, '/dev/null'], this.#spawnOptions({ ...options, SHELL: '/bin/sh' })),
    );
  }

  #spawnOptions(options: { env?: Record<string, string | undefined>; cwd?: string; SHELL?: string }) {
    const env = Object.fromEntries(
      Object.entries({ ...this.env, SHELL: '/bin/sh', ...options.env }).filter(([, value]) => value !== undefined),
    );
    return { env, cwd: options.cwd ?? this.home } as const;
  }
}

/** True when util-linux's `script` can make a pseudo terminal here. */
export function hasPseudoTerminal(): boolean {
  return spawnSync(TERMINAL_MAKER, ['-qec', 'true', '/dev/null'], { stdio: 'ignore' }).status === 0;
}

export class Running {
  readonly process: ChildProcess;
  readonly finished: Promise<Finished>;
  stdout = '';
  stderr = '';

  constructor(child: ChildProcess) {
    this.process = child;
    child.stdout?.on('data', (chunk: Buffer) => {
      this.stdout += chunk.toString('utf8');
    });
    child.stderr?.on('data', (chunk: Buffer) => {
      this.stderr += chunk.toString('utf8');
    });
    const limit = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS);
    this.finished = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (exit) => {
        clearTimeout(limit);
        resolve({ exit, stdout: this.stdout, stderr: this.stderr });
      });
    });
  }

  key(keys: string): void {
    this.process.stdin?.write(keys);
  }

  /** Resolves once the output so far matches. */
  async shows(pattern: RegExp): Promise<void> {
    const limit = Date.now() + LIMIT_MS;
    while (!pattern.test(this.stdout + this.stderr)) {
      if (Date.now() > limit || this.process.exitCode !== null)
        expect.fail(`never showed ${pattern}:\n${this.stdout}\n${this.stderr}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}
