import { join } from 'node:path';
import type { HookScript } from '../../shared/appspec/appspec.ts';
import { clip } from '../../shared/core/bounded.ts';
import type { Clock } from '../../shared/core/clock.ts';
import { errnoOf, errorMessage } from '../../shared/core/errors.ts';
import type { Logger } from '../../shared/core/logger.ts';
import type { Diagnostics } from '../../shared/model/lifecycle-event.ts';
import type { Accounts } from '../host/accounts.ts';
import type { Disk } from '../host/disk.ts';
import type { ExitStatus, ProcessHandle, ProcessRunner, ResourceLimits, StartRequest } from '../host/process-runner.ts';
import { SYSTEMD_BOOTED } from '../host/resource-limits.ts';
import { hasSucceeded, parseExitStatus } from './exit-status.ts';
import { boundOutput, readTail } from './output.ts';
import { maskFile, type Secrets } from './secrets.ts';

/** Between TERM and KILL. Source: CodeDeploy agent 2.0. */
export const KILL_AFTER_MS = 5_000;
/** A process that does not even end by KILL hangs in the kernel; the event does not wait for it longer than this, ms. */
const GIVE_UP_AFTER_KILL_MS = 10_000;
const MAX_STATUS_BYTES = 256;
/** A script that ends with it wants the host rebooted before anything else is done. Source: AWS Systems Manager, Run Command. */
export const REBOOT_EXIT_CODE = 194;

export interface HookRunnerParts {
  disk: Disk;
  processes: ProcessRunner;
  accounts: Accounts;
  clock: Clock;
  logger: Logger;
  ownAccount: { uid: number; name: string; home: string };
  /** The most that the output file of an event may hold, bytes. */
  maxOutputBytes: number;
  secrets: Secrets;
}

/** What is known of a script before its turn comes. */
export interface ExpectedScript {
  script: HookScript;
  /** Also without limits. */
  inTransientUnit: boolean;
  /** The bundle's root: scripts are found from here and run in here. */
  archiveRoot: string;
  outputPath: string;
  environmentOf(user: { name: string; home: string }): Record<string, string>;
  statusPathOf(attempt: number): string;
}

export interface ScriptRun extends ExpectedScript {
  /** What the journal knows of it, if it was started before. */
  previous: PreviousRun | null;
  signal: AbortSignal;
  /** Returns once it is durable that attempt `attempt` is about to start. */
  starting(start: { attempt: number; at: number; deadlineAt: number; bootId: string }): Promise<void>;
  /** The script runs, and the agent has nothing to do but wait for it. */
  started(): void;
  /** Returns once it is durable that the script is being stopped because its time is over. */
  timedOut(): Promise<void>;
  ended(status: ExitStatus): void;
}

export interface PreviousRun {
  attempt: number;
  deadlineAt: number;
  bootId: string;
  isTimedOut: boolean;
  ended: ExitStatus | null;
}

export type ScriptResult =
  | { kind: 'succeeded' }
  /** It ended with {@link REBOOT_EXIT_CODE}. */
  | { kind: 'asks-for-reboot' }
  | { kind: 'failed'; diagnostics: Diagnostics }
  /** The agent is being stopped: the script runs on, and the next agent finds it. */
  | { kind: 'interrupted' };

/**
 * Runs one script of a hook exactly once, over any number of agents: the decision to start it is journalled first, and the
 * process leaves its id and its exit status in files.
 */
export async function runScript(parts: HookRunnerParts, run: ScriptRun): Promise<ScriptResult> {
  if (run.previous === null) return startAndFollow(parts, run, 1);
  if (run.previous.ended !== null) return judge(parts, run, { status: run.previous.ended, outputFrom: 0 });
  const { attempt, bootId, isTimedOut, deadlineAt } = run.previous;
  await learnSecrets(parts, run);
  const found = await parts.processes.findStarted({ statusPath: run.statusPathOf(attempt), bootId });
  switch (found.state) {
    case 'never':
      return startAndFollow(parts, run, attempt + 1);
    case 'unknown':
      await hideSecrets(parts, run, 0);
      return unknownOutcome(run);
    case 'started':
      return follow(parts, run, { handle: found.handle, attempt, deadlineAt, isTimedOut, outputFrom: 0 });
  }
}

/** Before any output of a script that an earlier agent has started is shown to anybody. */
export async function learnSecrets(
  parts: Pick<HookRunnerParts, 'secrets'>,
  { environmentOf }: Pick<ExpectedScript, 'environmentOf'>,
): Promise<void> {
  // Whose home it is does not matter for what is secret.
  await parts.secrets.refresh(environmentOf({ name: '', home: '' }));
}

