import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from '../../../shared/core/logger.ts';
import { digestInKey } from '../../domain/revision-location.ts';
import { type AuthFailureKind, type Signatures, signedRequestOf } from '../aws/signatures.ts';
import { toAppError } from '../errors.ts';
import type { RateLimits } from '../rate-limits.ts';
import type { BundleDownloads } from '../rest/bundle-downloads.ts';
import { BUNDLE_BUCKET } from './specification.ts';

interface Parts {
  bundleDownloads: BundleDownloads;
  signatures: Signatures;
  logger: Logger;
  rateLimits: RateLimits;
}

/** Source: Amazon S3 API Reference, "Error responses". */
const AUTH_CODES: Readonly<Record<AuthFailureKind, [code: string, status: number]>> = {
  missing: ['AccessDenied', 403],
  incomplete: ['AuthorizationHeaderMalformed', 400],
  wrong_scope: ['AuthorizationHeaderMalformed', 400],
  expired: ['RequestTimeTooSkewed', 403],
  not_yet_valid: ['RequestTimeTooSkewed', 403],
  mismatch: ['SignatureDoesNotMatch', 403],
  unknown_key: ['InvalidAccessKeyId', 403],
  wrong_token: ['InvalidToken', 400],
  expired_token: ['ExpiredToken', 400],
};
const CHECKSUM_HEADER = 'x-amz-checksum-sha256';

class ObjectError extends Error {
  readonly code: string;
  readonly status: number;
  constructor(code: string, status: number, message: string) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

/** S3's GetObject and HeadObject for the one bucket that AWS's agents download their bundles from. */
export function registerBundleObjects(app: FastifyInstance, parts: Parts): void {
  app.register(async (scope) => {
    scope.setErrorHandler((error, request, reply) => fail(error, request, reply));
    scope.route({
      method: ['GET', 'HEAD'],
      url: `/${BUNDLE_BUCKET}/*`,
      ...parts.rateLimits.aws(),
      handler: getObject,
    });
  });

  async function getObject(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const signed = await parts.signatures.authenticate(signedRequestOf(request, new Uint8Array()), {
      services: ['s3'],
      remoteAddress: request.ip,
    });
    if (!signed.ok) {
      const [code, status] = AUTH_CODES[signed.failure.kind];
      throw new ObjectError(code, status, signed.failure.message);
    }
    if (signed.caller.kind !== 'host')
      throw new ObjectError('AccessDenied', 403, 'this needs the access key of a host');
    const key = (request.params as { '*': string })['*'];
    const digest = digestInKey(key);
    if (digest === null) throw new ObjectError('NoSuchKey', 404, 'The specified key does not exist.');
    const {
      status = 200,
      headers,
      body,
    } = await parts.bundleDownloads.open(signed.caller.hostId, digest, {
      header: (name) => request.headers[name]?.toString(),
    });
    reply.code(status).headers(headers);
    if (status === 200 && request.headers['x-amz-checksum-mode'] === 'ENABLED')
      reply.header(CHECKSUM_HEADER, Buffer.from(digest, 'hex').toString('base64'));
    if (request.method !== 'HEAD') return reply.send(body);
    body.destroy();
    return reply.send();
  }

  function fail(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const said = toObjectError(error);
    const fields = { requestId: request.id, err: error };
    if (said.status >= 500) parts.logger.error(fields, 'bundle not sent');
    else parts.logger.debug(fields, 'bundle refused');
    const text = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${said.code}</Code><Message>${escapeXml(said.message)}</Message><RequestId>${request.id}</RequestId></Error>`;
    return reply.code(said.status).type('application/xml').send(text);
  }
}

function toObjectError(error: unknown): ObjectError {
  if (error instanceof ObjectError) return error;
  const appError = toAppError(error);
  switch (appError.code) {
    case 'not_found':
      return new ObjectError('NoSuchKey', 404, appError.message);
    case 'rate_limited':
    case 'unavailable':
      return new ObjectError('SlowDown', 503, appError.message);
    case 'internal':
      return new ObjectError('InternalError', 500, 'the coordinator failed to answer this request');
    default:
      return new ObjectError('InvalidRequest', 400, appError.message);
  }
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
