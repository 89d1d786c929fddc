import { isAbsolute, resolve } from 'node:path';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { clip } from '../shared/core/bounded.ts';
import { AppError } from '../shared/core/errors.ts';
import type { FileExistsBehavior } from '../shared/model/deployment-group.ts';
import { PROGRAM_VERSION } from '../shared/protocol/versions.ts';
import type { CliActions, CliOutput, GlobalOptions } from './cli.ts';
import { DEFAULT_CONFIG_PATH } from './config.ts';
import type { Step } from './deployment/plan.ts';
import { renderChecks } from './doctor/render.ts';
import { renderDrift } from './drift.ts';
import { REBOOT_EXIT_CODE } from './hooks/hook-runner.ts';
import type { LocalEvent, LocalOptions, LocalResult } from './local.ts';
import { localEvents } from './local-events.ts';
import { renderStatus } from './status.ts';

const EXIT_WRONG = 1;
const EXIT_DEPLOYMENT_FAILED = 5;
const EXIT_TIMED_OUT = 9;
const EXIT_DRIFT = 13;
const EXIT_INTERRUPTED = 130;

/** Characters of a reason that people are told; paths in it may be long. `--json` has it whole. */
const MAX_REASON_LENGTH = 1_000;

/**
 * Every command line there is (without node and script), and its exit code.
 * @throws what the command throws
 */
