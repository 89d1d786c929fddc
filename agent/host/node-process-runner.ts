import { spawn } from 'node:child_process';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { type Clock, sleep } from '../../shared/core/clock.ts';
import { errnoOf, errorMessage } from '../../shared/core/errors.ts';
import { claimPathOf, NEVER_STARTED, parseClaim } from './hook-wrapper.ts';
import type {
  ExitStatus,
  FoundStart,
  ProcessHandle,
  ProcessRunner,
  StartOutcome,
  StartRequest,
  ToolResult,
} from './process-runner.ts';
import { readStat } from './process-stat.ts';
import { spawnWaiting, type WaitingHook } from './waiting-hook.ts';

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
  /** How many files a hook may have open (`ulimit -Sn`), as the agent was started; absent: as many as the agent's own process. */
  openFiles?: string | undefined;
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
  let prepared: { request: string; hook: WaitingHook } | null = null;

  function takePrepared(request: StartRequest): WaitingHook | null {
    const taken = prepared;
    prepared = null;
    if (taken === null) return null;
    if (taken.request === JSON.stringify(request) && !taken.hook.hasEnded()) return taken.hook;
    taken.hook.dismiss();
    return null;
  }

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
      const hook = takePrepared(request) ?? spawnWaiting(request, boot, parts);
      if ('failure' in hook) return failed(await hook.failure);
      try {
        // For its mode, and to see that it can be opened: the wrapper appends to it. Quicker than the way to a thread that would do it.
        closeSync(openSync(request.outputPath, 'a', 0o600));
      } catch (error) {
        hook.dismiss();
        return failed(error);
      }
      const key = keyOf(hook.handle);
      children.set(key, hook.ended);
      hook.ended.finally(() => children.delete(key));
      hook.release();
      return { ok: true, handle: hook.handle };
    },

    prepare(request) {
      prepared?.hook.dismiss();
      prepared = null;
      if (request === null || knownBootId === null) return;
      const hook = spawnWaiting(request, knownBootId, parts);
      // Why it failed is told when it is started.
      if (!('failure' in hook)) prepared = { request: JSON.stringify(request), hook };
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
        // EPERM: all that is left belongs to somebody else, as what a script of an agent that is not root has started by sudo.
        if (errnoOf(error) !== 'ESRCH' && errnoOf(error) !== 'EPERM') throw error;
      }
    },

    run: (file, args, timeoutMs) => runTool(parts, { file, args, timeoutMs }),
  };
}

async function findClaim(clock: Clock, claimPath: string, isSameBoot: boolean): Promise<FoundStart> {
  const deadline = clock.now() + CLAIM_PATIENCE_MS;
  for (;;) {
    const found = await readClaim(claimPath);
    if (found !== null && typeof found === 'object') return { state: 'started', handle: found };
    // A boot takes away files that were not synced, so a missing claim proves nothing then.
    if (!isSameBoot) return { state: 'unknown' };
    if (found === 'never' || (found === null && claim(claimPath))) return { state: 'never' };
    if (clock.now() >= deadline) return { state: 'unknown' };
    await sleep(clock, POLL_FIRST_MS);
  }
}

/** `never`: an earlier agent took the start away, and died before it had written down another one. */
async function readClaim(claimPath: string): Promise<ProcessHandle | 'never' | 'unfinished' | null> {
  try {
    const text = await readFile(claimPath, 'utf8');
    return text === NEVER_STARTED ? 'never' : (parseClaim(text) ?? 'unfinished');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    throw error;
  }
}

/** Takes the start away from a process that has not claimed it yet. False when the process was quicker. */
function claim(claimPath: string): boolean {
  try {
    writeFileSync(claimPath, NEVER_STARTED, { flag: 'wx', mode: 0o600 });
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