/** Makes the script's start quicker, if it comes to it: see {@link ProcessRunner.prepare}. */
export function expectScript(parts: HookRunnerParts, expected: ExpectedScript): void {
  const { ownAccount } = parts;
  const { runas } = expected.script;
  // Who another user is must be asked of the host then, and not now.
  if (runas !== null && runas !== ownAccount.name) return;
  parts.processes.prepare(requestOf(expected, { ...ownAccount, switchTo: null }, 1));
}

async function startAndFollow(parts: HookRunnerParts, run: ScriptRun, attempt: number): Promise<ScriptResult> {
  const [prepared, bootId, sizeBefore] = await Promise.all([
    prepare(parts, run, attempt),
    parts.processes.bootId(),
    sizeOf(parts.disk, run.outputPath),
  ]);
  if (!prepared.ok) return failure(run, prepared);
  await parts.secrets.refresh(prepared.request.environment);
  if (run.signal.aborted) return { kind: 'interrupted' };
  const at = parts.clock.now();
  const deadlineAt = at + run.script.timeoutSeconds * 1_000;
  await run.starting({ attempt, at, deadlineAt, bootId });
  const started = await parts.processes.start(prepared.request);
  if (!started.ok)
    return failure(run, {
      errorCode: 'ScriptFailed',
      message: `${placeOf(run)} could not be started: ${started.message}`,
    });
  run.started();
  return follow(parts, run, { handle: started.handle, attempt, deadlineAt, isTimedOut: false, outputFrom: sizeBefore });
}

type Failure = Pick<Diagnostics, 'errorCode' | 'message' | 'exitCode' | 'signal'>;

async function prepare(
  parts: HookRunnerParts,
  run: ScriptRun,
  attempt: number,
): Promise<{ ok: true; request: StartRequest } | ({ ok: false } & Failure)> {
  const { script } = run;
  const file = join(run.archiveRoot, script.location);
  const found = await findScript(parts.disk, file);
  if (found === null)
    return { ok: false, errorCode: 'ScriptMissing', message: `Script does not exist at specified location: ${file}` };
  const notExecutable = found.isExecutable ? null : await makeExecutable(parts, run, { file, mode: found.mode });
  if (notExecutable !== null) return { ok: false, errorCode: 'ScriptNotExecutable', message: notExecutable };
  const limits = limitsOf(run);
  const noUnit = limits === null ? null : await whyNoUnit(parts, script);
  if (noUnit !== null) return { ok: false, errorCode: 'ScriptFailed', message: `${placeOf(run)}: ${noUnit}` };
  const user = await resolveUser(parts, script.runas);
  if ('refusal' in user) return { ok: false, errorCode: 'ScriptFailed', message: `${placeOf(run)}: ${user.refusal}` };
  return { ok: true, request: requestOf(run, user, attempt) };
}

function requestOf(expected: ExpectedScript, user: Account, attempt: number): StartRequest {
  const { script, archiveRoot } = expected;
  const limits = limitsOf(expected);
  return {
    file: join(archiveRoot, script.location),
    args: script.args,
    workingDirectory: archiveRoot,
    environment: expected.environmentOf(user),
    ...(user.switchTo === null ? {} : { user: user.switchTo }),
    ...(limits === null ? {} : { limits }),
    outputPath: expected.outputPath,
    statusPath: expected.statusPathOf(attempt),
  };
}

function limitsOf({ script, inTransientUnit }: ExpectedScript): ResourceLimits | null {
  return script.limits ?? (inTransientUnit ? NO_LIMITS : null);
}

async function findScript(disk: Disk, file: string): Promise<{ isExecutable: boolean; mode: number } | null> {
  const entry = await disk.status(file);
  if (entry?.kind === 'file') return { isExecutable: (entry.mode & 0o111) !== 0, mode: entry.mode };
  if (entry?.kind !== 'symlink') return null;
  try {
    await disk.readPart(file, 0, 1);
    // Whether the link's target is executable is the kernel's to say.
    return { isExecutable: true, mode: 0 };
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'EISDIR') return null;
    throw error;
  }
}

/** What a CodeDeploy agent does as well: warn, and set the bits. */
async function makeExecutable(
  parts: HookRunnerParts,
  run: ScriptRun,
  found: { file: string; mode: number },
): Promise<string | null> {
  try {
    await parts.disk.setMode(found.file, found.mode | 0o111);
  } catch (error) {
    return `Unable to set script at specified location: ${run.script.location} as executable: ${errorMessage(error)}`;
  }
  const output = await parts.disk.openAppend(run.outputPath, 0o600);
  try {
    await output.append(`[drover] ${run.script.location} was not executable; it is now (chmod +x)\n`);
  } finally {
    await output.close();
  }
  return null;
}

