import type * as z from 'zod';
import type { agentRoutes } from '../api/agents.ts';
import type { Route } from '../api/route.ts';
import type { routes } from '../api/routes.ts';

/** The routes that an operator calls with JSON in and out. Uploads and the live feed have methods of their own. */
export type CallableRoute = Exclude<
  keyof typeof routes,
  keyof typeof agentRoutes | 'uploadRevision' | 'followDeployment'
>;

type RouteOf<Name extends CallableRoute> = (typeof routes)[Name];

/** An absent part of a route is the empty strict object, which zod infers as `Record<string, never>`. */
type Part<T> = string extends keyof T ? unknown : T;

/** A query's values arrive as text and are coerced: the caller gives what comes out, and may leave out what may be absent. */
type QueryInput<Q extends z.ZodType> = Part<{
  [K in keyof z.input<Q>]: K extends keyof z.output<Q>
    ? z.output<Q>[K] | (undefined extends z.input<Q>[K] ? undefined : never)
    : never;
}>;

type InputOf<R> =
  R extends Route<infer Params, infer Query, infer Body, z.ZodType>
    ? Part<z.input<Params>> & QueryInput<Query> & Part<z.input<Body>>
    : never;

/** What a route takes: path parameters, query and body in one object (a unit test holds that no route repeats a key). */
export type RouteInput<Name extends CallableRoute> = { [K in keyof InputOf<RouteOf<Name>>]: InputOf<RouteOf<Name>>[K] };
export type RouteReply<Name extends CallableRoute> = z.output<RouteOf<Name>['reply']>;

export interface CallOptions {
  signal?: AbortSignal | undefined;
  /** Limit of one attempt, ms; default: the client's. */
  timeoutMs?: number | undefined;
}

/** No argument is needed when everything in it may be left out. */
type Method<Name extends CallableRoute> =
  Record<never, never> extends RouteInput<Name>
    ? (input?: RouteInput<Name>, options?: CallOptions) => Promise<RouteReply<Name>>
    : (input: RouteInput<Name>, options?: CallOptions) => Promise<RouteReply<Name>>;

/** A method for every route, under the route's name. */
export type RouteMethods = { [Name in CallableRoute]: Method<Name> };

/** Routes that answer in pages. */
export type PagedRoute = {
  [Name in CallableRoute]: RouteReply<Name> extends { items: unknown[]; nextCursor: string | null } ? Name : never;
}[CallableRoute];
export type ItemOf<Name extends PagedRoute> =
  RouteReply<Name> extends { items: (infer Item)[]; nextCursor: string | null } ? Item : never;
