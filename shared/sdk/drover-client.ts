import type * as z from 'zod';
import { accessKeyRoutes } from '../api/access-keys.ts';
import { agentUpdateRoutes } from '../api/agent-updates.ts';
import { applicationRoutes } from '../api/applications.ts';
import { deploymentGroupRoutes } from '../api/deployment-groups.ts';
import { deploymentRoutes } from '../api/deployments.ts';
import { hostRoutes } from '../api/hosts.ts';
import { operatorRoutes } from '../api/operators.ts';
import type { Route } from '../api/route.ts';
import { triggerMessageRoutes } from '../api/trigger-messages.ts';
import type { Clock } from '../core/clock.ts';
import { AppError } from '../core/errors.ts';
import type { Randomness } from '../core/randomness.ts';
import { foregroundClock } from '../core/system-clock.ts';
import { systemRandomness } from '../core/system-randomness.ts';
import type { Deployment } from '../model/deployment.ts';
import type { BundleType, Revision } from '../model/revision.ts';
import { type FollowItem, type FollowOptions, firstIssue, follow } from './follow.ts';
import { type Fetch, Http } from './http.ts';
import { openBundle, readCertificates } from './local-files.ts';
import type { CallableRoute, CallOptions, ItemOf, PagedRoute, RouteInput, RouteMethods } from './route-methods.ts';

export { AppError, type ErrorCode, isAppError } from '../core/errors.ts';
export type { AccessKey } from '../model/access-key.ts';
export type { AgentUpdate, AgentUpdateStatus, AgentUpdateWave, AgentVersions } from '../model/agent-update.ts';
export type { Application } from '../model/application.ts';
export type { Deployment, DeploymentOverview, DeploymentStatus } from '../model/deployment.ts';
export { deploymentCan, isTerminal } from '../model/deployment.ts';
export type { DeploymentConfig, MinimumHealthyHosts } from '../model/deployment-config.ts';
export type { FeedItem } from '../model/deployment-feed.ts';
export type { DeploymentGroup, DeploymentGroupSettings, HostSelection, TagFilter } from '../model/deployment-group.ts';
export type { GroupHost, Host } from '../model/host.ts';
export type { JoinToken } from '../model/join-token.ts';
export type { Diagnostics, LifecycleEvent } from '../model/lifecycle-event.ts';
export type { AuditRecord, OperatorToken, Role } from '../model/operator.ts';
export type { BundleType, Revision } from '../model/revision.ts';
export type { Target, TargetStatus, TargetWithEvents } from '../model/target.ts';
export type { Trigger, TriggerEvent, TriggerMessage } from '../model/trigger.ts';
export type { ConnectionItem, FollowItem, FollowOptions } from './follow.ts';
export type { Fetch } from './http.ts';
export type { CallableRoute, CallOptions, ItemOf, PagedRoute, RouteInput, RouteReply } from './route-methods.ts';

export interface DroverClientOptions {
  /** The coordinator's address, for example `https://drover.example:7717`. */
  url: string;
  /** An operator token; without one only what anybody may call answers. */
  token?: string | undefined;
  /** PEM file of the authority that signed the coordinator's certificate, when the system does not know it. */
  caFile?: string | undefined;
  /**
   * Limit of one attempt, ms; default 30,000. Uploads and `follow` have none, nor, unless it is given here or with the call, has what makes
   * the coordinator fetch a bundle (`registerRevision`).
   */
  timeoutMs?: number | undefined;
  /** Instead of Node's own; `caFile` is then this function's business. */
  fetch?: Fetch | undefined;
  /** Begins the User-Agent header; default `drover-sdk`. */
  userAgent?: string | undefined;
  /** For tests and simulations. */
  clock?: Clock | undefined;
  randomness?: Randomness | undefined;
}

export interface UploadBundle {
  application: string;
  /** The bundle: a file, or a stream. */
  from: { path: string } | { stream: ReadableStream<Uint8Array>; sizeBytes?: number };
  /** SHA-256 of the bundle's bytes in lower-case hex; the coordinator refuses other bytes. */
  digest: string;
  bundleType: BundleType;
  label?: string | undefined;
  description?: string | undefined;
  /** Called as bytes leave; `totalBytes` is null when the size is not known. */
  onProgress?: ((progress: { sentBytes: number; totalBytes: number | null }) => void) | undefined;
  signal?: AbortSignal | undefined;
}

const DEFAULT_TIMEOUT_MS = 30_000;
const LARGEST_PAGE = 500;
const callableRoutes: Readonly<Record<CallableRoute, Route>> = (() => {
  const { uploadRevision: _upload, ...applications } = applicationRoutes;
  const { followDeployment: _follow, ...deployments } = deploymentRoutes;
  return {
    ...applications,
    ...deploymentGroupRoutes,
    ...deployments,
    ...hostRoutes,
    ...operatorRoutes,
    ...accessKeyRoutes,
    ...triggerMessageRoutes,
    ...agentUpdateRoutes,
  };
})();

