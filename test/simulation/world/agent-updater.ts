import { posix } from 'node:path';
import type { Timer } from '../../../shared/core/clock.ts';
import type { Chance } from './chance.ts';
import type { FileSystem } from './file-system.ts';
import type { ScriptBehaviour } from './hooks.ts';
import type { ScriptRun } from './processes.ts';
import type { Timeline } from './timeline.ts';

/** What is wrong with a version of the agent: it never gets to a coordinator, ends at once, or some seconds after each start. */
export type AgentFlaw = 'none' | 'never-connects' | 'ends-at-once' | 'crashes';

/** How far an update on this machine is, and its end. */
export interface UpdaterNews {
  what: 'begins' | 'goes on' | 'replaced' | 'putting back' | 'ended';
  job: Job;
}

interface Job {
  version: string;
  previous: string;
  healthyWithinSeconds: number;
  phase: 'new' | 'kept' | 'installed' | 'putting-back';
  verdict: 'updated' | 'put-back' | null;
}

const INSTALLED_VERSION = '/usr/lib/drover-agent/VERSION';
const JOB = '/var/lib/drover-agent/agent-update/job';
/** Where nobody brings another one. */
const ONLY_VERSION = '1.0.0';
/** By one process, and without a break. */
const SETTLE_SECONDS = 5;
/** systemd starts an updater again after that, ms. */
const RESTART_MS = 2_000;
/** Looks at a unit that is away, before update.sh gives it up. */
const ABSENT_LOOKS = 10;

interface UpdaterParts {
  timeline: Timeline;
  files: FileSystem;
  chance: Chance;
  agentPackage: 'deb' | 'archive' | null;
  statusPath: string;
  /** Null while none runs. */
  agentPid(): number | null;
  restartAgent(): void;
  said(news: UpdaterNews): void;
}

/**
 * What systemd/agent-update does on a machine: the three hooks, and the updater that outlives the agent. As a unit that is enabled it goes on
 * after whatever has ended it, also after a reboot, where its job says that it was; a job is durable before what follows from it.
 */
export class AgentUpdater {
  readonly #parts: UpdaterParts;
  #timer: Timer | null = null;

  constructor(parts: UpdaterParts) {
    this.#parts = parts;
  }

  get installedVersion(): string {
    return this.#read(INSTALLED_VERSION) ?? ONLY_VERSION;
  }

  install(version: string): void {
    this.#writeDurably(INSTALLED_VERSION, version);
  }

  /** Its unit is there, whether its process is running or not. */
  get isAtWork(): boolean {
    return this.#job?.verdict === null;
  }

  /** What a hook of the agent's own bundle does. */
  behaviourOf(run: ScriptRun): ScriptBehaviour {
    const { revision: version, event } = run.script;
    const { chance, agentPackage } = this.#parts;
    const behaviour = { durationMs: chance.whole(5, 400), ignoresTerm: false, outputBytes: 20 };
    const isThere = this.installedVersion === version && this.#status()?.version === version;
    if (event === 'BeforeInstall') {
      const isPossible = agentPackage !== null && !this.isAtWork;
      return { ...behaviour, outcome: isPossible ? 'succeed' : 'fail' };
    }
    if (event === 'ValidateService') return { ...behaviour, outcome: isThere ? 'succeed' : 'fail' };
    if (isThere) return { ...behaviour, outcome: 'succeed' };
    try {
      this.#begin(version, Number(run.environment['DROVER_HEALTHY_WITHIN_SECONDS'] ?? 120));
    } catch {
      // A full disk: nothing has begun.
      return { ...behaviour, outcome: 'fail' };
    }
    let absent = 0;
    const look = () => {
      const verdict = this.#job?.verdict ?? null;
      if (verdict !== null) return verdict === 'updated';
      absent = this.#timer === null ? absent + 1 : 0;
      return absent >= ABSENT_LOOKS ? false : null;
    };
    return { ...behaviour, outcome: 'succeed', look };
  }

  /** When the machine is up, or whatever it was that has ended the process. */
  goOn(): void {
    const job = this.#job;
    if (job === null || job.verdict !== null || this.#timer !== null) return;
    this.#parts.said({ what: 'goes on', job });
    this.#walk(job);
  }

  /** False when none runs. */
  kill(): boolean {
    if (this.#timer === null) return false;
    this.#later(RESTART_MS, () => {
      this.#timer = null;
      this.goOn();
    });
    return true;
  }

