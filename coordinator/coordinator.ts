import type { AddressInfo } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { routes } from '../shared/api/routes.ts';
import { type Clock, sleep } from '../shared/core/clock.ts';
import { AppError, errnoOf, errorMessage } from '../shared/core/errors.ts';
import { newUuid } from '../shared/core/ids.ts';
import type { InvariantViolation } from '../shared/core/invariant.ts';
import type { Logger } from '../shared/core/logger.ts';
import type { Randomness } from '../shared/core/randomness.ts';
import type { Role } from '../shared/model/operator.ts';
import { PROGRAM_VERSION } from '../shared/protocol/versions.ts';
import { createAgentPackages } from './agent-packages.ts';
import { ACCESS_KEY_MASTER_BYTES } from './auth/access-key-secrets.ts';
import { mayCall } from './auth/permissions.ts';
import { type Certificate, readCertificate, warnOfEnd } from './certificate.ts';
import type { CoordinatorConfig } from './config.ts';
import { type Core, createCore } from './core.ts';
import { type Authenticate, createAuthenticate } from './http/authenticate.ts';
import { createCodeDeployService } from './http/aws/codedeploy.ts';
import type { AwsJsonService } from './http/aws/endpoint.ts';
import { createSignatures } from './http/aws/signatures.ts';
import { createCommandService } from './http/codedeploy-command/command-service.ts';
import { createEnvelopeSigner, newSigningIdentity } from './http/codedeploy-command/envelope.ts';
import { accessKeyHandlers } from './http/rest/access-keys.ts';
import { agentUpdateHandlers } from './http/rest/agent-updates.ts';
import { agentHandlers } from './http/rest/agents.ts';
import { applicationHandlers } from './http/rest/applications.ts';
import { type BundleDownloads, createBundleDownloads } from './http/rest/bundle-downloads.ts';
import { deploymentGroupHandlers } from './http/rest/deployment-groups.ts';
import { deploymentHandlers } from './http/rest/deployments.ts';
import type { Handlers } from './http/rest/handler.ts';
import { hostHandlers } from './http/rest/hosts.ts';
import { createLiveEvents } from './http/rest/live-events.ts';
import { operatorHandlers } from './http/rest/operators.ts';
import { triggerMessageHandlers } from './http/rest/trigger-messages.ts';
import { createHttpServer, useCertificate } from './http/server.ts';
import { createLongPoll } from './hub/long-poll-channel.ts';
import { serveWebSockets } from './hub/websocket-channel.ts';
import { createMetrics } from './metrics/metrics.ts';
import { createNotifier } from './notifiers.ts';
import { createRevisionSources, MAX_REDIRECTS } from './revision-sources.ts';
import { createBundleDeltas } from './revision-stores/bundle-deltas.ts';
import { fetchBundle } from './revision-stores/http.ts';
import { createLocalDiskStore } from './revision-stores/local-disk.ts';
import { startScheduler } from './scheduler/scheduler.ts';
import { createOperatorTokens } from './services/operator-tokens.ts';
import { type DataDirectory, databasePathIn, expectDatabase, takeDataDirectory } from './storage/data-directory.ts';
import type { Database } from './storage/database.ts';
import { openSqlite } from './storage/sqlite.ts';

export interface CoordinatorParts {
  config: CoordinatorConfig;
  clock: Clock;
  randomness: Randomness;
  logger: Logger;
  /** A broken invariant: end the process, and the next one recovers from what is stored. */
  fatal(error: InvariantViolation): void;
}

export interface RunningCoordinator {
  /** Where it listens. */
  url: string;
  coordinatorId: string;
  /**
   * Reads certificate and key anew: new connections get them, those that stand go on.
   * @throws AppError `invalid` when they do not serve; then the old ones stay
   */
  reloadCertificate(): Promise<void>;
  /** Finishes writes, tells the agents, closes. Idempotent. */
  stop(): Promise<void>;
}

/** Name of the file in the data directory that has the first operator's token. */
export const FIRST_TOKEN_FILE = 'first-operator-token';
/** Name of the file in the data directory that deployment specifications are signed with. */
const SIGNING_FILE = 'specification-signing.pem';
/** Name of the file in the data directory that the secrets of access keys are computed with. */
const ACCESS_KEY_FILE = 'access-key-secret';
/** Name of the directory in the data directory in which bundles of agent updates are made. */
const AGENT_BUNDLE_DIRECTORY = 'agent-update';
/** How long a stop waits for answers that are under way. */
const CLOSE_TIMEOUT_MS = 2_000;
/** ... and, when it has cut what was left then, for its end. */
const CUT_TIMEOUT_MS = 1_000;

