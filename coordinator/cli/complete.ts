import { LIFECYCLE_EVENTS } from '../../shared/model/lifecycle-event.ts';
import type { DroverClient } from '../../shared/sdk/drover-client.ts';
import { CATALOGUE } from './catalogue.ts';
import type { Cli } from './cli.ts';
import { type CommandSpec, type Completes, isGroup, type OptionSpec } from './command.ts';
import { loadContexts } from './context.ts';
import type { ExitName } from './exit-codes.ts';
import { plainText } from './render/text.ts';

/** Longer than this nobody waits for a tab, ms. */
const LIVE_LIMIT_MS = 300;
const MAX_CANDIDATES = 50;
const GLOBAL_FLAGS = ['--json', '--quiet', '--context', '--color', '--ascii', '--help'];

interface Candidate {
  value: string;
  description: string;
}

/** `drover __complete <words…>`: candidates for the last word, `value<TAB>description`, one a line. Never fails. */
export async function complete(cli: Cli, words: readonly string[]): Promise<ExitName> {
  const unfinished = words.at(-1) ?? '';
  try {
    const candidates = await candidatesFor(cli, words.slice(0, -1), unfinished);
    const fitting = candidates.filter(({ value }) => value.startsWith(unfinished)).slice(0, MAX_CANDIDATES);
    // A description of several lines would be several candidates.
    for (const { value, description } of fitting)
      cli.output.data(`${value}\t${plainText(description).replace(/\s+/g, ' ')}`);
  } catch {
    // No names are better than an error in the middle of somebody's command line.
  }
  return 'done';
}

async function candidatesFor(cli: Cli, before: readonly string[], unfinished: string): Promise<Candidate[]> {
  if (before.at(-1) === '--context') return contextNames(cli);
  const words = withoutGlobals(before);
  const [first, ...rest] = words;
  if (first === undefined)
    return unfinished.startsWith('-')
      ? GLOBAL_FLAGS.map(plain)
      : CATALOGUE.map((one) => ({ value: one.name, description: one.summary }));
  const loaded = await CATALOGUE.find((one) => one.name === first)?.load();
  if (loaded === undefined) return [];
  if (!isGroup(loaded)) return ofCommand(cli, loaded, rest, unfinished);
  const [second, ...others] = rest;
  const command = loaded.commands.find((one) => one.name === second);
  if (second === undefined) return loaded.commands.map((one) => ({ value: one.name, description: one.summary }));
  return command === undefined ? [] : ofCommand(cli, command, others, unfinished);
}

async function ofCommand(
  cli: Cli,
  spec: CommandSpec,
  words: readonly string[],
  unfinished: string,
): Promise<Candidate[]> {
  const options = Object.values(spec.options);
  const openOption = options.find((option) => takesValue(option) && flagNames(option).includes(words.at(-1) ?? ''));
  const positional = positionals(words, options);
  if (openOption !== undefined) return named(cli, openOption.completes, positional, unfinished);
  if (unfinished.startsWith('-'))
    return [
      ...options.flatMap((option) =>
        flagNames(option)
          .filter((flag) => flag.startsWith('--'))
          .map((value) => ({ value, description: option.description })),
      ),
      ...GLOBAL_FLAGS.map(plain),
    ];
  const argument = Object.values(spec.arguments)[positional.length];
  return argument === undefined ? [] : named(cli, argument.completes, positional, unfinished);
}

async function named(
  cli: Cli,
  completes: Completes | readonly string[] | undefined,
  positional: readonly string[],
  unfinished: string,
): Promise<Candidate[]> {
  if (completes === undefined || completes === 'path') return [];
  if (typeof completes !== 'string') return completes.map(plain);
  if (completes === 'context') return contextNames(cli);
  if (completes === 'event') return LIFECYCLE_EVENTS.map(plain);
  const stop = new AbortController();
  const timer = cli.world.clock.setTimer(LIVE_LIMIT_MS, () => stop.abort(new Error('too slow')));
  try {
    return await LIVE[completes](await cli.client(), positional, unfinished, stop.signal);
  } finally {
    timer.cancel();
  }
}

type Live = (
  client: DroverClient,
  positional: readonly string[],
  unfinished: string,
  signal: AbortSignal,
) => Promise<Candidate[]>;

const LIVE: Readonly<Record<Exclude<Completes, 'context' | 'event' | 'path'>, Live>> = {
  async application(client, _positional, _unfinished, signal) {
    const { items } = await client.listApplications({ limit: MAX_CANDIDATES }, { signal });
    return items.map((one) => ({ value: one.name, description: one.description }));
  },
  async group(client, _positional, unfinished, signal) {
    const [application = '', group] = unfinished.split('/');
    const names =
      group === undefined
        ? (await client.listApplications({ limit: 20 }, { signal })).items.map((one) => one.name)
        : [application];
    const fitting = names.filter((name) => name.startsWith(application));
    const pages = await Promise.all(
      fitting.map((name) => client.listDeploymentGroups({ application: name, limit: MAX_CANDIDATES }, { signal })),
    );
    return pages.flatMap((page) =>
      page.items.map((one) => ({
        value: `${one.application}/${one.name}`,
        description: one.lastGoodRevisionLabel ?? '',
      })),
    );
  },
  async revision(client, positional, _unfinished, signal) {
    const application = positional[0]?.split('/')[0];
    if (!application) return [];
    const { items } = await client.listRevisions({ application, limit: 20 }, { signal });
    return [
      { value: 'latest', description: 'what was pushed last' },
      ...items.map((one) => ({ value: one.label, description: one.description })),
    ];
  },
  async deployment(client, _positional, unfinished, signal) {
    const idPrefix = unfinished.startsWith('d-') ? unfinished : undefined;
    const { items } = await client.listDeployments({ limit: 15, idPrefix }, { signal });
    return [
      { value: 'last', description: 'my last deployment' },
      ...items.map((one) => ({
        value: one.id,
        description: `${one.application}/${one.deploymentGroup} ${one.revisionLabel} ${one.status}`,
      })),
    ];
  },
  async host(client, _positional, unfinished, signal) {
    const { items } = await client.listHosts({ namePrefix: unfinished, limit: MAX_CANDIDATES }, { signal });
    return items.map((one) => ({ value: one.name, description: one.presence }));
  },
  async config(client, _positional, _unfinished, signal) {
    const { items } = await client.listDeploymentConfigs({ limit: MAX_CANDIDATES }, { signal });
    return items.map((one) => plain(one.name));
  },
};

async function contextNames(cli: Cli): Promise<Candidate[]> {
  const { contexts } = await loadContexts(cli.world.files, cli.world.env);
  return Object.entries(contexts).map(([value, one]) => ({ value, description: one.url }));
}

function plain(value: string): Candidate {
  return { value, description: '' };
}

function withoutGlobals(words: readonly string[]): string[] {
  return words.filter((word, index) => {
    const isValue = words[index - 1] === '--context' || words[index - 1] === '--color';
    return !isValue && !GLOBAL_FLAGS.includes(word) && word !== '-q';
  });
}

function positionals(words: readonly string[], options: readonly OptionSpec[]): string[] {
  const valued = new Set(options.filter(takesValue).flatMap(flagNames));
  return words.filter((word, index) => !word.startsWith('-') && !valued.has(words[index - 1] ?? ''));
}

function takesValue(option: OptionSpec): boolean {
  return option.flags.includes('<');
}

function flagNames(option: OptionSpec): string[] {
  return option.flags.split(/[ ,]+/).filter((part) => part.startsWith('-'));
}
