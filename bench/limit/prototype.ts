import BetterSqlite3 from 'better-sqlite3';
import { type WebSocket, WebSocketServer } from 'ws';
import { IN_PLACE_EVENTS } from '../../shared/model/lifecycle-event.ts';
import { REPORTS_PER_HOST } from '../support/fleet.ts';

/*
 * The limit of a coordinator: what is left when it is nothing but sockets and rows. `ws` and raw SQLite statements, reports
 * committed in groups of 5 ms or 500 with synchronous=FULL, acknowledged after the commit, once for each host in the group.
 * No schema, no proof, no engine, no history beside the report itself. It speaks just enough of the protocol for the same
 * simulated hosts. Told by IPC, as a process of its own.
 */

const COMMIT_EVERY_MS = 5;
const COMMIT_AT = 500;

export type ToPrototype = { kind: 'deploy'; deploymentId: string };
export type FromPrototype =
  | { kind: 'listening'; url: string }
  /** Deploy received, and last commit done; epoch ms. */
  | { kind: 'done'; beganAt: number; endedAt: number };

const database = new BetterSqlite3(process.argv[2] ?? '');
database.pragma('journal_mode = WAL');
database.pragma('synchronous = FULL');
database.exec(`
  CREATE TABLE targets (deployment TEXT, host TEXT, status TEXT, sequence INTEGER, PRIMARY KEY (deployment, host)) WITHOUT ROWID;
  CREATE TABLE reports (host TEXT, sequence INTEGER, deployment TEXT, kind TEXT, event TEXT, status TEXT, at INTEGER);`);
const insertTarget = database.prepare(`INSERT INTO targets VALUES (?, ?, 'InProgress', 0)`);
const insertReport = database.prepare('INSERT INTO reports VALUES (?, ?, ?, ?, ?, ?, ?)');
const updateTarget = database.prepare('UPDATE targets SET status = ?, sequence = ? WHERE deployment = ? AND host = ?');

interface Report {
  kind: string;
  sequence: number;
  deploymentId: string;
  event?: string;
  status?: string;
}
const sockets = new Map<string, WebSocket>();
const sequences = new Map<string, number>();
let queue: { host: string; report: Report }[] = [];
let timer: NodeJS.Timeout | null = null;
let unfinished = 0;
let beganAt = 0;

const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
server.on('connection', (socket) => {
  let host = '';
  socket.on('message', (data) => {
    const message = JSON.parse(data.toString());
    if (message.kind === 'reports') for (const report of message.items) take(host, report);
    else if (message.kind === 'hello') {
      host = message.hostId;
      sockets.set(host, socket);
      const acknowledgedSequence = sequences.get(host) ?? 0;
      socket.send(JSON.stringify({ kind: 'welcome', acknowledgedSequence, heartbeatIntervalMs: 3_600_000 }));
    }
  });
  socket.send(JSON.stringify({ kind: 'challenge', nonce: 'none', coordinatorId: 'prototype' }));
});
server.on('listening', () => {
  const address = server.address();
  if (typeof address === 'object' && address !== null)
    tell({ kind: 'listening', url: `http://127.0.0.1:${address.port}` });
});

process.on('message', ({ deploymentId }: ToPrototype) => {
  beganAt = Date.now();
  unfinished = sockets.size;
  database.transaction(() => {
    for (const host of sockets.keys()) insertTarget.run(deploymentId, host);
  })();
  const frame = JSON.stringify({ kind: 'assignment', assignment: assignmentOf(deploymentId) });
  for (const socket of sockets.values()) socket.send(frame);
});
process.on('disconnect', () => process.exit());

function take(host: string, report: Report): void {
  queue.push({ host, report });
  if (queue.length >= COMMIT_AT) commit();
  else timer ??= setTimeout(commit, COMMIT_EVERY_MS);
}

function commit(): void {
  if (timer !== null) clearTimeout(timer);
  timer = null;
  const batch = queue;
  queue = [];
  const last = new Map<string, Report>();
  const at = Date.now();
  database.transaction(() => {
    for (const { host, report } of batch) {
      const { kind, sequence, deploymentId, event, status } = report;
      insertReport.run(host, sequence, deploymentId, kind, event ?? null, status ?? null, at);
      last.set(host, report);
    }
    for (const [host, { kind, sequence, deploymentId }] of last)
      updateTarget.run(kind === 'finished' ? 'Succeeded' : 'InProgress', sequence, deploymentId, host);
  })();
  for (const [host, { kind, sequence }] of last) {
    sequences.set(host, sequence);
    sockets.get(host)?.send(`{"kind":"acknowledged","sequence":${sequence}}`);
    if (kind === 'finished' && --unfinished === 0) tell({ kind: 'done', beganAt, endedAt: Date.now() });
  }
}

/** As long as a real one: about 1.5 KB. */
function assignmentOf(deploymentId: string): object {
  return {
    deploymentId,
    revision: { id: 'r-prototype' },
    lifecycleEvents: IN_PLACE_EVENTS,
    reports: REPORTS_PER_HOST,
    padding: 'x'.repeat(400),
  };
}

function tell(message: FromPrototype): void {
  process.send?.(message);
}
