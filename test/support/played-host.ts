import { once } from 'node:events';
import { WebSocket } from 'ws';
import {
  type Assignment,
  type CoordinatorMessage,
  coordinatorMessage,
  type EventReport,
  type FinishedReport,
  type Report,
} from '../../shared/protocol/messages.ts';
import type { TestCoordinator } from './coordinator.ts';
import { enrolHost, helloOf, type RawHost } from './raw-agent.ts';

type Unnumbered =
  | Omit<Extract<Report, { kind: 'accepted' }>, 'sequence'>
  | Omit<EventReport, 'sequence'>
  | Omit<FinishedReport, 'sequence'>;
type Welcome = Extract<CoordinatorMessage, { kind: 'welcome' }>;

/**
 * A host that keeps the protocol over a real WebSocket and plays its deployments instead of doing them: it keeps its
 * reports until they are acknowledged, recognises a repeated assignment, and does what `fails`
 * and `holdAt` say.
 */
export class PlayedHost {
  readonly raw: RawHost;
  /** Every assignment once, in the order of arrival. */
  readonly assigned: Assignment[] = [];
  readonly problems: string[] = [];
  readonly goodbyes: string[] = [];
  /** Which it never answers. */
  readonly driftQuestions: string[] = [];
  /** Labels of revisions whose ValidateService fails here. */
  readonly fails = new Set<string>();
  /** The lifecycle event before which the host waits until `release`; null: none. */
  holdAt: string | null = null;
  /** Awaited before each lifecycle event. */
  beforeEvent: (event: string, assignment: Assignment) => Promise<void> = async () => {};
  /** Added to the host's clock, ms. */
  clockErrorMs = 0;
  /** True: frames are read, and nothing is reported. */
  isMute = false;
  installedRevisionId: string | null = null;
  welcome: Welcome | null = null;
  readonly #coordinator: TestCoordinator;
  #socket: WebSocket | null = null;
  #sequence = 0;
  #unacknowledged: Report[] = [];
  #begun = new Set<string>();
  #ended = new Set<string>();
  #release: (() => void)[] = [];
  #heartbeats: NodeJS.Timeout | undefined;

  constructor(coordinator: TestCoordinator, raw: RawHost) {
    this.#coordinator = coordinator;
    this.raw = raw;
  }

  static async enrol(coordinator: TestCoordinator, name: string, token: object = { tags: { role: 'web' } }) {
    return new PlayedHost(coordinator, await enrolHost(coordinator, name, { token }));
  }

  get name(): string {
    return this.raw.name;
  }

  get isConnected(): boolean {
    return this.welcome !== null;
  }