/** Gives an object a method for every callable route; what {@link RouteMethods} says in types. */
class RouteCaller {
  constructor(http: Http, timeoutMs: number | undefined) {
    for (const [name, route] of Object.entries(callableRoutes))
      Object.defineProperty(this, name, {
        value: (input: object = {}, options: CallOptions = {}) =>
          callRoute(http, route, { ...input }, { timeoutMs, ...options }),
      });
  }
}
// The constructor above defines these methods from data, which types cannot see.
const RouteCallerWithMethods = RouteCaller as unknown as new (
  http: Http,
  timeoutMs: number | undefined,
) => RouteMethods;

/**
 * A client of one coordinator. Every route of the REST API is a method under its name, which takes path parameters, query
 * and body in one object: `client.getDeployment({ deployment: 'd-ABC' })`. Failures are AppErrors with code, hint and
 * details. What may be repeated without harm (reading, stopping a deployment, and creating with an idempotency key) is tried
 * up to three times.
 */
export class DroverClient extends RouteCallerWithMethods {
  readonly url: string;
  readonly #http: Http;
  readonly #clock: Clock;
  readonly #randomness: Randomness;
  readonly #timeoutMs: number | undefined;

  constructor(options: DroverClientOptions) {
    const url = parseUrl(options.url);
    const clock = options.clock ?? foregroundClock;
    const randomness = options.randomness ?? systemRandomness;
    const http = new Http({
      baseUrl: url,
      token: options.token,
      fetch: fetchOnce(options),
      clock,
      randomness,
      userAgent: options.userAgent ?? 'drover-sdk',
    });
    super(http, options.timeoutMs);
    this.url = url;
    this.#http = http;
    this.#clock = clock;
    this.#randomness = randomness;
    this.#timeoutMs = options.timeoutMs;
  }

  /** Can the coordinator do its work, writing included? @throws AppError `unavailable` with the reason why not */
  async checkReadiness(options: CallOptions = {}): Promise<void> {
    await this.#http.text({
      method: 'GET',
      path: '/readyz',
      timeoutMs: options.timeoutMs ?? this.#timeoutMs ?? DEFAULT_TIMEOUT_MS,
      // What it is now is what is asked for.
      isRepeatable: false,
      signal: options.signal,
    });
  }

  /** Every item of a route that answers in pages, fetched as they are read. */
  async *all<Name extends PagedRoute>(
    name: Name,
    input: Omit<RouteInput<Name>, 'cursor'>,
    options: CallOptions = {},
  ): AsyncGenerator<ItemOf<Name>> {
    const route = callableRoutes[name];
    let cursor: string | null | undefined;
    do {
      const page = (await callRoute(
        this.#http,
        route,
        { limit: LARGEST_PAGE, ...input, ...(cursor === undefined ? {} : { cursor }) },
        { timeoutMs: this.#timeoutMs, ...options },
        // `PagedRoute` holds exactly the routes that answer in this form.
      )) as { items: ItemOf<Name>[]; nextCursor: string | null };
      yield* page.items;
      cursor = page.nextCursor;
    } while (cursor !== null);
  }

  /** Uploads a bundle and registers it as a revision, as a stream. A digest that is known answers with its revision. */
  async uploadBundle(upload: UploadBundle): Promise<Revision> {
    const { stream, sizeBytes } =
      'path' in upload.from ? await openBundle(upload.from.path) : { sizeBytes: undefined, ...upload.from };
    const route = applicationRoutes.uploadRevision;
    const { text } = await this.#http.text({
      method: route.method,
      path: fillPath(route.path, { application: upload.application }).path,
      query: {
        digest: upload.digest,
        bundleType: upload.bundleType,
        label: upload.label,
        description: upload.description,
      },
      headers: {
        'content-type': 'application/octet-stream',
        ...(sizeBytes === undefined ? {} : { 'content-length': String(sizeBytes) }),
      },
      body: countBytes(stream, (sentBytes) => upload.onProgress?.({ sentBytes, totalBytes: sizeBytes ?? null })),
      timeoutMs: null,
      isRepeatable: false,
      signal: upload.signal,
    });
    return parseReply(route, text);
  }

  /**
   * A deployment's changes, live, until it has ended (last item: `ended`). Lost connections are made again and the feed
   * resumes by itself; items of kind `connection` say so. Ends early only by the signal, whose reason it throws.
   */
  follow(deploymentId: string, options: FollowOptions = {}): AsyncGenerator<FollowItem> {
    const parts = { http: this.#http, clock: this.#clock, randomness: this.#randomness, baseUrl: this.url };
    return follow(parts, deploymentId, options);
  }

  /** The deployment once it has ended; whether that is well or badly is in its status. */
  async waitForDeployment(deploymentId: string, options: FollowOptions = {}): Promise<Deployment> {
    for await (const item of this.follow(deploymentId, options)) if (item.kind === 'ended') return item.deployment;
    throw new AppError('internal', `the feed of ${deploymentId} ended without saying how`);
  }
}

