import type { IncomingMessage } from 'node:http';
import type { Clock } from '../../../shared/core/clock.ts';
import type { Caller } from '../../auth/caller.ts';
import {
  checkClaim,
  readClaim,
  type SignatureClaim,
  type SignatureFailureKind,
  type SignedRequest,
} from '../../auth/sigv4.ts';
import { isSameHash } from '../../auth/tokens.ts';
import type { FoundAccessKey } from '../../services/access-keys.ts';

export type AuthFailureKind = SignatureFailureKind | 'unknown_key' | 'wrong_token' | 'expired_token';
export interface AuthFailure {
  kind: AuthFailureKind;
  message: string;
}
export type Authenticated = { ok: true; caller: Caller; claim: SignatureClaim } | { ok: false; failure: AuthFailure };

export interface Signatures {
  /**
   * Who signed the request. Every failure is a value.
   * @param services names that the credential scope may have at this endpoint
   */
  authenticate(
    request: SignedRequest,
    options: { services: readonly string[]; remoteAddress: string },
  ): Promise<Authenticated>;
  /** Whether there is a key with this id. Anybody may name it: it proves nothing. */
  hasKey(accessKeyId: string): Promise<boolean>;
}

/**
 * The exceptions that AWS's JSON services give, all with status 400. Source: CodeDeploy API Reference, "Common errors", and
 * what clients of JSON 1.1 services look for.
 */
export const AUTH_EXCEPTIONS: Readonly<Record<AuthFailureKind, string>> = {
  missing: 'MissingAuthenticationTokenException',
  incomplete: 'IncompleteSignatureException',
  wrong_scope: 'InvalidSignatureException',
  expired: 'InvalidSignatureException',
  not_yet_valid: 'InvalidSignatureException',
  mismatch: 'InvalidSignatureException',
  unknown_key: 'UnrecognizedClientException',
  wrong_token: 'UnrecognizedClientException',
  expired_token: 'ExpiredTokenException',
};

const INVALID_TOKEN = 'The security token included in the request is invalid.';
const EXPIRED_TOKEN = 'The security token included in the request is expired';

export function createSignatures(parts: {
  clock: Pick<Clock, 'now'>;
  findAccessKey(id: string): Promise<FoundAccessKey | null>;
}): Signatures {
  return {
    async authenticate(request, { services, remoteAddress }) {
      const read = readClaim(request);
      if (!read.ok) return read;
      const { claim } = read;
      const key = await parts.findAccessKey(claim.accessKeyId);
      if (key === null) return failed('unknown_key', INVALID_TOKEN);
      const checked = checkClaim(claim, request, {
        secretAccessKey: key.secretAccessKey,
        now: parts.clock.now(),
        services,
      });
      if (!checked.ok) return checked;
      // After the signature: only who has the secret learns more about the token.
      if (!isSameToken(key.sessionToken, claim.sessionToken)) return failed('wrong_token', INVALID_TOKEN);
      if (key.hasExpired) return failed('expired_token', EXPIRED_TOKEN);
      key.noteUse();
      return { ok: true, caller: key.callerFrom(remoteAddress), claim };
    },
    hasKey: async (accessKeyId) => (await parts.findAccessKey(accessKeyId)) !== null,
  };
}

/** A request as it came over the wire, for what signatures cover. */
export function signedRequestOf(
  request: { raw: Pick<IncomingMessage, 'rawHeaders' | 'url' | 'method'> },
  body: Uint8Array,
): SignedRequest {
  const { rawHeaders, url = '/', method = 'GET' } = request.raw;
  const at = url.indexOf('?');
  const headers: [string, string][] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) headers.push([rawHeaders[i] ?? '', rawHeaders[i + 1] ?? '']);
  return {
    method,
    path: at < 0 ? url : url.slice(0, at),
    query: at < 0 ? '' : url.slice(at + 1),
    headers,
    body,
  };
}

function isSameToken(expected: string | null, given: string | null): boolean {
  return expected === null ? given === null : given !== null && isSameHash(expected, given);
}

function failed(kind: AuthFailureKind, message: string): { ok: false; failure: AuthFailure } {
  return { ok: false, failure: { kind, message } };
}
