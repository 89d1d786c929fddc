import type { Readable } from 'node:stream';
import type * as z from 'zod';
import type { Route } from '../../../shared/api/route.ts';
import type { RouteName, routes } from '../../../shared/api/routes.ts';
import type { Caller } from '../../auth/caller.ts';

/** What a handler may need of HTTP beside the parsed parts. */
export interface HttpContext {
  remoteAddress: string;
  /** A header's value, by its lower-case name. */
  header(name: string): string | undefined;
  /** Aborts when the caller goes away before the answer is whole. */
  readonly signal: AbortSignal;
  /** The body of an upload, not read yet. */
  readonly bodyStream: Readable;
}

/** An answer that is not JSON. Its status is the route's unless it is given. */
export class StreamedReply {
  readonly status: number | undefined;
  readonly headers: Readonly<Record<string, string | number>>;
  readonly body: Readable;
  constructor(parts: { status?: number; headers: Readonly<Record<string, string | number>>; body: Readable }) {
    this.status = parts.status;
    this.headers = parts.headers;
    this.body = parts.body;
  }
}

type CallerOf<Needs extends Route['caller']> = Needs extends 'anybody'
  ? null
  : Extract<Caller, { kind: Needs extends 'host' ? 'host' : 'operator' }>;

export interface HandlerInput<R extends Route> {
  params: z.output<R['params']>;
  query: z.output<R['query']>;
  body: z.output<R['body']>;
  caller: CallerOf<R['caller']>;
  http: HttpContext;
}

/** What the route says, or bytes; a promise of nothing where the reply is empty. */
type PromiseOf<R extends Route> = [z.input<R['reply']>] extends [undefined]
  ? Promise<void>
  : Promise<z.input<R['reply']> | StreamedReply>;

export type Handler<R extends Route> = (input: HandlerInput<R>) => PromiseOf<R>;

/** One for every route: a route without a handler does not compile. */
export type Handlers = { [Name in RouteName]: Handler<(typeof routes)[Name]> };
/** Those of one file of routes. */
export type HandlersOf<Table> = { [Name in keyof Table]: Table[Name] extends Route ? Handler<Table[Name]> : never };
