import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** `up`: from the host to the coordinator. */
export type Direction = 'up' | 'down' | 'both';

export type LinkFault =
  | { kind: 'none' }
  /** Every piece of what is sent, 64 KiB at the most, arrives this much later. */
  | { kind: 'delay'; delayMs: number }
  | { kind: 'throttle'; bytesPerSecond: number }
  /** Nothing arrives, and nothing is lost: it follows once the fault is over, as TCP would send it again. */
  | { kind: 'stall'; direction: Direction }
  /**
   * What is sent is taken and never arrives, also the end of the connection. A connection that lost something this way never
   * works again, since TCP delivers everything in order or nothing: its two ends have to find out.
   */
  | { kind: 'half-open'; direction: Direction }
  /** Nobody listens. Connections that stand go on. */
  | { kind: 'refuse' };

export type Cut = 'fin' | 'rst';

/** One download that ends in the middle: what becomes of its connection after so many bytes of the answer. */
export interface Truncation {
  afterBytes: number;
  how: Cut | 'silence';
}

/** What happened on the link, to tell whether a fault met anything. */
export interface LinkCounts {
  connections: number;
  cutConnections: number;
  swallowedBytes: number;
  truncatedDownloads: number;
}

/** The request that asks for a bundle, as it begins on the wire. */
const DOWNLOAD_REQUEST = 'GET /v1/hosts/self/bundles/';
/** A throttled link passes on pieces of a tenth of a second. */
const PIECES_PER_SECOND = 10;
const LISTEN_ATTEMPTS = 100;
/** An end that goes on after the other end was closed is cut off by then. */
const LINGER_MS = 1_000;

/** A host's own way to the coordinator, which can be made to fail. What was in effect when it is closed ends with it. */
export class FaultProxy {
  readonly host: string;
  readonly counts: LinkCounts = { connections: 0, cutConnections: 0, swallowedBytes: 0, truncatedDownloads: 0 };
  readonly #upstreamPort: number;
  readonly #lines = new Set<Line>();
  readonly #truncations: Truncation[] = [];
  #server: Server | null = null;
  #port = 0;
  #fault: LinkFault = { kind: 'none' };
  #waiting: (() => void)[] = [];

  private constructor(upstreamPort: number, host: string) {
    this.#upstreamPort = upstreamPort;
    this.host = host;
  }

  /** @param host an address of 127.0.0.0/8; one that nobody else uses makes sure that the port is free again after `refuse` */
  static async listen(upstreamPort: number, host = '127.0.0.1'): Promise<FaultProxy> {
    const proxy = new FaultProxy(upstreamPort, host);
    await proxy.#open();
    return proxy;
  }

  get url(): string {
    return `http://${this.host}:${this.#port}`;
  }

  get port(): number {
    return this.#port;
  }

