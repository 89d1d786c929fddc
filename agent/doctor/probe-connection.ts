import { lookup } from 'node:dns/promises';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect, isIP } from 'node:net';
import { checkServerIdentity, type PeerCertificate, TLSSocket } from 'node:tls';
import { agentRoutes } from '../../shared/api/agents.ts';
import { type Clock, sleep } from '../../shared/core/clock.ts';
import { AppError } from '../../shared/core/errors.ts';
import { networkError } from '../../shared/sdk/network-errors.ts';
import { askCoordinatorId, openSession } from '../connection/enrolment.ts';
import type { HttpClient } from '../connection/http-client.ts';
import type { Identity } from '../connection/identity.ts';
import type { Transport } from '../connection/transport.ts';
import type { AnswerEvidence, CertificateEvidence, ConnectionEvidence, Outcome } from './evidence.ts';
import { outcomeOf } from './outcome.ts';

const CONNECT_TIMEOUT_MS = 10_000;
const ANSWER_TIMEOUT_MS = 15_000;
/** The Date header is cut to the second: the middle of it is half a second later. */
const HALF_A_SECOND_MS = 500;

export interface ConnectionProbeParts {
  coordinatorUrl: string;
  ca: string | null;
  clock: Clock;
  identity: Identity | null;
  http: HttpClient;
  websocket: Transport;
}

/** From the name to the session, as far as it goes. */
export async function probeConnection(parts: ConnectionProbeParts): Promise<ConnectionEvidence> {
  const { coordinatorUrl, clock, identity, http } = parts;
  const url = new URL(coordinatorUrl);
  const evidence: ConnectionEvidence = {
    url: coordinatorUrl.replace(/\/$/, ''),
    addresses: await outcomeOf(() => resolveName(url)),
    connect: null,
    answer: null,
    upgrade: null,
    longPoll: null,
    coordinatorId: null,
    session: null,
  };
  if (!evidence.addresses.ok) return evidence;
  evidence.connect = await outcomeOf(() => openConnection(url, clock));
  if (!evidence.connect.ok) return evidence;
  evidence.answer = await outcomeOf(() => askHealth(parts, url));
  // What the agent does not trust, it is not shown a proof of its key either.
  if (!evidence.answer.ok || evidence.answer.value.certificate?.fault != null) return evidence;
  evidence.upgrade = await openFrames(parts);
  if (!evidence.upgrade.ok) evidence.longPoll = await openLongPoll(http);
  evidence.coordinatorId = await outcomeOf(() => askCoordinatorId(http));
  const enrolment = identity?.enrolment ?? null;
  if (identity !== null && enrolment !== null && evidence.coordinatorId.ok)
    if (evidence.coordinatorId.value === enrolment.coordinatorId)
      evidence.session = await outcomeOf(() =>
        openSession(http, identity, enrolment.hostId).then(() => 'open' as const),
      );
  return evidence;
}

async function resolveName(url: URL): Promise<string[]> {
  const name = hostOf(url);
  if (isIP(name) !== 0) return [name];
  const found = await lookup(name, { all: true }).catch((error: unknown) => {
    throw networkError(url.origin, error);
  });
  return found.map(({ address }) => address);
}

function openConnection(url: URL, clock: Clock): Promise<{ tookMs: number }> {
  const beganAt = clock.now();
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostOf(url), port: portOf(url) });
    const timer = clock.setTimer(CONNECT_TIMEOUT_MS, () =>
      socket.destroy(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })),
    );
    socket.once('connect', () => {
      timer.cancel();
      socket.destroy();
      resolve({ tookMs: Math.max(0, clock.now() - beganAt) });
    });
    socket.once('error', (error) => {
      timer.cancel();
      reject(networkError(url.origin, error));
    });
  });
}

