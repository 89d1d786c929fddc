import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteShorthandOptions } from 'fastify';
import type { Route } from '../../../shared/api/route.ts';
import { type RouteName, routes } from '../../../shared/api/routes.ts';
import { AppError } from '../../../shared/core/errors.ts';
import type { Caller } from '../../auth/caller.ts';
import { mayCall } from '../../auth/permissions.ts';
import type { Authenticate } from '../authenticate.ts';
import type { RateLimits } from '../rate-limits.ts';
import { parsePart } from '../validation.ts';
import { type Handler, type Handlers, type HttpContext, StreamedReply } from './handler.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Set before the body is read; null for nobody we know. */
    caller: Caller | null;
  }
}

/** JSON bodies; a deployment group with a thousand host names is 100 KiB. */
const MAX_BODY_BYTES = 1_024 * 1_024;
/** A long poll carries frames of 256 KiB. */
const MAX_EXCHANGE_BYTES = 4 * 1_024 * 1_024;
const UPLOAD: RouteName = 'uploadRevision';
const BUNDLE_TYPE = /^\s*application\/octet-stream\s*(;|$)/i;
const EXCHANGE: RouteName = 'exchange';

interface Parts {
  authenticate: Authenticate;
  handlers: Handlers;
  rateLimits: RateLimits;
  maxBundleBytes: number;
}

/** Every route of the API, from the same data that the SDK and OpenAPI are made of. */
export function registerRoutes(app: FastifyInstance, parts: Parts): void {
  app.decorateRequest('caller', null);
  for (const [name, route] of Object.entries<Route>(routes)) {
    // The table's types tie each handler to its route; here they are all the same.
    const handler = parts.handlers[name as RouteName] as unknown as Handler<Route>;
    app.route({
      method: route.method,
      url: route.path,
      bodyLimit: name === UPLOAD ? parts.maxBundleBytes : name === EXCHANGE ? MAX_EXCHANGE_BYTES : MAX_BODY_BYTES,
      ...parts.rateLimits.of(name as RouteName, route),
      preParsing: beforeBody(name, route, parts),
      handler: (request, reply) => answer(request, reply, { name, route, handler }),
    });
  }
}

/** Who calls, and may they: before a byte of the body is read. */
function beforeBody(name: string, route: Route, parts: Parts): NonNullable<RouteShorthandOptions['preParsing']> {
  return async (request) => {
    if (route.caller !== 'anybody') {
      request.caller = await parts.authenticate(request.headers.authorization, request.ip);
      const permission = mayCall(route.caller, request.caller);
      if (!permission.allowed)
        throw new AppError(permission.code, permission.message, {
          hint: permission.code === 'unauthorized' ? hintForToken(request) : undefined,
        });
    }
    // The route's bound is that of bundles, which are streamed: as JSON they would be read into memory, and the text be too long.
    const type = request.headers['content-type'];
    if (name === UPLOAD && type !== undefined && !BUNDLE_TYPE.test(type))
      throw new AppError('invalid', `a bundle is sent as application/octet-stream, not as ${type.slice(0, 128)}`, {
        hint: 'Send `Content-Type: application/octet-stream`. On the command line: drover push',
      });
    if (name === UPLOAD && Number(request.headers['content-length'] ?? 0) > parts.maxBundleBytes)
      throw new AppError('too_large', `the bundle is larger than the ${parts.maxBundleBytes} bytes that are allowed`, {
        hint: "The coordinator's limits.bundleBytes sets the bound.",
      });
  };
}

function hintForToken(request: FastifyRequest): string {
  return request.headers.authorization === undefined
    ? 'Send `Authorization: Bearer <token>`. On the command line: drover login'
    : 'The token is not known here, or it has expired or was revoked.';
}

async function answer(
  request: FastifyRequest,
  reply: FastifyReply,
  { name, route, handler }: { name: string; route: Route; handler: Handler<Route> },
): Promise<unknown> {
  const result = await handler({
    params: parsePart(route.params, request.params, 'params'),
    query: parsePart(route.query, request.query, 'query'),
    body: name === UPLOAD ? {} : parsePart(route.body, request.body ?? {}, 'body'),
    // `mayCall` has let only such callers pass as the handler's type says.
    caller: (route.caller === 'anybody' ? null : request.caller) as never,
    http: contextOf(request, reply),
  });
  if (result instanceof StreamedReply) {
    reply.code(result.status ?? route.status).headers(result.headers);
    return reply.send(result.body);
  }
  reply.code(route.status);
  return route.status === 204
    ? reply.send()
    : reply.type('application/json; charset=utf-8').send(JSON.stringify(result));
}

function contextOf(request: FastifyRequest, reply: FastifyReply): HttpContext {
  let controller: AbortController | null = null;
  return {
    remoteAddress: request.ip,
    header: (name) => {
      const value = request.headers[name];
      return Array.isArray(value) ? value[0] : value;
    },
    get signal() {
      if (controller === null) {
        const made = new AbortController();
        controller = made;
        if (reply.raw.destroyed) made.abort();
        reply.raw.once('close', () => made.abort());
      }
      return controller.signal;
    },
    get bodyStream() {
      return request.body instanceof Readable ? request.body : Readable.from([]);
    },
  };
}
