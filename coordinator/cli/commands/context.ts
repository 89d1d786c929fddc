import { resolve } from 'node:path';
import { argument, type CommandGroup, defineCommand, flag, optionalArgument, text } from '../command.ts';
import { checkAddress, loadContexts, sameAddress, saveContexts, unknownContext } from '../context.ts';
import { CommandFailure } from '../exit-codes.ts';
import { facts, table } from '../render/table.ts';

const ls = defineCommand({
  name: 'ls',
  summary: 'List contexts',
  examples: [['drover context ls', '']],
  async run(cli) {
    const { current, contexts } = await loadContexts(cli.world.files, cli.world.env);
    const { style, width } = cli.output;
    const items = Object.entries(contexts).map(([name, one]) => ({
      name,
      url: one.url,
      isCurrent: name === current,
      isLoggedIn: one.token !== undefined,
    }));
    cli.output.answer({
      json: () => ({ items }),
      lines: () =>
        items.length === 0
          ? ['No context. Make one: drover login https://<coordinator>']
          : table(
              [{ title: '' }, { title: 'CONTEXT' }, { title: 'ADDRESS', isFlexible: true }, { title: '' }],
              items.map((one) => [one.isCurrent ? '*' : '', one.name, one.url, one.isLoggedIn ? '' : 'logged out']),
              width,
              style,
            ),
      ids: () => items.map((one) => one.name),
    });
    return 'done';
  },
});

const use = defineCommand({
  name: 'use',
  summary: 'Use another context from now on',
  examples: [['drover context use staging', 'for one command only: drover --context staging …']],
  arguments: { name: argument('<name>', 'the context', 'context') },
  exits: ['not-found'],
  async run(cli, args) {
    const { files, env } = cli.world;
    const contexts = await loadContexts(files, env);
    const one = contexts.contexts[args.name];
    if (one === undefined) throw unknownContext(contexts, args.name);
    await saveContexts(files, env, { ...contexts, current: args.name });
    cli.output.answer({
      json: () => ({ context: { name: args.name, url: one.url } }),
      lines: () => [`context ${args.name}: ${one.url}`],
      ids: () => [args.name],
    });
    if (env['DROVER_URL'] || env['DROVER_CONTEXT']) cli.output.note('DROVER_URL or DROVER_CONTEXT is set, and wins.');
    return 'done';
  },
});

const add = defineCommand({
  name: 'add',
  summary: 'Add a context without logging in',
  examples: [['drover context add staging https://staging.example:7717', 'with DROVER_TOKEN from elsewhere']],
  arguments: { name: argument('<name>', 'its name'), url: argument('<address>', 'of the coordinator') },
  options: {
    caFile: text('--ca-file <path>', 'PEM file of the authority that signed its certificate', { completes: 'path' }),
    force: flag('--force', 'in the place of a context of this name for another address, whose token is lost', {
      group: 'Safety',
    }),
  },
  exits: ['usage', 'refused'],
  async run(cli, args, options) {
    const { files, env } = cli.world;
    checkAddress(args.url);
    const contexts = await loadContexts(files, env);
    const known = contexts.contexts[args.name];
    const isSame = known !== undefined && sameAddress(known.url, args.url);
    if (known !== undefined && !isSame && options.force !== true)
      throw new CommandFailure('refused', `there is a context ${args.name} already, for ${known.url}`, {
        hint: 'Choose another name, or put this one in its place, token and all, with --force.',
      });
    const one = {
      ...(isSame ? known : {}),
      url: args.url,
      ...(options.caFile === undefined ? {} : { caFile: resolve(options.caFile) }),
    };
    await saveContexts(files, env, {
      ...contexts,
      current: contexts.current ?? args.name,
      contexts: { ...contexts.contexts, [args.name]: one },
    });
    cli.output.answer({
      json: () => ({ context: { name: args.name, url: args.url } }),
      lines: () => [`context ${args.name} added`],
      ids: () => [args.name],
    });
    return 'done';
  },
});

const rm = defineCommand({
  name: 'rm',
  summary: 'Remove a context with its token',
  examples: [['drover context rm staging', '']],
  arguments: { name: argument('<name>', 'the context', 'context') },
  exits: ['not-found'],
  async run(cli, args) {
    const { files, env } = cli.world;
    const contexts = await loadContexts(files, env);
    const { [args.name]: removed, ...rest } = contexts.contexts;
    if (removed === undefined) throw unknownContext(contexts, args.name);
    await saveContexts(files, env, {
      ...contexts,
      current: contexts.current === args.name ? null : contexts.current,
      contexts: rest,
    });
    cli.output.answer({
      json: () => ({ deleted: args.name }),
      lines: () => [`context ${args.name} removed`],
      ids: () => [args.name],
    });
    return 'done';
  },
});

const show = defineCommand({
  name: 'show',
  summary: 'One context; never its token',
  examples: [['drover context show', 'the one that commands use now']],
  arguments: { name: optionalArgument('[name]', 'default: the one that commands use now', 'context') },
  exits: ['not-found', 'not-permitted'],
  async run(cli, args) {
    const { files, env } = cli.world;
    const contexts = await loadContexts(files, env);
    if (args.name !== undefined && contexts.contexts[args.name] === undefined)
      throw unknownContext(contexts, args.name);
    const stored = args.name === undefined ? undefined : contexts.contexts[args.name];
    const one = stored === undefined ? await cli.chosen() : { name: args.name, ...stored };
    const { style, width } = cli.output;
    const shown = {
      name: one.name ?? null,
      url: one.url,
      caFile: one.caFile ?? null,
      isLoggedIn: one.token !== undefined,
    };
    cli.output.answer({
      json: () => ({ context: shown }),
      lines: () =>
        facts(
          [
            ['Context', shown.name ?? 'from the environment'],
            ['Address', shown.url],
            ['Authority', shown.caFile ?? "the system's"],
            ['Token', shown.isLoggedIn ? 'kept' : 'none'],
          ],
          width,
          style,
        ),
      ids: () => [shown.name ?? shown.url],
    });
    return 'done';
  },
});

export const contextCommands: CommandGroup = {
  name: 'context',
  summary: 'Coordinators that this command knows',
  commands: [ls, use, add, rm, show],
};
