import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocket, WebSocketServer } from 'ws';
import { keepHeadBytes } from '../../shared/core/bounded.ts';
import type { Clock } from '../../shared/core/clock.ts';
import { MAX_FRAME_BYTES } from '../../shared/protocol/messages.ts';
import type { Channel, ChannelReceiver } from './channel.ts';

/** A frame past the protocol's bound is answered with a problem; one past this closes the connection (code 1009). */
const MAX_PAYLOAD_BYTES = 2 * MAX_FRAME_BYTES;
/** How long the other end may take to answer a close, or to hang up when it is refused, ms. */
const CLOSE_TIMEOUT_MS = 2_000;
/** An ordinary end: why, the protocol has said in a frame before. */
const CLOSE_CODE = 1_000;
/** The longest reason that fits a close frame, bytes. */
const MAX_REASON_BYTES = 120;

export interface WebSocketParts {
  /** Its requests are `OfferedRequest`s: what comes as an upgrade is the offer of an agent. */
  server: Server;
  clock: Clock;
  /** Takes the channel and says who hears it, or null: it has been closed then. */
  accept(channel: Channel, remoteAddress: string): ChannelReceiver | null;
  /** False while the coordinator is not ready or stops: new connections get 503. */
  isOpen(): boolean;
  /** Of a request, with trusted proxies considered. */
  addressOf(request: IncomingMessage): string;
}

/** Serves the WebSocket upgrades of an HTTP server. */
export function serveWebSockets({ server, clock, accept, isOpen, addressOf }: WebSocketParts): {
  terminateAll(): void;
} {
  const sockets = new WebSocketServer({
    noServer: true,
    // Every socket is kept below, those that are refused as well.
    clientTracking: false,
    maxPayload: MAX_PAYLOAD_BYTES,
    // Compression costs 300 KiB a connection, and frames are small.
    perMessageDeflate: false,
    closeTimeout: CLOSE_TIMEOUT_MS,
    // The types are older than `closeTimeout`.
  } as ConstructorParameters<typeof WebSocketServer>[0]);
  /** What HTTP has let go of: nobody else ends these. */
  const upgraded = new Set<Duplex>();

  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    upgraded.add(socket);
    socket.once('close', () => upgraded.delete(socket));
    // A socket that breaks during the upgrade has nobody to tell.
    socket.on('error', ignore);
    if (!isOpen()) return refuse(socket, '503 Service Unavailable', clock);
    const remoteAddress = addressOf(request);
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      socket.off('error', ignore);
      const channel = new WebSocketChannel(webSocket);
      channel.listen(accept(channel, remoteAddress));
    });
  });

  return {
    terminateAll() {
      for (const socket of upgraded) socket.destroy();
    },
  };
}

function ignore(): void {}

function refuse(socket: Duplex, status: string, clock: Clock): void {
  // Read to its end: with bytes that nobody reads it would never see one, and an answer may get lost when it is cut before.
  socket.resume();
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  const cut = clock.setTimer(CLOSE_TIMEOUT_MS, () => socket.destroy());
  socket.once('close', () => cut.cancel());
}

class WebSocketChannel implements Channel {
  readonly #socket: WebSocket;
  constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  listen(receiver: ChannelReceiver | null): void {
    // Every error is followed by `close`, which tells the receiver.
    this.#socket.on('error', ignore);
    if (receiver === null) return;
    this.#socket.on('message', (data) => receiver.onFrame(data.toString()));
    this.#socket.on('pong', () => receiver.onAlive());
    this.#socket.on('close', (code, reason) => receiver.onClosed(reason.toString() || `closed with ${code}`));
  }

  send(frame: string): boolean {
    if (this.#socket.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(frame);
    return true;
  }

  get queuedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  ping(): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.ping();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  close(reason: string): void {
    // A paused socket would not see the answer to its close.
    this.#socket.resume();
    this.#socket.close(CLOSE_CODE, keepHeadBytes(reason, MAX_REASON_BYTES));
  }
}
