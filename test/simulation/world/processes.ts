import { posix } from 'node:path';
import { claimPathOf, NEVER_STARTED } from '../../../agent/host/hook-wrapper.ts';
import type { ExitStatus, ProcessHandle, ProcessRunner, StartRequest } from '../../../agent/host/process-runner.ts';
import type { Timer } from '../../../shared/core/clock.ts';
import { readScript, type Script } from './bundle.ts';
import type { Chance } from './chance.ts';
import type { FileSystem } from './file-system.ts';
import type { ScriptBehaviour } from './hooks.ts';
import type { SimulatedProcess } from './process.ts';
import type { Timeline } from './timeline.ts';

/** A script's part of a deployment, as its own environment tells it. */
export interface ScriptRun {
  script: Script;
  deploymentId: string;
  deploymentGroupId: string;
  event: string;
  statusPath: string;
  environment: Readonly<Record<string, string>>;
}

/** `killed`: by a TERM, and its wrapper tells; `lost`: the wrapper went too, and nobody tells; `overdue`: so by its agent. */
export type ScriptEnd = 'succeeded' | 'failed' | 'killed' | 'lost' | 'overdue';

/** What happens on the machine; the truth that the invariants stand on. */
export interface ProcessEvents {
  began(run: ScriptRun): ScriptBehaviour;
  ended(run: ScriptRun, how: ScriptEnd): void;
}

interface HookProcess {
  handle: ProcessHandle;
  isRunning: boolean;
  status: ExitStatus | null;
  /** Who waits for it, besides the files. */
  waiters: (() => void)[];
  /** The agent that started it: only that one is told how it ended. */
  parent: SimulatedProcess;
  terminate(signal: 'SIGTERM' | 'SIGKILL', by: 'agent' | 'fate'): void;
}

/** Between the start of the wrapper and its claim of the start, ms. */
const CLAIM_MS = 2;
const POLL_MS = 120;
const PRINTED_PARTS = 8;
/** Between two looks of a script at what it waits for, ms. */
const LOOK_MS = 1_000;

export interface ProcessTableParts {
  timeline: Timeline;
  files: FileSystem;
  chance: Chance;
  events: ProcessEvents;
  /** Sabotage, to see that it is noticed: says of every start that it never happened. */
  forgetsStarts: boolean;
  /** Scripts print all along, and not only at their beginning. */
  printsInParts: boolean;
}

/** All hooks of one machine: they outlive agents and end with the boot. */
export class ProcessTable {
  readonly #parts: ProcessTableParts;
  readonly #processes = new Map<number, HookProcess>();
  #nextPid = 100;
  #boot = 1;

  constructor(parts: ProcessTableParts) {
    this.#parts = parts;
  }

  get bootId(): string {
    return `boot-${this.#boot}`;
  }

