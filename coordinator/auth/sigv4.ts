import { createHash, createHmac } from 'node:crypto';
import { canonicalHeaders, canonicalPath, canonicalQuery, type HeaderList, headerValues } from './sigv4-canonical.ts';
import { isSameHash } from './tokens.ts';

/**
 * AWS Signature Version 4, the verifier's side. Source: AWS IAM User Guide, "AWS Signature Version 4 for API requests".
 * First {@link readClaim} tells who claims to have signed; the caller looks up that key; then {@link checkClaim} tells
 * whether it is true. Every failure is a value, and none of them throws.
 */
export interface SignedRequest {
  method: string;
  /** As it stands in the request line, still encoded, without the query. */
  path: string;
  /** What follows the `?`, still encoded; empty without one. */
  query: string;
  /** As they came, in order, a repeated one repeated. */
  headers: HeaderList;
  body: Uint8Array;
}

/** What a request says of its own signature. */
export interface SignatureClaim {
  form: 'header' | 'presigned';
  accessKeyId: string;
  /** Of the credential scope. */
  date: string;
  region: string;
  service: string;
  /** Lower case, in order. */
  signedHeaders: readonly string[];
  signature: string;
  sessionToken: string | null;
  /** Epoch ms. */
  signedAt: number;
  /** `20261122T212216Z`, as signed. */
  timestamp: string;
  /** A presigned request's lifetime, ms; null for the header form. */
  validForMs: number | null;
}

export type SignatureFailureKind = 'missing' | 'incomplete' | 'wrong_scope' | 'expired' | 'not_yet_valid' | 'mismatch';
export interface SignatureFailure {
  kind: SignatureFailureKind;
  message: string;
}
export type ReadResult = { ok: true; claim: SignatureClaim } | { ok: false; failure: SignatureFailure };
export type CheckResult = { ok: true } | { ok: false; failure: SignatureFailure };

/** How far the clocks of client and coordinator may be apart. Source: as above, "Request date". */
export const MAX_CLOCK_SKEW_MS = 300_000;
/** Seven days. Source: Amazon S3 API Reference, "Authenticating requests: using query parameters". */
const MAX_PRESIGNED_SECONDS = 604_800;
const ALGORITHM = 'AWS4-HMAC-SHA256';
const TERMINATOR = 'aws4_request';
const UNSIGNED_PAYLOAD = 'UNSIGNED-PAYLOAD';
const MISMATCH =
  'The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and ' +
  'signing method. Consult the service documentation for details.';

/** Who claims to have signed the request, and how; nothing of it is proved yet. */
export function readClaim(request: SignedRequest): ReadResult {
  const parameters = new URLSearchParams(request.query);
  const [authorization, ...others] = headerValues(request.headers, 'authorization');
  if (others.length > 0) return incomplete('There is more than one Authorization header.');
  if (authorization?.startsWith(ALGORITHM) === true) return readHeaderForm(request, authorization);
  if (parameters.has('X-Amz-Algorithm')) return readPresignedForm(parameters);
  if (authorization !== undefined && !/^Bearer /i.test(authorization))
    return incomplete(`Authorization header requires '${ALGORITHM}' as its algorithm.`);
  return failed('missing', 'Missing Authentication Token');
}

function readHeaderForm(request: SignedRequest, authorization: string): ReadResult {
  const parts = new Map<string, string>();
  for (const part of authorization.slice(ALGORITHM.length).split(/[,\s]+/)) {
    const at = part.indexOf('=');
    if (at > 0) parts.set(part.slice(0, at), part.slice(at + 1));
  }
  const lacking = ['Credential', 'Signature', 'SignedHeaders'].filter((name) => (parts.get(name) ?? '') === '');
  const timestamp = headerTimestamp(request.headers);
  if (timestamp === null)
    lacking.push("existence of either a 'X-Amz-Date' or a 'Date' header that can be read as a date");
  if (lacking.length > 0 || timestamp === null)
    return incomplete(lacking.map((what) => `Authorization header requires ${quoted(what)}.`).join(' '));
  return toClaim({
    form: 'header',
    credential: parts.get('Credential') ?? '',
    signedHeaders: parts.get('SignedHeaders') ?? '',
    signature: parts.get('Signature') ?? '',
    sessionToken: headerValues(request.headers, 'x-amz-security-token')[0] ?? null,
    timestamp,
    validForMs: null,
  });
}

