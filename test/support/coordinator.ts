import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CoordinatorConfig, parseConfig } from '../../coordinator/config.ts';
import { FIRST_TOKEN_FILE, type RunningCoordinator, startCoordinator } from '../../coordinator/coordinator.ts';
import { type Logger, silentLogger } from '../../shared/core/logger.ts';
import { systemClock } from '../../shared/core/system-clock.ts';
import { systemRandomness } from '../../shared/core/system-randomness.ts';

export interface Answer {
  status: number;
  headers: Headers;
  /** Parsed when it is JSON, text otherwise. */
  body: unknown;
}

export interface CallOptions {
  /** Default: the first admin's; null: none. */
  token?: string | null;
  /** An object goes as JSON, bytes as octet-stream. */
  body?: unknown;
  headers?: Record<string, string>;
}

/** A real coordinator on a free port with a data directory of its own. */
export interface TestCoordinator {
  readonly url: string;
  readonly coordinatorId: string;
  readonly dataDirectory: string;
  readonly adminToken: string;
  call(method: string, path: string, options?: CallOptions): Promise<Answer>;
  reloadCertificate(): Promise<void>;
  /** Stops it; its directory stays. Idempotent. */
  stop(): Promise<void>;
  /** Stops it and starts another one on the same directory, on another port. */
  restart(): Promise<void>;
  /** Stops it and removes its directory. */
  remove(): Promise<void>;
}

/** Settings as a file would give them. */
export type ConfigText = Record<string, unknown>;

export function testConfig(dataDirectory: string, settings: ConfigText = {}): CoordinatorConfig {
  const content = { listen: { port: 0 }, dataDirectory, ...settings };
  return parseConfig({ file: { path: 'test', content }, environment: {}, flags: {} });
}

export async function startTestCoordinator(
  settings: ConfigText = {},
  logger: Logger = silentLogger,
): Promise<TestCoordinator> {
  const dataDirectory = await mkdtemp(join(tmpdir(), 'drover-coordinator-'));
  const start = () =>
    startCoordinator({
      config: testConfig(dataDirectory, settings),
      clock: systemClock,
      randomness: systemRandomness,
      logger,
      fatal: (error) => {
        throw error;
      },
    });
  let running: RunningCoordinator = await start().catch(async (error: unknown) => {
    await rm(dataDirectory, { recursive: true, force: true });
    throw error;
  });
  const adminToken = (await readFile(join(dataDirectory, FIRST_TOKEN_FILE), 'utf8')).trim();
  return {
    get url() {
      return running.url;
    },
    get coordinatorId() {
      return running.coordinatorId;
    },
    dataDirectory,
    adminToken,
    call: (method, path, options = {}) => callApi(`${running.url}${path}`, method, { token: adminToken, ...options }),
    reloadCertificate: () => running.reloadCertificate(),
    stop: () => running.stop(),
    async restart() {
      await running.stop();
      running = await start();
    },
    async remove() {
      await running.stop();
      await rm(dataDirectory, { recursive: true, force: true });
    },
  };
}

/** A request to Drover's own API. */
export async function callApi(url: string, method: string, { token, body, headers }: CallOptions): Promise<Answer> {
  const isBytes = body instanceof Uint8Array;
  const response = await fetch(url, {
    method,
    headers: {
      ...(token === null || token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': isBytes ? 'application/octet-stream' : 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: isBytes ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json') === true;
  return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text };
}

/** A value inside an answer, by its path, for instance `items.0.name`; undefined when there is none. */
export function at(value: unknown, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>(
      (inner, key) =>
        typeof inner === 'object' && inner !== null ? (inner as Record<string, unknown>)[key] : undefined,
      value,
    );
}

/** The same, where a text must be. */
export function textAt(value: unknown, path: string): string {
  const found = at(value, path);
  if (typeof found !== 'string') throw new Error(`no text at ${path} in ${JSON.stringify(value)}`);
  return found;
}
