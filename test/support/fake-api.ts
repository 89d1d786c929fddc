import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ProblemBody } from '../../shared/api/route.ts';
import type { FeedItem } from '../../shared/model/deployment-feed.ts';

export interface FakeRequest {
  method: string;
  path: string;
  query: Record<string, string>;
  params: Record<string, string>;
  headers: IncomingMessage['headers'];
  raw: Buffer;
  /** Parsed when it is JSON. */
  body: unknown;
}
export interface FakeReply {
  status?: number;
  body?: unknown;
  headers?: Record<string, string>;
  /** Cut the connection instead of answering. */
  cut?: boolean;
}
type Handler = (request: FakeRequest) => FakeReply | Promise<FakeReply>;

/** A coordinator's REST API with scripted replies, on a port of its own. What is not scripted answers `not_found`. */
export class FakeApi {
  readonly requests: FakeRequest[] = [];
  readonly #routes: { method: string; pattern: RegExp; names: string[]; handler: Handler }[] = [];
  readonly #feeds = new Map<string, FakeFeed>();
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => void this.#serve(request, response));
  }

  static async start(): Promise<FakeApi> {
    const api = new FakeApi();
    await new Promise<void>((resolve) => api.#server.listen(0, '127.0.0.1', resolve));
    return api;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** `on('GET /v1/hosts/:host', …)`; what is said last wins. A value that is no function is the body of a 200. */
  on(route: string, reply: Handler | object): this {
    const [method = '', path = ''] = route.split(' ');
    const names = [...path.matchAll(/:([A-Za-z]+)/g)].map((match) => match[1] ?? '');
    const pattern = new RegExp(`^${path.replace(/:[A-Za-z]+/g, '([^/]+)')}$`);
    const handler: Handler = typeof reply === 'function' ? (reply as Handler) : () => ({ body: reply });
    this.#routes.unshift({ method, pattern, names, handler });
    return this;
  }

  /** The live feed of a deployment. */
  feed(deploymentId: string): FakeFeed {
    const feed = this.#feeds.get(deploymentId) ?? new FakeFeed();
    this.#feeds.set(deploymentId, feed);
    return feed;
  }

  requested(method: string, path: string): FakeRequest[] {
    return this.requests.filter((request) => request.method === method && request.path === path);
  }

  async close(): Promise<void> {
    for (const feed of this.#feeds.values()) feed.drop();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of message) chunks.push(chunk as Buffer);
    const url = new URL(message.url ?? '/', 'http://fake');
    const raw = Buffer.concat(chunks);
    const request: FakeRequest = {
      method: message.method ?? 'GET',
      path: url.pathname,
      query: Object.fromEntries(url.searchParams),
      params: {},
      headers: message.headers,
      raw,
      body: parseOrUndefined(raw),
    };
    this.requests.push(request);
    const feedOf = /^\/v1\/deployments\/([^/]+)\/events$/.exec(url.pathname)?.[1];
    const feed = feedOf === undefined ? undefined : this.#feeds.get(feedOf);
    if (feed !== undefined) return feed.attach(response, Number(url.searchParams.get('after') ?? -1));
    const route = this.#routes.find((one) => one.method === request.method && one.pattern.test(url.pathname));
    const values = route?.pattern.exec(url.pathname)?.slice(1) ?? [];
    route?.names.forEach((name, index) => {
      request.params[name] = decodeURIComponent(values[index] ?? '');
    });
    const reply =
      (await route?.handler(request)) ?? problem('not_found', `nothing at ${request.method} ${url.pathname}`);
    if (reply.cut) return void response.destroy();
    const isProblem = (reply.status ?? 200) >= 400;
    response.writeHead(reply.status ?? 200, {
      'content-type': isProblem ? 'application/problem+json' : 'application/json',
      ...reply.headers,
    });
    response.end(reply.body === undefined ? undefined : JSON.stringify(reply.body));
  }
}

/** Server-sent events of one deployment: remembers all items and gives a reader those after its sequence. */
export class FakeFeed {
  readonly #items: FeedItem[] = [];
  readonly #readers = new Set<ServerResponse>();
  #isRefusing = false;
  /** Answers 200, and closes before it has said anything. */
  hangsUp = false;
  /** How often somebody connected. */
  connections = 0;

  push(...items: FeedItem[]): this {
    for (const item of items) {
      this.#items.push(item);
      for (const reader of this.#readers) write(reader, item);
    }
    return this;
  }

  /** Cuts every reader's connection. */
  drop(): void {
    for (const reader of this.#readers) reader.destroy();
    this.#readers.clear();
  }

  /** While true, answers 503. */
  refuse(isRefusing: boolean): void {
    this.#isRefusing = isRefusing;
    if (isRefusing) this.drop();
  }

  get readers(): number {
    return this.#readers.size;
  }

  attach(response: ServerResponse, after: number): void {
    this.connections++;
    if (this.#isRefusing) {
      response.writeHead(503).end();
      return;
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    if (this.hangsUp) {
      response.end();
      return;
    }
    response.write(': hello\n\n');
    this.#readers.add(response);
    response.on('close', () => this.#readers.delete(response));
    for (const item of this.#items) if (item.sequence > after) write(response, item);
  }
}

export function problem(
  code: string,
  detail: string,
  rest: Partial<Pick<ProblemBody, 'hint' | 'details'>> = {},
): FakeReply {
  const status = STATUS[code] ?? 500;
  const body: ProblemBody = {
    type: `about:${code}`,
    title: code,
    status,
    code,
    detail,
    requestId: 'req-1',
    ...rest,
  };
  return { status, body };
}

const STATUS: Readonly<Record<string, number>> = {
  invalid: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  conflict: 409,
  too_large: 413,
  rate_limited: 429,
  internal: 500,
  unavailable: 503,
};

function write(reader: ServerResponse, item: FeedItem): void {
  reader.write(`id: ${item.sequence}\ndata: ${JSON.stringify(item)}\n\n`);
}

function parseOrUndefined(raw: Buffer): unknown {
  try {
    return JSON.parse(raw.toString('utf8'));
  } catch {
    // Not JSON (an upload): the raw bytes are there too.
    return undefined;
  }
}
