import { type RawData, WebSocket } from 'ws';
import { keepHeadBytes } from '../../shared/core/bounded.ts';
import { AppError } from '../../shared/core/errors.ts';
import { MAX_FRAME_BYTES } from '../../shared/protocol/messages.ts';
import { networkError } from '../../shared/sdk/network-errors.ts';
import type { Connection, ConnectionHandlers, Transport } from './transport.ts';

const HANDSHAKE_TIMEOUT_MS = 10_000;
/** Frames that wait for the network, bytes. */
const MAX_QUEUED_BYTES = 1_024 * 1_024;
/** What a proxy says whose server is away, and a coordinator that is about to stop: long poll would go there, too. */
const AWAY_STATUSES: ReadonlySet<number> = new Set([502, 503, 504]);
/** The longest reason that fits a close frame, bytes; a longer one is thrown back. */
const CLOSE_REASON_BYTES = 120;

export function createWebSocketTransport(parts: { coordinatorUrl: string; ca: string | null }): Transport {
  const url = new URL(parts.coordinatorUrl);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  url.pathname = `${url.pathname.replace(/\/$/, '')}/v1/agents/connect`;
  return {
    name: 'websocket',
    connect: (handlers) => connect(url, parts.ca, handlers),
  };
}

function connect(url: URL, ca: string | null, handlers: ConnectionHandlers): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, {
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
      maxPayload: MAX_FRAME_BYTES,
      // Compression costs 300 KB for each connection on either side, and frames are small.
      perMessageDeflate: false,
      ...(ca === null ? {} : { ca }),
    });
    let isOpen = false;
    let closeReason: string | null = null;
    socket.on('unexpected-response', (_request, response) => {
      response.resume();
      reject(notUpgraded(url, response.statusCode ?? 0));
      socket.terminate();
    });
    socket.on('error', (error) => {
      closeReason ??= error.message;
      if (!isOpen) reject(networkError(url.origin, error));
    });
    socket.on('open', () => {
      isOpen = true;
      resolve(asConnection(socket, (reason) => (closeReason ??= reason)));
    });
    // A frame may share a packet with the upgrade's answer, and then comes right after 'open', before `resolve` is noticed:
    // the session takes frames from the first one on.
    socket.on('message', (data, isBinary) => {
      if (!isBinary) handlers.onFrame(asText(data));
    });
    socket.on('close', (code, reason) => {
      if (isOpen) handlers.onClosed(closeReason ?? (reason.toString('utf8') || `closed with code ${code}`));
      else reject(networkError(url.origin, new Error('closed during the handshake')));
    });
  });
}

/** `details.upgradeStatus` only where it is WebSockets that are refused. */
function notUpgraded(url: URL, status: number): AppError {
  const message = `${url.href} answered ${status} instead of opening a WebSocket`;
  if (AWAY_STATUSES.has(status))
    return new AppError('unavailable', message, {
      hint: 'Is the coordinator running? A proxy in between may not reach it.',
    });
  return new AppError('unavailable', message, {
    hint: 'A proxy in between may not let WebSockets through.',
    details: { upgradeStatus: status },
  });
}

function asConnection(socket: WebSocket, onOwnClose: (reason: string) => void): Connection {
  return {
    send(frame) {
      if (socket.readyState !== WebSocket.OPEN || socket.bufferedAmount > MAX_QUEUED_BYTES) return false;
      socket.send(frame);
      return true;
    },
    get queuedBytes() {
      return socket.bufferedAmount;
    },
    close(reason) {
      onOwnClose(reason);
      socket.close(1000, keepHeadBytes(reason, CLOSE_REASON_BYTES));
    },
  };
}

function asText(data: RawData): string {
  if (Array.isArray(data)) return Buffer.concat(data).toString('utf8');
  return Buffer.from(data as Buffer).toString('utf8');
}