  /** From now on, in place of what was in effect: for connections that stand and for new ones. */
  async set(fault: LinkFault): Promise<void> {
    this.#fault = fault;
    for (const wake of this.#waiting.splice(0)) wake();
    if (fault.kind === 'refuse') this.#closeServer();
    else if (this.#server === null) await this.#open();
  }

  /** Ends the connections that stand: in order at both ends, or with a reset. */
  cut(how: Cut): void {
    for (const line of this.#lines) this.#cutLine(line, how);
  }

  /** The next downloads, each in its own way. What is not used up is forgotten with `clearTruncations`. */
  truncateNextDownloads(...truncations: readonly Truncation[]): void {
    this.#truncations.push(...truncations);
  }

  clearTruncations(): void {
    this.#truncations.length = 0;
  }

  async close(): Promise<void> {
    await this.set({ kind: 'none' });
    this.#closeServer();
    for (const line of this.#lines) line.destroy();
  }

  async #open(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#accept(socket));
      try {
        server.listen(this.#port, this.host);
        await once(server, 'listening');
      } catch (error) {
        if (attempt >= LISTEN_ATTEMPTS) throw error;
        await sleep(50);
        continue;
      }
      const address = server.address();
      if (typeof address !== 'object' || address === null) throw new Error('a TCP server has an address');
      this.#port = address.port;
      this.#server = server;
      return;
    }
  }

  #closeServer(): void {
    this.#server?.close();
    this.#server = null;
  }

  #accept(near: Socket): void {
    this.counts.connections++;
    const far = connect({ port: this.#upstreamPort, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    const line = new Line(near, far);
    this.#lines.add(line);
    void Promise.all([this.#carry(line, 'up'), this.#carry(line, 'down')]).finally(() => {
      // One that lost something stays open until its ends give it up; both directions of any other have ended.
      if (line.isWhole) line.destroy();
    });
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const)
      socket.once('close', (hadError) => {
        if (hadError && line.isWhole && !line.isCut) reset(other);
        if (near.destroyed && far.destroyed) this.#lines.delete(line);
      });
  }

  async #carry(line: Line, direction: 'up' | 'down'): Promise<void> {
    const [from, to] = direction === 'up' ? [line.near, line.far] : [line.far, line.near];
    try {
      // Reading one piece at a time keeps the sender waiting while a fault holds the piece back.
      for await (const chunk of from.iterator({ destroyOnReturn: false })) await this.#pass(line, direction, chunk, to);
      await this.#whileStalled(direction);
      if (this.#swallows(direction)) line.lose(direction);
      if (!line.hasLost(direction)) to.end();
    } catch {
      // A reset of one end is one for the other; on a dead path nobody hears of it.
      if (!line.isCut && !line.hasLost(direction) && !this.#swallows(direction)) reset(to);
    }
  }

  async #pass(line: Line, direction: 'up' | 'down', chunk: Buffer, to: Socket): Promise<void> {
    await this.#whileStalled(direction);
    if (line.isCut) return;
    if (this.#swallows(direction)) line.lose(direction);
    if (line.hasLost(direction)) {
      this.counts.swallowedBytes += chunk.length;
      return;
    }
    if (direction === 'up' && this.#truncations.length > 0 && chunk.includes(DOWNLOAD_REQUEST))
      line.truncation = this.#truncations.shift() ?? null;
    const fault = this.#fault;
    if (fault.kind === 'delay') await sleep(fault.delayMs);
    const pieceBytes =
      fault.kind === 'throttle' ? Math.max(1, Math.ceil(fault.bytesPerSecond / PIECES_PER_SECOND)) : chunk.length;
    for (let offset = 0; offset < chunk.length; offset += pieceBytes) {
      const piece = chunk.subarray(offset, offset + pieceBytes);
      const truncated = direction === 'down' ? line.truncate(piece) : null;
      await write(to, truncated?.rest ?? piece);
      if (truncated !== null) {
        this.counts.truncatedDownloads++;
        if (truncated.how !== 'silence') return this.#cutLine(line, truncated.how);
        line.lose('up');
        line.lose('down');
        return;
      }
      // A fault that is over slows nobody down any more.
      if (fault.kind === 'throttle' && this.#fault === fault) await sleep(1_000 / PIECES_PER_SECOND);
    }
  }

  #cutLine(line: Line, how: Cut): void {
    if (line.isCut) return;
    line.isCut = true;
    this.counts.cutConnections++;
    const sockets = [line.near, line.far];
    for (const socket of sockets)
      if (how === 'rst') reset(socket);
      else socket.end();
    // What has been sent meanwhile is still read: closing a socket over unread bytes would be a reset.
    if (how === 'fin') setTimeout(() => line.destroy(), LINGER_MS).unref();
  }

  #swallows(direction: 'up' | 'down'): boolean {
    return this.#fault.kind === 'half-open' && isOf(this.#fault.direction, direction);
  }

  async #whileStalled(direction: 'up' | 'down'): Promise<void> {
    while (this.#fault.kind === 'stall' && isOf(this.#fault.direction, direction))
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}

/** The two halves of one connection. */
class Line {
  truncation: Truncation | null = null;
  isCut = false;
  readonly #lost = new Set<'up' | 'down'>();

  readonly near: Socket;
  readonly far: Socket;

  constructor(near: Socket, far: Socket) {
    this.near = near;
    this.far = far;
    // What breaks is noticed where the bytes are carried, and by 'close'.
    for (const socket of [near, far]) socket.on('error', () => {});
  }

  get isWhole(): boolean {
    return this.#lost.size === 0;
  }

  hasLost(direction: 'up' | 'down'): boolean {
    return this.#lost.has(direction);
  }

  lose(direction: 'up' | 'down'): void {
    this.#lost.add(direction);
  }

  /** The bytes that still pass when the download ends inside this piece; null when it goes on. */
  truncate(piece: Buffer): { rest: Buffer; how: Truncation['how'] } | null {
    if (this.truncation === null) return null;
    if (piece.length < this.truncation.afterBytes) {
      this.truncation = { ...this.truncation, afterBytes: this.truncation.afterBytes - piece.length };
      return null;
    }
    const { afterBytes, how } = this.truncation;
    this.truncation = null;
    return { rest: piece.subarray(0, afterBytes), how };
  }

  destroy(): void {
    this.near.destroy();
    this.far.destroy();
  }
}

/** `resetAndDestroy()` ends the writing side first, so that the peer sees an orderly end: what it sets is used without that. */
function reset(socket: Socket): void {
  Object.assign(socket, { resetAndClosing: true });
  socket.destroy();
}

function isOf(faulty: Direction, direction: 'up' | 'down'): boolean {
  return faulty === 'both' || faulty === direction;
}

async function write(to: Socket, bytes: Buffer): Promise<void> {
  if (bytes.length === 0 || to.destroyed || to.writableEnded) return;
  if (to.write(bytes)) return;
  await new Promise<void>((resolve) => {
    const done = () => {
      to.off('drain', done);
      to.off('close', done);
      resolve();
    };
    to.once('drain', done);
    to.once('close', done);
  });
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
