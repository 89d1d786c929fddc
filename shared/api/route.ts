import * as z from 'zod';
import type { ErrorCode } from '../core/errors.ts';
import type { Role } from '../model/operator.ts';

/** Who may call: an operator with this role or a higher one, a host for itself, or anybody. */
export type RouteCaller = Role | 'host' | 'anybody';

/**
 * A REST route as data: the server registers it, the SDK calls it, OpenAPI is made from it. Paths carry `:name` for
 * parameters. Bodies are strict (an unknown key is refused by name), replies may grow.
 */
export interface Route<
  Params extends z.ZodType = z.ZodType,
  Query extends z.ZodType = z.ZodType,
  Body extends z.ZodType = z.ZodType,
  Reply extends z.ZodType = z.ZodType,
  Needs extends RouteCaller = RouteCaller,
> {
  method: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE';
  path: string;
  summary: string;
  caller: Needs;
  params: Params;
  query: Query;
  body: Body;
  reply: Reply;
  /** HTTP status of success. */
  status: 200 | 201 | 202 | 204;
  /**
   * Failures beside `unauthorized`, `forbidden`, `invalid`, `rate_limited`, `internal` and `unavailable` (it stops, or the disk is
   * full), which any route may give, and `too_large`, which any with a body may.
   */
  errors: readonly ErrorCode[];
  /** It writes, and the same again changes nothing more: a client may repeat it when the answer was lost. */
  isRepeatable?: boolean;
  /** The coordinator fetches something before it answers: minutes, in which nothing is heard of it. */
  isSlow?: boolean;
}

/** No parameters, query or body. */
export const nothing = z.strictObject({});
/** An empty reply (204). */
export const noContent = z.undefined();

type Optional = 'params' | 'query' | 'body' | 'errors' | 'status';

export function defineRoute<
  Reply extends z.ZodType,
  Params extends z.ZodType = typeof nothing,
  Query extends z.ZodType = typeof nothing,
  Body extends z.ZodType = typeof nothing,
  Needs extends RouteCaller = RouteCaller,
>(
  route: Omit<Route<Params, Query, Body, Reply, Needs>, Optional> &
    Partial<Pick<Route<Params, Query, Body, Reply, Needs>, Optional>>,
): Route<Params, Query, Body, Reply, Needs> {
  return {
    // Absent parts are the empty object, which is what the defaults of the type parameters say.
    params: nothing as unknown as Params,
    query: nothing as unknown as Query,
    body: nothing as unknown as Body,
    errors: [],
    status: 200,
    ...route,
  };
}

/** The largest page, items. */
export const MAX_PAGE = 500;
export const pageQuery = {
  /** Made of a name of 100 characters, each of which may be written as six in JSON, and that in base64. */
  cursor: z.string().max(1_024).optional(),
  limit: z.coerce.number().int().min(1).max(MAX_PAGE).default(50),
};

export function page<Item extends z.ZodType>(item: Item) {
  return z.object({
    items: z.array(item),
    /** Give it back as `cursor` for the next page; null on the last one. */
    nextCursor: z.string().nullable(),
  });
}

/** An error body, `application/problem+json` (RFC 9457) with our members. */
export const problemBody = z.object({
  type: z.string(),
  title: z.string(),
  status: z.number().int(),
  code: z.string(),
  detail: z.string(),
  hint: z.string().optional(),
  requestId: z.string().optional(),
  details: z.record(z.string(), z.unknown()).optional(),
});
export type ProblemBody = z.infer<typeof problemBody>;
