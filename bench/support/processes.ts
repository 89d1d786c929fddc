import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import type { Bench } from '../figure.ts';

/** Ticks of /proc/PID/stat: 100 a second on Linux, whatever the kernel's own rate is. Source: proc(5). */
const MS_PER_TICK = 10;
const STOP_MS = 8_000;
const MAX_LOG = 64 * 1_024;

export interface Running {
  pid: number;
  /** The end of what it wrote. */
  log(): string;
  isOver(): boolean;
  /** SIGTERM, and SIGKILL when that does not help. */
  stop(): Promise<void>;
}

/** Starts a process that ends with the figure at the latest. */
export function startProcess(
  bench: Bench,
  command: string,
  args: readonly string[],
  environment: Record<string, string> = {},
): Running {
  const child = spawn(command, args, { env: { ...process.env, ...environment }, stdio: ['ignore', 'pipe', 'pipe'] });
  let log = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (text) => {
      log = (log + text).slice(-MAX_LOG);
    });
  if (child.pid === undefined) throw new Error(`${command} cannot be started`);
  const running: Running = {
    pid: child.pid,
    log: () => log,
    isOver: () => isOver(child),
    stop: () => stopChild(child),
  };
  bench.defer(running.stop);
  return running;
}

/** Ends a child by its own id. */
export async function stopChild(child: ChildProcess): Promise<void> {
  if (isOver(child)) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  await ended;
  clearTimeout(timer);
}

function isOver(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

/** CPU so far, in user and system mode, with threads and without children, ms. */
export function cpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The second field is a name in brackets that may hold anything.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * MS_PER_TICK;
}

export function memoryOf(pid: number): { rssBytes: number; peakRssBytes: number; privateBytes: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const kib = (text: string, name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1]) * 1_024;
  return {
    rssBytes: kib(status, 'VmRSS'),
    peakRssBytes: kib(status, 'VmHWM'),
    privateBytes: kib(rollup, 'Private_Clean') + kib(rollup, 'Private_Dirty'),
  };
}

/** The peak counts from now on. Source: proc(5), clear_refs. */
export function resetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
}

/** Share of the whole machine that is busy now, 0 to 1, seen for a while. */
export async function machineBusyShare(forMs: number): Promise<number> {
  const before = machineTicks();
  await pause(forMs);
  const after = machineTicks();
  return 1 - (after.idle - before.idle) / Math.max(1, after.all - before.all);
}

function machineTicks(): { idle: number; all: number } {
  const fields = (readFileSync('/proc/stat', 'utf8').split('\n')[0] ?? '').trim().split(/\s+/).slice(1, 9).map(Number);
  // Idle and waiting for a disk.
  return { idle: (fields[3] ?? 0) + (fields[4] ?? 0), all: fields.reduce((sum, ticks) => sum + ticks, 0) };
}

/** Looks until it is so. @throws when it is not so in time */
export async function until(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  { timeoutMs = 60_000, everyMs = 20 }: { timeoutMs?: number; everyMs?: number } = {},
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`${what}: not so after ${timeoutMs / 1_000} s`);
    await pause(everyMs);
  }
}