  hostWentDown(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  #begin(version: string, healthyWithinSeconds: number): void {
    const job: Job = { version, previous: this.installedVersion, healthyWithinSeconds, phase: 'new', verdict: null };
    this.#write(job);
    this.#parts.said({ what: 'begins', job });
    this.#walk(job);
  }

  #walk(job: Job): void {
    const { chance } = this.#parts;
    switch (job.phase) {
      case 'new':
        this.#later(chance.whole(200, 1_500), () => this.#walk(this.#write({ ...job, phase: 'kept' })));
        return;
      case 'kept':
        this.#later(chance.whole(1_000, 5_000), () => {
          this.install(job.version);
          this.#parts.restartAgent();
          const installed = this.#write({ ...job, phase: 'installed' });
          this.#parts.said({ what: 'replaced', job: installed });
          this.#walk(installed);
        });
        return;
      case 'installed':
        this.#waitUntilHealthy(job.version, job, (isHealthy) =>
          isHealthy ? this.#end(job, 'updated') : this.#putBack(job),
        );
        return;
      case 'putting-back':
        this.#later(chance.whole(1_000, 5_000), () => {
          this.install(job.previous);
          this.#parts.restartAgent();
          this.#waitUntilHealthy(job.previous, job, () => this.#end(job, 'put-back'));
        });
    }
  }

  #putBack(job: Job): void {
    const puttingBack = this.#write({ ...job, phase: 'putting-back' });
    this.#parts.said({ what: 'putting back', job: puttingBack });
    this.#walk(puttingBack);
  }

  #end(job: Job, verdict: 'updated' | 'put-back'): void {
    const ended = this.#write({ ...job, verdict });
    this.#timer = null;
    this.#parts.said({ what: 'ended', job: ended });
  }

  #waitUntilHealthy(version: string, { healthyWithinSeconds }: Job, over: (isHealthy: boolean) => void): void {
    let waited = 0;
    let settled = 0;
    let settledPid: number | null = null;
    const look = () => {
      const pid = this.#parts.agentPid();
      const isConnected = this.#isConnected(version, pid) && (settledPid === null || settledPid === pid);
      settled = isConnected ? settled + 1 : 0;
      settledPid = isConnected ? pid : null;
      if (settled >= SETTLE_SECONDS) return over(true);
      if (++waited >= healthyWithinSeconds) return over(false);
      this.#later(1_000, look);
    };
    this.#later(1_000, look);
  }

  #isConnected(version: string, pid: number | null): boolean {
    const status = this.#status();
    return pid !== null && status?.pid === pid && status.version === version && status.isConnected;
  }

  /** What the agent says of itself. */
  #status(): { pid: number | undefined; version: string; isConnected: boolean } | null {
    const text = this.#read(this.#parts.statusPath);
    if (text === null) return null;
    const { process, version, connection } = JSON.parse(text);
    return { pid: process?.pid, version, isConnected: connection.state === 'connected' };
  }

  /** A process that fails, as on a full disk, is started again. */
  #later(delayMs: number, step: () => void): void {
    this.#timer?.cancel();
    this.#timer = this.#parts.timeline.after(delayMs, () => {
      try {
        step();
      } catch {
        this.kill();
      }
    });
  }

  get #job(): Job | null {
    const text = this.#read(JOB);
    return text === null ? null : JSON.parse(text);
  }

  #write(job: Job): Job {
    this.#writeDurably(JOB, JSON.stringify(job));
    return job;
  }

  #read(path: string): string | null {
    const { files } = this.#parts;
    return files.find(path) === null ? null : files.read(path).toString('utf8');
  }

  #writeDurably(path: string, text: string): void {
    const { files } = this.#parts;
    const directory = posix.dirname(path);
    files.makeDirectories(directory, 0o755);
    const part = files.create(`${path}.part`, 0o600);
    files.append(part, Buffer.from(text));
    files.sync(part);
    files.rename(`${path}.part`, path);
    for (let at = directory; at !== '/'; at = posix.dirname(at)) {
      const known = files.find(at);
      if (known !== null) files.sync(known);
    }
  }
}
