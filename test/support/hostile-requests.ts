import * as z from 'zod';
import type { Route } from '../../shared/api/route.ts';
import type { Randomness } from '../../shared/core/randomness.ts';

type Schema = {
  type?: string | string[];
  enum?: unknown[];
  const?: unknown;
  anyOf?: Schema[];
  oneOf?: Schema[];
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  additionalProperties?: Schema | boolean;
  pattern?: string;
  minimum?: number;
  maximum?: number;
};

export interface HostileRequest {
  method: string;
  /** With its query. */
  path: string;
  /** As it goes over the wire; undefined: none. */
  body: string | undefined;
}

/** What no field expects, and what most schemas forget. */
const HOSTILE: readonly unknown[] = [
  null,
  '',
  ' ',
  '\u0000',
  '../../etc/passwd',
  "'; DROP TABLE deployments; --",
  '%00%2e%2e',
  '\ud800',
  '\u202eevil',
  'a'.repeat(5_000),
  '-1',
  'NaN',
  true,
  0,
  -1,
  0.5,
  1e308,
  2 ** 53,
  -(2 ** 63),
  [],
  [[]],
  [null],
  {},
  { __proto__x: 1, constructor: { prototype: {} } },
  Array.from({ length: 2_000 }, () => 'x'),
];

/**
 * Requests for one route, made from its own schema and then spoiled: members removed, retyped, over-long, unknown. `known` are
 * values that exist at the coordinator, so that many requests pass the first checks and reach what lies behind them.
 */
export function hostileRequest(route: Route, randomness: Randomness, known: readonly string[]): HostileRequest {
  const chance = (probability: number) => randomness.fraction() < probability;
  const oneOf = <Item>(items: readonly Item[]): Item => items[Math.floor(randomness.fraction() * items.length)] as Item;

  function value(schema: Schema, depth: number): unknown {
    if (chance(0.08) || depth > 6) return oneOf(HOSTILE);
    const choices = schema.anyOf ?? schema.oneOf;
    if (choices !== undefined) return value(oneOf(choices), depth + 1);
    if (schema.const !== undefined) return schema.const;
    if (schema.enum !== undefined) return oneOf(schema.enum);
    switch (Array.isArray(schema.type) ? oneOf(schema.type) : schema.type) {
      case 'object':
        return object(schema, depth);
      case 'array':
        return Array.from({ length: Math.floor(randomness.fraction() * 3) }, () =>
          value(schema.items ?? {}, depth + 1),
        );
      case 'boolean':
        return chance(0.5);
      case 'integer':
      case 'number':
        return oneOf([schema.minimum ?? 0, 1, 2, 50, schema.maximum ?? 99, (schema.maximum ?? 99) + 1]);
      case 'null':
        return null;
      default:
        return chance(0.7) ? oneOf(known) : oneOf(['name-1', 'a', 'latest', 'role', 'ü', oneOf(HOSTILE)]);
    }
  }

  function object(schema: Schema, depth: number): unknown {
    const made: Record<string, unknown> = {};
    for (const [key, inner] of Object.entries(schema.properties ?? {})) {
      const isRequired = schema.required?.includes(key) === true;
      if (chance(isRequired ? 0.95 : 0.4)) made[key] = value(inner, depth + 1);
    }
    if (typeof schema.additionalProperties === 'object' && chance(0.5))
      made[chance(0.8) ? oneOf(known) : String(oneOf(HOSTILE)).slice(0, 300)] = value(
        schema.additionalProperties,
        depth + 1,
      );
    if (chance(0.04)) made[oneOf(['unknown', '__proto__', 'constructor', ''])] = oneOf(HOSTILE);
    return made;
  }

  const text = (given: unknown) => (typeof given === 'string' ? given : (JSON.stringify(given) ?? ''));
  const path = route.path.replace(/:(\w+)/g, () =>
    encodeLoosely(chance(0.85) ? oneOf(known) : text(oneOf(HOSTILE)).slice(0, 300)),
  );
  const query = value(schemaOf(route.query), 0);
  const parameters =
    typeof query === 'object' && query !== null
      ? Object.entries(query).map(([key, given]) => `${encodeLoosely(key)}=${encodeLoosely(text(given).slice(0, 600))}`)
      : [];
  const body = value(schemaOf(route.body), 0);
  return {
    method: route.method,
    path: parameters.length === 0 ? path : `${path}?${parameters.join('&')}`,
    body: route.method === 'GET' ? undefined : chance(0.03) ? '{"half": ' : JSON.stringify(body),
  };
}

function schemaOf(schema: z.ZodType): Schema {
  return z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Schema;
}

/** A lone surrogate has no encoding: it goes as what a sloppy client sends. */
function encodeLoosely(text: string): string {
  try {
    return encodeURIComponent(text);
  } catch {
    return '%ED%A0%80';
  }
}
