#!/usr/bin/env node
import { execFile } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { Command, InvalidArgumentError, Option } from 'commander';
import { pino } from 'pino';
import { parse as parseYaml } from 'yaml';
import { AppError, errnoOf, errorMessage } from '../shared/core/errors.ts';
import { type Logger, silentLogger } from '../shared/core/logger.ts';
import { foregroundClock, systemClock } from '../shared/core/system-clock.ts';
import { systemRandomness } from '../shared/core/system-randomness.ts';
import { createSystemd, type Systemd, watchdogMsOf, withoutSystemd } from '../shared/core/systemd.ts';
import { type Role, role } from '../shared/model/operator.ts';
import { PROGRAM_VERSION } from '../shared/protocol/versions.ts';
import { CONFIG_FILE_VARIABLE, type CoordinatorConfig, parseConfig } from './config.ts';
import { createTokenOffline, FIRST_TOKEN_FILE, startCoordinator } from './coordinator.ts';

const DEFAULT_CONFIG_PATH = '/etc/drover/coordinator.yaml';
/** The configuration or the command line is wrong: trying again changes nothing, and systemd need not. */
const EXIT_CONFIG = 2;
const EXIT_FAILURE = 1;
const MAX_TOOL_OUTPUT_BYTES = 65_536;

const system = { clock: systemClock, randomness: systemRandomness };

interface Flags {
  config?: string;
  host?: string;
  port?: number;
  dataDirectory?: string;
  tlsCert?: string;
  tlsKey?: string;
  insecurePublicAddress?: boolean;
  logLevel?: string;
}

function program(): Command {
  const root = new Command('drover-coordinator')
    .description('The coordinator of Drover: operators talk to it, agents connect to it.')
    .version(PROGRAM_VERSION)
    .showHelpAfterError('See drover-coordinator --help.')
    .configureHelp({ showGlobalOptions: true })
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : EXIT_CONFIG))
    .addHelpText(
      'after',
      `
Every setting can stand in the configuration file, in the environment (DROVER_COORDINATOR_LISTEN_PORT) or in a flag; the
later wins. examples/coordinator.yaml explains all of them.

The first start writes an admin's token to ${FIRST_TOKEN_FILE} in the data directory.

Exit codes: 0 stopped by a signal, 1 failed, 2 wrong configuration or command line.`,
    );
  withConfigFlags(root.command('run', { isDefault: true }).description('Run until a signal comes (default).')).action(
    (flags: Flags) => guard(() => run(flags)),
  );
  const token = root.command('token').description('Operator tokens, while the coordinator does not run.');
  withConfigFlags(
    token
      .command('create')
      .description('Create an operator token and print it: the way back in when the last one is lost.')
      .requiredOption('--name <name>', 'who the token is for')
      .addOption(new Option('--role <role>', 'what it may do').choices(role.options).default('admin')),
  ).action((flags: Flags & { name: string; role: Role }) =>
    guard(async () => {
      const config = loadConfig(flags);
      actAsOwnerOf(config.dataDirectory);
      const secret = await createTokenOffline({ config, logger: silentLogger, ...system }, flags);
      process.stdout.write(`${secret}\n`);
    }),
  );
  return root;
}

function withConfigFlags(command: Command): Command {
  return command
    .option('--config <file>', `configuration file (default: ${DEFAULT_CONFIG_PATH} if it exists)`)
    .option('--data-directory <path>', 'where everything is kept')
    .option('--host <address>', 'address to listen on')
    .option('--port <number>', 'port to listen on; 0: any free one', toPort)
    .option('--tls-cert <file>', 'certificate, PEM')
    .option('--tls-key <file>', "the certificate's key, PEM")
    .option('--insecure-public-address', 'listen on a public address without TLS')
    .option('--log-level <level>', 'debug, info, warn or error');
}

