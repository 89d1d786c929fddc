import type { DeploymentConfig } from '../../../shared/model/deployment-config.ts';
import { collect } from '../collect.ts';
import { argument, type CommandGroup, defineCommand, flag, integer } from '../command.ts';
import { inContext } from '../confirmation.ts';
import { usageError } from '../exit-codes.ts';
import { floorOf } from '../render/plan-lines.ts';
import { facts, table } from '../render/table.ts';
import { count, plural } from '../render/units.ts';

const COMMON = ['usage', 'not-found', 'not-permitted', 'unreachable'] as const;

const ls = defineCommand({
  name: 'ls',
  summary: 'List deployment configs',
  examples: [['drover configs ls', '']],
  exits: COMMON,
  async run(cli) {
    const client = await cli.client();
    const items = await collect(client.all('listDeploymentConfigs', {}));
    const { style, width } = cli.output;
    cli.output.answer({
      json: () => ({ items }),
      lines: () =>
        table(
          [{ title: 'CONFIG', isFlexible: true }, { title: 'STAYS IN SERVICE' }, { title: '' }],
          items.map((one) => [one.name, minimumText(one), one.isPredefined ? 'predefined' : '']),
          width,
          style,
        ),
      ids: () => items.map((one) => one.name),
    });
    return 'done';
  },
});

const show = defineCommand({
  name: 'show',
  summary: 'One deployment config',
  examples: [['drover configs show CodeDeployDefault.HalfAtATime', '']],
  arguments: { config: argument('<config>', 'its name', 'config') },
  exits: COMMON,
  seeAlso: ['configs preview'],
  async run(cli, args) {
    const client = await cli.client();
    const config = await client.getDeploymentConfig(args);
    const { style, width } = cli.output;
    cli.output.answer({
      json: () => ({ config }),
      lines: () =>
        facts(
          [
            ['Config', config.name],
            ['Stays in service', minimumText(config)],
          ],
          width,
          style,
        ),
      ids: () => [config.name],
    });
    return 'done';
  },
});

const create = defineCommand({
  name: 'create',
  summary: 'Create a deployment config; a config never changes afterwards',
  examples: [
    ['drover configs create careful --min-healthy 90%', 'of the hosts, rounded up'],
    ['drover configs create five-left --min-healthy 5', 'a number of hosts'],
  ],
  arguments: { name: argument('<name>', 'letters, digits and + = , . @ _ -') },
  options: {
    minHealthy: {
      flags: '--min-healthy <count|percent%>',
      description: 'hosts that stay in service: a number, or a percentage from 0% to 99%',
      group: 'What',
      isRepeatable: false,
      completes: undefined,
      parse: parseMinimum,
    },
  },
  exits: [...COMMON, 'refused'],
  seeAlso: ['configs preview'],
  async run(cli, args, options) {
    if (options.minHealthy === undefined)
      throw usageError('--min-healthy is missing', 'For example --min-healthy 90% or --min-healthy 5.');
    const client = await cli.client();
    const config = await client.createDeploymentConfig({ name: args.name, minimumHealthyHosts: options.minHealthy });
    cli.output.answer({
      json: () => ({ config }),
      lines: () => [`${config.name} created: ${minimumText(config)}`],
      ids: () => [config.name],
    });
    return 'done';
  },
});

const preview = defineCommand({
  name: 'preview',
  summary: 'What a deployment config means for a number of hosts',
  examples: [['drover configs preview careful --hosts 50', '']],
  arguments: { config: argument('<config>', 'its name', 'config') },
  options: { hosts: integer('--hosts <count>', 'how many hosts', { min: 1, max: 1_000_000 }, { group: 'What' }) },
  exits: COMMON,
  async run(cli, args, options) {
    if (options.hosts === undefined) throw usageError('--hosts is missing', 'For example --hosts 50.');
    const client = await cli.client();
    const config = await client.getDeploymentConfig(args);
    const hosts = options.hosts;
    const floor = floorOf(config.minimumHealthyHosts, hosts);
    const atOnce = Math.max(0, hosts - floor);
    const { style, width } = cli.output;
    const means = {
      config: config.name,
      hosts,
      staysInService: floor,
      atOnce,
      endsAtFailure: atOnce > 0 && atOnce < hosts ? atOnce : null,
    };
    cli.output.answer({
      json: () => ({ preview: means }),
      lines: () =>
        facts(
          [
            ['Stays in service', `${count(floor)} of ${plural(hosts, 'host')}`],
            ['At once', atOnce === 0 ? 'none: a deployment would fail at once' : plural(atOnce, 'host')],
            [
              'Ends with',
              means.endsAtFailure === null ? 'no number of failures before the last host' : plural(atOnce, 'failure'),
            ],
          ],
          width,
          style,
        ),
      ids: () => [config.name],
    });
    return 'done';
  },
});

const rm = defineCommand({
  name: 'rm',
  summary: 'Delete a deployment config that no group uses',
  examples: [['drover configs rm careful', 'asks first']],
  arguments: { config: argument('<config>', 'its name', 'config') },
  options: { yes: flag('-y, --yes', 'do not ask', { group: 'Safety' }) },
  exits: [...COMMON, 'refused', 'needs-answer', 'left'],
  async run(cli, args, options) {
    const client = await cli.client();
    await client.getDeploymentConfig(args);
    await cli.confirm(`Delete the deployment config ${args.config} ${inContext(await cli.chosen())}`, {
      isYes: options.yes,
    });
    await client.deleteDeploymentConfig(args);
    cli.output.answer({
      json: () => ({ deleted: args.config }),
      lines: () => [`${args.config} deleted`],
      ids: () => [args.config],
    });
    return 'done';
  },
});

function parseMinimum(written: string) {
  const percent = /^(\d{1,2})\s*%$/.exec(written)?.[1];
  if (percent !== undefined) return { type: 'FLEET_PERCENT' as const, value: Number(percent) };
  if (/^\d{1,7}$/.test(written)) return { type: 'HOST_COUNT' as const, value: Number(written) };
  throw usageError(
    `--min-healthy ${written} is neither a number nor a percentage from 0% to 99%`,
    'For example 90% or 5.',
  );
}

function minimumText({ minimumHealthyHosts }: DeploymentConfig): string {
  switch (minimumHealthyHosts.type) {
    case 'HOST_COUNT':
      return plural(minimumHealthyHosts.value, 'host');
    case 'FLEET_PERCENT':
      return `${minimumHealthyHosts.value} % of the hosts`;
    case 'MOST_CONCURRENCY':
      return 'all but one';
  }
}

export const configsCommands: CommandGroup = {
  name: 'configs',
  summary: 'Deployment configs: how many hosts stay in service',
  commands: [ls, show, create, preview, rm],
};
