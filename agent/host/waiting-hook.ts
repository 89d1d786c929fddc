import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import { claimPathOf, HOOK_WRAPPER } from './hook-wrapper.ts';
import type { ExitStatus, ProcessHandle, StartRequest } from './process-runner.ts';
import { readStat } from './process-stat.ts';
import { scopeWithLimits } from './resource-limits.ts';

const SHELL = '/bin/sh';

/** A wrapper that is there and waits for its word. A word never comes from an agent that is dead: then it ends by itself. */
export interface WaitingHook {
  handle: ProcessHandle;
  /** How it ended; null when a signal ended the wrapper, which can then tell nothing of its hook. */
  ended: Promise<ExitStatus | null>;
  hasEnded(): boolean;
  /** The hook begins. */
  release(): void;
  /** The hook is not wanted. */
  dismiss(): void;
}

/**
 * Forking takes a process of Node's size a millisecond, in which it does nothing else, and a shell needs most of another to be there.
 * @param boot the host's boot id
 */
export function spawnWaiting(
  request: StartRequest,
  boot: string,
  systemdRun: string | undefined,
): WaitingHook | { failure: Promise<unknown> } {
  const command = [
    ...scopeWithLimits(request.limits, systemdRun),
    ...asUser(request.user),
    request.file,
    ...request.args,
  ];
  const files = [claimPathOf(request.statusPath), request.statusPath, boot, request.outputPath];
  let child: ChildProcess;
  try {
    child = spawn(SHELL, ['-c', HOOK_WRAPPER, 'drover-hook', ...files, ...command], {
      cwd: request.workingDirectory,
      env: request.environment,
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
  } catch (error) {
    return { failure: Promise.resolve(error) };
  }
  // Its word cannot reach a wrapper that was killed meanwhile; its end tells as much.
  child.stdin?.on('error', () => {});
  // Read at once: until this turn of the event loop ends, even a process that has ended is there as a zombie.
  const stat = child.pid === undefined ? null : readStat(child.pid);
  if (child.pid === undefined || stat === null) return { failure: once(child, 'error').then(([error]) => error) };
  const ended = new Promise<ExitStatus | null>((resolve) => {
    child.once('exit', (code) => resolve(code === null ? null : asExitStatus(code)));
  });
  return {
    handle: { pid: child.pid, startTime: `${boot}:${stat.startTicks}` },
    ended,
    hasEnded: () => child.exitCode !== null || child.signalCode !== null,
    release: () => child.stdin?.end('\n'),
    dismiss: () => child.stdin?.destroy(),
  };
}

/** Node can set uid and gid of a child but empties its supplementary groups; setpriv (util-linux) sets all of them. */
function asUser(user: StartRequest['user']): string[] {
  if (user === undefined) return [];
  const groups = user.groups.length === 0 ? '--clear-groups' : `--groups=${user.groups.join(',')}`;
  return ['/usr/bin/setpriv', `--reuid=${user.uid}`, `--regid=${user.gid}`, groups, '--'];
}

function asExitStatus(code: number): ExitStatus {
  if (code <= 128) return { exitCode: code, signal: null };
  const name = Object.entries(constants.signals).find(([, number]) => number === code - 128)?.[0];
  return name === undefined ? { exitCode: code, signal: null } : { exitCode: null, signal: name };
}
