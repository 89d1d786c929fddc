import { collect } from '../collect.ts';
import { argument, type CommandGroup, defineCommand, flag, text } from '../command.ts';
import { inContext } from '../confirmation.ts';
import { table } from '../render/table.ts';
import { ago } from '../render/units.ts';

const COMMON = ['usage', 'not-found', 'not-permitted', 'unreachable'] as const;

const ls = defineCommand({
  name: 'ls',
  summary: 'List applications',
  examples: [['drover apps ls', '']],
  exits: COMMON,
  seeAlso: ['groups ls', 'revisions ls'],
  async run(cli) {
    const client = await cli.client();
    const items = await collect(client.all('listApplications', {}));
    const { style, width } = cli.output;
    const now = cli.world.clock.now();
    cli.output.answer({
      json: () => ({ items }),
      lines: () =>
        items.length === 0
          ? ['No application. Make one: drover apps create <name>']
          : table(
              [{ title: 'APPLICATION' }, { title: 'CREATED' }, { title: 'DESCRIPTION', isFlexible: true }],
              items.map((one) => [one.name, ago(one.createdAt, now), one.description]),
              width,
              style,
            ),
      ids: () => items.map((one) => one.name),
    });
    return 'done';
  },
});

const create = defineCommand({
  name: 'create',
  summary: 'Create an application',
  examples: [['drover apps create web --description "the shop"', '']],
  arguments: { name: argument('<name>', 'letters, digits and + = , . @ _ -') },
  options: { description: text('--description <text>', 'for people', { group: 'What' }) },
  exits: [...COMMON, 'refused'],
  seeAlso: ['groups create', 'push'],
  async run(cli, args, options) {
    const client = await cli.client();
    const application = await client.createApplication({ name: args.name, description: options.description });
    cli.output.answer({
      json: () => ({ application }),
      lines: () => [
        `${application.name} created. Next: drover groups create ${application.name}/<group> --tag <key=value>`,
      ],
      ids: () => [application.name],
    });
    return 'done';
  },
});

const rm = defineCommand({
  name: 'rm',
  summary: 'Delete an application with its groups and revisions; history stays',
  examples: [['drover apps rm web', 'asks first']],
  arguments: { name: argument('<name>', 'the application', 'application') },
  options: { yes: flag('-y, --yes', 'do not ask', { group: 'Safety' }) },
  exits: [...COMMON, 'refused', 'needs-answer', 'left'],
  async run(cli, args, options) {
    const client = await cli.client();
    await client.getApplication({ application: args.name });
    await cli.confirm(`Delete ${args.name} with its groups and revisions ${inContext(await cli.chosen())}`, {
      isYes: options.yes,
      typed: args.name,
    });
    await client.deleteApplication({ application: args.name });
    cli.output.answer({
      json: () => ({ deleted: args.name }),
      lines: () => [`${args.name} deleted`],
      ids: () => [args.name],
    });
    return 'done';
  },
});

export const appsCommands: CommandGroup = { name: 'apps', summary: 'Applications', commands: [ls, create, rm] };