function readPresignedForm(parameters: URLSearchParams): ReadResult {
  const value = (name: string) => parameters.get(name) ?? '';
  if (value('X-Amz-Algorithm') !== ALGORITHM) return incomplete(`X-Amz-Algorithm must be ${ALGORITHM}.`);
  const required = ['X-Amz-Credential', 'X-Amz-Signature', 'X-Amz-SignedHeaders', 'X-Amz-Date', 'X-Amz-Expires'];
  const lacking = required.filter((name) => value(name) === '');
  if (lacking.length > 0)
    return incomplete(lacking.map((name) => `AWS query-string parameters must include '${name}'.`).join(' '));
  const seconds = Number(value('X-Amz-Expires'));
  if (!/^\d{1,6}$/.test(value('X-Amz-Expires')) || seconds > MAX_PRESIGNED_SECONDS)
    return incomplete(`X-Amz-Expires must be a number of seconds, at most ${MAX_PRESIGNED_SECONDS}.`);
  return toClaim({
    form: 'presigned',
    credential: value('X-Amz-Credential'),
    signedHeaders: value('X-Amz-SignedHeaders'),
    signature: value('X-Amz-Signature'),
    sessionToken: parameters.get('X-Amz-Security-Token'),
    timestamp: value('X-Amz-Date'),
    validForMs: seconds * 1_000,
  });
}

interface Texts {
  form: SignatureClaim['form'];
  credential: string;
  signedHeaders: string;
  signature: string;
  sessionToken: string | null;
  timestamp: string;
  validForMs: number | null;
}

function toClaim(texts: Texts): ReadResult {
  // The key id may not have a slash; what stands behind it has exactly four parts.
  const scope = /^([\w.@+=-]{1,128})\/(\d{8})\/([\w-]{1,64})\/([\w-]{1,64})\/aws4_request$/.exec(texts.credential);
  if (scope === null)
    return incomplete(
      `Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/${TERMINATOR}, got '${texts.credential.slice(0, 256)}'.`,
    );
  const [, accessKeyId = '', date = '', region = '', service = ''] = scope;
  const signedAt = parseTimestamp(texts.timestamp);
  if (signedAt === null)
    return incomplete(
      `Date must be in ISO-8601 'basic format', e.g. 20261122T212216Z. Got '${texts.timestamp.slice(0, 64)}'.`,
    );
  const signedHeaders = texts.signedHeaders.toLowerCase().split(';');
  return { ok: true, claim: { ...texts, accessKeyId, date, region, service, signedAt, signedHeaders } };
}

export interface CheckOptions {
  secretAccessKey: string;
  /** Epoch ms. */
  now: number;
  /** Names that the credential scope may have here, for example `codedeploy`. */
  services: readonly string[];
}

/** Whether the request was signed by who has this secret, for this service, now. Takes the same time wherever signatures differ. */
export function checkClaim(claim: SignatureClaim, request: SignedRequest, options: CheckOptions): CheckResult {
  const { service } = claim;
  if (!options.services.includes(service))
    return failed('wrong_scope', `Credential should be scoped to correct service: '${options.services[0]}'.`);
  if (!claim.timestamp.startsWith(claim.date))
    return failed(
      'wrong_scope',
      `Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '${claim.date}' != '${claim.timestamp.slice(0, 8)}', from '${claim.timestamp}'.`,
    );
  const time = checkTime(claim, options.now);
  if (!time.ok) return time;
  const unsigned = mustBeSigned(claim, request.headers).find((name) => !claim.signedHeaders.includes(name));
  if (unsigned !== undefined)
    return failed('mismatch', `'${unsigned}' must be a 'SignedHeader' in the AWS Authorization.`);
  const expected = signatureOf(claim, request, options.secretAccessKey);
  return isSameHash(expected, claim.signature) ? { ok: true } : failed('mismatch', MISMATCH);
}

