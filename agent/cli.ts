import { resolve } from 'node:path';
import { AppError, type ErrorCode, errorMessage } from '../shared/core/errors.ts';
import type { Step } from './deployment/plan.ts';
import type { Check } from './doctor/judge.ts';
import type { NamedDrift } from './drift.ts';
import type { LocalEvent, LocalOptions, LocalResult } from './local.ts';
import type { StatusReport } from './status.ts';

/** What the commands do; main.ts wires them to the real host. */
export interface CliActions {
  run(global: GlobalOptions): Promise<number>;
  enrol(global: GlobalOptions, request: EnrolOptions): Promise<{ hostId: string; hostName: string }>;
  status(global: GlobalOptions): Promise<StatusReport>;
  drift(global: GlobalOptions): Promise<NamedDrift[]>;
  doctor(global: GlobalOptions): Promise<Check[]>;
  waitReady(
    global: GlobalOptions,
    request: { timeoutMs: number; onWaiting(reason: string): void },
  ): Promise<{ isReady: boolean; reason: string }>;
  deployLocally(
    global: GlobalOptions,
    options: LocalOptions,
    onEventEnded: (event: LocalEvent) => void,
  ): Promise<LocalResult>;
  planLocally(global: GlobalOptions, options: LocalOptions): Promise<Step[]>;
  /** Is this command run by a script of a hook? */
  isInHook(): boolean;
}

export interface GlobalOptions {
  /** Null: the default file, if it is there. */
  configPath: string | null;
  stateDirectory: string | null;
}

interface EnrolOptions {
  coordinatorUrl: string | null;
  joinToken: string | null;
  joinTokenFile: string | null;
  name: string | null;
  force: boolean;
}

export interface CliOutput {
  out(text: string): void;
  err(text: string): void;
  workingDirectory: string;
}

/** As for the operator's command: `drover help exit-codes`. */
const EXIT_OF: Readonly<Partial<Record<ErrorCode, number>>> = {
  invalid: 2,
  conflict: 3,
  not_found: 10,
  unauthorized: 11,
  forbidden: 11,
  unavailable: 12,
};

/** Runs one command line (without node and script) and answers with the exit code. Never throws. */
export async function runCli(args: readonly string[], actions: CliActions, output: CliOutput): Promise<number> {
  try {
    const plainRun = parsePlainRun(args, output.workingDirectory);
    if (plainRun !== null) return await actions.run(plainRun);
    const { runProgram } = await import('./cli-program.ts');
    return await runProgram(args, actions, output);
  } catch (error) {
    return tellError(error, output, args.includes('--json'));
  }
}

/**
 * `run` as the service has it, null for every other command line: it waits for weeks, without the memory of what reads all
 * the other commands and options.
 */
export function parsePlainRun(args: readonly string[], workingDirectory: string): GlobalOptions | null {
  const rest = args.filter((arg) => arg !== 'run');
  if (rest.length !== args.length - 1) return null;
  if (rest.length === 0) return { configPath: null, stateDirectory: null };
  const [option, path] = rest;
  // A value that looks like an option, or that is missing, is for the full parser to judge; so is `--config run`.
  if (rest.length !== 2 || option !== '--config' || path === undefined || !/^[^-]/.test(path)) return null;
  return args[args.indexOf('--config') + 1] === path
    ? { configPath: resolve(workingDirectory, path), stateDirectory: null }
    : null;
}

function tellError(error: unknown, output: CliOutput, asJson: boolean): number {
  const code = error instanceof AppError ? error.code : 'internal';
  const hint = error instanceof AppError ? error.hint : undefined;
  const message = errorMessage(error);
  if (asJson) output.out(json({ error: { code, message, hint: hint ?? null } }));
  else output.err(`drover-agent: ${message}\n${hint === undefined ? '' : `${hint}\n`}`);
  return EXIT_OF[code] ?? 1;
}

function json(value: object): string {
  return `${JSON.stringify(value)}\n`;
}
