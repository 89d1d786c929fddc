import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { type CoordinatorMessage, coordinatorMessage, signedText } from '../../shared/protocol/messages.ts';
import { PROTOCOL_VERSION } from '../../shared/protocol/versions.ts';
import { at, type TestCoordinator, textAt } from './coordinator.ts';
import { until } from './real-herd.ts';

/** A host that says exactly what a test wants, right or wrong. */
export interface RawHost {
  hostId: string;
  name: string;
  publicKey: string;
  privateKey: KeyObject;
}

export interface RawConnection {
  readonly kind: 'websocket' | 'long-poll';
  /** Anything, as it is. */
  sendRaw(frame: string): Promise<void>;
  send(message: object): Promise<void>;
  /** The next frame of this kind; others are passed over and kept out. Rejects when the connection ends first. */
  next<Kind extends CoordinatorMessage['kind']>(kind: Kind): Promise<Extract<CoordinatorMessage, { kind: Kind }>>;
  /** Resolves when the coordinator has ended the connection. */
  readonly closed: Promise<string>;
  /** Every frame so far. */
  readonly frames: readonly CoordinatorMessage[];
  close(): void;
}

const WAIT_MS = 30_000;

export function newKeys(): { publicKey: string; privateKey: KeyObject } {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  // A key in this form ends with its 32 raw bytes.
  const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
  return { publicKey: raw.toString('base64'), privateKey };
}

type Caller = Pick<TestCoordinator, 'call'>;

export async function createJoinToken(coordinator: Caller, body: object = {}): Promise<string> {
  return textAt((await coordinator.call('POST', '/v1/join-tokens', { body })).body, 'secret');
}

export async function enrolHost(
  coordinator: Caller,
  name: string,
  options: { token?: object; facts?: object } = {},
): Promise<RawHost> {
  const keys = newKeys();
  const joinToken = await createJoinToken(coordinator, options.token);
  const answer = await coordinator.call('POST', '/v1/agents/enrol', {
    token: null,
    body: { joinToken, publicKey: keys.publicKey, name, facts: options.facts ?? {} },
  });
  return { hostId: textAt(answer.body, 'hostId'), name, ...keys };
}

export function proofOf(host: RawHost, nonce: string, coordinatorId: string): string {
  const text = Buffer.from(signedText(nonce, coordinatorId, host.hostId), 'utf8');
  return sign(null, text, host.privateKey).toString('base64');
}

export async function openSession(coordinator: TestCoordinator, host: RawHost): Promise<string> {
  const { body } = await coordinator.call('POST', '/v1/agents/challenges', { token: null });
  const nonce = textAt(body, 'nonce');
  const signature = proofOf(host, nonce, textAt(body, 'coordinatorId'));
  const answer = await coordinator.call('POST', '/v1/agents/sessions', {
    token: null,
    body: { hostId: host.hostId, nonce, signature },
  });
  return textAt(answer.body, 'sessionToken');
}

export async function helloOf(
  host: RawHost,
  challenge: { nonce: string; coordinatorId: string },
  changes: object = {},
): Promise<object> {
  return {
    kind: 'hello',
    protocol: PROTOCOL_VERSION,
    agentVersion: '0.1.0',
    hostId: host.hostId,
    signature: proofOf(host, challenge.nonce, challenge.coordinatorId),
    journalId: `journal-of-${host.hostId}`,
    processId: `process-of-${host.hostId}`,
    at: Date.now(),
    facts: {},
    deployments: [],
    ...changes,
  };
}

/** Challenge, hello, welcome. */
export async function sayHello(connection: RawConnection, host: RawHost, changes: object = {}) {
  await connection.send(await helloOf(host, await connection.next('challenge'), changes));
  return connection.next('welcome');
}

/** A welcome goes out some ms before the host is written as online, and until then a deployment takes it for offline. */
export async function untilOnline(coordinator: TestCoordinator, host: RawHost): Promise<void> {
  await until(`${host.name} is online`, WAIT_MS, async () => {
    const answer = await coordinator.call('GET', `/v1/hosts/${host.hostId}`);
    return at(answer.body, 'presence') === 'Online';
  });
}

export async function connectWebSocket(coordinator: TestCoordinator): Promise<RawConnection> {
  const socket = new WebSocket(`${coordinator.url.replace('http', 'ws')}/v1/agents/connect`);
  const inbox = createInbox();
  socket.on('message', (data) => inbox.add(data.toString()));
  socket.on('close', (code, reason) => inbox.end(reason.toString() || String(code)));
  socket.on('error', () => {});
  await once(socket, 'open');
  return {
    kind: 'websocket',
    ...inbox.reader,
    sendRaw: async (frame) => socket.send(frame),
    send: async (message) => socket.send(JSON.stringify(message)),
    close: () => socket.terminate(),
  };
}

export async function connectLongPoll(coordinator: TestCoordinator): Promise<RawConnection> {
  const inbox = createInbox();
  let connectionId: string | undefined;
  let isOpen = true;
  const exchange = async (frames: string[], hold: boolean) => {
    const { status, body } = await coordinator.call('POST', '/v1/agents/exchange', {
      token: null,
      body: { ...(connectionId === undefined ? {} : { connectionId }), frames, hold },
    });
    if (status !== 200) {
      isOpen = false;
      return inbox.end(`status ${status}`);
    }
    const reply = body as { connectionId: string; frames: string[]; closed: string | null };
    connectionId = reply.connectionId;
    for (const frame of reply.frames) inbox.add(frame);
    if (reply.closed !== null) {
      isOpen = false;
      inbox.end(reply.closed);
    }
  };
  await exchange([], true);
  const poll = async () => {
    while (isOpen) await exchange([], true);
  };
  poll().catch((error: unknown) => inbox.end(String(error)));
  return {
    kind: 'long-poll',
    ...inbox.reader,
    sendRaw: (frame) => exchange([frame], false),
    send: (message) => exchange([JSON.stringify(message)], false),
    close: () => {
      isOpen = false;
    },
  };
}

function createInbox() {
  const frames: CoordinatorMessage[] = [];
  let read = 0;
  let ended: string | null = null;
  let wake = () => {};
  let end: (reason: string) => void = () => {};
  const closed = new Promise<string>((resolve) => {
    end = resolve;
  });
  return {
    add(frame: string) {
      frames.push(coordinatorMessage.parse(JSON.parse(frame)));
      wake();
    },
    end(reason: string) {
      ended ??= reason;
      end(reason);
      wake();
    },
    reader: {
      frames,
      closed,
      async next<Kind extends CoordinatorMessage['kind']>(kind: Kind) {
        const until = Date.now() + WAIT_MS;
        for (;;) {
          while (read < frames.length) {
            const frame = frames[read++];
            // The kind was compared: it is the member of the union that was asked for.
            if (frame?.kind === kind) return frame as Extract<CoordinatorMessage, { kind: Kind }>;
          }
          if (ended !== null) throw new Error(`no ${kind}: the connection ended: ${ended}`);
          const remainingMs = until - Date.now();
          if (remainingMs <= 0) throw new Error(`no ${kind} within ${WAIT_MS} ms`);
          await new Promise<void>((resolve) => {
            const timer = setTimeout(resolve, remainingMs);
            wake = () => {
              clearTimeout(timer);
              resolve();
            };
          });
        }
      },
    },
  };
}