  /** Resolves when it is welcome; rejects when it is refused. */
  async connect(changes: object = {}): Promise<void> {
    const socket = new WebSocket(`${this.#coordinator.url.replace('http', 'ws')}/v1/agents/connect`);
    this.#socket = socket;
    socket.on('error', () => {});
    socket.on('close', () => {
      if (this.#socket === socket) this.#left();
    });
    const isWelcome = new Promise<void>((resolve, reject) => {
      socket.on('close', () => reject(new Error(`${this.name} is not welcome: ${this.problems.at(-1)}`)));
      socket.on('message', (data) => {
        const message = coordinatorMessage.parse(JSON.parse(data.toString()));
        if (this.#socket !== socket) return;
        if (message.kind === 'challenge') void this.#sayHello(socket, message, changes);
        else this.#on(message);
        if (message.kind === 'welcome') resolve();
      });
    });
    await isWelcome;
  }

  disconnect(): Promise<unknown> {
    const socket = this.#socket;
    this.#socket = null;
    this.#left();
    if (socket === null || socket.readyState === WebSocket.CLOSED) return Promise.resolve();
    const closed = once(socket, 'close');
    socket.terminate();
    return closed;
  }

  /** Lets everything go on that waits at `holdAt`. */
  release(): void {
    this.holdAt = null;
    for (const resolve of this.#release.splice(0)) resolve();
  }

  /** Anything, as it is. */
  sendRaw(frame: string): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(frame);
  }

  /** Numbers a report, keeps it, and sends it. */
  report(report: Unnumbered): void {
    this.#sequence++;
    // The number is what was missing.
    const numbered = { ...report, sequence: this.#sequence } as Report;
    this.#unacknowledged.push(numbered);
    this.#sendReports([numbered]);
  }

  get unacknowledged(): number {
    return this.#unacknowledged.length;
  }

  async #sayHello(socket: WebSocket, challenge: { nonce: string; coordinatorId: string }, changes: object) {
    const deployments = this.assigned.map((a) => a.deploymentId).filter((id) => !this.#ended.has(id));
    const at = Date.now() + this.clockErrorMs;
    socket.send(JSON.stringify(await helloOf(this.raw, challenge, { deployments, at, ...changes })));
  }

  #on(message: CoordinatorMessage): void {
    switch (message.kind) {
      case 'welcome':
        this.welcome = message;
        this.#acknowledge(message.acknowledgedSequence);
        this.#sendReports(this.#unacknowledged);
        clearInterval(this.#heartbeats);
        this.#heartbeats = setInterval(
          () => this.sendRaw(JSON.stringify({ kind: 'heartbeat', at: this.#now() })),
          message.heartbeatIntervalMs,
        );
        return;
      case 'assignment':
        if (this.assigned.some((earlier) => earlier.deploymentId === message.assignment.deploymentId)) return;
        this.assigned.push(message.assignment);
        if (!this.isMute) void this.#play(message.assignment);
        return;
      case 'cancel':
        if (!this.#begun.has(message.deploymentId)) this.#finish(message.deploymentId, 'Skipped');
        return;
      case 'acknowledged':
        this.#acknowledge(message.sequence);
        return;
      case 'find-drift':
        this.driftQuestions.push(message.requestId);
        return;
      case 'problem':
        this.problems.push(message.code);
        return;
      case 'goodbye':
        this.goodbyes.push(message.reason);
        return;
      default:
        return;
    }
  }

  #left(): void {
    this.welcome = null;
    clearInterval(this.#heartbeats);
  }

  async #play(assignment: Assignment): Promise<void> {
    const { deploymentId, revision } = assignment;
    this.report({ kind: 'accepted', deploymentId, at: this.#now() });
    for (const event of assignment.lifecycleEvents) {
      if (event === this.holdAt) await new Promise<void>((resolve) => this.#release.push(resolve));
      await this.beforeEvent(event, assignment);
      if (this.#ended.has(deploymentId)) return;
      this.#begun.add(deploymentId);
      const isFailure = event === 'ValidateService' && this.fails.has(revision.label);
      this.report({
        kind: 'event',
        deploymentId,
        event,
        status: isFailure ? 'Failed' : 'Succeeded',
        startedAt: this.#now(),
        durationMs: 1,
        ...(isFailure
          ? {
              diagnostics: {
                errorCode: 'ScriptFailed',
                message: 'exit code 1',
                scriptName: 'validate.sh',
                exitCode: 1,
              },
            }
          : {}),
      });
      if (event === 'Install') this.installedRevisionId = revision.id;
      if (isFailure) return this.#finish(deploymentId, 'Failed');
    }
    this.#finish(deploymentId, 'Succeeded');
  }

  #finish(deploymentId: string, status: FinishedReport['status']): void {
    if (this.#ended.has(deploymentId)) return;
    this.#ended.add(deploymentId);
    const installedRevisionId = this.installedRevisionId;
    this.report({ kind: 'finished', deploymentId, status, at: this.#now(), installedRevisionId });
  }

  #acknowledge(sequence: number): void {
    this.#unacknowledged = this.#unacknowledged.filter((report) => report.sequence > sequence);
  }

  #sendReports(items: readonly Report[]): void {
    if (this.welcome !== null && items.length > 0) this.sendRaw(JSON.stringify({ kind: 'reports', items }));
  }

  #now(): number {
    return Math.max(0, Date.now() + this.clockErrorMs);
  }
}