/**
 * Builds and wires a coordinator and lets it listen; `main.ts` and the tests start this.
 * @throws AppError `conflict` when another coordinator has the data directory; `invalid` for files or addresses of the
 * configuration that do not serve; `unavailable` when storage fails
 */
export async function startCoordinator(parts: CoordinatorParts): Promise<RunningCoordinator> {
  const { config, logger } = parts;
  const certificate = await readCertificate(config.tls);
  const undo: (() => unknown)[] = [];
  try {
    const directory = takeData(parts);
    undo.push(() => directory.release());
    const database = openSqlite(directory.databasePath);
    undo.push(() => database.close());
    await database.migrate();
    const coordinatorId = await loadCoordinatorId(database, parts.randomness);
    const running = await startOn({ ...parts, directory, database, coordinatorId, certificate });
    logger.info({ url: running.url, version: PROGRAM_VERSION, dataDirectory: config.dataDirectory }, 'listening');
    let stopping: Promise<void> | null = null;
    return {
      url: running.url,
      coordinatorId,
      reloadCertificate: running.reloadCertificate,
      stop() {
        stopping ??= running.stop().finally(async () => {
          await database.close();
          directory.release();
          logger.info({}, 'stopped');
        });
        return stopping;
      },
    };
  } catch (error) {
    for (const step of undo.reverse()) await step();
    throw withDatabaseNamed(error, config);
  }
}

/**
 * An operator token made beside a coordinator that does not run: the way back in when the last one is lost.
 * @throws AppError `invalid` when no coordinator has run on the data directory; `conflict` when one does; `unavailable`
 */
export async function createTokenOffline(
  parts: Omit<CoordinatorParts, 'fatal'>,
  token: { name: string; role: Role },
): Promise<string> {
  expectDatabase(parts.config.dataDirectory);
  const directory = takeData(parts);
  try {
    const database = openSqlite(directory.databasePath);
    try {
      await database.migrate();
      const { secret } = await createOperatorTokens({ ...parts, database }).create(token, { kind: 'coordinator' });
      return secret;
    } finally {
      await database.close();
    }
  } catch (error) {
    throw withDatabaseNamed(error, parts.config);
  } finally {
    directory.release();
  }
}

/** What SQLite says of a file that is damaged, locked or full does not say of which. */
function withDatabaseNamed(error: unknown, { dataDirectory }: Pick<CoordinatorConfig, 'dataDirectory'>): unknown {
  if (errnoOf(error)?.startsWith('SQLITE_') !== true) return error;
  return new AppError('unavailable', `${databasePathIn(dataDirectory)}: ${errorMessage(error)}`, {
    cause: error,
    hint: 'Is there room, is it writable for the user that runs the coordinator, does another program hold it? If it is damaged: docs/operations.md, "Restore".',
  });
}

interface OpenParts extends CoordinatorParts {
  directory: DataDirectory;
  database: Database;
  coordinatorId: string;
  certificate: Certificate | null;
}

