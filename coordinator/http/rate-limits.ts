import type { FastifyRequest, RouteShorthandOptions } from 'fastify';
import type { Route } from '../../shared/api/route.ts';
import type { RouteName } from '../../shared/api/routes.ts';

export interface RateLimitSettings {
  /** Enrolments, challenges and sessions of one address; a NAT may hide thousands of hosts, and each makes three of them. */
  enrolmentsPerMinute: number;
  /** Requests of operators from one address. */
  requestsPerMinute: number;
  /** Questions and downloads of one host, and polls of one connection. */
  hostRequestsPerMinute: number;
}

export interface RateLimits {
  of(name: RouteName, route: Route): Pick<RouteShorthandOptions, 'config'>;
  /** For the endpoints that speak AWS's protocol: each access key and address by itself, since a NAT may hide many hosts. */
  aws(): Pick<RouteShorthandOptions, 'config'>;
  /** For what stands beside the API. */
  system(): Pick<RouteShorthandOptions, 'config'>;
}

const ENROLMENT: ReadonlySet<RouteName> = new Set(['enrol', 'createChallenge', 'createSession']);
/** A poll carries what would be frames on a WebSocket, and a busy host sends many. */
const POLLS_PER_REQUEST = 10;
const MINUTE_MS = 60_000;

/** Which bound holds for which route: each tier counts by itself, all its routes together, per address or per host. */
export function createRateLimits(
  settings: RateLimitSettings,
  connections: { has(connectionId: string): boolean },
  accessKeys: { hasKey(accessKeyId: string): Promise<boolean> },
): RateLimits {
  const tier = (
    groupId: string,
    max: number,
    keyGenerator: (request: FastifyRequest) => string | Promise<string>,
    hook?: 'preHandler',
  ) => ({
    config: {
      rateLimit: { max, timeWindow: MINUTE_MS, groupId, keyGenerator, ...(hook === undefined ? {} : { hook }) },
    },
  });
  return {
    of(name, route) {
      if (ENROLMENT.has(name)) return tier('enrolment', settings.enrolmentsPerMinute, byAddress);
      // Once the body is known: it names the connection.
      if (name === 'exchange')
        return tier(
          'exchange',
          POLLS_PER_REQUEST * settings.hostRequestsPerMinute,
          (request) => connectionIn(request, connections) ?? request.ip,
          'preHandler',
        );
      if (route.caller === 'host') return tier('host', settings.hostRequestsPerMinute, byToken);
      return tier('operator', settings.requestsPerMinute, byAddress);
    },
    aws: () => tier('aws', settings.requestsPerMinute, (request) => byAccessKey(request, accessKeys)),
    // Its own tier: somebody who floods /readyz does not shut out the operators of that address.
    system: () => tier('system', settings.requestsPerMinute, byAddress),
  };
}

function byAddress(request: FastifyRequest): string {
  return request.ip;
}

/** Hosts behind one address do not share their bound. A wrong token has a bound of its own, and opens nothing. */
function byToken(request: FastifyRequest): string {
  return `${request.ip} ${request.headers.authorization ?? ''}`.slice(0, 256);
}

/** The id of the key that a request names. Those that are not there count for their address: an id of one's own would be a bound of one's own. */
async function byAccessKey(
  request: FastifyRequest,
  accessKeys: { hasKey(accessKeyId: string): Promise<boolean> },
): Promise<string> {
  const id = /Credential=([^/]{1,128})\//.exec(request.headers.authorization ?? '')?.[1];
  return id !== undefined && (await accessKeys.hasKey(id)) ? `${request.ip} ${id}` : request.ip;
}

/** Null for one that is about to be opened, or that nobody has opened: an id of one's own would be a bound of one's own. */
function connectionIn({ body }: FastifyRequest, connections: { has(connectionId: string): boolean }): string | null {
  const id = typeof body === 'object' && body !== null && 'connectionId' in body ? body.connectionId : undefined;
  return typeof id === 'string' && connections.has(id) ? id : null;
}
