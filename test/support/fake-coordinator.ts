import { createPublicKey, randomBytes, verify } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import {
  type AgentMessage,
  type Assignment,
  agentMessage,
  type CoordinatorMessage,
  type EventReport,
  type FinishedReport,
  type Hello,
  type InstalledRevision,
  type Report,
  signedText,
} from '../../shared/protocol/messages.ts';

/**
 * A coordinator in one file, for tests of the agent: it speaks the real protocol over real sockets, keeps what it has
 * acknowledged, gives an assignment until it is accepted, and can be told to misbehave. It serves one host.
 */
export interface FakeCoordinator {
  readonly url: string;
  readonly hostId: string;
  /** Every report that was acknowledged or would be, in order, each once. */
  readonly reports: readonly Report[];
  readonly hellos: readonly Hello[];
  /** Frames that broke the protocol, with why. Empty in a good run. */
  readonly violations: readonly string[];
  readonly transports: readonly ('websocket' | 'long-poll')[];
  readonly downloads: readonly string[];
  readonly runningEvents: readonly string[];
  /** What the host has said of it, each time. */
  readonly installed: readonly (readonly InstalledRevision[])[];
  outputOf(deploymentId: string, event: string): Buffer;
  addBundle(digest: string, bytes: Uint8Array): void;
  assign(assignment: Assignment): void;
  cancel(deploymentId: string, reason: string): void;
  /** Anything, as it is, to the connected agent. */
  sendRaw(frame: string): void;
  finished(deploymentId: string): FinishedReport | undefined;
  events(deploymentId: string): EventReport[];
  /** Looks again whenever something arrives. */
  until(what: string, condition: () => boolean, timeoutMs?: number): Promise<void>;
  dropConnections(): void;
  isConnected(): boolean;
  close(): Promise<void>;
  behaviour: Behaviour;
}

export interface Behaviour {
  /** Reports arrive and are stored, but the acknowledgement is lost. */
  loseAcknowledgements: boolean;
  /** Status that the WebSocket upgrade gets, or null for a WebSocket. */
  refuseUpgradeWith: number | null;
  /** Answer to the hello instead of a welcome. */
  problem: Extract<CoordinatorMessage, { kind: 'problem' }> | null;
  isReady: boolean;
  /** Bytes after which a download is cut, once for each entry. */
  cutDownloadsAt: number[];
  /** The acknowledged sequence that a welcome tells, instead of the true one. */
  welcomeSequence: number | null;
}

interface Channel {
  send(message: CoordinatorMessage | string): void;
  close(): void;
}

