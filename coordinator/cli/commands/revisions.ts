import { collect } from '../collect.ts';
import { argument, type CommandGroup, defineCommand, flag, integer } from '../command.ts';
import { inContext } from '../confirmation.ts';
import { facts, table } from '../render/table.ts';
import { ago, bytes, dateTime } from '../render/units.ts';

const COMMON = ['usage', 'not-found', 'not-permitted', 'unreachable'] as const;

const ls = defineCommand({
  name: 'ls',
  summary: 'List revisions of an application, what was pushed last first',
  examples: [['drover revisions ls web', '']],
  arguments: { application: argument('<app>', 'the application', 'application') },
  options: {
    limit: integer('--limit <count>', 'at most this many (default 20)', { min: 1, max: 100_000 }, { group: 'Output' }),
  },
  exits: COMMON,
  seeAlso: ['push', 'redeploy'],
  async run(cli, args, options) {
    const client = await cli.client();
    const limit = options.limit ?? 20;
    const items = await collect(
      client.all('listRevisions', { application: args.application, limit: Math.min(limit, 500) }),
      limit,
    );
    const { style, width } = cli.output;
    const now = cli.world.clock.now();
    const columns = [
      { title: 'REVISION', isFlexible: true },
      { title: 'DIGEST' },
      { title: 'SIZE' },
      { title: 'PUSHED' },
      { title: 'BY' },
      { title: 'LAST USED' },
      { title: 'DESCRIPTION', isFlexible: true },
    ];
    cli.output.answer({
      json: () => ({ items }),
      lines: () =>
        items.length === 0
          ? [`No revision. Make one: drover push <dir> --app ${args.application}`]
          : table(
              columns,
              items.map((one) => [
                one.label,
                one.digest.slice(0, 12),
                bytes(one.sizeBytes),
                ago(one.lastPushedAt ?? one.registeredAt, now),
                one.registeredBy,
                one.lastUsedAt === null ? 'never' : ago(one.lastUsedAt, now),
                one.description,
              ]),
              width,
              style,
            ),
      ids: () => items.map((one) => one.id),
    });
    return 'done';
  },
});

const show = defineCommand({
  name: 'show',
  summary: 'One revision',
  examples: [['drover revisions show web 2.4.1', '']],
  arguments: {
    application: argument('<app>', 'the application', 'application'),
    revision: argument('<revision>', 'label, id, beginning of a digest, or "latest"', 'revision'),
  },
  exits: COMMON,
  async run(cli, args) {
    const client = await cli.client();
    const revision = await client.getRevision(args);
    const { style, width } = cli.output;
    const { source } = revision;
    cli.output.answer({
      json: () => ({ revision }),
      lines: () =>
        facts(
          [
            ['Revision', revision.label],
            ['Id', revision.id],
            ['Application', revision.application],
            ['Digest', revision.digest],
            ['Bundle', `${revision.bundleType}, ${bytes(revision.sizeBytes)}`],
            ['From', source.kind === 'url' ? source.url : 'uploaded'],
            ['Registered', `${dateTime(revision.registeredAt, style.utcOffset)} by ${revision.registeredBy}`],
            ['Pushed last', dateTime(revision.lastPushedAt ?? revision.registeredAt, style.utcOffset)],
            ['Last used', revision.lastUsedAt === null ? 'never' : dateTime(revision.lastUsedAt, style.utcOffset)],
            ['Description', revision.description],
          ],
          width,
          style,
        ),
      ids: () => [revision.id],
    });
    return 'done';
  },
});

const rm = defineCommand({
  name: 'rm',
  summary: 'Delete a revision that nothing counts on',
  examples: [['drover revisions rm web 2.3.0', 'asks first']],
  arguments: {
    application: argument('<app>', 'the application', 'application'),
    revision: argument('<revision>', 'label, id or beginning of a digest', 'revision'),
  },
  options: { yes: flag('-y, --yes', 'do not ask', { group: 'Safety' }) },
  exits: [...COMMON, 'refused', 'needs-answer', 'left'],
  async run(cli, args, options) {
    const client = await cli.client();
    const revision = await client.getRevision(args);
    const name = `${revision.application} ${revision.label}`;
    await cli.confirm(`Delete revision ${name} ${inContext(await cli.chosen())}`, { isYes: options.yes });
    await client.deleteRevision({ application: args.application, revision: revision.id });
    cli.output.answer({
      json: () => ({ deleted: revision.id }),
      lines: () => [`${name} deleted`],
      ids: () => [revision.id],
    });
    return 'done';
  },
});

export const revisionsCommands: CommandGroup = {
  name: 'revisions',
  summary: 'Revisions of an application',
  commands: [ls, show, rm],
};
