import type { Cli } from './cli.ts';
import type { ExitName } from './exit-codes.ts';
import { usageError } from './exit-codes.ts';
import { parseDuration } from './render/units.ts';

/** Live names that completion offers for an argument or an option's value. */
export type Completes =
  | 'application'
  | 'group'
  | 'revision'
  | 'deployment'
  | 'host'
  | 'config'
  | 'context'
  | 'event'
  | 'path';

export interface ArgumentSpec<T = unknown> {
  /** `<group>`, `[revision]`, `[hosts...]`. */
  form: string;
  description: string;
  completes: Completes | readonly string[] | undefined;
  /** Carries the type only. */
  readonly type?: T;
}

/** The headings of flags in a help text, in this order. */
export const FLAG_GROUPS = ['What', 'How', 'Safety', 'Output'] as const;
export type FlagGroup = (typeof FLAG_GROUPS)[number];

export interface OptionSpec<T = unknown> {
  /** `--config <name>`, `-f, --follow`. */
  flags: string;
  description: string;
  group: FlagGroup;
  isRepeatable: boolean;
  completes: Completes | readonly string[] | undefined;
  /** Text from the command line, or an earlier value's list and text, to a value. */
  parse: (text: string) => T;
}

type Extra = { group?: FlagGroup; completes?: Completes | readonly string[] };

export const argument = (
  form: string,
  description: string,
  completes?: Completes | readonly string[],
): ArgumentSpec<string> => ({
  form,
  description,
  completes,
});
export const optionalArgument = (
  form: string,
  description: string,
  completes?: Completes | readonly string[],
): ArgumentSpec<string | undefined> => ({
  form,
  description,
  completes,
});
export const restArguments = (form: string, description: string, completes?: Completes): ArgumentSpec<string[]> => ({
  form,
  description,
  completes,
});

export const text = (flags: string, description: string, extra: Extra = {}): OptionSpec<string> =>
  option(flags, description, extra, (value) => value);

/** May be given several times; a list then. */
export const texts = (flags: string, description: string, extra: Extra = {}): OptionSpec<string[]> => ({
  ...option(flags, description, extra, (value) => [value]),
  isRepeatable: true,
});

export const flag = (flags: string, description: string, extra: Extra = {}): OptionSpec<boolean> =>
  option(flags, description, extra, () => true);

export const choice = <const Choices extends readonly string[]>(
  flags: string,
  description: string,
  choices: Choices,
  extra: Extra = {},
): OptionSpec<Choices[number]> =>
  option(flags, description, { completes: choices, ...extra }, (value) => {
    const known = choices.find((one) => one.toLowerCase() === value.toLowerCase());
    if (known === undefined)
      throw usageError(`${nameOf(flags)} ${value} is not known`, `Use one of: ${choices.join(', ')}.`);
    return known;
  });

export const integer = (
  flags: string,
  description: string,
  limits: { min: number; max: number },
  extra: Extra = {},
): OptionSpec<number> =>
  option(flags, description, extra, (value) => {
    const number = Number(value);
    if (!/^\d+$/.test(value) || number < limits.min || number > limits.max)
      throw usageError(`${nameOf(flags)} ${value} is not a whole number from ${limits.min} to ${limits.max}`);
    return number;
  });

/** A span of time, in ms. */
export const span = (flags: string, description: string, extra: Extra = {}): OptionSpec<number> =>
  option(flags, description, extra, (value) => {
    const ms = parseDuration(value);
    if (ms === undefined || ms <= 0)
      throw usageError(`${nameOf(flags)} ${value} is no span of time`, 'Write 90s, 30m, 2h, 1h30m or 7d.');
    return ms;
  });

function option<T>(flags: string, description: string, extra: Extra, parse: (value: string) => T): OptionSpec<T> {
  return { flags, description, group: extra.group ?? 'How', isRepeatable: false, completes: extra.completes, parse };
}

function nameOf(flags: string): string {
  return /--[a-z-]+/.exec(flags)?.[0] ?? flags;
}

type ArgumentValues<A> = { [K in keyof A]: A[K] extends ArgumentSpec<infer T> ? T : never };
type OptionValues<O> = { [K in keyof O]?: O[K] extends OptionSpec<infer T> ? T | undefined : never };

export interface CommandSpec {
  name: string;
  /** One sentence: what it does. */
  summary: string;
  /** A command line and what it is for; the first thing that help shows. */
  examples: readonly (readonly [line: string, what: string])[];
  arguments: Readonly<Record<string, ArgumentSpec>>;
  options: Readonly<Record<string, OptionSpec>>;
  exits: readonly ExitName[];
  seeAlso: readonly string[];
  /** More to say, in paragraphs. */
  notes: readonly string[];
  /** Resolves with how the command ends. */
  run: (cli: Cli, args: Record<string, unknown>, options: Record<string, unknown>) => Promise<ExitName>;
}

/** A noun with commands below it. */
export interface CommandGroup {
  name: string;
  summary: string;
  commands: readonly CommandSpec[];
}

export interface CommandDefinition<
  A extends Readonly<Record<string, ArgumentSpec>>,
  O extends Readonly<Record<string, OptionSpec>>,
> {
  name: string;
  summary: string;
  examples: CommandSpec['examples'];
  arguments?: A;
  options?: O;
  exits?: readonly ExitName[];
  seeAlso?: readonly string[];
  notes?: readonly string[];
  run: (cli: Cli, args: ArgumentValues<A>, options: OptionValues<O>) => Promise<ExitName>;
}

/** Arguments and options arrive in `run` with the types that their specs say. */
export function defineCommand<
  const A extends Readonly<Record<string, ArgumentSpec>>,
  const O extends Readonly<Record<string, OptionSpec>>,
>(definition: CommandDefinition<A, O>): CommandSpec {
  return {
    exits: ['done'],
    seeAlso: [],
    notes: [],
    ...definition,
    arguments: definition.arguments ?? {},
    options: definition.options ?? {},
    // program.ts builds both records from these very specs.
    run: (cli, args, options) => definition.run(cli, args as ArgumentValues<A>, options as OptionValues<O>),
  };
}

export function isGroup(entry: CommandSpec | CommandGroup): entry is CommandGroup {
  return 'commands' in entry;
}
