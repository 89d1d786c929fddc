import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

import type { AppError } from '../../../shared/core/errors.ts';
import type { Logger } from '../../../shared/core/logger.ts';
import type { Caller } from '../../auth/caller.ts';
import { toAppError } from '../errors.ts';
import type { RateLimits } from '../rate-limits.ts';
import { AwsException, toAwsException } from './exceptions.ts';
import { AUTH_EXCEPTIONS, type Signatures, signedRequestOf } from './signatures.ts';

/** One call, once it is known who makes it. */
export interface AwsCall {
  operation: string;
  /** Parsed JSON. */
  body: unknown;
  caller: Caller;
  /** When the request was signed, epoch ms. */
  signedAt: number;
  /** A header's value, by its lower-case name. */
  header(name: string): string | undefined;
  /** Aborts when the caller goes away before the answer. */
  signal: AbortSignal;
}

/** A service of AWS's that speaks JSON 1.1 at `POST /`, told from others by what stands before the dot of X-Amz-Target. */
export interface AwsJsonService {
  targetPrefixes: readonly string[];
  /** Names that the credential scope of a signature may have. */
  signingNames: readonly string[];
  hasOperation(name: string): boolean;
  /**
   * The answer as JSON text, empty for an empty one.
   * @throws AwsException, and AppError of the services, which is translated
   */
  call(call: AwsCall): Promise<string>;
  /** Failures by the names that this service has for them; without it by those of CodeDeploy's API. */
  toException?(error: AppError): AwsException;
}

/** Source: CodeDeploy's largest request is a batch of names; revisions given as text may have 60 KiB. */
const MAX_BODY_BYTES = 1_024 * 1_024;
/** Sent with bytes, since a text would get a charset, which AWS's answers have not. */
const CONTENT_TYPE = 'application/x-amz-json-1.1';

/** `POST /` for all of these services, with errors as AWS's clients read them. */
export function registerAwsEndpoint(
  app: FastifyInstance,
  parts: { services: readonly AwsJsonService[]; signatures: Signatures; rateLimits: RateLimits; logger: Logger },
): void {
  const { signatures } = parts;
  // A scope of its own: other parsers, since signatures cover the bytes, and other errors.
  app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
    scope.addHook('onRequest', (request, reply, done) => {
      reply.header('x-amzn-requestid', request.id);
      done();
    });
    scope.setErrorHandler((error, request, reply) => fail(error, request, reply, parts));
    scope.post('/', { bodyLimit: MAX_BODY_BYTES, ...parts.rateLimits.aws() }, async (request, reply) => {
      const body = request.body instanceof Uint8Array ? request.body : new Uint8Array();
      const { service, operation } = targetOf(request, parts.services);
      const authenticated = await signatures.authenticate(signedRequestOf(request, body), {
        services: service.signingNames,
        remoteAddress: request.ip,
      });
      if (!authenticated.ok)
        throw new AwsException(AUTH_EXCEPTIONS[authenticated.failure.kind], authenticated.failure.message);
      const { caller, claim } = authenticated;
      const text = await service.call({
        operation,
        body: parseBody(body),
        caller,
        signedAt: claim.signedAt,
        header: (name) => request.headers[name]?.toString(),
        signal: signalOf(reply),
      });
      return reply.type(CONTENT_TYPE).send(Buffer.from(text));
    });
  });
}

function targetOf(
  request: FastifyRequest,
  services: readonly AwsJsonService[],
): { service: AwsJsonService; operation: string } {
  const target = request.headers['x-amz-target'];
  const operation = typeof target === 'string' ? (target.split('.', 2)[1] ?? '') : '';
  const service = serviceOf(request, services);
  if (service?.hasOperation(operation) === true) return { service, operation };
  throw new AwsException(
    'UnknownOperationException',
    typeof target === 'string' ? `there is no operation ${target.slice(0, 128)} here` : 'X-Amz-Target is missing',
  );
}

function serviceOf(request: FastifyRequest, services: readonly AwsJsonService[]): AwsJsonService | undefined {
  const prefix = request.headers['x-amz-target']?.toString().split('.', 1)[0] ?? '';
  return services.find((one) => one.targetPrefixes.includes(prefix));
}

function parseBody(body: Uint8Array): unknown {
  if (body.byteLength === 0) return {};
  try {
    return JSON.parse(Buffer.from(body).toString('utf8'));
  } catch {
    throw new AwsException('SerializationException', 'the body is no JSON');
  }
}

function signalOf(reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  if (reply.raw.destroyed) controller.abort();
  reply.raw.once('close', () => controller.abort());
  return controller.signal;
}

function fail(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  { services, logger }: { services: readonly AwsJsonService[]; logger: Logger },
): FastifyReply {
  const translate = serviceOf(request, services)?.toException ?? toAwsException;
  const failure = error instanceof AwsException ? error : translate(toAppError(error));
  const fields = { requestId: request.id, target: request.headers['x-amz-target'], err: error };
  if (reply.raw.destroyed) logger.debug(fields, 'caller has gone');
  else if (failure.status === 500) logger.error(fields, 'request failed');
  if (!request.raw.complete) reply.header('connection', 'close');
  return reply
    .code(failure.status)
    .type(CONTENT_TYPE)
    .send(Buffer.from(JSON.stringify({ __type: failure.exception, message: failure.message })));
}
