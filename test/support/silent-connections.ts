import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

const STARTED = 'http.server.request.start';

/** Connections that HTTP servers of this process have had a request on, to let the time pass that one may be silent. */
export interface SilentConnections {
  /** As if nothing had been heard or said on the connection of the last such request for as long as it may be; false: it is closed now. */
  pass(method: string, url: string): boolean;
  stop(): void;
}

export function watchConnections(): SilentConnections {
  const sockets = new Map<string, Socket>();
  const started = (message: unknown) => {
    // What Node's documentation says of this channel.
    const { request, socket } = message as { request: IncomingMessage; socket: Socket };
    sockets.set(`${request.method} ${request.url}`, socket);
  };
  subscribe(STARTED, started);
  return {
    pass(method, url) {
      const socket = sockets.get(`${method} ${url}`);
      if (socket === undefined) throw new Error(`nobody has asked for ${method} ${url}`);
      socket.emit('timeout');
      return !socket.destroyed;
    },
    stop: () => void unsubscribe(STARTED, started),
  };
}