function toPort(text: string): number {
  if (/^\d{1,5}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('A port is a number from 0 to 65535.');
}

async function run(flags: Flags): Promise<void> {
  const config = loadConfig(flags);
  const logger = loggerOf(config);
  const starting = startCoordinator({
    config,
    logger,
    ...system,
    fatal: (error) => {
      logger.error({ err: error }, 'broken invariant');
      process.exit(EXIT_FAILURE);
    },
  });
  const systemd = systemdOf(logger);
  let isStopping = false;
  const onSignal = (signal: NodeJS.Signals) => {
    if (isStopping) {
      logger.warn({ signal }, 'second signal: leaving at once');
      process.exit(EXIT_FAILURE);
    }
    isStopping = true;
    logger.info({ signal }, 'stopping');
    // In its own time: a tool that hangs must not hold up the end.
    void systemd.stopping();
    // What it waits for, a connection that is not read for instance, need not keep the process alive: it ended in the middle.
    foregroundClock.setTimer(Number.POSITIVE_INFINITY, () => {});
    starting
      .then((coordinator) => coordinator.stop())
      .then(
        () => process.exit(0),
        (error: unknown) => {
          logger.error({ err: error }, 'stop failed');
          process.exit(EXIT_FAILURE);
        },
      );
  };
  // Before it is up: what begins is ended in good order, too.
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  // A terminal that is closed says the same as `systemctl reload`.
  process.on('SIGHUP', process.stdin.isTTY === true ? onSignal : () => void reload());
  async function reload(): Promise<void> {
    try {
      await (await starting).reloadCertificate();
    } catch (error) {
      logger.error({ reason: errorMessage(error) }, 'the certificate was not read anew; the old one stays');
    }
  }
  const coordinator = await starting;
  await systemd.ready(`listening on ${coordinator.url}`);
}

function systemdOf(logger: Logger): Systemd {
  if (process.env['NOTIFY_SOCKET'] === undefined) return withoutSystemd;
  const run = (file: string, args: readonly string[], timeoutMs: number) =>
    new Promise<{ exitCode: number | null; stderr: string }>((resolve, reject) => {
      execFile(file, args, { timeout: timeoutMs, maxBuffer: MAX_TOOL_OUTPUT_BYTES }, (error, _stdout, stderr) => {
        if (error === null) resolve({ exitCode: 0, stderr });
        else if (typeof error.code === 'number') resolve({ exitCode: error.code, stderr });
        else reject(error);
      });
    });
  return createSystemd({ run, clock: systemClock, logger, watchdogMs: watchdogMsOf(process.env) });
}

/** For root: what it made there itself (a database, the lock), the coordinator could not open. */
function actAsOwnerOf(directory: string): void {
  if (process.geteuid?.() !== 0) return;
  const owner = statSync(directory, { throwIfNoEntry: false });
  if (owner === undefined) return;
  process.setegid?.(owner.gid);
  process.seteuid?.(owner.uid);
}

function loadConfig(flags: Flags): CoordinatorConfig {
  const chosen = flags.config ?? process.env[CONFIG_FILE_VARIABLE];
  const tls =
    flags.tlsCert === undefined && flags.tlsKey === undefined
      ? {}
      : { 'tls.certFile': flags.tlsCert, 'tls.keyFile': flags.tlsKey };
  return parseConfig({
    file: readConfigFile(chosen ?? DEFAULT_CONFIG_PATH, chosen !== undefined),
    environment: process.env,
    flags: {
      'listen.host': flags.host,
      'listen.port': flags.port,
      dataDirectory: flags.dataDirectory,
      insecurePublicAddress: flags.insecurePublicAddress,
      logLevel: flags.logLevel,
      ...tls,
    },
  });
}

function readConfigFile(path: string, mustExist: boolean): { path: string; content: unknown } | null {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (!mustExist && errnoOf(error) === 'ENOENT') return null;
    throw new AppError('invalid', `cannot read the configuration ${path}: ${errorMessage(error)}`, { cause: error });
  }
  try {
    return { path, content: parseYaml(text) ?? {} };
  } catch (error) {
    throw new AppError('invalid', `${path}: ${errorMessage(error)}`, { cause: error });
  }
}

function loggerOf(config: CoordinatorConfig): Logger {
  return pino({ level: config.logLevel, base: { program: 'drover-coordinator' } });
}

/** Failures of a start go to people: one line, and what to do. */
async function guard(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    const appError =
      error instanceof AppError ? error : new AppError('internal', errorMessage(error), { cause: error });
    process.stderr.write(`drover-coordinator: ${appError.message}\n`);
    if (appError.hint !== undefined) process.stderr.write(`  ${appError.hint}\n`);
    if (appError.code === 'internal' && error instanceof Error) process.stderr.write(`${error.stack}\n`);
    process.exit(appError.code === 'invalid' ? EXIT_CONFIG : EXIT_FAILURE);
  }
}

// The unit says so, too; without it the database (output of hooks, addresses of webhooks) was as open as its directory.
process.umask(0o077);
await program().parseAsync();
