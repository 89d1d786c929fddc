import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import { claimPathOf, HOOK_WRAPPER, NOT_BEGUN, wordsFor } from './hook-wrapper.ts';
import type { ExitStatus, ProcessHandle, StartRequest } from './process-runner.ts';
import { readStat } from './process-stat.ts';
import { scopeWithLimits } from './resource-limits.ts';

const SHELL = '/bin/sh';
/** The kernel's MAX_ARG_STRLEN, without the NUL behind it: the wrapper would find out only after it has claimed the start. */
const MAX_WORD_BYTES = 128 * 1_024 - 1;

/** A wrapper that is there and waits for its word. A word never comes from an agent that is dead: then it ends by itself. */
export interface WaitingHook {
  handle: ProcessHandle;
  /** How it ended; null when the wrapper cannot tell: a signal ended it, or it could not begin. */
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
  { openFiles = '', systemdRun }: { openFiles?: string | undefined; systemdRun?: string | undefined },
): WaitingHook | { failure: Promise<unknown> } {
  const command = [
    ...scopeWithLimits(request.limits, systemdRun),
    ...asUser(request.user),
    request.file,
    ...request.args,
  ];
  if (command.some((word) => Buffer.byteLength(word) > MAX_WORD_BYTES))
    return {
      failure: Promise.resolve(Object.assign(new Error('spawn E2BIG: an argument is too long'), { code: 'E2BIG' })),
    };
  const { statusPath, outputPath } = request;
  const words = wordsFor([claimPathOf(statusPath), statusPath, boot, outputPath, openFiles, ...command]);
  let child: ChildProcess;
  try {
    child = spawn(SHELL, ['-c', HOOK_WRAPPER, 'drover-hook'], {
      cwd: request.workingDirectory,
      env: request.environment,
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
  } catch (error) {
    return { failure: Promise.resolve(error) };
  }
  // Words cannot reach a wrapper that was killed meanwhile; its end tells as much.
  child.stdin?.on('error', () => {});
  child.stdin?.write(words);
  // Read at once: until this turn of the event loop ends, even a process that has ended is there as a zombie.
  const stat = child.pid === undefined ? null : statOf(child.pid);
  if (child.pid === undefined) return { failure: once(child, 'error').then(([error]) => error) };
  if (stat === null) {
    child.stdin?.destroy();
    return { failure: Promise.resolve(new Error('its process cannot be seen in /proc')) };
  }
  const ended = new Promise<ExitStatus | null>((resolve) => {
    child.once('exit', (code) => resolve(code === null || code === NOT_BEGUN ? null : asExitStatus(code)));
  });
  return {
    handle: { pid: child.pid, startTime: `${boot}:${stat.startTicks}` },
    ended,
    hasEnded: () => child.exitCode !== null || child.signalCode !== null,
    release: () => child.stdin?.end('\n'),
    dismiss: () => child.stdin?.destroy(),
  };
}

/** Null also when it cannot be read: what the wrapper cannot be known by later, it must not run under. */
function statOf(pid: number): ReturnType<typeof readStat> {
  try {
    return readStat(pid);
  } catch {
    return null;
  }
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