export async function startFakeCoordinator(
  options: { port?: number; bundles?: Map<string, Uint8Array> } = {},
): Promise<FakeCoordinator> {
  const changed = new EventEmitter().setMaxListeners(0);
  const coordinatorId = 'c-fake';
  const hostId = 'h-fake00000001';
  const joinToken = 'drover_join_test';
  const bundles = options.bundles ?? new Map<string, Uint8Array>();
  const behaviour: Behaviour = {
    loseAcknowledgements: false,
    refuseUpgradeWith: null,
    problem: null,
    isReady: false,
    cutDownloadsAt: [],
    welcomeSequence: null,
  };
  let publicKey: string | null = null;
  const nonces = new Set<string>();
  const tokens = new Set<string>();
  const reports: Report[] = [];
  let journalId: string | null = null;
  let acknowledged = 0;
  const hellos: Hello[] = [];
  const violations: string[] = [];
  const transports: ('websocket' | 'long-poll')[] = [];
  const downloads: string[] = [];
  const runningEvents: string[] = [];
  const installed: (readonly InstalledRevision[])[] = [];
  const outputs = new Map<string, Buffer>();
  const assignments = new Map<string, Assignment>();
  let channel: Channel | null = null;
  let isWelcomed = false;
  const polls = new Map<string, { frames: string[]; closed: string | null; wake: () => void }>();

  const server = createServer((request, response) => {
    serve(request, response).catch((error: unknown) => {
      response.statusCode = 500;
      response.end(String(error));
    });
  });
  const sockets = new WebSocketServer({ noServer: true, maxPayload: 256 * 1_024 });
  server.on('upgrade', (request, socket, head) => {
    if (behaviour.refuseUpgradeWith !== null) {
      socket.end(`HTTP/1.1 ${behaviour.refuseUpgradeWith} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
      return;
    }
    sockets.handleUpgrade(request, socket, head, (webSocket) => openWebSocket(webSocket));
  });
  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  // A listening TCP server has this form of address.
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  function openWebSocket(socket: WebSocket): void {
    const own: Channel = {
      send: (message) => socket.send(typeof message === 'string' ? message : JSON.stringify(message)),
      close: () => socket.terminate(),
    };
    open(own, 'websocket');
    socket.on('message', (data) => onFrame(own, String(data)));
    socket.on('close', () => onClosed(own));
    socket.on('error', () => {});
  }

  function open(own: Channel, transport: 'websocket' | 'long-poll'): void {
    channel = own;
    isWelcomed = false;
    transports.push(transport);
    own.send({ kind: 'challenge', nonce: newNonce(), coordinatorId });
  }

  function onClosed(own: Channel): void {
    if (channel !== own) return;
    channel = null;
    isWelcomed = false;
    changed.emit('change');
  }

  function newNonce(): string {
    const nonce = randomBytes(16).toString('hex');
    nonces.add(nonce);
    return nonce;
  }

  function onFrame(own: Channel, frame: string): void {
    const parsed = agentMessage.safeParse(JSON.parse(frame));
    if (!parsed.success) {
      violations.push(`${parsed.error.message} in ${frame.slice(0, 200)}`);
      return;
    }
    onMessage(own, parsed.data);
    changed.emit('change');
  }

  function onMessage(own: Channel, message: AgentMessage): void {
    switch (message.kind) {
      case 'hello':
        onHello(own, message);
        return;
      case 'heartbeat':
        own.send({ kind: 'heartbeat', at: Date.now() });
        return;
      case 'reports':
        for (const report of message.items) take(report);
        if (message.installed !== undefined) installed.push(message.installed);
        for (const running of message.running ?? []) runningEvents.push(`${running.deploymentId} ${running.event}`);
        if (!behaviour.loseAcknowledgements && message.items.length > 0)
          own.send({ kind: 'acknowledged', sequence: acknowledged });
        return;
      case 'output': {
        const output = message.chunks.map((chunk) => {
          const key = `${chunk.deploymentId} ${chunk.event}`;
          const have = outputs.get(key) ?? Buffer.alloc(0);
          if (chunk.offset === have.length) outputs.set(key, Buffer.concat([have, Buffer.from(chunk.data, 'base64')]));
          return { deploymentId: chunk.deploymentId, event: chunk.event, length: outputs.get(key)?.length ?? 0 };
        });
        if (!behaviour.loseAcknowledgements) own.send({ kind: 'acknowledged', sequence: acknowledged, output });
      }
    }
  }

  function onHello(own: Channel, hello: Hello): void {
    if (behaviour.problem !== null) {
      own.send(behaviour.problem);
      return;
    }
    const isProven = [...nonces].some((nonce) => isSigned(nonce, hello.signature));
    if (!isProven) violations.push('a hello with a wrong signature');
    if (journalId !== hello.journalId) {
      journalId = hello.journalId;
      acknowledged = 0;
    }
    hellos.push(hello);
    isWelcomed = true;
    const sessionToken = newToken();
    own.send({
      kind: 'welcome',
      protocol: { major: 1, minor: 0 },
      coordinatorVersion: 'fake',
      hostName: 'fake',
      sessionToken,
      heartbeatIntervalMs: 5_000,
      silenceLimitMs: 20_000,
      acknowledgedSequence: behaviour.welcomeSequence ?? acknowledged,
      at: Date.now(),
    });
    for (const assignment of assignments.values()) give(assignment);
  }

  function give(assignment: Assignment): void {
    const isKnown = reports.some((report) => report.deploymentId === assignment.deploymentId);
    if (!isKnown && isWelcomed) channel?.send({ kind: 'assignment', assignment });
  }

  function take(report: Report): void {
    if (report.sequence <= acknowledged) return;
    if (report.sequence !== acknowledged + 1) {
      violations.push(`report ${report.sequence} came after ${acknowledged}`);
      return;
    }
    acknowledged = report.sequence;
    reports.push(report);
  }

  function isSigned(nonce: string, signature: string): boolean {
    if (publicKey === null) return false;
    const der = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), Buffer.from(publicKey, 'base64')]);
    const key = createPublicKey({ key: der, format: 'der', type: 'spki' });
    return verify(null, Buffer.from(signedText(nonce, coordinatorId, hostId)), key, Buffer.from(signature, 'base64'));
  }

  function newToken(): string {
    const token = randomBytes(12).toString('hex');
    tokens.add(token);
    return token;
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? '';
    const isKnown = tokens.has((request.headers.authorization ?? '').replace('Bearer ', ''));
    if (path === '/v1/agents/enrol') return serveEnrol(await bodyOf(request), response);
    if (path === '/v1/agents/challenges') return answer(response, 200, { nonce: newNonce(), coordinatorId });
    if (path === '/v1/agents/sessions') {
      const body = await bodyOf(request);
      if (!isSigned(String(body['nonce']), String(body['signature']))) return problem(response, 401, 'unauthorized');
      return answer(response, 201, { sessionToken: newToken(), expiresAt: Date.now() + 3_600_000 });
    }
    if (path === '/v1/agents/exchange') return serveExchange(await bodyOf(request), response);
    if (!isKnown) return problem(response, 401, 'unauthorized');
    if (path === '/v1/hosts/self/readiness') {
      const reason = behaviour.isReady ? null : 'no successful deployment yet';
      const groups = [{ application: 'web', deploymentGroup: 'prod', isInService: behaviour.isReady, reason }];
      return answer(response, 200, { isReady: behaviour.isReady, hostName: 'fake', groups });
    }
    const digest = /^\/v1\/hosts\/self\/bundles\/([0-9a-f]{64})$/.exec(path)?.[1];
    const bytes = digest === undefined ? undefined : bundles.get(digest);
    if (digest === undefined || bytes === undefined) return problem(response, 404, 'not_found');
    serveBundle(request, response, { digest, bytes });
  }

  function serveEnrol(body: Record<string, unknown>, response: ServerResponse): void {
    if (body['joinToken'] !== joinToken) {
      problem(response, 401, 'unauthorized');
      return;
    }
    publicKey = String(body['publicKey']);
    answer(response, 201, { hostId, hostName: String(body['name']), coordinatorId });
  }

  function serveBundle(
    request: IncomingMessage,
    response: ServerResponse,
    bundle: { digest: string; bytes: Uint8Array },
  ): void {
    const { digest, bytes } = bundle;
    const offset = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    downloads.push(`${digest.slice(0, 8)}@${offset}`);
    const rest = bytes.subarray(offset);
    response.writeHead(offset === 0 ? 200 : 206, {
      'content-length': rest.length,
      ...(offset === 0 ? {} : { 'content-range': `bytes ${offset}-${bytes.length - 1}/${bytes.length}` }),
    });
    const cutAt = behaviour.cutDownloadsAt.shift();
    if (cutAt === undefined) response.end(rest);
    else response.write(rest.subarray(0, cutAt), () => response.destroy());
  }

  async function serveExchange(body: Record<string, unknown>, response: ServerResponse): Promise<void> {
    const id = typeof body['connectionId'] === 'string' ? body['connectionId'] : openPoll();
    const poll = polls.get(id);
    if (poll === undefined) return problem(response, 404, 'not_found');
    const own = pollChannels.get(id);
    // The schema of the route; a test that sends something else fails here.
    for (const frame of body['frames'] as string[]) if (own !== undefined) onFrame(own, frame);
    const isHeld = body['connectionId'] !== undefined && body['hold'] !== false;
    if (isHeld && poll.frames.length === 0 && poll.closed === null)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 25_000);
        poll.wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    answer(response, 200, { connectionId: id, frames: poll.frames.splice(0), closed: poll.closed });
  }

  const pollChannels = new Map<string, Channel>();
  function openPoll(): string {
    const id = randomBytes(8).toString('hex');
    const poll = { frames: [] as string[], closed: null as string | null, wake: () => {} };
    polls.set(id, poll);
    const own: Channel = {
      send(message) {
        poll.frames.push(typeof message === 'string' ? message : JSON.stringify(message));
        poll.wake();
      },
      close() {
        poll.closed = 'dropped';
        poll.wake();
        onClosed(own);
      },
    };
    pollChannels.set(id, own);
    open(own, 'long-poll');
    return id;
  }

  return {
    url,
    hostId,
    reports,
    hellos,
    violations,
    transports,
    downloads,
    runningEvents,
    installed,
    behaviour,
    outputOf: (deploymentId, event) => outputs.get(`${deploymentId} ${event}`) ?? Buffer.alloc(0),
    addBundle: (digest, bytes) => void bundles.set(digest, bytes),
    assign(assignment) {
      assignments.set(assignment.deploymentId, assignment);
      give(assignment);
    },
    cancel: (deploymentId, reason) => channel?.send({ kind: 'cancel', deploymentId, reason }),
    sendRaw: (frame) => channel?.send(frame),
    finished: (deploymentId) =>
      reports.find(
        (report): report is FinishedReport => report.kind === 'finished' && report.deploymentId === deploymentId,
      ),
    events: (deploymentId) =>
      reports.filter(
        (report): report is EventReport => report.kind === 'event' && report.deploymentId === deploymentId,
      ),
    async until(what, condition, timeoutMs = 30_000) {
      const patience = AbortSignal.timeout(timeoutMs);
      while (!condition()) {
        try {
          await once(changed, 'change', { signal: patience });
        } catch {
          throw new Error(`not within ${timeoutMs} ms: ${what}; violations: ${violations.join('; ') || 'none'}`);
        }
      }
    },
    dropConnections: () => channel?.close(),
    isConnected: () => isWelcomed,
    async close() {
      for (const poll of polls.values()) {
        poll.closed = 'closing';
        poll.wake();
      }
      for (const client of sockets.clients) client.terminate();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

async function bodyOf(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return chunks.length === 0 ? {} : JSON.parse(Buffer.concat(chunks).toString('utf8'));
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

function problem(response: ServerResponse, status: number, code: string): void {
  response.writeHead(status, { 'content-type': 'application/problem+json' });
  response.end(JSON.stringify({ type: 'about:blank', title: code, status, code, detail: `refused: ${code}` }));
}
