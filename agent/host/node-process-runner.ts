import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { constants } from 'node:os';
import { type Clock, sleep } from '../../shared/core/clock.ts';
import { errnoOf, errorMessage } from '../../shared/core/errors.ts';
import { claimPathOf, HOOK_WRAPPER, parseClaim, parseProcessStat } from './hook-wrapper.ts';
import type {
  ExitStatus,
  FoundStart,
  ProcessHandle,
  ProcessRunner,
  StartOutcome,
  StartRequest,
  ToolResult,
} from './process-runner.ts';

import { scopeWithLimits } from './resource-limits.ts';

const SHELL = '/bin/sh';
const MAX_TOOL_OUTPUT_BYTES = 64 * 1_024;
/** A process that is not our child is looked at this often, ms: a short hook is noticed soon, a long one costs little. */
const POLL_FIRST_MS = 20;
const POLL_MAX_MS = 250;
/** The wrapper creates its claim and fills it in one breath; after this long it has died in between. */
const CLAIM_PATIENCE_MS = 1_000;

export interface NodeProcessRunnerParts {
  clock: Clock;
  /** The whole environment of the tools that `run` runs; hooks get their own. */
  toolEnvironment: Readonly<Record<string, string>>;
  /** Another program than systemd's own, for tests. */
  systemdRun?: string;
}

export interface NodeProcessRunner extends ProcessRunner {
  /** This very process, so that another one can see whether it still runs. */
  findSelf(): Promise<ProcessHandle | null>;
}

/** Processes of the real host (Linux, /proc). */
export function createNodeProcessRunner(parts: NodeProcessRunnerParts): NodeProcessRunner {
  const children = new Map<string, Promise<ExitStatus | null>>();
  let knownBootId: string | null = null;

  async function bootId(): Promise<string> {
    if (knownBootId === null) {
      const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
      // Containers share their kernel's boot; the first process of each is its own. /proc may hide it, from those who are not root.
      const first = readStat(1);
      knownBootId = first === null ? boot : `${boot}.${first.startTicks}`;
    }
    return knownBootId;
  }

  return {
    bootId,

    async findSelf() {
      const stat = readStat(process.pid);
      return stat === null ? null : { pid: process.pid, startTime: `${await bootId()}:${stat.startTicks}` };
    },

    async start(request) {
      const boot = await bootId();
      let output: number;
      try {
        // Opening and closing are quicker than the way to a thread that would do them.
        output = openSync(request.outputPath, 'a', 0o600);
      } catch (error) {
        return failed(error);
      }
      try {
        const { outcome, ended } = await spawnHook(request, boot, output, parts.systemdRun);
        if (outcome.ok) {
          const key = keyOf(outcome.handle);
          children.set(key, ended);
          ended.finally(() => children.delete(key));
        }
        return outcome;
      } finally {
        closeSync(output);
      }
    },

    async isRunning(handle) {
      return isAlive(handle, await bootId());
    },

    async waitForEnd(handle, signal) {
      const child = children.get(keyOf(handle));
      if (child !== undefined) return untilAborted(child, signal);
      const boot = await bootId();
      for (let waitMs = POLL_FIRST_MS; isAlive(handle, boot) && !signal.aborted; waitMs = nextPoll(waitMs))
        // The signal is the only way it rejects, and the loop looks at the signal itself.
        await sleep(parts.clock, waitMs, signal).catch(() => {});
      return null;
    },

    async findStarted({ statusPath, bootId: bootIdThen }) {
      return findClaim(parts.clock, claimPathOf(statusPath), (await bootId()) === bootIdThen);
    },

    async signalGroup(handle, signal) {
      // A group whose leader is gone may still have members; its number is not given to a new process as long as it does.
      const leader = readStat(handle.pid);
      if (leader !== null && `${await bootId()}:${leader.startTicks}` !== handle.startTime) return;
      if (!handle.startTime.startsWith(`${await bootId()}:`)) return;
      try {
        process.kill(-handle.pid, signal);
      } catch (error) {
        if (errnoOf(error) !== 'ESRCH') throw error;
      }
    },

    run: (file, args, timeoutMs) => runTool(parts, { file, args, timeoutMs }),
  };
}

