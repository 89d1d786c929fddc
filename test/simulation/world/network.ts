import type { Connection, ConnectionHandlers } from '../../../agent/connection/transport.ts';
import type { Channel, ChannelReceiver } from '../../../coordinator/hub/channel.ts';
import { AppError } from '../../../shared/core/errors.ts';
import type { Chance } from './chance.ts';
import { type Lane, Pipe } from './pipe.ts';
import type { SimulatedProcess } from './process.ts';
import type { Timeline } from './timeline.ts';

/** A coordinator that listens. */
export interface Listener {
  process: SimulatedProcess;
  accept(channel: Channel, remoteAddress: string): ChannelReceiver | null;
}

export interface NetworkProfile {
  latencyMs: number;
  /** One frame in so many is slow... */
  spikes: number;
  /** ... by up to this, ms. */
  spikeMs: number;
}

export interface NetworkEvents {
  /** A frame is handed to the network. */
  sent(machine: string, direction: 'up' | 'down', frame: string): void;
}

/** A machine's way to the coordinator. */
export interface Line {
  up: Lane;
  down: Lane;
}

const CONNECT_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
const MAX_QUEUED_BYTES = 1_024 * 1_024;

/** The network between machines and the one coordinator, as TCP shows it to both ends. */
export class Network {
  listener: Listener | null = null;
  readonly #timeline: Timeline;
  readonly #chance: Chance;
  /** May be calmed. */
  profile: NetworkProfile;
  readonly #events: NetworkEvents;
  readonly #lines = new Map<string, Line>();
  readonly #wires = new Set<Wire>();
  /** The so-many-th downloads arrive damaged. */
  damagedDownloads: readonly number[] = [];
  #downloads = 0;

  constructor(parts: { timeline: Timeline; chance: Chance; profile: NetworkProfile; events: NetworkEvents }) {
    this.#timeline = parts.timeline;
    this.#chance = parts.chance;
    this.profile = parts.profile;
    this.#events = parts.events;
  }