/** Whatever its certificate is, since an expired one shall be told with its date. No secret is sent. */
async function askHealth({ ca, clock }: ConnectionProbeParts, url: URL): Promise<AnswerEvidence> {
  const isSecure = url.protocol === 'https:';
  const path = `${url.pathname.replace(/\/$/, '')}/healthz`;
  const beganAt = clock.now();
  const { answer, certificate } = await new Promise<{
    answer: IncomingMessage;
    certificate: CertificateEvidence | null;
  }>((resolve, reject) => {
    const send = isSecure ? httpsRequest : httpRequest;
    const trust = isSecure ? { rejectUnauthorized: false, ...(ca === null ? {} : { ca }) } : {};
    const outgoing = send(new URL(path, url), { agent: false, ...trust });
    const timer = clock.setTimer(ANSWER_TIMEOUT_MS, () =>
      outgoing.destroy(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })),
    );
    outgoing.once('response', (response) => {
      timer.cancel();
      const { socket } = response;
      // Read before the body: an answer that has ended may have no socket any more.
      resolve({ answer: response, certificate: socket instanceof TLSSocket ? certificateOf(socket, url) : null });
    });
    outgoing.once('error', (error) => {
      timer.cancel();
      reject(networkError(url.origin, error));
    });
    outgoing.end();
  });
  answer.destroy();
  const endedAt = clock.now();
  const coordinatorAt = Date.parse(answer.headers.date ?? '');
  return {
    statusCode: answer.statusCode ?? 0,
    tookMs: Math.max(0, endedAt - beganAt),
    clockAheadMs: Number.isNaN(coordinatorAt)
      ? null
      : Math.round(coordinatorAt + HALF_A_SECOND_MS - (beganAt + endedAt) / 2),
    certificate,
  };
}

function certificateOf(socket: TLSSocket, url: URL): CertificateEvidence {
  const certificate: PeerCertificate = socket.getPeerCertificate();
  // Node leaves the name out when the chain is bad already, and looks at it only while it refuses.
  const nameFault = checkServerIdentity(hostOf(url), certificate) === undefined ? null : 'ERR_TLS_CERT_ALTNAME_INVALID';
  // Declared as an Error, and a text: the name that OpenSSL gives it.
  const chainFault = socket.authorized ? null : String(socket.authorizationError);
  return {
    fault: chainFault ?? nameFault,
    names: certificate.subjectaltname ?? String(certificate.subject?.CN ?? 'nobody'),
    validFrom: Date.parse(certificate.valid_from),
    validTo: Date.parse(certificate.valid_to),
  };
}

/** Open is one that brings the challenge: a proxy may open a WebSocket itself, and pass nothing on. */
function openFrames({ websocket, clock }: ConnectionProbeParts): Promise<Outcome<'open'>> {
  return outcomeOf<'open'>(async () => {
    const looking = new AbortController();
    let fault: string | null = 'it opens, and brings nothing';
    const connection = await websocket.connect({
      onFrame() {
        fault = null;
        looking.abort();
      },
      onClosed(reason) {
        if (fault !== null) fault = `it opens, and ends at once: ${reason}`;
        looking.abort();
      },
    });
    // What comes, or that it ends, cuts it short.
    await sleep(clock, ANSWER_TIMEOUT_MS, looking.signal).catch(() => {});
    connection.close('only looking');
    if (fault === null) return 'open';
    throw new AppError('unavailable', fault, { hint: 'A proxy in between may not let WebSockets through.' });
  });
}

/** Opens a connection that nobody says hello on: the coordinator gives it up by itself. */
function openLongPoll(http: HttpClient): Promise<Outcome<'open'>> {
  return outcomeOf<'open'>(async () => {
    const { path, reply } = agentRoutes.exchange;
    const answer = await http.json({
      method: 'POST',
      path,
      body: { frames: [], hold: false },
      timeoutMs: ANSWER_TIMEOUT_MS,
    });
    if (!reply.safeParse(answer).success) throw new AppError('unavailable', "the answer is not a coordinator's");
    return 'open';
  });
}

function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '');
}

function portOf(url: URL): number {
  return Number(url.port) || (url.protocol === 'https:' ? 443 : 80);
}
