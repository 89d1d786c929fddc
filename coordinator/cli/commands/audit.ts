import { collect } from '../collect.ts';
import { defineCommand, integer, span, text } from '../command.ts';
import { table } from '../render/table.ts';
import { plainText } from '../render/text.ts';
import { dateTime } from '../render/units.ts';

export const auditCommand = defineCommand({
  name: 'audit',
  summary: 'Every change: who, what, when, from where; the newest first',
  examples: [
    ['drover audit --since 24h', 'today'],
    ['drover audit --on web/prod --by ana', 'one subject, one person'],
    ['drover audit --limit 10000 --json > audit.json', 'to keep'],
  ],
  options: {
    since: span('--since <time>', 'within this time, for example 24h or 30d', { group: 'What' }),
    by: text('--by <name>', 'an operator token, host:NAME or coordinator', { group: 'What' }),
    on: text('--on <subject>', 'for example web/prod, d-8K1M2N3P4, or last', { group: 'What' }),
    limit: integer(
      '--limit <count>',
      'at most this many (default 50)',
      { min: 1, max: 1_000_000 },
      { group: 'Output' },
    ),
  },
  exits: ['usage', 'not-found', 'not-permitted', 'unreachable'],
  seeAlso: ['history'],
  async run(cli, _args, options) {
    const client = await cli.client();
    const limit = options.limit ?? 50;
    const since = options.since === undefined ? undefined : cli.world.clock.now() - options.since;
    const subject = options.on === 'last' ? await cli.lastDeployment() : options.on;
    const items = await collect(
      client.all('listAudit', { actor: options.by, subject, since, limit: Math.min(limit, 500) }),
      limit,
    );
    const { style, width } = cli.output;
    const columns = [
      { title: 'WHEN' },
      { title: 'WHO', isFlexible: true },
      { title: 'WHAT' },
      { title: 'ON', isFlexible: true },
      { title: 'FROM' },
    ];
    cli.output.answer({
      json: () => ({ items }),
      lines: () =>
        items.length === 0
          ? ['No change.']
          : table(
              columns,
              items.map((one) => [
                dateTime(one.at, style.utcOffset),
                one.actor,
                one.action,
                plainText(one.subject),
                one.remoteAddress ?? '',
              ]),
              width,
              style,
            ),
      ids: () => items.map((one) => String(one.sequence)),
    });
    return 'done';
  },
});