async function callRoute(
  http: Http,
  route: Route,
  input: Record<string, unknown>,
  options: { timeoutMs?: number | undefined; signal?: AbortSignal | undefined },
): Promise<unknown> {
  const { path, rest } = fillPath(route.path, input);
  const hasBody = route.method !== 'GET' && route.method !== 'DELETE';
  const { text } = await http.text({
    method: route.method,
    path,
    query: hasBody ? undefined : rest,
    body: hasBody ? JSON.stringify(rest) : undefined,
    timeoutMs: options.timeoutMs ?? (route.isSlow === true ? null : DEFAULT_TIMEOUT_MS),
    isSlow: route.isSlow === true,
    isRepeatable: route.method === 'GET' || route.isRepeatable === true || typeof rest['idempotencyKey'] === 'string',
    signal: options.signal,
  });
  return parseReply(route, text);
}

function parseReply<R extends Route>(route: R, text: string): z.output<R['reply']> {
  // A route with status 204 has `noContent` as its reply, whose type is undefined.
  if (route.status === 204) return undefined as z.output<R['reply']>;
  const where = `the answer to ${route.method} ${route.path}`;
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new AppError('unavailable', `${where} is not JSON`, {
      hint: 'Is this the address of the coordinator? A proxy in between may have answered.',
      cause: error,
    });
  }
  const reply = route.reply.safeParse(json);
  // `reply` is the result of this very schema; `Route` has widened its type.
  if (reply.success) return reply.data as z.output<R['reply']>;
  throw new AppError('internal', `${where} is not as expected: ${firstIssue(reply.error)}`, {
    hint: 'Coordinator and client may be too far apart in version.',
  });
}

/** Puts parameters into a path; what is left over is the query or the body. */
function fillPath(
  path: string,
  input: Readonly<Record<string, unknown>>,
): { path: string; rest: Record<string, unknown> } {
  const rest = { ...input };
  const filled = path.replace(/:([A-Za-z]+)/g, (_, name: string) => {
    const value = rest[name];
    if (typeof value !== 'string' || value === '')
      throw new AppError('invalid', `${name} is missing, which ${path} needs`);
    delete rest[name];
    return encodeURIComponent(value);
  });
  return { path: filled, rest };
}

function parseUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol))
    throw new AppError('invalid', `${JSON.stringify(text)} is not the address of a coordinator`, {
      hint: 'Write it as https://host:port.',
    });
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
}

/** Node's own fetch, or undici's where something is to be set: loaded only then, because it costs start-up time. */
function fetchOnce(options: Pick<DroverClientOptions, 'fetch' | 'caFile'>): (isPatient: boolean) => Promise<Fetch> {
  const loaded = new Map<boolean, Promise<Fetch>>();
  const load = async (isPatient: boolean): Promise<Fetch> => {
    if (options.fetch !== undefined) return options.fetch;
    const { caFile } = options;
    if (caFile === undefined && !isPatient) return (url, init) => globalThis.fetch(url, init);
    const undici = await import('undici');
    const dispatcher = new undici.Agent({
      ...(caFile === undefined ? {} : { connect: { ca: await authorities(caFile) } }),
      // Five minutes by default.
      ...(isPatient ? { headersTimeout: 0 } : {}),
    });
    const send = undici.fetch;
    // Node's global types and undici's describe the same things, but nominally apart (File, FormData).
    return (url, init) =>
      send(url, { ...init, dispatcher } as Parameters<typeof send>[1]) as unknown as Promise<Response>;
  };
  return (isPatient) => {
    const known = loaded.get(isPatient) ?? load(isPatient);
    loaded.set(isPatient, known);
    return known;
  };
}

async function authorities(caFile: string): Promise<string[]> {
  const ca = await readCertificates(caFile);
  const { rootCertificates } = await import('node:tls');
  return [...rootCertificates, ca];
}

function countBytes(
  stream: ReadableStream<Uint8Array>,
  onSent: (sentBytes: number) => void,
): ReadableStream<Uint8Array> {
  let sentBytes = 0;
  return stream.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        sentBytes += chunk.byteLength;
        onSent(sentBytes);
        controller.enqueue(chunk);
      },
    }),
  );
}
