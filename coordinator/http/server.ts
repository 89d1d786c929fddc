import { Server as HttpsServer } from 'node:https';
import rateLimit from '@fastify/rate-limit';
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import type { Route } from '../../shared/api/route.ts';
import { routes } from '../../shared/api/routes.ts';
import type { Clock } from '../../shared/core/clock.ts';
import { AppError } from '../../shared/core/errors.ts';
import { newUuid } from '../../shared/core/ids.ts';
import type { Logger } from '../../shared/core/logger.ts';
import type { Randomness } from '../../shared/core/randomness.ts';
import type { LongPoll } from '../hub/long-poll-channel.ts';
import { OfferedRequest } from '../hub/upgrade-offers.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { Authenticate } from './authenticate.ts';
import { type AwsJsonService, registerAwsEndpoint } from './aws/endpoint.ts';
import type { Signatures } from './aws/signatures.ts';
import { registerBundleObjects } from './codedeploy-command/bundle-objects.ts';
import { toAppError, toProblem } from './errors.ts';
import { registerInstallRoutes } from './install-routes.ts';
import { nearRouteHint } from './near-route.ts';
import { createRateLimitStore } from './rate-limit-store.ts';
import { createRateLimits, type RateLimitSettings } from './rate-limits.ts';
import type { BundleDownloads } from './rest/bundle-downloads.ts';
import type { Handlers } from './rest/handler.ts';
import { registerRoutes } from './rest/register.ts';
import { type Readiness, registerSystemRoutes } from './system-routes.ts';

export interface HttpSettings {
  /** The one of this moment, as PEM; null: it speaks HTTP. */
  certificate(): { cert: string; key: string } | null;
  /** Addresses or networks of proxies whose X-Forwarded-For is believed. */
  trustedProxies: readonly string[];
  maxBundleBytes: number;
  /** What new hosts install. */
  packagesDirectory: string;
  rateLimits: RateLimitSettings;
}

export interface HttpParts {
  settings: HttpSettings;
  clock: Clock;
  randomness: Randomness;
  logger: Logger;
  metrics: Metrics;
  authenticate: Authenticate;
  longPoll: Pick<LongPoll, 'has'>;
  handlers: Handlers;
  readiness: Readiness;
  /** Services that speak AWS's JSON at `POST /`, and who signed a request to them. */
  aws: { services: readonly AwsJsonService[]; signatures: Signatures; bundleDownloads: BundleDownloads };
  /** True: only what is under way, and the last words to agents. */
  isStopping(): boolean;
}

/** A connection that says nothing is closed; held polls and live feeds say something more often. */
const IDLE_CONNECTION_MS = 120_000;
/** ... but for those whose answer waits for a bundle that is fetched: its own silence has a bound (`timings.bundleFetchIdleMs`). */
const FETCHING_ROUTES: ReadonlySet<string> = new Set([
  ...Object.values<Route>(routes).flatMap((route) => (route.isSlow === true ? [route.path] : [])),
  // RegisterApplicationRevision and CreateDeployment.
  '/',
]);
const HEADERS_TIMEOUT_MS = 30_000;
/** Addresses and tokens that are counted for one tier of rate limits at a time: a fleet's, twice over; about 20 MB at the most. */
const RATE_LIMIT_KEYS = 50_000;
/** Longest path parameter; what is longer is no name of ours. */
const MAX_PARAM_LENGTH = 512;
/** Routes that wait on purpose: their time says nothing of how fast the coordinator is. */
const WAITING_ROUTES: ReadonlySet<string> = new Set([
  routes.exchange.path,
  routes.followDeployment.path,
  routes.registerRevision.path,
  // Agents of AWS's hold their polls there.
  '/',
]);

const SERVED_WHILE_STOPPING: ReadonlySet<string> = new Set([routes.exchange.path, '/healthz', '/readyz']);