/** A script that is to have a unit of its own, or to be held to limits in it, does not run without. */
async function whyNoUnit(parts: HookRunnerParts, script: HookScript): Promise<string | null> {
  const what = script.limits === null ? 'the transient unit that the deployment group asks for' : 'limits';
  if (parts.ownAccount.uid !== 0) return `${what} can be had of an agent that runs as root only`;
  if ((await parts.disk.status(SYSTEMD_BOOTED)) === null) return `${what}: systemd must be the init of this host`;
  return null;
}

const NO_LIMITS = { memoryMaxBytes: null, cpuPercent: null, maxTasks: null };

type Account = { name: string; home: string; switchTo: NonNullable<StartRequest['user']> | null };
type RunAs =
  | Account
  /** Why the script cannot run as that user. */
  | { refusal: string };

async function resolveUser(parts: HookRunnerParts, runas: string | null): Promise<RunAs> {
  const own = parts.ownAccount;
  if (runas === null || runas === own.name) return { name: own.name, home: own.home, switchTo: null };
  const account = await parts.accounts.user(runas);
  if (account === null) return { refusal: `there is no user "${runas}" (runas) on this host` };
  if (account.uid === own.uid) return { name: account.name, home: account.home, switchTo: null };
  if (own.uid !== 0) return { refusal: `only an agent that runs as root can run a script as "${runas}" (runas)` };
  return {
    name: account.name,
    home: account.home,
    switchTo: { uid: account.uid, gid: account.gid, groups: account.groups },
  };
}

interface Following {
  handle: ProcessHandle;
  attempt: number;
  deadlineAt: number;
  isTimedOut: boolean;
  /** Where this script's output begins in the event's file, bytes. */
  outputFrom: number;
}

async function follow(parts: HookRunnerParts, run: ScriptRun, following: Following): Promise<ScriptResult> {
  const bound = boundOutput(parts, {
    path: run.outputPath,
    // A script never loses its whole output to the ones before it.
    limitBytes: Math.max(parts.maxOutputBytes, following.outputFrom + Math.ceil(parts.maxOutputBytes / 16)),
  });
  let end: EndOfProcess = { kind: 'interrupted' };
  try {
    end = await awaitEnd(parts, run, following);
  } finally {
    await (end.kind === 'interrupted' ? bound.stop() : bound.finish());
  }
  if (end.kind === 'interrupted') return { kind: 'interrupted' };
  const { outputFrom } = following;
  await hideSecrets(parts, run, outputFrom);
  if (end.kind === 'timed-out')
    return failure(run, {
      errorCode: 'ScriptTimedOut',
      message: `${placeOf(run)} failed to complete in ${run.script.timeoutSeconds} seconds`,
      ...(await tailOf(parts, run, outputFrom)),
    });
  // Of its own child the runner knows what the file says, and need not read it.
  const status = end.status ?? (await readStatus(parts.disk, run.statusPathOf(following.attempt)));
  if (status === null) {
    const statusPath = run.statusPathOf(following.attempt);
    // Its process claims the start before it begins, and this boot goes on: without that it has not begun.
    const { state } = await parts.processes.findStarted({ statusPath, bootId: await parts.processes.bootId() });
    if (state !== 'started') return notBegun(run);
    return unknownOutcome(run, await tailOf(parts, run, outputFrom));
  }
  run.ended(status);
  return judge(parts, run, { status, outputFrom });
}

/** Whoever sends the output masks it on its way as well, so a disk that is too full for a second copy is no failure of the script. */
async function hideSecrets(parts: HookRunnerParts, run: ScriptRun, from: number): Promise<void> {
  try {
    await maskFile({ disk: parts.disk, mask: parts.secrets.mask }, run.outputPath, from);
  } catch (error) {
    parts.logger.error({ path: run.outputPath, reason: errorMessage(error) }, 'secrets not masked in the hook output');
  }
}

type EndOfProcess = { kind: 'ended' | 'timed-out'; status: ExitStatus | null } | { kind: 'interrupted' };