async function startOn(parts: OpenParts): Promise<Omit<RunningCoordinator, 'coordinatorId'>> {
  const { config, clock, randomness, logger, database, directory, coordinatorId, fatal } = parts;
  const store = createLocalDiskStore({
    directory: directory.revisionsPath,
    randomness,
    taken: (bytes) => metrics.bundleBytes('in', bytes),
  });
  await store.sweepUnfinished();
  let { certificate } = parts;
  if (certificate !== null) warnOfEnd(certificate, clock.now(), logger);
  const metrics = createMetrics({
    connections: () => core.hub.connectionCount(),
    connectedHosts: () => core.hub.connectedHostIds().length + core.commandHosts.connectedCount(),
    triggerMessages: () => core.services.triggerMessages.counts(),
    certificateExpiresAt: () => certificate?.expiresAt ?? null,
  });
  const core: Core = await createCore({
    config,
    database,
    store,
    coordinatorId,
    accessKeyMaster: await directory.keepRandomBytes(ACCESS_KEY_FILE, ACCESS_KEY_MASTER_BYTES, randomness),
    clock,
    randomness,
    logger,
    metrics,
    nextTurn: () => sleep(clock, 0),
    fatal,
    fetchBundle: (url, signal) =>
      fetchBundle(url, { maxRedirects: MAX_REDIRECTS, idleTimeoutMs: config.timings.bundleFetchIdleMs, signal }),
    agentPackages: createAgentPackages({
      directory: config.packagesDirectory,
      scratch: join(config.dataDirectory, AGENT_BUNDLE_DIRECTORY),
    }),
    locateRevision: await createRevisionSources(config),
    notifier: await createNotifier(config, clock),
  });
  await keepFirstToken(core, directory, logger);

  const stopping = new AbortController();
  const isOpen = () => !stopping.signal.aborted;
  const longPoll = createLongPoll({ clock, randomness, accept: core.hub.accept });
  const bundleDownloads = createBundleDownloads({
    openForHost: core.services.revisions.openForHost,
    deltas: await createBundleDeltas({ directory: directory.deltasPath, maxBytes: config.limits.deltaCacheBytes }),
    sent: (bytes) => metrics.bundleBytes('out', bytes),
  });
  const authenticate = createAuthenticate(core.services);
  const app = await createHttpServer({
    settings: {
      certificate: () => certificate,
      trustedProxies: config.trustedProxies,
      maxBundleBytes: config.limits.bundleBytes,
      packagesDirectory: config.packagesDirectory,
      rateLimits: config.limits,
    },
    clock,
    randomness,
    logger: logger.child({ part: 'http' }),
    metrics,
    isStopping: () => !isOpen(),
    authenticate,
    longPoll,
    aws: {
      services: [
        createCodeDeployService({ ...core.services, names: config.aws }),
        commandService({ core, clock, randomness, directory }),
      ],
      bundleDownloads,
      signatures: createSignatures({ clock, findAccessKey: core.services.accessKeys.find }),
    },
    readiness: {
      async check() {
        if (!isOpen()) throw new AppError('unavailable', 'it is stopping');
        await checkWritable(database, clock.now());
      },
    },
    handlers: allHandlers({
      core,
      clock,
      authenticate,
      coordinatorId,
      longPoll,
      bundleDownloads,
      config,
      logger,
      stopping: stopping.signal,
    }),
  });
  const webSockets = serveWebSockets({
    server: app.server,
    clock,
    accept: core.hub.accept,
    isOpen,
    addressOf: (request) => request.socket.remoteAddress ?? 'unknown',
  });
  // The engine first: whoever can connect finds it at work.
  await core.start();
  const scheduler = startScheduler(
    [{ name: 'retention', expression: config.retention.schedule, run: core.services.retention.run }],
    { clock, logger: logger.child({ part: 'scheduler' }) },
  );

  const stop = async () => {
    // From here on requests are refused, but for the long polls that fetch their goodbye.
    stopping.abort();
    await scheduler.stop();
    await core.stop();
    await longPoll.stop();
    await closeWithin(app, clock, () => webSockets.terminateAll());
    metrics.close();
  };
  const reloadCertificate = async () => {
    const read = await readCertificate(config.tls);
    if (read === null) return logger.info({}, 'no certificate is configured: nothing was read anew');
    certificate = read;
    useCertificate(app, read);
    logger.info({ path: config.tls?.certFile }, 'the certificate was read anew');
    warnOfEnd(read, clock.now(), logger);
  };
  try {
    return { url: await listen(app, config), reloadCertificate, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function allHandlers(parts: {
  core: Core;
  clock: Clock;
  authenticate: Authenticate;
  coordinatorId: string;
  longPoll: ReturnType<typeof createLongPoll>;
  bundleDownloads: BundleDownloads;
  config: CoordinatorConfig;
  logger: Logger;
  stopping: AbortSignal;
}): Handlers {
  const { core, clock, coordinatorId, longPoll, bundleDownloads } = parts;
  const { services } = core;
  const liveEvents = createLiveEvents({
    clock,
    logger: parts.logger.child({ part: 'live-events' }),
    follow: core.feed.follow,
    mayFollow: async (http) => {
      const caller = await parts.authenticate(http.header('authorization'), http.remoteAddress);
      return mayCall(routes.followDeployment.caller, caller).allowed;
    },
    maxWatchers: parts.config.limits.watchers,
    stopping: parts.stopping,
  });
  return {
    ...applicationHandlers(services),
    ...deploymentGroupHandlers(services),
    ...deploymentHandlers({ ...services, liveEvents }),
    ...hostHandlers(services),
    ...agentHandlers({ ...services, bundleDownloads, longPoll }),
    ...operatorHandlers({ ...services, clock, coordinatorId }),
    ...accessKeyHandlers(services),
    ...triggerMessageHandlers(services),
    ...agentUpdateHandlers(services),
  };
}

/** What AWS's agents ask for their commands. */
function commandService({
  core,
  clock,
  randomness,
  directory,
}: Pick<OpenParts, 'clock' | 'randomness' | 'directory'> & { core: Core }): AwsJsonService {
  const envelopeSigner = createEnvelopeSigner(() =>
    directory.keepSecret(SIGNING_FILE, () => newSigningIdentity(clock.now(), newSerialNumber(randomness))),
  );
  return createCommandService({ commandHosts: core.commandHosts, envelopeSigner, clock });
}

/** Hex of a positive number, as certificates want it. */
function newSerialNumber(randomness: Randomness): string {
  return `01${Buffer.from(randomness.bytes(15)).toString('hex')}`;
}

function takeData({ config, clock }: Pick<CoordinatorParts, 'config' | 'clock'>): DataDirectory {
  return takeDataDirectory(config.dataDirectory, { pid: process.pid, hostName: hostname(), since: clock.now() });
}

/** What hosts sign their proofs for: another coordinator has another id, so a proof is worth nothing there. */
async function loadCoordinatorId(database: Database, randomness: Randomness): Promise<string> {
  return database.transaction(async ({ query }) => {
    const row = await query.selectFrom('meta').select('value').where('key', '=', 'coordinator_id').executeTakeFirst();
    if (row !== undefined) return row.value;
    const value = newUuid(randomness);
    await query.insertInto('meta').values({ key: 'coordinator_id', value }).execute();
    return value;
  });
}

async function keepFirstToken(core: Core, directory: DataDirectory, logger: Logger): Promise<void> {
  let path = '';
  const isFirst = await core.services.operatorTokens.createFirst(async (secret) => {
    path = await directory.writeSecret(FIRST_TOKEN_FILE, `${secret}\n`);
  });
  if (isFirst) logger.info({ path }, "the first operator's token is in this file");
}

async function checkWritable(database: Database, now: number): Promise<void> {
  await database.query
    .insertInto('meta')
    .values({ key: 'last_ready_check', value: String(now) })
    .onConflict((conflict) => conflict.column('key').doUpdateSet({ value: String(now) }))
    .execute();
}

async function listen(app: FastifyInstance, config: CoordinatorConfig): Promise<string> {
  const { host, port } = config.listen;
  try {
    await app.listen({ host, port });
  } catch (error) {
    if (errnoOf(error) === 'EADDRINUSE')
      throw new AppError('conflict', `${host}:${port} is in use by another program`, {
        cause: error,
        hint: 'Set listen.port, or stop the other one.',
      });
    // An address or a name may be there later: at a boot the network comes up beside us.
    const mayPass = ['EADDRNOTAVAIL', 'EAI_AGAIN', 'ENOTFOUND'].includes(errnoOf(error) ?? '');
    throw new AppError(
      mayPass ? 'unavailable' : 'invalid',
      `cannot listen on ${host}:${port}: ${errorMessage(error)}`,
      { cause: error },
    );
  }
  // A TCP server's address is never a string, and it listens.
  const address = app.server.address() as AddressInfo;
  const name = address.family === 'IPv6' ? `[${address.address}]` : address.address;
  return `${config.tls === null ? 'http' : 'https'}://${name}:${address.port}`;
}

/** Waits for answers under way, but not for ever. */
async function closeWithin(app: FastifyInstance, clock: Clock, terminateWebSockets: () => void): Promise<void> {
  const closed = app.close();
  if (await isDoneWithin(closed, clock, CLOSE_TIMEOUT_MS)) return;
  terminateWebSockets();
  app.server.closeAllConnections();
  // What is no connection of HTTP yet, a TLS handshake that stands still for instance, ends with the process.
  await isDoneWithin(closed, clock, CUT_TIMEOUT_MS);
}

async function isDoneWithin(done: PromiseLike<unknown>, clock: Clock, timeoutMs: number): Promise<boolean> {
  const inTime = new AbortController();
  try {
    return await Promise.race([
      done.then(() => true),
      sleep(clock, timeoutMs, inTime.signal).then(
        () => false,
        () => true,
      ),
    ]);
  } finally {
    inTime.abort();
  }
}
