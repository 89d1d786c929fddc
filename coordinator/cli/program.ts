import { Command, CommanderError, Option } from 'commander';
import { nearestName } from '../../shared/appspec/nearest.ts';
import { CATALOGUE } from './catalogue.ts';
import { Cli } from './cli.ts';
import { type CommandGroup, type CommandSpec, isGroup } from './command.ts';
import { CommandFailure, type ExitCode, type ExitName, exitCode, exitOfError } from './exit-codes.ts';
import { Output } from './output.ts';
import { exitLine, failureDocument, failureLines } from './render/failure.ts';
import { helpOfCommand, helpOfGroup, helpOfProgram } from './render/help-text.ts';
import { makeStyle } from './render/style.ts';
import { decideLooks } from './terminal.ts';
import type { World } from './world.ts';

/** Runs one command line and resolves with how it ended; failures are told by then. */
export async function runProgram(world: World): Promise<ExitCode> {
  const { argv } = world;
  const isJson = argv.includes('--json');
  let output = plainOutput(world, isJson);
  try {
    const cli = prepare(world, isJson);
    output = cli.output;
    if (argv[0] === '__complete') return exitCode(await (await import('./complete.ts')).complete(cli, argv.slice(1)));
    if (argv.includes('--version') && !argv.some((word) => CATALOGUE.some((entry) => entry.name === word)))
      return exitCode(await (await import('./commands/version.ts')).printVersion(cli));
    const exit = await dispatch(cli, argv);
    if (exit !== 'done' && !isJson && !output.mode.isQuiet) output.note(exitLine(exit, output.style));
    return exitCode(exit);
  } catch (error) {
    if (isJson) output.data(JSON.stringify(failureDocument(error)));
    else for (const line of failureLines(error, output.style)) output.complain(line);
    if (world.env['DROVER_TRACE'] && error instanceof Error) output.complain(error.stack ?? '');
    return exitCode(exitOfError(error));
  }
}

/** Looks are decided before anything is parsed, so that errors look as asked for too. */
function prepare(world: World, isJson: boolean): Cli {
  const { argv, env, stdout, stderr } = world;
  const isTty = stdout.isTty && stderr.isTty;
  const looks = decideLooks({
    env,
    color: argv.includes('--no-color') ? 'never' : valueAfter(argv, '--color'),
    isAscii: argv.includes('--ascii'),
    isTty,
  });
  const style = makeStyle({ ...looks, utcOffset: (at) => world.utcOffset(at) });
  const isQuiet = argv.includes('--quiet') || argv.includes('-q');
  const output = new Output(stdout, stderr, style, { isJson, isQuiet });
  return new Cli(world, output, { context: valueAfter(argv, '--context') }, looks.isLive && !isJson && !isQuiet);
}

function plainOutput(world: World, isJson: boolean): Output {
  const style = makeStyle({ hasColour: false, isUnicode: false, utcOffset: () => 0 });
  return new Output(world.stdout, world.stderr, style, { isJson, isQuiet: false });
}

function valueAfter(argv: readonly string[], name: string): string | undefined {
  const index = argv.indexOf(name);
  if (index !== -1) return argv[index + 1];
  return argv.find((word) => word.startsWith(`${name}=`))?.slice(name.length + 1);
}

