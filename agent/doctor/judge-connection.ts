import type { Enrolment } from '../connection/identity.ts';
import type { AnswerEvidence, CertificateEvidence, ConnectionEvidence } from './evidence.ts';
import { type Check, failed, fine, warning, wrong } from './judge.ts';

/** A difference between clocks that is worth a look, ms; `drover doctor` has the same. */
const CLOCK_LIMIT_MS = 5_000;
const DAY_MS = 86_400_000;
/** A certificate that ends sooner should have been renewed by now. */
const RENEWAL_MS = 14 * DAY_MS;
const SET_CLOCKS = "Set both clocks (chrony, systemd-timesyncd). Deadlines use the coordinator's alone.";
const OTHER_COORDINATOR = 'Correct coordinatorUrl, or enrol here with drover-agent enrol --force.';

/** @param now epoch ms */
export function judgeConnection(evidence: ConnectionEvidence, enrolment: Enrolment | null, now: number): Check[] {
  const { answer } = evidence;
  const answered = answer?.ok === true ? answer.value : null;
  return [
    judgeReach(evidence),
    ...(answered === null ? [] : [judgeClock(answered)]),
    ...(answered === null ? [] : [judgeCertificate(evidence.url, answered, now)]),
    ...judgeUpgrade(evidence),
    ...judgeStanding(evidence, enrolment),
  ];
}

/** How far it got: name, connection, answer. */
function judgeReach({ url, addresses, connect, answer }: ConnectionEvidence): Check {
  for (const step of [addresses, connect, answer]) if (step?.ok === false) return failed('reach', step);
  if (!addresses.ok || connect?.ok !== true || answer?.ok !== true)
    return wrong('reach', `${url} was not tried to its end`, null);
  const { statusCode, tookMs } = answer.value;
  if (statusCode !== 200)
    return wrong(
      'reach',
      `${url}/healthz answers ${statusCode}`,
      'Is this the address of the coordinator? A proxy in between may have answered.',
    );
  return fine(
    'reach',
    `${url} is ${addresses.value.join(', ')}; connected in ${connect.value.tookMs} ms, answered in ${tookMs} ms`,
  );
}

function judgeClock({ clockAheadMs }: AnswerEvidence): Check {
  if (clockAheadMs === null) return warning('clock', 'the coordinator did not say its time', 'Is it a coordinator?');
  const seconds = Math.round(Math.abs(clockAheadMs) / 1_000);
  if (Math.abs(clockAheadMs) <= CLOCK_LIMIT_MS) return fine('clock', 'as the coordinator, to a few seconds');
  // The evidence is the coordinator's clock against ours.
  const side = clockAheadMs > 0 ? 'behind' : 'ahead of';
  return warning('clock', `this host is ${seconds} s ${side} the coordinator`, SET_CLOCKS);
}

function judgeCertificate(url: string, { certificate }: AnswerEvidence, now: number): Check {
  if (certificate === null)
    return isLoopback(url)
      ? fine('tls', 'none, and the address is on this host')
      : warning(
          'tls',
          'none: keys and bundles travel readable',
          'Give the coordinator a certificate, and use https://.',
        );
  const days = Math.floor((certificate.validTo - now) / DAY_MS);
  if (certificate.fault !== null) return judgeFault(url, certificate, now);
  if (certificate.validTo - now < RENEWAL_MS)
    return warning(
      'tls',
      `the certificate is good until ${day(certificate.validTo)}, ${days} days more`,
      'Renew the certificate of the coordinator.',
    );
  return fine(
    'tls',
    `the certificate is good, for ${certificate.names}, until ${day(certificate.validTo)} (${days} days)`,
  );
}

function judgeFault(url: string, { fault, names, validFrom, validTo }: CertificateEvidence, now: number): Check {
  switch (fault) {
    case 'CERT_HAS_EXPIRED':
      // The name is the same whichever of the chain it is.
      if (validTo > now)
        return wrong(
          'tls',
          "an authority of the coordinator's certificate has expired",
          'Give the coordinator a certificate of one that has not, and set caFile to the certificate of that authority.',
        );
      return wrong(
        'tls',
        `the certificate of the coordinator has expired on ${day(validTo)}`,
        'Renew it; or, if the line `clock` tells of a difference, set the clock of this host.',
      );
    case 'CERT_NOT_YET_VALID':
      return wrong(
        'tls',
        `the certificate of the coordinator is good from ${day(validFrom)} only`,
        'Set the clock of this host.',
      );
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return wrong(
        'tls',
        `the certificate is for ${names}, not for ${new URL(url).hostname}`,
        'Set coordinatorUrl to a name that the certificate is for, or make it anew with this name.',
      );
    default:
      return wrong(
        'tls',
        `the certificate is not signed by an authority that this agent trusts (${fault})`,
        'Set caFile to the certificate of its authority.',
      );
  }
}

function judgeUpgrade({ upgrade, longPoll }: ConnectionEvidence): Check[] {
  if (upgrade === null) return [];
  if (upgrade.ok) return [fine('frames', 'by WebSocket')];
  if (longPoll?.ok === true)
    return [
      warning(
        'frames',
        `by long poll, since no WebSocket works: ${upgrade.message}`,
        'It works; a proxy that lets WebSockets through makes it cheaper and faster.',
      ),
    ];
  return [
    wrong(
      'frames',
      `neither by WebSocket (${upgrade.message}) nor by long poll (${longPoll?.ok === false ? longPoll.message : 'not tried'})`,
      (longPoll?.ok === false ? longPoll.hint : null) ?? upgrade.hint,
    ),
  ];
}

/** To this coordinator? And does it still know the host? */
function judgeStanding({ coordinatorId, session }: ConnectionEvidence, enrolment: Enrolment | null): Check[] {
  if (coordinatorId === null || enrolment === null) return [];
  if (!coordinatorId.ok) return [failed('identity', coordinatorId)];
  if (coordinatorId.value !== enrolment.coordinatorId)
    return [
      wrong(
        'identity',
        `this host is enrolled at the coordinator ${enrolment.coordinatorId} (${enrolment.coordinatorUrl}), and here is ${coordinatorId.value}`,
        OTHER_COORDINATOR,
      ),
    ];
  if (session === null) return [];
  if (!session.ok) return [failed('identity', session)];
  return [fine('identity', `the coordinator knows this host as ${enrolment.hostName}`)];
}

function isLoopback(url: string): boolean {
  const { hostname } = new URL(url);
  return hostname === 'localhost' || hostname === '[::1]' || hostname.startsWith('127.');
}

function day(instant: number): string {
  return new Date(instant).toISOString().slice(0, 10);
}
