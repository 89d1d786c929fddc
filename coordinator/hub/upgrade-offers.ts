import { IncomingMessage } from 'node:http';

/** Where agents open their WebSocket. */
export const CONNECT_PATH = '/v1/agents/connect';

/**
 * A request whose offer of another protocol is passed over unless it is the one that is taken up here: agents' WebSockets. A server may
 * do so (RFC 9110, section 7.8, Upgrade), and clients offer HTTP/2 (`h2c`) on their own, Java's HttpClient and `curl --http2` among them.
 *
 * Node takes every offer of a server that listens for any, takes the connection out of HTTP before the server is asked, and has no body
 * then. What it goes by is `upgrade`, which it sets from the headers and reads once they are complete.
 */
export class OfferedRequest extends IncomingMessage {
  // No initial value: the constructor above sets `upgrade`, and so this one, before fields of this class would be.
  declare protected offersUpgrade: boolean | null;

  get upgrade(): boolean | null {
    // CONNECT is no offer: there is nothing else to serve.
    return this.offersUpgrade === true && this.method !== 'CONNECT' ? isOfAgent(this) : this.offersUpgrade;
  }

  set upgrade(offersUpgrade: boolean | null) {
    this.offersUpgrade = offersUpgrade;
  }
}

function isOfAgent({ url, headers }: Pick<IncomingMessage, 'url' | 'headers'>): boolean {
  return headers.upgrade?.toLowerCase() === 'websocket' && (url ?? '').split('?', 1)[0] === CONNECT_PATH;
}
