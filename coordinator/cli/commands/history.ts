import { deploymentStatus } from '../../../shared/model/deployment.ts';
import type { DroverClient } from '../../../shared/sdk/drover-client.ts';
import { collect } from '../collect.ts';
import { type CommandSpec, choice, defineCommand, flag, integer, span, text } from '../command.ts';
import { parseGroup } from '../references.ts';
import { deploymentTable } from '../render/deployment-lines.ts';

export const historyCommand = defineCommand({
  name: 'history',
  summary: 'List deployments, the newest first',
  examples: [
    ['drover history', 'the last twenty'],
    ['drover history --group web/prod --status Failed --since 7d', 'what failed this week'],
    ['drover history --active --quiet', 'ids of what runs'],
  ],
  options: {
    app: text('--app <name>', 'of one application', { group: 'What', completes: 'application' }),
    group: text('--group <app/group>', 'of one deployment group', { group: 'What', completes: 'group' }),
    status: choice('--status <status>', 'with this status', deploymentStatus.options, { group: 'What' }),
    active: flag('--active', 'only those that run', { group: 'What' }),
    since: span('--since <time>', 'created within this time, for example 24h or 7d', { group: 'What' }),
    limit: integer('--limit <count>', 'at most this many (default 20)', { min: 1, max: 10_000 }, { group: 'Output' }),
  },
  exits: ['usage', 'not-found', 'not-permitted', 'unreachable'],
  seeAlso: ['status', 'redeploy'],
  async run(cli, _args, options) {
    const client = await cli.client();
    const now = cli.world.clock.now();
    const group = options.group === undefined ? undefined : parseGroup(options.group);
    const limit = options.limit ?? 20;
    const items = await collect(
      client.all('listDeployments', {
        application: group?.application ?? options.app,
        deploymentGroup: group?.group,
        status: options.status,
        active: options.active,
        since: options.since === undefined ? undefined : now - options.since,
        limit: Math.min(limit, 500),
      }),
      limit,
    );
    if (items.length === 0) await expectPlace(client, group, options.app);
    const { style, width } = cli.output;
    cli.output.answer({
      json: () => ({ items }),
      lines: () => (items.length === 0 ? ['No deployment.'] : deploymentTable(items, now, width, style)),
      ids: () => items.map((item) => item.id),
    });
    return 'done';
  },
});

/** Of what is not there nothing runs, either; but it is a wrong name, as a rule. @throws AppError `not_found` */
async function expectPlace(
  client: DroverClient,
  group: { application: string; group: string } | undefined,
  application: string | undefined,
): Promise<void> {
  if (group !== undefined) await client.getDeploymentGroup(group);
  else if (application !== undefined) await client.getApplication({ application });
}

export const lsCommand: CommandSpec = { ...historyCommand, name: 'ls' };