  /** Counts one more. */
  damagesDownload(): boolean {
    return this.damagedDownloads.includes(++this.#downloads);
  }

  lineOf(machine: string): Line {
    let line = this.#lines.get(machine);
    if (line === undefined) {
      line = { up: { isCut: false }, down: { isCut: false } };
      this.#lines.set(machine, line);
    }
    return line;
  }

  setCut(machine: string, cut: { up: boolean; down: boolean }): void {
    const line = this.lineOf(machine);
    line.up.isCut = cut.up;
    line.down.isCut = cut.down;
    for (const wire of this.#wires) if (wire.machine === machine) wire.resume();
  }

  /** The machine's connections break first, so that both ends know. */
  cutOpenly(machine: string): void {
    for (const wire of this.wiresOf(machine)) wire.breakNow();
    this.setCut(machine, { up: true, down: true });
  }

  isCut(machine: string): boolean {
    const line = this.lineOf(machine);
    return line.up.isCut || line.down.isCut;
  }

  wiresOf(machine: string): Wire[] {
    return [...this.#wires].filter((wire) => wire.machine === machine);
  }

  latency = (): number => {
    const { latencyMs, spikes, spikeMs } = this.profile;
    const usual = latencyMs * (0.5 + this.#chance.fraction());
    return spikes > 0 && this.#chance.is(1 / spikes) ? usual + this.#chance.fraction() * spikeMs : usual;
  };

  /** PORT Transport.connect for one agent. */
  connect(machine: string, agent: SimulatedProcess, handlers: ConnectionHandlers): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const fail = (afterMs: number, message: string): void => {
        this.#timeline.after(afterMs, () => {
          if (agent.isAlive) reject(new AppError('unavailable', message));
        });
      };
      if (this.isCut(machine)) return fail(CONNECT_TIMEOUT_MS, 'no answer to the handshake');
      const wayMs = this.latency();
      this.#timeline.after(wayMs, () => {
        const { listener } = this;
        if (!agent.isAlive) return;
        if (this.isCut(machine)) return fail(CONNECT_TIMEOUT_MS - wayMs, 'no answer to the handshake');
        if (listener === null) return fail(wayMs, 'connection refused');
        const wire = new Wire({
          machine,
          agent,
          listener,
          handlers,
          timeline: this.#timeline,
          line: this.lineOf(machine),
          latency: this.latency,
          sent: this.#events.sent,
          gone: () => this.#wires.delete(wire),
        });
        this.#wires.add(wire);
        wire.open(resolve, CONNECT_TIMEOUT_MS - wayMs, () => fail(0, 'no answer to the handshake'));
      });
    });
  }

  /** A request of a machine and its answer. Rejects with `unavailable` when the coordinator or the way fails. */
  request<Value>(
    machine: string,
    agent: SimulatedProcess,
    perform: () => Promise<Value>,
    signal?: AbortSignal,
  ): Promise<Value> {
    return new Promise((resolve, reject) => {
      let isOver = false;
      const over = (act: () => void) => {
        if (isOver || !agent.isAlive) return;
        isOver = true;
        patience.cancel();
        signal?.removeEventListener('abort', onAbort);
        act();
      };
      const fail = (message: string) => over(() => reject(new AppError('unavailable', message)));
      const onAbort = () => fail('the caller gave up');
      const patience = this.#timeline.after(REQUEST_TIMEOUT_MS, () => fail('no answer in time'));
      signal?.addEventListener('abort', onAbort, { once: true });
      const arrive = (work: () => void): void => {
        this.#timeline.after(this.latency(), () => {
          // Held for longer than the caller waits, in nearly all cases.
          if (!this.isCut(machine)) work();
        });
      };
      arrive(() => {
        const { listener } = this;
        if (listener === null) return arrive(() => fail('connection refused'));
        const answer = (act: () => void) => {
          if (listener.process.isAlive) arrive(() => over(act));
        };
        perform().then(
          (value) => answer(() => resolve(value)),
          (error: unknown) => answer(() => reject(error)),
        );
      });
    });
  }

  /** The kernel of a machine closes what its processes had open, or the power is gone and nobody is told. */
  processEnded(process: SimulatedProcess, how: 'closed' | 'silent'): void {
    for (const wire of [...this.#wires]) wire.processEnded(process, how);
  }
}

interface WireParts {
  machine: string;
  agent: SimulatedProcess;
  listener: Listener;
  handlers: ConnectionHandlers;
  timeline: Timeline;
  line: Line;
  latency: () => number;
  sent: NetworkEvents['sent'];
  gone(): void;
}

/** One connection. Each end knows only what has arrived at it. */
class Wire {
  readonly machine: string;
  readonly #parts: WireParts;
  readonly #up: Pipe;
  readonly #down: Pipe;
  #agentEnd: 'open' | 'closed' = 'open';
  #coordinatorEnd: 'open' | 'closed' = 'open';
  #receiver: ChannelReceiver | null = null;
  #isPaused = false;
  #unread: (() => void)[] = [];

  constructor(parts: WireParts) {
    this.machine = parts.machine;
    this.#parts = parts;
    this.#up = new Pipe(parts.timeline, parts.line.up, parts.latency);
    this.#down = new Pipe(parts.timeline, parts.line.down, parts.latency);
  }

  get isOpen(): boolean {
    return this.#agentEnd === 'open' && this.#coordinatorEnd === 'open';
  }

  /** Whoever asks at one end hears from the other. */
  get answers(): boolean {
    return this.isOpen && !this.#up.isBlackHole && !this.#down.isBlackHole;
  }

  /** A handshake whose answer is lost with the line is given up, as the real transport does. */
  open(resolve: (connection: Connection) => void, patienceMs: number, giveUp: () => void): void {
    const patience = this.#parts.timeline.after(patienceMs, () => {
      if (this.#agentEnd === 'closed') return;
      this.#agentGone('closed');
      giveUp();
    });
    this.#down.send(0, () => {
      patience.cancel();
      if (this.#parts.agent.isAlive) resolve(this.#connection());
    });
    this.#receiver = this.#parts.listener.accept(this.#channel(), this.machine);
  }

  resume(): void {
    this.#up.resume();
    this.#down.resume();
  }

  /** Both ends see it break; what was under way is lost. */
  reset(): void {
    this.#up.clear();
    this.#down.clear();
    this.#up.send(0, () => this.#endCoordinator('connection reset'));
    this.#down.send(0, () => this.#endAgent('connection reset'));
  }

  /** At once, whatever the line does. */
  breakNow(): void {
    this.#up.clear();
    this.#down.clear();
    this.#parts.timeline.after(0, () => this.#endCoordinator('connection reset'));
    this.#parts.timeline.after(0, () => this.#endAgent('connection reset'));
  }

  /** From here on nothing passes, and no end is told. */
  blackHole(): void {
    this.#up.isBlackHole = true;
    this.#down.isBlackHole = true;
  }

  processEnded(process: SimulatedProcess, how: 'closed' | 'silent'): void {
    if (process === this.#parts.agent) this.#agentGone(how);
    if (process === this.#parts.listener.process && this.#coordinatorEnd === 'open') {
      this.#coordinatorEnd = 'closed';
      if (how === 'closed') this.#down.send(0, () => this.#endAgent('the coordinator closed the connection'));
      this.#forget();
    }
  }

  #agentGone(how: 'closed' | 'silent'): void {
    if (this.#agentEnd === 'closed') return;
    this.#agentEnd = 'closed';
    if (how === 'closed') this.#up.send(0, () => this.#endCoordinator('the agent closed the connection'));
    else this.#up.clear();
    this.#forget();
  }

  #connection(): Connection {
    const wire = this;
    const { timeline, agent, handlers } = this.#parts;
    return {
      send(frame) {
        if (!agent.isAlive || wire.#agentEnd === 'closed' || wire.queuedUp > MAX_QUEUED_BYTES) return false;
        wire.#parts.sent(wire.machine, 'up', frame);
        wire.#up.send(frame.length, () => wire.#arriveUp(() => wire.#receiver?.onFrame(frame)));
        return true;
      },
      get queuedBytes() {
        return wire.queuedUp;
      },
      close(reason) {
        if (wire.#agentEnd === 'closed') return;
        wire.#agentGone('closed');
        timeline.after(0, () => {
          if (agent.isAlive) handlers.onClosed(reason);
        });
      },
    };
  }

  get queuedUp(): number {
    return this.#up.queuedBytes;
  }

  #channel(): Channel {
    const wire = this;
    const { listener, timeline, agent, handlers } = this.#parts;
    return {
      send(frame) {
        if (!listener.process.isAlive || wire.#coordinatorEnd === 'closed') return false;
        wire.#parts.sent(wire.machine, 'down', frame);
        wire.#down.send(frame.length, () => {
          if (wire.#agentEnd === 'open' && agent.isAlive) handlers.onFrame(frame);
        });
        return true;
      },
      get queuedBytes() {
        return wire.#down.queuedBytes;
      },
      ping() {
        wire.#down.send(0, () => {
          if (wire.#agentEnd === 'open' && agent.isAlive)
            wire.#up.send(0, () => wire.#arriveUp(() => wire.#receiver?.onAlive()));
        });
      },
      pause() {
        wire.#isPaused = true;
      },
      resume() {
        wire.#isPaused = false;
        const unread = wire.#unread;
        wire.#unread = [];
        for (const arrive of unread) wire.#arriveUp(arrive);
      },
      close(reason) {
        if (wire.#coordinatorEnd === 'closed') return;
        wire.#down.send(0, () => wire.#endAgent(reason));
        timeline.after(0, () => wire.#endCoordinator(reason));
      },
    };
  }

  #arriveUp(arrive: () => void): void {
    if (this.#coordinatorEnd === 'closed' || !this.#parts.listener.process.isAlive) return;
    if (this.#isPaused) this.#unread.push(arrive);
    else arrive();
  }

  #endCoordinator(reason: string): void {
    if (this.#coordinatorEnd === 'closed') return;
    this.#coordinatorEnd = 'closed';
    this.#forget();
    if (this.#parts.listener.process.isAlive) this.#receiver?.onClosed(reason);
  }

  #endAgent(reason: string): void {
    if (this.#agentEnd === 'closed') return;
    this.#agentEnd = 'closed';
    this.#forget();
    if (this.#parts.agent.isAlive) this.#parts.handlers.onClosed(reason);
  }

  #forget(): void {
    if (this.#agentEnd === 'closed' && this.#coordinatorEnd === 'closed') this.#parts.gone();
  }
}