export async function runProgram(args: readonly string[], actions: CliActions, output: CliOutput): Promise<number> {
  let exitCode = 0;
  const program = createProgram(actions, output, (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    throw error;
  }
}

function createProgram(actions: CliActions, output: CliOutput, exit: (code: number) => void): Command {
  const program = new Command('drover-agent')
    .description('The agent on a host: takes deployments from its coordinator, walks them, and reports.')
    .version(PROGRAM_VERSION)
    .option('-c, --config <file>', `configuration file (default: ${DEFAULT_CONFIG_PATH}, if it is there)`)
    .option('--state-directory <directory>', 'instead of the configured stateDirectory')
    .exitOverride()
    .configureOutput({ writeOut: output.out, writeErr: output.err })
    .showHelpAfterError('(see --help)');
  const global = (): GlobalOptions => {
    const options = program.opts<{ config?: string; stateDirectory?: string }>();
    const absolute = (path: string | undefined) => (path === undefined ? null : resolve(output.workingDirectory, path));
    return { configPath: absolute(options.config), stateDirectory: absolute(options.stateDirectory) };
  };

  program
    .command('run')
    .description('run the agent until SIGTERM; a hook that runs then runs on and is found again')
    .action(async () => exit(await actions.run(global())));

  program
    .command('enrol')
    .alias('enroll')
    .description('exchange a join token for an identity of this host')
    .option('--coordinator <url>', 'address of the coordinator (default: coordinatorUrl of the configuration)')
    .option(
      '--token <secret>',
      'join token; better --token-file, since command lines are seen by everybody on the host',
    )
    .option('--token-file <file>', 'file that holds the join token; - for standard input')
    .option('--name <name>', 'what the host is called (default: its hostname)')
    .option('--force', 'enrol again, as another host with a new key', false)
    .option('--json', 'print JSON', false)
    .action(async (options: EnrolFlags) => {
      const enrolled = await actions.enrol(global(), {
        coordinatorUrl: options.coordinator ?? null,
        joinToken: options.token ?? null,
        joinTokenFile: options.tokenFile ?? null,
        name: options.name ?? null,
        force: options.force,
      });
      output.out(
        options.json
          ? json(enrolled)
          : `Enrolled as ${enrolled.hostName} (${enrolled.hostId}). Next: drover-agent run\n`,
      );
    });

  program
    .command('status')
    .description('identity, connection, running deployment and journal of the agent on this host')
    .option('--json', 'print JSON', false)
    .action(async (options: { json: boolean }) => {
      const report = await actions.status(global());
      output.out(options.json ? json(report) : renderStatus(report));
    });

  program
    .command('drift')
    .description('which installed files were changed by hand since their install; exit code 13 when there are some')
    .option('--json', 'print JSON', false)
    .action(async (options: { json: boolean }) => {
      const groups = await actions.drift(global());
      output.out(options.json ? json({ groups }) : renderDrift(groups));
      exit(groups.some((group) => group.changedFiles > 0) ? EXIT_DRIFT : 0);
    });

  program
    .command('doctor')
    .description(
      'check configuration, state, clock, disk, connection and rights, with the remedy for each; changes nothing',
    )
    .option('--json', 'print JSON', false)
    .action(async (options: { json: boolean }) => {
      const checks = await actions.doctor(global());
      output.out(options.json ? json({ checks }) : renderChecks(checks));
      exit(checks.some((check) => check.result === 'wrong') ? EXIT_WRONG : 0);
    });

  program
    .command('wait-ready')
    .description('wait until this host may be put behind a load balancer; exit code 0 when it may, 9 when time is up')
    .option('--timeout <seconds>', 'how long to wait', seconds, 600)
    .option('--json', 'print JSON', false)
    .action(async (options: { timeout: number; json: boolean }) => {
      const result = await actions.waitReady(global(), {
        timeoutMs: options.timeout * 1_000,
        onWaiting: (reason) => output.err(`waiting: ${reason}\n`),
      });
      if (options.json) output.out(json(result));
      else output.out(result.isReady ? 'ready\n' : `not ready after ${options.timeout} s: ${result.reason}\n`);
      exit(result.isReady ? 0 : EXIT_TIMED_OUT);
    });

  program
    .command('reboot-and-continue')
    .description(
      'as the last command of a hook: ends with 194, which has the host rebooted and the deployment continued',
    )
    .action(() => {
      if (!actions.isInHook())
        throw new AppError('invalid', 'reboot-and-continue is for the scripts of a hook', {
          hint: 'Make it the last command of a script: its exit code, 194, asks the agent for the reboot.',
        });
      exit(REBOOT_EXIT_CODE);
    });

  addLocal(program, { actions, output, exit, global });
  return program;
}

interface EnrolFlags {
  coordinator?: string;
  token?: string;
  tokenFile?: string;
  name?: string;
  force: boolean;
  json: boolean;
}

interface LocalFlags {
  bundle: string;
  type: LocalOptions['bundleType'];
  fileExistsBehavior: FileExistsBehavior;
  group: string;
  groupName: string;
  application?: string;
  events?: string;
  appspec: string;
  plan: boolean;
  json: boolean;
}

function addLocal(
  program: Command,
  cli: { actions: CliActions; output: CliOutput; exit: (code: number) => void; global: () => GlobalOptions },
): void {
  const { actions, output, exit, global } = cli;
  program
    .command('local')
    .description('deploy a bundle on this host without a coordinator')
    .option('-l, --bundle <path>', 'the bundle: an archive or a directory', '.')
    .addOption(
      new Option('-t, --type <type>', 'what the bundle is')
        .choices(['tgz', 'tar', 'zip', 'directory'])
        .default('directory'),
    )
    .addOption(
      new Option('-b, --file-exists-behavior <behavior>', 'what to do with files that no deployment put there')
        .choices(['DISALLOW', 'OVERWRITE', 'RETAIN'])
        .default('DISALLOW'),
    )
    .option(
      '-g, --group <id>',
      'deployment group; groups know their own installed revision',
      'default-local-deployment-group',
    )
    .option('-d, --group-name <name>', 'DEPLOYMENT_GROUP_NAME for the hooks', 'LocalFleet')
    .option('-a, --application <name>', 'APPLICATION_NAME for the hooks (default: the path of the bundle)')
    .option('-e, --events <list>', 'lifecycle events, separated by commas; custom ones are allowed')
    .option('-A, --appspec <file>', 'AppSpec file in the bundle', 'appspec.yml')
    .option('--plan', 'only print the steps', false)
    .option('--json', 'print JSON', false)
    .action(async (flags: LocalFlags) => {
      const options = localOptions(flags, output.workingDirectory);
      if (flags.plan) {
        const steps = await actions.planLocally(global(), options);
        output.out(flags.json ? json({ steps: steps.map(describeStep) }) : steps.map(renderStep).join(''));
        return;
      }
      const result = await actions.deployLocally(global(), options, (event) => {
        if (!flags.json) output.out(renderEvent(event));
      });
      output.out(flags.json ? json(result) : renderResult(result));
      if (result.status === 'Interrupted') exit(EXIT_INTERRUPTED);
      else if (result.status !== 'Succeeded') exit(EXIT_DEPLOYMENT_FAILED);
    });
}

function localOptions(flags: LocalFlags, workingDirectory: string): LocalOptions {
  if (/^(https?|s3):\/\//.test(flags.bundle))
    throw new AppError('invalid', `--bundle: ${flags.bundle} is not a path on this host`, {
      hint: 'Download it first; local deployments take archives and directories.',
    });
  const bundlePath = isAbsolute(flags.bundle) ? flags.bundle : resolve(workingDirectory, flags.bundle);
  return {
    bundlePath,
    bundleType: flags.type,
    fileExistsBehavior: flags.fileExistsBehavior,
    deploymentGroupId: flags.group,
    deploymentGroupName: flags.groupName,
    application: flags.application ?? bundlePath,
    events: localEvents(flags.events ?? null),
    appSpecFilename: flags.appspec,
  };
}

function describeStep(step: Step): object {
  switch (step.kind) {
    case 'run-hook': {
      const scripts = step.scripts.map(({ location, timeoutSeconds, runas, args }) => ({
        location,
        timeoutSeconds,
        runas,
        args,
      }));
      return { event: step.event, kind: step.kind, scriptsOf: step.source.revision, scripts };
    }
    case 'install':
      return { event: step.event, kind: step.kind, files: step.appSpec.files };
    case 'noop':
    case 'refuse':
      return step;
    default:
      return { event: step.event, kind: step.kind };
  }
}

function renderStep(step: Step): string {
  const line = (text: string) => `${step.event.padEnd(20)} ${text}\n`;
  switch (step.kind) {
    case 'run-hook':
      return step.scripts
        .map((script) => {
          const as = script.runas === null ? '' : ` as ${script.runas}`;
          return line(
            `run ${script.location}${as}, at most ${script.timeoutSeconds} s (${step.source.revision} revision)`,
          );
        })
        .join('');
    case 'install':
      return (
        step.appSpec.files.map((file) => line(`copy ${file.source} to ${file.destination}`)).join('') ||
        line('copy nothing')
      );
    case 'download-bundle':
      return line('unpack the bundle and read its AppSpec');
    case 'await-bundle':
      return line('known once the bundle is here');
    case 'noop':
      return line(`nothing: ${step.reason}`);
    case 'refuse':
      return line(`fail: ${step.reason}`);
  }
}

function renderEvent(event: LocalEvent): string {
  const head = `${event.name.padEnd(20)} ${event.status.padEnd(10)} ${event.durationMs} ms\n`;
  if (event.status !== 'Failed' || event.diagnostics === null) return head;
  const { message, logTail } = event.diagnostics;
  return `${head}${indent(clip(message, MAX_REASON_LENGTH))}${logTail === undefined || logTail === '' ? '' : indent(logTail.trimEnd())}`;
}

function renderResult(result: LocalResult): string {
  const { deploymentId, status, message, lifecycleEvents } = result;
  if (status === 'Succeeded') return 'AppSpec file valid. Local deployment successful\n';
  const failed = lifecycleEvents.find((event) => event.status === 'Failed');
  // Why an event failed stands with the event.
  const reason = failed === undefined ? message : `${failed.name} failed`;
  return `Local deployment ${deploymentId} ${status}${reason === null ? '' : `: ${clip(reason, MAX_REASON_LENGTH)}`}\n`;
}

function indent(text: string): string {
  return text.replace(/^/gm, '    ').concat('\n');
}

function json(value: object): string {
  return `${JSON.stringify(value)}\n`;
}

function seconds(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value < 0 || value > 86_400)
    throw new InvalidArgumentError('a number of seconds, 0 to 86400');
  return value;
}
