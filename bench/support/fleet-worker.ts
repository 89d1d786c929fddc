import { sign } from 'node:crypto';
import { WebSocket } from 'ws';
import { IN_PLACE_EVENTS } from '../../shared/model/lifecycle-event.ts';
import { signedText } from '../../shared/protocol/messages.ts';
import { PROGRAM_VERSION, PROTOCOL_VERSION } from '../../shared/protocol/versions.ts';
import { type FromWorker, hostId, privateKeyOf, REPORTS_PER_HOST, type ToWorker } from './fleet.ts';

/*
 * Many hosts in one process, over real WebSockets. A host answers the challenge with its own key and an assignment with its
 * reports, each in a frame of its own and all at once: the most that a coordinator can be asked, since a real agent has one
 * frame under way. It keeps no journal and runs nothing, and reads frames by their first characters, so that the machine's
 * time goes to the coordinator.
 */

/** Connections that are being opened at a time. */
const OPENING = 256;
/** One client address has 28,000 ports; four have enough for any fleet that a process can hold. */
const LOCAL_ADDRESSES = ['127.0.0.1', '127.0.0.2', '127.0.0.3', '127.0.0.4'];
const HEARTBEAT_SLICES = 50;
const ASSIGNMENT = '{"kind":"assignment"';
const ACKNOWLEDGED = '{"kind":"acknowledged","sequence":';

interface Host {
  index: number;
  socket: WebSocket;
  sequence: number;
  isWelcome: boolean;
  lastDeployment: string;
  isDone: boolean;
}

let hosts: Host[] = [];
let first = 0;
let receivedAt: number[] = [];
let undone = 0;
let heartbeatsAreOn = true;
/** The reports of the deployment under way: all hosts get the same one. */
let current = { deploymentId: '', before: [] as string[], after: [] as string[] };

process.on('message', (message: ToWorker) => {
  switch (message.kind) {
    case 'connect':
      connectAll(message).then(
        () => tell({ kind: 'connected' }),
        (error) => tell({ kind: 'failed', message: String(error) }),
      );
      return;
    case 'expect':
      receivedAt = new Array(hosts.length).fill(Number.NaN);
      undone = hosts.length;
      for (const host of hosts) host.isDone = false;
      return;
    case 'heartbeats':
      heartbeatsAreOn = message.areOn;
  }
});
process.on('disconnect', () => process.exit());

async function connectAll({ url, first: from, count }: Extract<ToWorker, { kind: 'connect' }>): Promise<void> {
  first = from;
  hosts = new Array(count);
  let next = 0;
  let isBeating = false;
  const lane = async () => {
    while (next < count) {
      const intervalMs = await connect(url, next++);
      if (!isBeating) beat(intervalMs);
      isBeating = true;
    }
  };
  await Promise.all(Array.from({ length: OPENING }, lane));
}

/** Resolves with the heartbeat interval once the host is welcomed. */
function connect(url: string, slot: number): Promise<number> {
  const index = first + slot;
  const localAddress = LOCAL_ADDRESSES[index % LOCAL_ADDRESSES.length] ?? '127.0.0.1';
  const socket = new WebSocket(url, { localAddress, perMessageDeflate: false, skipUTF8Validation: true });
  const host: Host = { index, socket, sequence: 0, isWelcome: false, lastDeployment: '', isDone: false };
  hosts[slot] = host;
  return new Promise((resolve, reject) => {
    socket.on('error', reject);
    socket.on('close', (code, reason) => {
      const text = `host ${index} lost its connection: ${code} ${reason}`;
      reject(new Error(text));
      tell({ kind: 'failed', message: text });
    });
    socket.on('message', (data) => {
      const frame = data.toString();
      if (frame.startsWith(ACKNOWLEDGED)) onAcknowledged(host, Number.parseInt(frame.slice(ACKNOWLEDGED.length), 10));
      else if (frame.startsWith(ASSIGNMENT)) onAssignment(host, frame);
      else {
        const intervalMs = onOther(host, frame);
        if (intervalMs !== null) resolve(intervalMs);
      }
    });
  });
}

function onOther(host: Host, frame: string): number | null {
  const message = JSON.parse(frame);
  if (message.kind === 'challenge') {
    const text = signedText(message.nonce, message.coordinatorId, hostId(host.index));
    host.socket.send(
      JSON.stringify({
        kind: 'hello',
        protocol: PROTOCOL_VERSION,
        agentVersion: PROGRAM_VERSION,
        hostId: hostId(host.index),
        signature: sign(null, Buffer.from(text), privateKeyOf(host.index)).toString('base64'),
        journalId: `journal-${host.index}`,
        processId: `process-${process.pid}-${host.index}`,
        at: Date.now(),
        facts: { hostname: `bench-${host.index}`, osName: 'Linux', architecture: 'x64', cpuCount: 2 },
        deployments: [],
      }),
    );
  } else if (message.kind === 'welcome') {
    host.sequence = message.acknowledgedSequence;
    host.isWelcome = true;
    return message.heartbeatIntervalMs;
  } else if (message.kind !== 'heartbeat') throw new Error(`host ${host.index} got ${frame}`);
  return null;
}

function onAssignment(host: Host, frame: string): void {
  const now = Date.now();
  const id = /"deploymentId":"([^"]+)"/.exec(frame)?.[1] ?? '';
  // A repeat is recognised, as an agent does by its journal.
  if (id === host.lastDeployment) return;
  host.lastDeployment = id;
  if (id !== current.deploymentId) current = framesOf(id, JSON.parse(frame).assignment.revision.id);
  receivedAt[host.index - first] = now;
  for (let i = 0; i < REPORTS_PER_HOST; i++)
    host.socket.send(`${current.before[i]}${++host.sequence}${current.after[i]}`);
}

/** What is the same for all hosts is written once; only the sequence number is each one's own. */
function framesOf(deploymentId: string, revisionId: string): typeof current {
  const at = Date.now();
  const reports: [kind: string, rest: object][] = [
    ['accepted', { at }],
    ...IN_PLACE_EVENTS.map((event): [string, object] => [
      'event',
      { event, status: 'Succeeded', startedAt: at, durationMs: 2.5 },
    ]),
    ['finished', { status: 'Succeeded', at, installedRevisionId: revisionId }],
  ];
  return {
    deploymentId,
    before: reports.map(([kind]) => `{"kind":"reports","items":[{"kind":"${kind}","sequence":`),
    after: reports.map(([, rest]) => `,"deploymentId":"${deploymentId}",${JSON.stringify(rest).slice(1)}]}`),
  };
}

function onAcknowledged(host: Host, sequence: number): void {
  if (host.isDone || host.lastDeployment === '' || sequence < host.sequence) return;
  if (Number.isNaN(receivedAt[host.index - first])) return;
  host.isDone = true;
  if (--undone === 0) tell({ kind: 'done', at: Date.now(), receivedAt });
}

/** One timer for all, a slice of the hosts at a time. */
function beat(intervalMs: number): void {
  let slice = 0;
  setInterval(() => {
    slice = (slice + 1) % HEARTBEAT_SLICES;
    if (!heartbeatsAreOn) return;
    const frame = JSON.stringify({ kind: 'heartbeat', at: Date.now(), load1: 0.25 });
    for (let i = slice; i < hosts.length; i += HEARTBEAT_SLICES)
      if (hosts[i]?.isWelcome === true) hosts[i]?.socket.send(frame);
  }, intervalMs / HEARTBEAT_SLICES);
}

function tell(message: FromWorker): void {
  process.send?.(message);
}
