import { type ChildProcess, fork } from 'node:child_process';
import { createHash, createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Database } from '../../coordinator/storage/database.ts';
import type { Bench } from '../figure.ts';
import { stopChild } from './processes.ts';

/** accepted, the seven lifecycle events, finished: what an agent reports of a deployment. */
export const REPORTS_PER_HOST = 9;
const WORKERS = 2;
/** DER before the 32 bytes of an Ed25519 private key. Source: RFC 8410, section 7. */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');

/** What a worker is told, and what it tells. */
export type ToWorker =
  | { kind: 'connect'; url: string; first: number; count: number }
  /** Forget the figures of the last deployment: another one is coming. */
  | { kind: 'expect' }
  /** While something else is measured. */
  | { kind: 'heartbeats'; areOn: boolean };
export type FromWorker =
  | { kind: 'connected' }
  /** Every report is acknowledged. Instants are epoch ms, by host from the worker's first. */
  | { kind: 'done'; at: number; receivedAt: number[] }
  | { kind: 'failed'; message: string };

export interface Fleet {
  /** Opens all connections and proves every host; resolves when all are welcomed. */
  connect(): Promise<void>;
  /** Call it before the deployment is created; `done` resolves when all reports of all hosts are acknowledged. */
  expect(): { done: Promise<{ at: number; receivedAt: number[] }> };
  heartbeats(areOn: boolean): void;
  /** Before its coordinator: hosts that lose their connection are a failure. */
  stop(): Promise<void>;
}

export function hostId(index: number): string {
  return `h-bench${String(index).padStart(7, '0')}`;
}

/** Every host has a key of its own, the same in every run. */
export function privateKeyOf(index: number): KeyObject {
  const seed = createHash('sha256').update(`drover bench host ${index}`).digest();
  return createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: 'der', type: 'pkcs8' });
}

/** Enrols hosts by writing their rows: the coordinator that owns the database does not run yet. */
export async function insertHosts(database: Database, count: number): Promise<void> {
  const rows = Array.from({ length: count }, (_, index) => {
    const der = createPublicKey(privateKeyOf(index)).export({ format: 'der', type: 'spki' });
    return [hostId(index), `bench-${index}`, der.subarray(-32).toString('base64'), '{"role":"web"}'];
  });
  await database.transaction((tx) =>
    tx.executeMany(
      `INSERT INTO hosts (id, name, public_key, tags, facts, presence, presence_since, enrolled_at)
       VALUES (?, ?, ?, ?, '{}', 'Offline', 0, 0)`,
      rows,
    ),
  );
}

/** Hosts in processes of their own. */
export function startFleet(bench: Bench, parts: { url: string; hosts: number }): Fleet {
  const program = fileURLToPath(new URL('./fleet-worker.ts', import.meta.url));
  const share = Math.ceil(parts.hosts / WORKERS);
  const workers = Array.from({ length: WORKERS }, (_, i) => {
    const child = fork(program, { execArgv: ['--import=tsx'] });
    bench.defer(() => stopChild(child));
    return { child, first: i * share, count: Math.min(share, parts.hosts - i * share) };
  });
  return {
    async connect() {
      const url = `${parts.url.replace(/^http/, 'ws')}/v1/agents/connect`;
      await Promise.all(
        workers.map(({ child, first, count }) => {
          const connected = answer(child, 'connected');
          tell(child, { kind: 'connect', url, first, count });
          return connected;
        }),
      );
    },
    expect() {
      const answers = workers.map(({ child }) => {
        const done = answer(child, 'done');
        tell(child, { kind: 'expect' });
        return done;
      });
      return {
        done: Promise.all(answers).then((all) => ({
          at: Math.max(...all.map((one) => one.at)),
          receivedAt: all.flatMap((one) => one.receivedAt),
        })),
      };
    },
    heartbeats(areOn) {
      for (const { child } of workers) tell(child, { kind: 'heartbeats', areOn });
    },
    async stop() {
      await Promise.all(workers.map(({ child }) => stopChild(child)));
    },
  };
}

function tell(child: ChildProcess, message: ToWorker): void {
  child.send(message);
}

async function answer<Kind extends FromWorker['kind']>(
  child: ChildProcess,
  kind: Kind,
): Promise<Extract<FromWorker, { kind: Kind }>> {
  const stopped = new AbortController();
  const ended = once(child, 'exit', { signal: stopped.signal }).then(() => {
    throw new Error('a process with simulated hosts ended');
  });
  ended.catch(() => {});
  try {
    // Our own program at the other end: its messages have the type.
    const [message] = (await Promise.race([once(child, 'message'), ended])) as [FromWorker];
    if (message.kind !== kind)
      throw new Error(message.kind === 'failed' ? message.message : `${message.kind} instead of ${kind}`);
    return message as Extract<FromWorker, { kind: Kind }>;
  } finally {
    stopped.abort();
  }
}
