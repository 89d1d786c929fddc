import { isIP, isIPv4 } from 'node:net';
import { validate as isCronExpression } from 'node-cron';
import * as z from 'zod';
import { MAX_BUNDLE_BYTES } from '../shared/bundle/limits.ts';
import { AppError } from '../shared/core/errors.ts';
import { nearNamesHint } from './domain/near-names.ts';

const milliseconds = z
  .number()
  .int()
  .min(1)
  .max(31 * 86_400_000);
const count = (max: number) => z.number().int().min(1).max(max);
/** As Fastify reads them: addresses, networks, and names of its own for some. */
const proxy = z.string().refine(isProxy, 'neither an IP address nor a network, 10.0.0.0/8 for instance');

/**
 * The coordinator's whole configuration with its defaults; examples/coordinator.yaml explains every key and is loaded with
 * this very schema by a test. Sources, the later wins: defaults, file, environment, flags.
 */
export const coordinatorConfig = z.strictObject({
  listen: z
    .strictObject({
      host: z.string().min(1).max(255).default('127.0.0.1'),
      /** 0: any free port. */
      port: z.number().int().min(0).max(65_535).default(7717),
    })
    .prefault({}),
  dataDirectory: z.string().min(1).default('/var/lib/drover'),
  packagesDirectory: z.string().min(1).default('/usr/share/drover/packages'),
  tls: z
    .strictObject({ certFile: z.string().min(1), keyFile: z.string().min(1) })
    .nullable()
    .default(null),
  insecurePublicAddress: z.boolean().default(false),
  trustedProxies: z.array(proxy).max(64).default([]),
  logLevel: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
  /** How the AWS-compatible API names things: clients of AWS want a region and an account in every ARN. */
  aws: z
    .strictObject({
      region: z
        .string()
        .regex(/^[a-z0-9-]{1,32}$/)
        .default('us-east-1'),
      accountId: z.coerce
        .string()
        .regex(/^\d{12}$/, 'twelve digits, in a file in quotes when they begin with 0')
        .default('000000000000'),
      /** The bucket in which bundles appear that were pushed to Drover itself. */
      bucket: z
        .string()
        .regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/)
        .default('drover'),
    })
    .prefault({}),
  /** Where bundles with an s3Location are fetched from; null: such revisions are refused. */
  s3: z
    .strictObject({
      /** Null: AWS itself. */
      endpoint: z
        .url({ protocol: /^https?$/ })
        .nullable()
        .default(null),
      region: z.string().min(1).max(64).default('us-east-1'),
      accessKeyId: z.string().min(1).max(128),
      secretAccessKeyFile: z.string().min(1),
      forcePathStyle: z.boolean().default(true),
    })
    .nullable()
    .default(null),
  /** Where bundles with a gitHubLocation are fetched from. */
  gitHub: z
    .strictObject({
      baseUrl: z.url({ protocol: /^https?$/ }).default('https://api.github.com'),
      tokenFile: z.string().min(1).nullable().default(null),
    })
    .prefault({}),
  /** Where triggers' messages to SNS topics are published; null: they become dead letters. */
  sns: z
    .strictObject({
      /** Null: AWS itself, in the topic's region. */
      endpoint: z
        .url({ protocol: /^https?$/ })
        .nullable()
        .default(null),
      accessKeyId: z.string().min(1).max(128),
      secretAccessKeyFile: z.string().min(1),
    })
    .nullable()
    .default(null),
  webhooks: z
    .strictObject({
      /** What messages to webhooks are signed with; null: they are not signed. */
      signingSecretFile: z.string().min(1).nullable().default(null),
    })
    .prefault({}),
  limits: z
    .strictObject({
      bundleBytes: count(MAX_BUNDLE_BYTES).default(4_294_967_296),
      /** 0: bundles are always sent whole. */
      deltaCacheBytes: z.number().int().min(0).max(MAX_BUNDLE_BYTES).default(1_073_741_824),
      connections: count(1_000_000).default(25_000),
      watchers: count(100_000).default(1_000),
      outputBytesPerEvent: count(1_073_741_824).default(8_388_608),
      framesPerSecond: count(100_000).default(500),
      /** A host that enrols and asks whether it is ready makes three. */
      enrolmentsPerMinute: count(10_000_000).default(36_000),
      /** `drover logs -f` of a fleet makes hundreds a second, and a watch beside it must go on. */
      requestsPerMinute: count(10_000_000).default(60_000),
      hostRequestsPerMinute: count(10_000_000).default(3_000),
      triggerMessages: count(1_000_000).default(10_000),
      triggerAttempts: count(10_000).default(30),
      deadLetters: count(1_000_000).default(10_000),
    })
    .prefault({}),
  timings: z
    .strictObject({
      heartbeatIntervalMs: milliseconds.default(5_000),
      silenceLimitMs: milliseconds.default(15_000),
      offlineAfterMs: milliseconds.default(15_000),
      hostLostAfterMs: milliseconds.default(300_000),
      acceptTimeoutMs: milliseconds.default(300_000),
      eventTimeoutMs: milliseconds.default(3_600_000),
      reportSlackMs: milliseconds.default(60_000),
      deploymentTimeoutMs: milliseconds.default(43_200_000),
      reportCommitMs: z.number().int().min(0).max(1_000).default(3),
      bundleFetchIdleMs: milliseconds.default(30_000),
      commandPollHoldMs: milliseconds.default(45_000),
      commandPollSilenceMs: milliseconds.default(100_000),
      triggerTimeoutMs: milliseconds.default(10_000),
      triggerGiveUpAfterMs: milliseconds.default(86_400_000),
    })
    .prefault({}),
  retention: z
    .strictObject({
      schedule: z
        .string()
        .max(100)
        .refine(isCronExpression, 'no cron expression; `17 3 * * *`, for example, is every day at 3:17')
        .default('17 3 * * *'),
      outputDays: count(36_500).default(30),
      deploymentDays: count(36_500).default(365),
      deploymentsPerGroup: count(100_000).default(50),
      revisionDays: count(36_500).default(90),
      revisionsPerApplication: count(10_000).default(20),
      tokenDays: count(36_500).default(30),
      deadLetterDays: count(36_500).default(30),
    })
    .prefault({}),
});
export type CoordinatorConfig = Readonly<z.output<typeof coordinatorConfig>>;

