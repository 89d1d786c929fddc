/**
 * PORT: processes on the host. `node-process-runner.ts` is the real one. A hook is started once, leaves its output and
 * its exit status in files, and can be found again by another agent process: the handle is data and is journalled.
 */
export interface ProcessRunner {
  /** Starts a process as the leader of its own session. Returns as soon as it runs; it outlives the agent. */
  start(request: StartRequest): Promise<StartOutcome>;
  /**
   * The next start will probably be this one, with every field the same: what can be done for it now need not be done then. Nothing of it
   * is visible in any file, and any other start is as if nothing had been prepared. Null: no start is expected any more.
   */
  prepare(request: StartRequest | null): void;
  /** True while the very process that was started still runs (same id *and* same start time). */
  isRunning(handle: ProcessHandle): Promise<boolean>;
  /**
   * Resolves when the process has ended, or when the signal aborts. Works for processes of an earlier agent too. The answer
   * is how it ended where the runner knows that by itself (a child of its own that was not killed); otherwise the status file says it.
   */
  waitForEnd(handle: ProcessHandle, signal: AbortSignal): Promise<ExitStatus | null>;
  /**
   * What became of a start whose answer was lost, because the agent died between deciding and recording. Exact as long as
   * the host has not been booted since; after `never` that start will not happen any more, not even late.
   */
  findStarted(start: { statusPath: string; bootId: string }): Promise<FoundStart>;
  /** Changes with every boot of the host. */
  bootId(): Promise<string>;
  /** To the whole session's process group; no error when nothing is left that this agent may signal. Never to a reused process id. */
  signalGroup(handle: ProcessHandle, signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
  /** Runs a short tool (`getent`, `setfacl`) to its end: at most `timeoutMs` and 64 KiB of output. */
  run(file: string, args: readonly string[], timeoutMs: number): Promise<ToolResult>;
}

export interface StartRequest {
  /** Absolute path of an executable file; run through /bin/sh when it has no shebang (ENOEXEC), as a shell would. */
  file: string;
  args: readonly string[];
  workingDirectory: string;
  environment: Readonly<Record<string, string>>;
  /** Run as this user: uid, gid and supplementary groups; the agent's own when absent. */
  user?: { uid: number; gid: number; groups: readonly number[] };
  /** Held to these, with all that it starts; needs systemd and root. */
  limits?: ResourceLimits;
  /** stdout and stderr, appended (O_APPEND). */
  outputPath: string;
  /** Written by the wrapper when the process ends: {@link ExitStatus} as one line of JSON. Must not exist yet. */
  statusPath: string;
}

/** Null: no limit of that kind. */
export interface ResourceLimits {
  memoryMaxBytes: number | null;
  /** Of one core: 200 is two of them. */
  cpuPercent: number | null;
  /** Processes and threads. */
  maxTasks: number | null;
}

export type FoundStart = { state: 'started'; handle: ProcessHandle } | { state: 'never' } | { state: 'unknown' };

/** Enough to recognise the process again: a process id alone may be reused. Must be JSON. */
export interface ProcessHandle {
  pid: number;
  /** Field 22 of /proc/PID/stat with the boot id in front: `<boot id>:<clock ticks>`. */
  startTime: string;
}

export type StartOutcome = { ok: true; handle: ProcessHandle } | { ok: false; errno: string; message: string };

/** One of the two is set. */
export interface ExitStatus {
  exitCode: number | null;
  signal: string | null;
}

export interface ToolResult {
  exitCode: number | null;
  stdout: string;
  stderr: string;
}