/** The HTTP server with all routes; not listening yet. */
export async function createHttpServer(parts: HttpParts): Promise<FastifyInstance> {
  const { settings, logger } = parts;
  const certificate = settings.certificate();
  const http = { headersTimeout: HEADERS_TIMEOUT_MS, IncomingMessage: OfferedRequest };
  const app = fastify({
    // Ours logs failures, with what we know of them; a line per request is what /metrics is for.
    logger: false,
    ...(certificate === null ? { http } : { https: { ...http, ...tlsOf(certificate) } }),
    trustProxy: settings.trustedProxies.length === 0 ? false : [...settings.trustedProxies],
    connectionTimeout: IDLE_CONNECTION_MS,
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH },
    genReqId: () => newUuid(parts.randomness),
    // The socket is closed by whoever stops the coordinator, after its last answers.
    forceCloseConnections: 'idle',
    return503OnClosing: true,
    frameworkErrors: (error: unknown, request: FastifyRequest, reply: FastifyReply) =>
      fail(error, request, reply, logger),
    // Fastify's types know either http or https; ours is one of the two by config.
  } as Parameters<typeof fastify>[0]) as unknown as FastifyInstance;

  addParsers(app);
  addHooks(app, parts);
  await app.register(rateLimit, {
    global: false,
    store: createRateLimitStore({ clock: parts.clock, maxKeys: RATE_LIMIT_KEYS }),
    errorResponseBuilder: (_request, context) =>
      new AppError('rate_limited', `more than ${context.max} requests a minute`, {
        hint: `Try again in ${context.after}.`,
      }),
  });
  const rateLimits = createRateLimits(settings.rateLimits, parts.longPoll, parts.aws.signatures);
  registerRoutes(app, {
    authenticate: parts.authenticate,
    handlers: parts.handlers,
    rateLimits,
    maxBundleBytes: settings.maxBundleBytes,
  });
  registerAwsEndpoint(app, { ...parts.aws, rateLimits, logger });
  registerBundleObjects(app, { ...parts.aws, rateLimits, logger });
  registerSystemRoutes(app, { metrics: parts.metrics, readiness: parts.readiness, rateLimits });
  registerInstallRoutes(app, {
    directory: settings.packagesDirectory,
    certificate: () => settings.certificate()?.cert ?? null,
    rateLimits,
  });
  return app;
}

function tlsOf({ cert, key }: { cert: string; key: string }) {
  return { cert, key, minVersion: 'TLSv1.2' } as const;
}

/** New connections are shown this one; those that stand go on. */
export function useCertificate(app: FastifyInstance, certificate: { cert: string; key: string }): void {
  const server: unknown = app.server;
  if (server instanceof HttpsServer) server.setSecureContext(tlsOf(certificate));
}

function addParsers(app: FastifyInstance): void {
  const parseJson = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    // No body at all is the empty object: many clients say `application/json` without one.
    if (body === '') done(null, {});
    else parseJson(request, body as string, done);
  });
  // A bundle: handed on as a stream, read by whoever stores it.
  app.addContentTypeParser('application/octet-stream', (_request, payload, done) => done(null, payload));
}

function addHooks(app: FastifyInstance, { clock, logger, metrics, isStopping }: HttpParts): void {
  const startedAt = new WeakMap<FastifyRequest, number>();
  app.addHook('onRequest', async (request, reply) => {
    startedAt.set(request, clock.now());
    reply.header('x-request-id', request.id);
    reply.header('x-content-type-options', 'nosniff');
    if (isStopping() && !SERVED_WHILE_STOPPING.has(request.routeOptions.url ?? ''))
      throw new AppError('unavailable', 'the coordinator is stopping', { hint: 'Try again in some seconds.' });
  });
  app.addHook('preHandler', async (request, reply) => {
    // From here on it is the caller who waits. Node ends a silent connection unless somebody hears that it is.
    if (FETCHING_ROUTES.has(request.routeOptions.url ?? '')) reply.raw.on('timeout', () => {});
  });
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'unknown';
    const began = startedAt.get(request);
    const durationMs = began === undefined || WAITING_ROUTES.has(route) ? null : clock.now() - began;
    metrics.answered(route, reply.statusCode, durationMs);
  });
  app.setErrorHandler((error, request, reply) => fail(error, request, reply, logger));
  const known = Object.values<Route>(routes);
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?', 1)[0] ?? '';
    const hint = nearRouteHint(request.method, path, known);
    return fail(new AppError('not_found', `there is no ${request.method} ${path}`, { hint }), request, reply, logger);
  });
}

function fail(error: unknown, request: FastifyRequest, reply: FastifyReply, logger: Logger): FastifyReply {
  const appError = toAppError(error);
  const problem = toProblem(appError, request.id);
  const fields = { requestId: request.id, method: request.method, url: request.url.split('?', 1)[0], err: error };
  // A caller that hung up in the middle is no failure of ours, whatever broke by it. The request says nothing of that: it is destroyed
  // once its body was read.
  if (reply.raw.destroyed) logger.debug(fields, 'caller has gone');
  else if (appError.code === 'internal') logger.error(fields, 'request failed');
  else if (problem.status >= 500) logger.warn(fields, 'request not served');
  else logger.debug(fields, 'request refused');
  // What was not read of a body is not worth reading: the caller is told on a connection that ends then.
  if (!request.raw.complete) reply.header('connection', 'close');
  if (problem.status === 401) reply.header('www-authenticate', 'Bearer realm="drover"');
  return reply.code(problem.status).type('application/problem+json; charset=utf-8').send(JSON.stringify(problem));
}