async function dispatch(cli: Cli, argv: readonly string[]): Promise<ExitName> {
  let ended: ExitName = 'done';
  const onEnd = (exit: ExitName) => {
    ended = exit;
  };
  const width = Math.min(cli.output.width, 100);
  const root = quiet(new Command('drover'), () => helpOfProgram(CATALOGUE, width, cli.output.style), cli);
  for (const option of globalOptions()) root.addOption(option);
  root.helpCommand(false).argument('[command...]');
  root.action(async ([unknown]: readonly string[]) => {
    if (unknown !== undefined) throw unknownCommand(unknown);
    const { statusCommand } = await import('./commands/status.ts');
    onEnd(await statusCommand.run(cli, {}, {}));
  });
  const entryOf = new Map(CATALOGUE.map((entry) => [entry.name, entry]));
  for (const entry of CATALOGUE) root.command(entry.name).helpCommand(false);
  root.hook('preSubcommand', async (_, command) => {
    const loaded = await entryOf.get(command.name())?.load();
    if (loaded === undefined) return;
    if (isGroup(loaded)) buildGroup(command, loaded, cli, onEnd);
    else buildCommand(command, loaded, loaded.name, cli, onEnd);
  });
  try {
    await root.parseAsync([...argv], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return 'done';
    throw usageFailure(error, argv);
  }
  return ended;
}

function unknownCommand(name: string): CommandFailure {
  const nearest = nearestName(
    name,
    CATALOGUE.map((entry) => entry.name),
  );
  const hint = nearest === null ? 'See all: drover help' : `Did you mean drover ${nearest}?`;
  return new CommandFailure('usage', `there is no command ${name}`, { hint });
}

function globalOptions(): Option[] {
  return [
    new Option('--json'),
    new Option('-q, --quiet'),
    new Option('--context <name>'),
    new Option('--color <when>'),
    new Option('--no-color'),
    new Option('--ascii'),
  ];
}

function buildGroup(command: Command, group: CommandGroup, cli: Cli, onEnd: (exit: ExitName) => void): void {
  const width = Math.min(cli.output.width, 100);
  quiet(command, () => helpOfGroup(group, width, cli.output.style), cli);
  for (const spec of group.commands)
    buildCommand(command.command(spec.name), spec, `${group.name} ${spec.name}`, cli, onEnd);
  command.argument('[command...]');
  command.action(([unknown]: readonly string[]) => {
    const names = group.commands.map((spec) => spec.name).join(', ');
    if (unknown === undefined)
      throw new CommandFailure('usage', `drover ${group.name} needs to know what to do: ${names}`, {
        hint: `drover ${group.name} --help`,
      });
    const nearest = nearestName(
      unknown,
      group.commands.map((spec) => spec.name),
    );
    throw new CommandFailure('usage', `there is no command ${group.name} ${unknown}`, {
      hint: nearest === null ? `There are: ${names}.` : `Did you mean drover ${group.name} ${nearest}?`,
    });
  });
}

function buildCommand(
  command: Command,
  spec: CommandSpec,
  path: string,
  cli: Cli,
  onEnd: (exit: ExitName) => void,
): void {
  const width = Math.min(cli.output.width, 100);
  quiet(command, () => helpOfCommand(spec, path, width, cli.output.style), cli);
  command.helpCommand(false);
  const argumentNames = Object.keys(spec.arguments);
  for (const argument of Object.values(spec.arguments)) command.argument(argument.form, argument.description);
  const options = Object.entries(spec.options).map(([key, one]) => {
    const option = new Option(one.flags, one.description);
    if (one.isRepeatable)
      option.argParser((text: string, before: unknown) => [
        ...(Array.isArray(before) ? before : []),
        ...(one.parse(text) as unknown[]),
      ]);
    else if (option.required || option.optional) option.argParser((text: string) => one.parse(text));
    command.addOption(option);
    return { key, attribute: option.attributeName(), isNegative: option.negate };
  });
  command.action(async (...given: unknown[]) => {
    const args = Object.fromEntries(argumentNames.map((name, index) => [name, given[index]]));
    const values = command.opts();
    const parsed = options.map(({ key, attribute, isNegative }) => [
      key,
      isNegative ? values[attribute] === false : values[attribute],
    ]);
    onEnd(await spec.run(cli, args, Object.fromEntries(parsed)));
  });
}

/** Help in our own form on stdout; what commander would print of errors is told by `runProgram` instead. */
function quiet(command: Command, help: () => readonly string[], cli: Cli): Command {
  command.exitOverride().showSuggestionAfterError(true);
  command.configureOutput({
    writeOut: (text) => cli.world.stdout.write(text),
    writeErr: () => {},
    outputError: () => {},
  });
  command.helpInformation = () => `${help().join('\n')}\n`;
  return command;
}

/** `error: unknown command 'deplo'\n(Did you mean deploy?)` in our form. */
function usageFailure(error: CommanderError, argv: readonly string[]): CommandFailure {
  const [what = '', ...rest] = error.message.replace(/^error: /, '').split('\n');
  const suggestion = /\((Did you mean .*)\)/.exec(rest.join(' '))?.[1];
  const command = argv.find((word) => CATALOGUE.some((entry) => entry.name === word));
  const help = command === undefined ? 'drover help' : `drover ${command} --help`;
  return new CommandFailure('usage', what, { hint: suggestion ?? help });
}