function checkTime(claim: SignatureClaim, now: number): CheckResult {
  const latest = claim.validForMs === null ? claim.signedAt + MAX_CLOCK_SKEW_MS : claim.signedAt + claim.validForMs;
  if (now > latest)
    return failed(
      'expired',
      claim.validForMs === null
        ? `Signature expired: ${claim.timestamp} is now earlier than ${basicTime(now - MAX_CLOCK_SKEW_MS)} (${basicTime(now)} - 5 min.)`
        : `Signature expired: ${basicTime(latest)} is now earlier than ${basicTime(now)}`,
    );
  if (claim.signedAt > now + MAX_CLOCK_SKEW_MS)
    return failed(
      'not_yet_valid',
      `Signature not yet current: ${claim.timestamp} is still later than ${basicTime(now + MAX_CLOCK_SKEW_MS)} (${basicTime(now)} + 5 min.)`,
    );
  return { ok: true };
}

/** What would change the meaning of a request, or when and for whom it holds, has to be under the signature. */
function mustBeSigned(claim: SignatureClaim, headers: HeaderList): string[] {
  const names = ['x-amz-target', 'x-amz-security-token'].filter((name) => headerValues(headers, name).length > 0);
  const hasAmzDate = headerValues(headers, 'x-amz-date').length > 0;
  if (claim.form === 'header') names.push(hasAmzDate ? 'x-amz-date' : 'date');
  return ['host', ...names];
}

function signatureOf(claim: SignatureClaim, request: SignedRequest, secretAccessKey: string): string {
  const style = claim.service === 's3' ? 'as-is' : 'normalized';
  const canonical = [
    request.method.toUpperCase(),
    canonicalPath(request.path, style),
    canonicalQuery(request.query, claim.form === 'presigned' ? 'X-Amz-Signature' : null),
    canonicalHeaders(request.headers, claim.signedHeaders),
    claim.signedHeaders.join(';'),
    payloadHash(claim, request),
  ].join('\n');
  const scope = [claim.date, claim.region, claim.service, TERMINATOR];
  const text = [ALGORITHM, claim.timestamp, scope.join('/'), sha256(canonical)].join('\n');
  let key: Uint8Array = Buffer.from(`AWS4${secretAccessKey}`, 'utf8');
  for (const part of scope) key = createHmac('sha256', key).update(part, 'utf8').digest();
  return createHmac('sha256', key).update(text, 'utf8').digest('hex');
}

/**
 * The hash of what really came. S3 alone lets a body go unsigned, and leaves it so in presigned addresses unless a header
 * says otherwise; everybody else's signature covers the body, whatever `x-amz-content-sha256` says.
 */
function payloadHash(claim: SignatureClaim, request: SignedRequest): string {
  const told = headerValues(request.headers, 'x-amz-content-sha256')[0];
  if (claim.service === 's3' && (told === UNSIGNED_PAYLOAD || (told === undefined && claim.form === 'presigned')))
    return UNSIGNED_PAYLOAD;
  return sha256(request.body);
}

/** `x-amz-date`, or the Date header brought into the same form; null when there is neither. */
function headerTimestamp(headers: HeaderList): string | null {
  const basic = headerValues(headers, 'x-amz-date')[0];
  if (basic !== undefined) return basic;
  const date = headerValues(headers, 'date')[0];
  if (date === undefined) return null;
  if (parseTimestamp(date) !== null) return date;
  const at = Date.parse(date);
  return Number.isNaN(at) ? null : basicTime(at);
}

function parseTimestamp(text: string): number | null {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text);
  if (match === null) return null;
  const [, year, month, day, hour, minute, second] = match;
  const at = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(at) ? null : at;
}

function basicTime(at: number): string {
  return `${new Date(at).toISOString().replaceAll(/[-:]/g, '').slice(0, 15)}Z`;
}

function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

function quoted(what: string): string {
  return what.includes(' ') ? what : `'${what}' parameter`;
}

function incomplete(message: string): { ok: false; failure: SignatureFailure } {
  return failed('incomplete', message);
}

function failed(kind: SignatureFailureKind, message: string): { ok: false; failure: SignatureFailure } {
  return { ok: false, failure: { kind, message } };
}