export interface ConfigSources {
  /** The parsed file, or null for none. */
  file: { path: string; content: unknown } | null;
  environment: Readonly<Record<string, string | undefined>>;
  /** By key path: `{ 'listen.port': 7717 }`; undefined ones were not given. */
  flags: Readonly<Record<string, unknown>>;
}

export const ENVIRONMENT_PREFIX = 'DROVER_COORDINATOR_';
/** Names the file itself, so it is no key of it. */
export const CONFIG_FILE_VARIABLE = `${ENVIRONMENT_PREFIX}CONFIG`;

/**
 * @returns frozen; all defaults filled in
 * @throws AppError `invalid` that names the key, where it was set, and what is accepted there
 */
export function parseConfig(sources: ConfigSources): CoordinatorConfig {
  const origin = new Map<string, string>();
  const content = sources.file?.content ?? {};
  if (typeof content !== 'object' || content === null || Array.isArray(content))
    throw new AppError('invalid', `${sources.file?.path}: the file must be a map of keys`);
  const merged = structuredClone(content) as Record<string, unknown>;
  for (const [name, text] of Object.entries(sources.environment))
    if (name.startsWith(ENVIRONMENT_PREFIX) && name !== CONFIG_FILE_VARIABLE && text !== undefined) {
      const path = keyOfVariable(name);
      setAt(merged, path, fromText(path, text));
      origin.set(path, name);
    }
  for (const [path, value] of Object.entries(sources.flags))
    if (value !== undefined) {
      setAt(merged, path, value);
      origin.set(path, 'the command line');
    }
  const parsed = coordinatorConfig.safeParse(merged);
  const where = sources.file?.path ?? 'the configuration';
  if (!parsed.success) throw configError(parsed.error, origin, where);
  checkTogether(
    parsed.data,
    (...paths) => paths.map((path) => origin.get(path)).find((one) => one !== undefined) ?? where,
  );
  return deepFreeze(parsed.data);
}

const SCHEMAS: ReadonlyMap<string, z.ZodType> = new Map(leaves(coordinatorConfig));
/** Every key as a path, `listen.port` for instance. */
export const CONFIG_KEYS: readonly string[] = [...SCHEMAS.keys()];

export function variableOfKey(path: string): string {
  const words = path.replaceAll('.', '_').replaceAll(/([a-z])([A-Z])/g, '$1_$2');
  return `${ENVIRONMENT_PREFIX}${words.toUpperCase()}`;
}

function keyOfVariable(name: string): string {
  const path = CONFIG_KEYS.find((key) => variableOfKey(key) === name);
  if (path !== undefined) return path;
  throw new AppError('invalid', `the environment has ${name}, which is no setting`, {
    hint: nearNamesHint(name, CONFIG_KEYS.map(variableOfKey), 'Remove it.'),
  });
}