  get running(): number {
    return [...this.#processes.values()].filter((process) => process.isRunning).length;
  }

  /** Every process ends without a word, and the machine has another boot. */
  reboot(): void {
    for (const process of this.#processes.values()) process.terminate('SIGKILL', 'fate');
    this.#processes.clear();
    this.#boot++;
  }

  /** The kernel's answer to memory that has run out: a hook with its wrapper is gone. */
  killOne(chance: Chance): boolean {
    const running = [...this.#processes.values()].filter((process) => process.isRunning);
    if (running.length === 0) return false;
    chance.pick(running).terminate('SIGKILL', 'fate');
    return true;
  }

  /** PORT ProcessRunner, for one agent. */
  runnerFor(agent: SimulatedProcess): ProcessRunner {
    const { answer } = agent;
    const { files, timeline } = this.#parts;
    const find = (handle: ProcessHandle) => {
      const process = this.#processes.get(handle.pid);
      return process?.handle.startTime === handle.startTime ? process : undefined;
    };
    return {
      bootId: () => answer(() => this.bootId),
      start: (request) => answer(() => ({ ok: true as const, handle: this.#start(request, agent) })),
      // A wrapper that waits is nothing that anybody could see.
      prepare: () => {},
      isRunning: (handle) => answer(() => find(handle)?.isRunning === true),
      waitForEnd: (handle, signal) => {
        const process = find(handle);
        if (process === undefined || !process.isRunning)
          return answer(() => (process?.parent === agent ? process.status : null));
        return new Promise((resolve) => {
          let isOver = false;
          const over = (status: ExitStatus | null) => {
            if (isOver || !agent.isAlive) return;
            isOver = true;
            signal.removeEventListener('abort', onAbort);
            resolve(status);
          };
          const onAbort = () => over(null);
          signal.addEventListener('abort', onAbort, { once: true });
          if (signal.aborted) onAbort();
          const isOwn = process.parent === agent;
          // A process of an earlier agent is looked at now and then.
          process.waiters.push(() => (isOwn ? over(process.status) : timeline.after(POLL_MS, () => over(null))));
        });
      },
      findStarted: ({ statusPath, bootId }) =>
        answer(() => {
          if (this.#parts.forgetsStarts) return { state: 'never' as const };
          const claimPath = claimPathOf(statusPath);
          const claim = files.find(claimPath) === null ? null : files.read(claimPath).toString('utf8');
          if (claim === NEVER_STARTED && bootId === this.bootId) return { state: 'never' as const };
          const [pid, startTime] = claim?.trim().split(' ') ?? [];
          if (pid !== undefined && startTime !== undefined)
            return { state: 'started' as const, handle: { pid: Number(pid), startTime } };
          if (bootId !== this.bootId || claim !== null) return { state: 'unknown' as const };
          // Without its directory the process could not have claimed, and never will.
          if (files.find(claimPath.slice(0, claimPath.lastIndexOf('/'))) !== null)
            files.append(files.createExclusive(claimPath, 0o600), Buffer.from(NEVER_STARTED));
          return { state: 'never' as const };
        }),
      signalGroup: (handle, signal) => answer(() => find(handle)?.terminate(signal, 'agent')),
      run: (file) => Promise.reject(new Error(`the simulated host has no ${file}`)),
    };
  }

  #start(request: StartRequest, parent: SimulatedProcess): ProcessHandle {
    const { timeline, chance } = this.#parts;
    const pid = this.#nextPid++;
    const handle = { pid, startTime: `${this.bootId}:${Math.floor(timeline.now)}` };
    let end: ((how: ScriptEnd, status: ExitStatus | null) => void) | null = null;
    let timer: Timer;
    let ignoresTerm = false;
    const process: HookProcess = {
      handle,
      isRunning: true,
      status: null,
      waiters: [],
      parent,
      terminate(signal, by) {
        if (!process.isRunning) return;
        if (signal === 'SIGTERM') {
          // The wrapper lives on and tells how the script ended; before its claim it handles the signal and goes on.
          if (end !== null && !ignoresTerm) end('killed', { exitCode: null, signal: 'SIGTERM' });
          return;
        }
        timer.cancel();
        if (end !== null) end(by === 'agent' ? 'overdue' : 'lost', null);
        else finish(null);
      },
    };
    this.#processes.set(pid, process);
    const finish = (status: ExitStatus | null) => {
      timer.cancel();
      process.isRunning = false;
      process.status = status;
      for (const wake of process.waiters) wake();
    };
    timer = timeline.after(chance.whole(0, CLAIM_MS), () => {
      const run = this.#claim(request, handle);
      // The wrapper ends with 125, of which its agent knows that it tells nothing of the script.
      if (run === null) return finish(null);
      const behaviour = this.#parts.events.began(run);
      ignoresTerm = behaviour.ignoresTerm;
      const parts = this.#parts.printsInParts ? PRINTED_PARTS : 1;
      this.#print(request, 0, behaviour.outputBytes);
      for (let part = 1; part < parts; part++)
        timeline.after((behaviour.durationMs * part) / parts, () => {
          if (process.isRunning) this.#print(request, part * behaviour.outputBytes, behaviour.outputBytes);
        });
      end = (how, status) => {
        if (status !== null) this.#writeStatus(request.statusPath, status);
        this.#parts.events.ended(run, how);
        finish(status);
      };
      if (behaviour.outcome === 'hang') return;
      const over = (isOk: boolean) => end?.(isOk ? 'succeeded' : 'failed', { exitCode: isOk ? 0 : 3, signal: null });
      const { look } = behaviour;
      const lookAgain = () => {
        const found = look?.() ?? null;
        if (found !== null) over(found);
        else timer = timeline.after(LOOK_MS, lookAgain);
      };
      timer = timeline.after(
        behaviour.durationMs,
        look === undefined ? () => over(behaviour.outcome === 'succeed') : lookAgain,
      );
    });
    return handle;
  }

  /** What the wrapper does first; null when the start was taken away from it, or its script is not readable any more. */
  #claim(request: StartRequest, handle: ProcessHandle): ScriptRun | null {
    const { files } = this.#parts;
    try {
      const claim = files.createExclusive(claimPathOf(request.statusPath), 0o600);
      files.append(claim, Buffer.from(`${handle.pid} ${handle.startTime}\n`));
      const script = readScript(files.read(request.file));
      if (script === null) return null;
      return {
        script,
        deploymentId: request.environment['DEPLOYMENT_ID'] ?? '',
        deploymentGroupId: request.environment['DEPLOYMENT_GROUP_ID'] ?? '',
        event: request.environment['LIFECYCLE_EVENT'] ?? '',
        statusPath: request.statusPath,
        environment: request.environment,
      };
    } catch {
      // Claimed by an agent, a full disk, or a directory that was removed.
      return null;
    }
  }

  #print(request: StartRequest, offset: number, bytes: number): void {
    try {
      const output = this.#parts.files.find(request.outputPath) ?? this.#parts.files.create(request.outputPath, 0o600);
      this.#parts.files.append(output, printed(request, offset + bytes).subarray(offset));
    } catch {
      // A full disk: the script's echo fails, and it does not look.
    }
  }

  #writeStatus(path: string, status: ExitStatus): void {
    try {
      this.#parts.files.append(this.#parts.files.create(path, 0o600), Buffer.from(`${JSON.stringify(status)}\n`));
    } catch {
      // A full disk: how it ended is told to nobody but a parent.
    }
  }
}

/** Other bytes at each place, and of each script. */
function printed({ environment, file }: StartRequest, bytes: number): Buffer {
  let text = `${environment['DEPLOYMENT_ID']} ${posix.basename(file)}`;
  for (let place = 0; text.length < bytes; place++) text += ` ${place}`;
  return Buffer.from(text.slice(0, bytes));
}
