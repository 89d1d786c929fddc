#!/usr/bin/env node
import { fstatSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { AppError, errnoOf, errorMessage } from '../shared/core/errors.ts';
import type { Logger } from '../shared/core/logger.ts';
import { systemClock } from '../shared/core/system-clock.ts';
import { systemRandomness } from '../shared/core/system-randomness.ts';
import { createSystemd, type Systemd, watchdogMsOf, withoutSystemd } from '../shared/core/systemd.ts';
import type { HostFacts } from '../shared/model/host.ts';
import { PROGRAM_VERSION } from '../shared/protocol/versions.ts';
import { isUnknownAuthority } from '../shared/sdk/network-errors.ts';
import { startAgent } from './agent.ts';
import { type CliActions, type GlobalOptions, runCli } from './cli.ts';
import { type AgentConfig, DEFAULT_CONFIG_PATH, loadConfig } from './config.ts';
import { createBundleDownload } from './connection/bundle-download.ts';
import { createHttpClient, type HttpClient } from './connection/http-client.ts';
import { loadIdentity } from './connection/identity.ts';
import { createWebSocketTransport } from './connection/websocket.ts';
import { type Layout, layoutOf } from './deployment/layout.ts';
import { collectNamedDrift } from './drift.ts';
import { createAccounts } from './host/accounts.ts';
import { collectFacts } from './host/facts.ts';
import { parseFailpoint, withFailpoint } from './host/failpoint-disk.ts';
import { createNodeDisk } from './host/node-disk.ts';
import { createNodeProcessRunner } from './host/node-process-runner.ts';
import { loadOfLastMinute, ownAccount, ownHostname } from './host/own-account.ts';
import { realPathOf } from './host/real-path.ts';
import { claimStateDirectory, isStateDirectoryClaimed } from './host/single-instance.ts';
import type { LocalParts } from './local.ts';

const MAX_CA_BYTES = 1_024 * 1_024;
const MAX_TOKEN_BYTES = 4_096;

const environment = process.env;
const failpoint = environment['DROVER_FAILPOINT'];
const disk =
  failpoint === undefined
    ? createNodeDisk()
    : withFailpoint(createNodeDisk(), parseFailpoint(failpoint), () => {
        process.kill(process.pid, 'SIGKILL');
        // The signal arrives before this returns to anything that could write.
        for (;;);
      });
const processes = createNodeProcessRunner({
  clock: systemClock,
  toolEnvironment: toolEnvironment(),
  // Of the packages' launcher; Node has raised it before this line.
  openFiles: environment['DROVER_AGENT_OPEN_FILES'],
});
const accounts = createAccounts({ disk, run: processes.run });

/** What `run` does not need while it waits is imported where it is used: the agent is idle nearly always, on every host. */
const actions: CliActions = {
  run: runAgent,

  async enrol(global, request) {
    const { config, layout } = await open(global);
    const coordinatorUrl = request.coordinatorUrl ?? config.coordinatorUrl;
    if (coordinatorUrl === null)
      throw new AppError('invalid', 'no coordinator is named', {
        hint: 'Give --coordinator https://…, or coordinatorUrl in the configuration.',
      });
    const { enrol } = await import('./connection/enrolment.ts');
    const http = await createHttp(config, coordinatorUrl);
    try {
      await disk.makeDirectory(config.stateDirectory, { recursive: true, mode: 0o711 });
      return await enrol(
        { disk, http, clock: systemClock, randomness: systemRandomness },
        {
          identityPath: layout.identity,
          coordinatorUrl,
          joinToken: await readJoinToken(request),
          name: request.name ?? config.name ?? nameFromHostname(),
          facts: await hostFacts(config),
          force: request.force,
        },
      );
    } catch (error) {
      throw isUnknownAuthority(error) ? withAgentsHint(error, config, configPathOf(global)) : error;
    } finally {
      http.close();
    }
  },

  async status(global) {
    const { config, layout } = await open(global);
    await expectStateDirectory(config, configPathOf(global));
    const { collectStatus } = await import('./status.ts');
    return collectStatus({ disk, processes, version: PROGRAM_VERSION }, layout);
  },

  async drift(global) {
    const { config } = await open(global);
    await expectStateDirectory(config, configPathOf(global));
    return collectNamedDrift(disk, config.stateDirectory);
  },

  async doctor(global) {
    const [{ examine }, { readStatusFile }] = await Promise.all([
      import('./doctor/doctor.ts'),
      import('./status-file.ts'),
    ]);
    return examine({
      disk,
      run: processes.run,
      clock: systemClock,
      account: ownAccount(),
      configPath: configPathOf(global) ?? DEFAULT_CONFIG_PATH,
      loadConfig: () => open(global),
      isClaimed: isStateDirectoryClaimed,
      toldStatus: (path) => readStatusFile(disk, path),
      readCa,
      connections: (coordinatorUrl, ca) => ({
        http: createHttpClient({ coordinatorUrl, ca, clock: systemClock }),
        websocket: createWebSocketTransport({ coordinatorUrl, ca }),
      }),
    });
  },

  async waitReady(global, { timeoutMs, onWaiting }) {
    const { config, layout } = await open(global);
    const { waitReady } = await import('./wait-ready.ts');
    const result = await waitReady(
      {
        clock: systemClock,
        loadIdentity: () => loadIdentity(disk, layout.identity),
        createHttp: (coordinatorUrl) => createHttp(config, config.coordinatorUrl ?? coordinatorUrl),
        onWaiting,
      },
      timeoutMs,
    );
    return { isReady: result.isReady, reason: result.isReady ? '' : result.reason };
  },

  async deployLocally(global, options, onEventEnded) {
    const { config } = await open(global);
    const { deployLocally, localDirectory } = await import('./local.ts');
    await claimStateDirectory(localDirectory(config.stateDirectory));
    const interrupt = new AbortController();
    process.once('SIGINT', () => interrupt.abort());
    process.once('SIGTERM', () => interrupt.abort());
    return deployLocally(localParts(config, interrupt.signal, onEventEnded), options);
  },

  isInHook: () => environment['DEPLOYMENT_ID'] !== undefined && environment['LIFECYCLE_EVENT'] !== undefined,

  async planLocally(global, options) {
    const { config } = await open(global);
    const { localDirectory, planLocally } = await import('./local.ts');
    await claimStateDirectory(localDirectory(config.stateDirectory));
    return planLocally(
      localParts(config, new AbortController().signal, () => {}),
      options,
    );
  },
};

// Timers do not keep the process alive, and some commands only wait.
const keepAlive = setInterval(() => {}, 2 ** 30);
let isOutputLost = false;
process.stdout.on('error', outputLost);
// Nobody reads what is for people: that is no reason to do less, or to end otherwise.
process.stderr.on('error', () => {});
const exitCode = await runCli(process.argv.slice(2), actions, {
  out: fstatSync(process.stdout.fd).isFile() ? writeToFile : (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
  workingDirectory: process.cwd(),
});
process.exitCode = isOutputLost ? 1 : exitCode;
clearInterval(keepAlive);

/** A local deployment goes on to its end all the same: half of one is worse than one that nobody has read of. */
function outputLost(error: unknown): void {
  // A reader that has seen enough (`drover-agent status | head -1`) is no failure.
  if (isOutputLost || errnoOf(error) === 'EPIPE') return;
  isOutputLost = true;
  process.stderr.write(`error: cannot write the output: ${errorMessage(error)}\n`);
  process.exitCode = 1;
}

/** Node's own stream takes the part that a nearly full disk has taken for all of it. */
function writeToFile(text: string): void {
  let rest: Uint8Array = Buffer.from(text);
  try {
    while (rest.byteLength > 0 && !isOutputLost) rest = rest.subarray(writeSync(process.stdout.fd, rest));
  } catch (error) {
    outputLost(error);
  }
}

function hostFacts({ stateDirectory }: AgentConfig): Promise<HostFacts> {
  return collectFacts(disk, { stateDirectory, program: process.execPath });
}

async function runAgent(global: GlobalOptions): Promise<number> {
  const { config, layout } = await open(global);
  const identity = await loadIdentity(disk, layout.identity);
  if (identity?.enrolment == null)
    throw new AppError('not_found', `this host is not enrolled (no identity in ${layout.identity})`, {
      hint: 'Enrol it first: drover-agent enrol --coordinator https://… --token-file FILE',
    });
  await claimStateDirectory(config.stateDirectory);
  const logger = await createLogger(config.logLevel);
  const { enrolment } = identity;
  const coordinatorUrl = config.coordinatorUrl ?? enrolment.coordinatorUrl;
  const http = await createHttp(config, coordinatorUrl);
  const systemd = systemdOf(logger);
  const ended = whenAskedToEnd(logger);
  const agent = await startAgent({
    version: PROGRAM_VERSION,
    config,
    layout,
    identity,
    enrolment,
    disk,
    processes,
    accounts,
    clock: systemClock,
    randomness: systemRandomness,
    logger,
    transports: {
      websocket: createWebSocketTransport({ coordinatorUrl, ca: await readCa(config) }),
      longPoll: {
        name: 'long-poll',
        async connect(handlers) {
          const { createLongPollTransport } = await import('./connection/long-poll.ts');
          return createLongPollTransport({ http, clock: systemClock }).connect(handlers);
        },
      },
    },
    createDownload: (sessionToken) => createBundleDownload({ http, clock: systemClock, sessionToken }),
    facts: () => hostFacts(config),
    loadOfLastMinute,
    ownAccount: ownAccount(),
    ownProcess: await processes.findSelf(),
    onFailure: (error) => {
      logger.error({ reason: errorMessage(error) }, 'the agent cannot go on and ends');
      ended.fail();
    },
  });
  logger.info({ version: PROGRAM_VERSION, hostId: enrolment.hostId, coordinatorUrl }, 'agent started');
  await systemd.ready(`host ${enrolment.hostName}`);
  const reason = await ended.promise;
  // What cannot be written cannot be drained either; everything that counts is on the disk.
  if (reason === 'failure') process.exit(1);
  await systemd.stopping();
  await agent.stop();
  logger.info({}, 'agent stopped');
  http.close();
  // A running hook is a child whose end this process would otherwise wait for.
  process.exit(0);
}

function whenAskedToEnd(logger: Logger): { promise: Promise<'signal' | 'failure'>; fail(): void } {
  let fail = () => {};
  const promise = new Promise<'signal' | 'failure'>((resolve) => {
    fail = () => resolve('failure');
    for (const signal of ['SIGTERM', 'SIGINT'] as const)
      process.once(signal, () => {
        logger.info({ signal }, 'asked to stop');
        resolve('signal');
        // Who asks twice does not want to wait.
        process.once(signal, () => process.exit(1));
      });
  });
  return { promise, fail: () => fail() };
}

async function open(global: GlobalOptions): Promise<{ config: AgentConfig; layout: Layout }> {
  const loaded = await loadConfig(disk, configPathOf(global));
  const stateDirectory = global.stateDirectory ?? loaded.stateDirectory;
  return { config: { ...loaded, stateDirectory }, layout: layoutOf(stateDirectory) };
}

/** To whoever asks about a mistyped one, "nothing is installed" would be a wrong answer. */
async function expectStateDirectory({ stateDirectory }: AgentConfig, configPath: string | null): Promise<void> {
  // With the dot links are followed; below a file there is nothing.
  if ((await disk.status(`${stateDirectory}/.`)) !== null) return;
  throw new AppError('invalid', `there is no state directory ${stateDirectory}`, {
    hint: `Another one is named with --state-directory, or as stateDirectory in ${configPath ?? DEFAULT_CONFIG_PATH}. It is made when the host enrols.`,
  });
}

function configPathOf(global: GlobalOptions): string | null {
  return global.configPath ?? environment['DROVER_AGENT_CONFIG'] ?? null;
}

async function createHttp(config: AgentConfig, coordinatorUrl: string): Promise<HttpClient> {
  return createHttpClient({ coordinatorUrl, ca: await readCa(config), clock: systemClock });
}

/** Of the hint for the command and the SDK nothing exists here. */
function withAgentsHint(error: AppError, { caFile }: AgentConfig, configPath: string | null): AppError {
  const file = configPath ?? DEFAULT_CONFIG_PATH;
  return new AppError(error.code, error.message, {
    hint:
      caFile === null
        ? `Put the certificate of its authority on this host, and name it as caFile in ${file}.`
        : `caFile in ${file} names ${caFile}, which has not the certificate of its authority: put that there.`,
    details: error.details,
    cause: error,
  });
}

async function readCa(config: AgentConfig): Promise<string | null> {
  if (config.caFile === null) return null;
  try {
    return (await disk.readFile(config.caFile, MAX_CA_BYTES)).toString('utf8');
  } catch (error) {
    throw new AppError('invalid', `read caFile ${config.caFile}: ${errorMessage(error)}`, { cause: error });
  }
}

async function readJoinToken(request: { joinToken: string | null; joinTokenFile: string | null }): Promise<string> {
  const path = request.joinTokenFile;
  if (path === '-') return readStandardInput();
  if (path !== null)
    try {
      const file = path.startsWith('/') ? path : join(process.cwd(), path);
      return (await disk.readFile(file, MAX_TOKEN_BYTES)).toString('utf8').trim();
    } catch (error) {
      throw new AppError('invalid', `--token-file ${path}: ${errorMessage(error)}`, { cause: error });
    }
  const token = request.joinToken ?? environment['DROVER_JOIN_TOKEN'];
  if (token === undefined)
    throw new AppError('invalid', 'no join token is given', {
      hint: 'Give --token-file FILE, or DROVER_JOIN_TOKEN. An admin makes one: drover hosts enrol-token',
    });
  return token;
}

async function readStandardInput(): Promise<string> {
  let text = '';
  for await (const chunk of process.stdin.setEncoding('utf8')) {
    text += chunk;
    if (text.length > MAX_TOKEN_BYTES) throw new AppError('invalid', 'standard input is no join token: it is too long');
  }
  return text.trim();
}

/** A hostname with the characters that a host's name may not have replaced. */
function nameFromHostname(): string {
  return ownHostname()
    .replace(/[^A-Za-z0-9+=,.@_-]/g, '-')
    .slice(0, 100);
}

async function createLogger(level: AgentConfig['logLevel']): Promise<Logger> {
  // Only `run` logs; the other commands start faster without.
  const { pino } = await import('pino');
  const logger: Logger = pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ fd: 1, sync: true }),
  );
  return logger;
}

function systemdOf(logger: Logger): Systemd {
  if (environment['NOTIFY_SOCKET'] === undefined) return withoutSystemd;
  return createSystemd({ run: processes.run, clock: systemClock, logger, watchdogMs: watchdogMsOf(environment) });
}

/** Tools find their files, speak English, and reach systemd; nothing else of the agent's environment is theirs. */
function toolEnvironment(): Record<string, string> {
  const socket = environment['NOTIFY_SOCKET'];
  return {
    PATH: environment['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin',
    LC_ALL: 'C',
    ...(socket === undefined ? {} : { NOTIFY_SOCKET: socket }),
  };
}

function localParts(config: AgentConfig, signal: AbortSignal, onEventEnded: LocalParts['onEventEnded']): LocalParts {
  return {
    config,
    disk,
    processes,
    accounts,
    clock: systemClock,
    randomness: systemRandomness,
    ownAccount: ownAccount(),
    realPath: realPathOf,
    signal,
    onEventEnded,
  };
}
