import * as z from 'zod';
import { problemBody, type Route } from '../../../shared/api/route.ts';
import { routes } from '../../../shared/api/routes.ts';
import { PROGRAM_VERSION } from '../../../shared/protocol/versions.ts';
import { HTTP_STATUS } from '../errors.ts';

type Json = Record<string, unknown>;

/** Failures that any route may give; see `Route.errors`. */
const ALWAYS = ['invalid', 'unauthorized', 'forbidden', 'rate_limited', 'internal', 'unavailable'] as const;
const BINARY: Json = { type: 'string', format: 'binary' };
/** Bodies and replies that are not JSON. */
const BODY_TYPES: Readonly<Record<string, { type: string; schema: Json }>> = {
  uploadRevision: { type: 'application/octet-stream', schema: BINARY },
};
const REPLY_TYPES: Readonly<Record<string, { type: string; schema: Json }>> = {
  downloadBundle: { type: 'application/octet-stream', schema: BINARY },
  followDeployment: { type: 'text/event-stream', schema: { type: 'string' } },
};

/** The API in OpenAPI 3.1, made from the schemas that the server itself parses with. */
export function openApiDocument(): Json {
  const paths: Record<string, Record<string, Json>> = {};
  for (const [name, route] of Object.entries<Route>(routes)) {
    const path = route.path.replaceAll(/:([A-Za-z]+)/g, '{$1}');
    const operations = paths[path] ?? {};
    paths[path] = operations;
    operations[route.method.toLowerCase()] = operation(name, route);
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Drover',
      version: PROGRAM_VERSION,
      description: "A self-hosted deployment service. Times are epoch milliseconds on the coordinator's clock.",
    },
    paths,
    components: {
      schemas: { Problem: toJsonSchema(problemBody, 'output') },
      securitySchemes: {
        operatorToken: { type: 'http', scheme: 'bearer', description: 'An operator token: `drover_op_…`.' },
        hostSession: { type: 'http', scheme: 'bearer', description: "A host's session token: `drover_session_…`." },
      },
    },
  };
}

function operation(name: string, route: Route): Json {
  const bodyType = BODY_TYPES[name];
  const hasBody = bodyType !== undefined || (route.method !== 'GET' && Object.keys(shapeOf(route.body)).length > 0);
  return {
    operationId: name,
    summary: route.summary,
    description: callerText(route.caller),
    security: securityOf(route.caller),
    parameters: [...parameters(route.params, 'path'), ...parameters(route.query, 'query')],
    ...(hasBody
      ? {
          requestBody: {
            required: true,
            content: {
              [bodyType?.type ?? 'application/json']: {
                schema: bodyType?.schema ?? toJsonSchema(route.body, 'input'),
              },
            },
          },
        }
      : {}),
    responses: { [String(route.status)]: success(name, route), ...failures(route) },
  };
}

function success(name: string, route: Route): Json {
  if (route.status === 204) return { description: 'Done.' };
  const special = REPLY_TYPES[name];
  return {
    description: 'Success.',
    content: {
      [special?.type ?? 'application/json']: { schema: special?.schema ?? toJsonSchema(route.reply, 'output') },
    },
  };
}

function failures(route: Route): Json {
  const byStatus = new Map<string, string[]>();
  // A body may also be too large, whatever it is.
  const ofBodies = route.method === 'GET' || route.method === 'DELETE' ? [] : (['too_large'] as const);
  for (const code of new Set([...ALWAYS, ...ofBodies, ...route.errors])) {
    const status = String(HTTP_STATUS[code]);
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  return Object.fromEntries(
    [...byStatus].map(([status, codes]) => [
      status,
      {
        description: codes.join(', '),
        content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
      },
    ]),
  );
}

function parameters(schema: z.ZodType, place: 'path' | 'query'): Json[] {
  return Object.entries(shapeOf(schema)).map(([name, part]) => ({
    name,
    in: place,
    required: place === 'path' || !part.safeParse(undefined).success,
    schema: parameterSchema(part),
  }));
}

/** What may be written there: a query's `true` becomes a boolean inside, but it is text outside. */
function parameterSchema(part: z.ZodType): Json {
  const written = toJsonSchema(part, 'input');
  // A coerced number takes anything outside; what comes out says it better.
  return Object.keys(written).every((key) => key === 'default') ? toJsonSchema(part, 'output') : written;
}

function shapeOf(schema: z.ZodType): Record<string, z.ZodType> {
  return schema instanceof z.ZodObject ? schema.shape : {};
}

function toJsonSchema(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, {
    target: 'draft-2020-12',
    io,
    unrepresentable: 'any',
    override({ jsonSchema }) {
      // Replies may grow: a client that refused unknown keys would break.
      if (io === 'output' && jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties;
    },
  });
  return rest;
}

function securityOf(caller: Route['caller']): Json[] {
  if (caller === 'anybody') return [];
  return [caller === 'host' ? { hostSession: [] } : { operatorToken: [] }];
}

function callerText(caller: Route['caller']): string {
  if (caller === 'anybody') return 'No token is needed.';
  return caller === 'host' ? 'For a host, about itself.' : `For operators with the role ${caller} or a higher one.`;
}