/** By what the key takes: a text stays as it is, also one of digits (an account) or with commas (a schedule). */
function fromText(path: string, text: string): unknown {
  const schema = SCHEMAS.get(path);
  if (schema instanceof z.ZodArray) return text === '' ? [] : text.split(',').map((item) => item.trim());
  if (text === 'null' || text === '') return null;
  if (schema instanceof z.ZodBoolean && (text === 'true' || text === 'false')) return text === 'true';
  return schema instanceof z.ZodNumber && /^\d{1,15}$/.test(text) ? Number(text) : text;
}

function setAt(target: Record<string, unknown>, path: string, value: unknown): void {
  const keys = path.split('.');
  let at = target;
  for (const key of keys.slice(0, -1)) {
    const next = at[key];
    const inner = typeof next === 'object' && next !== null ? (next as Record<string, unknown>) : {};
    at[key] = inner;
    at = inner;
  }
  at[keys.at(-1) ?? path] = value;
}

function leaves(schema: z.ZodType, prefix = ''): [string, z.ZodType][] {
  const inner = unwrap(schema);
  if (!(inner instanceof z.ZodObject)) return [[prefix, inner]];
  return Object.entries<z.ZodType>(inner.shape).flatMap(([key, part]) =>
    leaves(part, prefix === '' ? key : `${prefix}.${key}`),
  );
}

function unwrap(schema: z.ZodType): z.ZodType {
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault || schema instanceof z.ZodNullable)
    return unwrap(schema.unwrap() as z.ZodType);
  return schema;
}

function configError(error: z.ZodError, origin: ReadonlyMap<string, string>, where: string): AppError {
  const issue = error.issues[0];
  const path = issue?.path.map(String).join('.') ?? '';
  if (issue?.code === 'unrecognized_keys') {
    const key = issue.keys[0] ?? '';
    const written = path === '' ? key : `${path}.${key}`;
    const siblings = new Set(
      CONFIG_KEYS.filter((known) => path === '' || known.startsWith(`${path}.`)).map(
        (known) => known.slice(path === '' ? 0 : path.length + 1).split('.')[0] ?? known,
      ),
    );
    return new AppError('invalid', `${where}: ${written} is no setting`, {
      hint: `${nearNamesHint(key, [...siblings], '')} Accepted here: ${[...siblings].join(', ')}.`,
    });
  }
  // An item of a list was set with its list.
  const source = origin.get(path) ?? origin.get(path.replace(/\.\d+$/, '')) ?? where;
  return new AppError('invalid', `${source}: ${path}: ${issue?.message ?? 'not as expected'}`, {
    hint: 'examples/coordinator.yaml explains every key.',
  });
}

/**
 * What no single key can say.
 * @param sourceOf where the first of these keys was set that was not in the file
 */
function checkTogether(config: CoordinatorConfig, sourceOf: (...paths: string[]) => string): void {
  const { heartbeatIntervalMs, silenceLimitMs } = config.timings;
  if (silenceLimitMs < 2 * heartbeatIntervalMs)
    throw new AppError(
      'invalid',
      `${sourceOf('timings.silenceLimitMs', 'timings.heartbeatIntervalMs')}: timings.silenceLimitMs: ${silenceLimitMs} must be at least twice timings.heartbeatIntervalMs (${heartbeatIntervalMs})`,
      { hint: 'One lost heartbeat must not cut a connection.' },
    );
  if (!isLoopback(config.listen.host) && config.tls === null && !config.insecurePublicAddress)
    throw new AppError(
      'invalid',
      `${sourceOf('listen.host')}: listen.host: ${config.listen.host} can be reached from outside, and tls is not set`,
      {
        hint: 'Set tls.certFile and tls.keyFile. Behind a proxy that does TLS, or for a trial, set insecurePublicAddress: true.',
      },
    );
}

function isProxy(text: string): boolean {
  if (text === 'loopback' || text === 'linklocal' || text === 'uniquelocal') return true;
  const slash = text.indexOf('/');
  const family = isIP(slash === -1 ? text : text.slice(0, slash));
  if (family === 0 || slash === -1) return family !== 0;
  const range = text.slice(slash + 1);
  if (/^\d{1,3}$/.test(range)) return Number(range) >= 1 && Number(range) <= (family === 4 ? 32 : 128);
  return family === 4 && isIPv4(range);
}

/** Only this machine can reach it. A name other than localhost could mean anything. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

function deepFreeze<T extends object>(value: T): Readonly<T> {
  for (const part of Object.values(value)) if (typeof part === 'object' && part !== null) deepFreeze(part);
  return Object.freeze(value);
}