async function awaitEnd(parts: HookRunnerParts, run: ScriptRun, following: Following): Promise<EndOfProcess> {
  const { handle } = following;
  if (!following.isTimedOut) {
    // A clock that was set back must not lengthen the timeout.
    const remainingMs = Math.min(following.deadlineAt - parts.clock.now(), run.script.timeoutSeconds * 1_000);
    const first = await waitUpTo(parts, handle, Math.max(0, remainingMs), run.signal);
    if (first !== 'still-running') return { kind: 'ended', status: first.status };
    if (run.signal.aborted) return { kind: 'interrupted' };
    await run.timedOut();
  }
  await parts.processes.signalGroup(handle, 'SIGTERM');
  await waitUpTo(parts, handle, KILL_AFTER_MS, run.signal);
  if (run.signal.aborted) return { kind: 'interrupted' };
  // Also when the script has ended: what it left in its group had its TERM too.
  await parts.processes.signalGroup(handle, 'SIGKILL');
  await waitUpTo(parts, handle, GIVE_UP_AFTER_KILL_MS, run.signal);
  return { kind: 'timed-out', status: null };
}

async function waitUpTo(
  parts: HookRunnerParts,
  handle: ProcessHandle,
  delayMs: number,
  signal: AbortSignal,
): Promise<{ status: ExitStatus | null } | 'still-running'> {
  const patience = new AbortController();
  const giveUp = () => patience.abort();
  const timer = parts.clock.setTimer(delayMs, giveUp);
  signal.addEventListener('abort', giveUp, { once: true });
  if (signal.aborted) giveUp();
  try {
    const status = await parts.processes.waitForEnd(handle, patience.signal);
    if (status !== null) return { status };
    return (await parts.processes.isRunning(handle)) ? 'still-running' : { status: null };
  } finally {
    timer.cancel();
    signal.removeEventListener('abort', giveUp);
  }
}

async function judge(
  parts: HookRunnerParts,
  run: ScriptRun,
  end: { status: ExitStatus; outputFrom: number },
): Promise<ScriptResult> {
  const { exitCode, signal } = end.status;
  if (hasSucceeded(end.status)) return { kind: 'succeeded' };
  if (exitCode === REBOOT_EXIT_CODE) return { kind: 'asks-for-reboot' };
  return failure(run, {
    errorCode: 'ScriptFailed',
    message: `${placeOf(run)} ${signal === null ? `failed with exit code ${exitCode}` : `was ended by ${signal}`}`,
    ...(exitCode === null ? {} : { exitCode }),
    ...(signal === null ? {} : { signal }),
    ...(await tailOf(parts, run, end.outputFrom)),
  });
}

function unknownOutcome(run: ScriptRun, tail: { logTail?: string } = {}): ScriptResult {
  return failure(run, {
    errorCode: 'UnknownError',
    message: `${placeOf(run)}: the outcome is unknown, because the host or the process died inside the script; it was not run again`,
    ...tail,
  });
}

function notBegun(run: ScriptRun): ScriptResult {
  return failure(run, {
    errorCode: 'ScriptFailed',
    message: `${placeOf(run)} could not be started: its process ended before it had begun. Is the disk full, or was the process killed?`,
  });
}

function failure(run: ScriptRun, found: Failure & { logTail?: string }): ScriptResult {
  const { errorCode, message, exitCode, signal, logTail } = found;
  return {
    kind: 'failed',
    diagnostics: {
      errorCode,
      scriptName: clip(run.script.location, 1_024),
      message: clip(message, 4_096),
      ...(logTail === undefined ? {} : { logTail }),
      ...(exitCode === undefined ? {} : { exitCode }),
      ...(signal === undefined ? {} : { signal }),
    },
  };
}

function placeOf(run: ScriptRun): string {
  const as = run.script.runas === null ? '' : ` run as user ${run.script.runas}`;
  return `Script at specified location: ${run.script.location}${as}`;
}

async function tailOf(parts: HookRunnerParts, run: ScriptRun, from: number): Promise<{ logTail?: string }> {
  try {
    return { logTail: await readTail({ disk: parts.disk, mask: parts.secrets.mask }, run.outputPath, from) };
  } catch (error) {
    // The verdict stands without its last lines.
    parts.logger.warn({ path: run.outputPath, reason: errorMessage(error) }, 'hook output not read');
    return {};
  }
}

async function readStatus(disk: Disk, path: string): Promise<ExitStatus | null> {
  try {
    return parseExitStatus((await disk.readPart(path, 0, MAX_STATUS_BYTES)).toString('utf8'));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    throw error;
  }
}

async function sizeOf(disk: Disk, path: string): Promise<number> {
  return (await disk.status(path))?.sizeBytes ?? 0;
}
