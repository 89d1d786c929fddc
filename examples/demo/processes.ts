import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const DIST = fileURLToPath(new URL('../../dist/', import.meta.url));
export type Program = 'drover' | 'drover-agent' | 'drover-coordinator';

/** A program of Drover in the background, its output in a file. */
export interface Running {
  readonly pid: number;
  readonly logPath: string;
  isRunning(): boolean;
  /** Sends the signal to this very process and waits until it is gone. */
  end(signal: NodeJS.Signals): Promise<void>;
}

export function startProgram(program: Program, args: readonly string[], logPath: string): Running {
  const log = openSync(logPath, 'a');
  const child = spawn(process.execPath, [join(DIST, `${program}.js`), ...args], { stdio: ['ignore', log, log] });
  closeSync(log);
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const isRunning = () => child.exitCode === null && child.signalCode === null;
  return {
    // spawn has either given an id or will emit an error, which ends the demo as an uncaught exception.
    pid: child.pid!,
    logPath,
    isRunning,
    async end(signal) {
      if (isRunning()) child.kill(signal);
      await gone;
    },
  };
}

/** Runs the operator's command in the foreground: what it prints is seen. Resolves to its exit code. */
export function runDrover(args: readonly string[], env: Record<string, string>): Promise<number> {
  return ended(
    spawn(process.execPath, [join(DIST, 'drover.js'), ...args], {
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, ...env },
    }),
  );
}

/** Runs a program to its end, quietly; what it said is in the error when it failed. */
export async function runQuietly(program: Program, args: readonly string[], logPath: string): Promise<void> {
  const log = openSync(logPath, 'a');
  const child = spawn(process.execPath, [join(DIST, `${program}.js`), ...args], { stdio: ['ignore', log, log] });
  closeSync(log);
  const code = await ended(child);
  if (code !== 0) throw new Error(`${program} ${args[0]} ended with ${code}:\n${tailOf(logPath)}`);
}

export function tailOf(path: string, lines = 15): string {
  return readFileSync(path, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
}

function ended(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(code ?? (signal === null ? 1 : 128)));
  });
}