async function spawnHook(
  request: StartRequest,
  boot: string,
  outputFd: number,
  systemdRun: string | undefined,
): Promise<{ outcome: StartOutcome; ended: Promise<ExitStatus | null> }> {
  const command = [
    ...scopeWithLimits(request.limits, systemdRun),
    ...asUser(request.user),
    request.file,
    ...request.args,
  ];
  let child: ChildProcess;
  try {
    child = spawn(
      SHELL,
      ['-c', HOOK_WRAPPER, 'drover-hook', claimPathOf(request.statusPath), request.statusPath, boot, ...command],
      {
        cwd: request.workingDirectory,
        env: request.environment,
        detached: true,
        stdio: ['ignore', outputFd, outputFd],
      },
    );
  } catch (error) {
    return { outcome: failed(error), ended: Promise.resolve(null) };
  }
  // Read at once: until this turn of the event loop ends, even a process that has ended is there as a zombie.
  const stat = child.pid === undefined ? null : readStat(child.pid);
  const ended = new Promise<ExitStatus | null>((resolve) => {
    // The wrapper itself was killed: how the script ended, or goes on, it cannot tell any more.
    child.once('exit', (code) => resolve(code === null ? null : asExitStatus(code)));
  });
  if (child.pid !== undefined && stat !== null)
    return { outcome: { ok: true, handle: { pid: child.pid, startTime: `${boot}:${stat.startTicks}` } }, ended };
  const error = await new Promise<unknown>((resolve) => child.once('error', resolve));
  return { outcome: failed(error), ended };
}

/** Node can set uid and gid of a child but empties its supplementary groups; setpriv (util-linux) sets all of them. */
function asUser(user: StartRequest['user']): string[] {
  if (user === undefined) return [];
  const groups = user.groups.length === 0 ? '--clear-groups' : `--groups=${user.groups.join(',')}`;
  return ['/usr/bin/setpriv', `--reuid=${user.uid}`, `--regid=${user.gid}`, groups, '--'];
}

async function findClaim(clock: Clock, claimPath: string, isSameBoot: boolean): Promise<FoundStart> {
  const deadline = clock.now() + CLAIM_PATIENCE_MS;
  for (;;) {
    const handle = await readClaim(claimPath);
    if (handle !== null && handle !== 'unfinished') return { state: 'started', handle };
    // A boot takes away files that were not synced, so a missing claim proves nothing then.
    if (!isSameBoot) return { state: 'unknown' };
    if (handle === null && (await claim(claimPath))) return { state: 'never' };
    if (clock.now() >= deadline) return { state: 'unknown' };
    await sleep(clock, POLL_FIRST_MS);
  }
}

async function readClaim(claimPath: string): Promise<ProcessHandle | 'unfinished' | null> {
  try {
    return parseClaim(await readFile(claimPath, 'utf8')) ?? 'unfinished';
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    throw error;
  }
}

/** Takes the start away from a process that has not claimed it yet. False when the process was quicker. */
async function claim(claimPath: string): Promise<boolean> {
  try {
    await (await open(claimPath, 'wx', 0o600)).close();
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    // Without its directory the process could not have claimed, and never will.
    if (errnoOf(error) === 'ENOENT') return true;
    throw error;
  }
}

function isAlive(handle: ProcessHandle, boot: string): boolean {
  const stat = readStat(handle.pid);
  // A zombie whose parent never reaps it has ended all the same.
  return stat !== null && stat.state !== 'Z' && stat.state !== 'X' && `${boot}:${stat.startTicks}` === handle.startTime;
}

function readStat(pid: number): ReturnType<typeof parseProcessStat> {
  try {
    return parseProcessStat(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ESRCH') return null;
    throw error;
  }
}

function asExitStatus(code: number): ExitStatus {
  if (code <= 128) return { exitCode: code, signal: null };
  const name = Object.entries(constants.signals).find(([, number]) => number === code - 128)?.[0];
  return name === undefined ? { exitCode: code, signal: null } : { exitCode: null, signal: name };
}

function untilAborted<Value>(value: Promise<Value>, signal: AbortSignal): Promise<Value | null> {
  return new Promise((resolve, reject) => {
    const onAbort = () => resolve(null);
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    value.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

function runTool(
  parts: NodeProcessRunnerParts,
  tool: { file: string; args: readonly string[]; timeoutMs: number },
): Promise<ToolResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(tool.file, tool.args, { env: parts.toolEnvironment, stdio: ['ignore', 'pipe', 'pipe'] });
    const streams = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const)
      child[name].setEncoding('utf8').on('data', (text: string) => {
        streams[name] = (streams[name] + text).slice(0, MAX_TOOL_OUTPUT_BYTES);
      });
    const timer = parts.clock.setTimer(tool.timeoutMs, () => child.kill('SIGKILL'));
    child.once('error', (error) => {
      timer.cancel();
      reject(error);
    });
    child.once('close', (exitCode) => {
      timer.cancel();
      resolve({ exitCode, ...streams });
    });
  });
}

function keyOf(handle: ProcessHandle): string {
  return `${handle.pid} ${handle.startTime}`;
}

function nextPoll(waitMs: number): number {
  return Math.min(POLL_MAX_MS, Math.round(waitMs * 1.5));
}

function failed(error: unknown): StartOutcome {
  return { ok: false, errno: errnoOf(error) ?? 'EUNKNOWN', message: errorMessage(error) };
}
