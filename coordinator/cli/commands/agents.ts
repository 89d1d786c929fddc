import { hostShare } from '../../../shared/model/agent-update.ts';
import type { AgentUpdate, DroverClient } from '../../../shared/sdk/drover-client.ts';
import type { Cli } from '../cli.ts';
import { collect } from '../collect.ts';
import { type CommandGroup, defineCommand, flag, integer, optionalArgument, span, text } from '../command.ts';
import { inContext } from '../confirmation.ts';
import { type ExitName, usageError } from '../exit-codes.ts';
import { leftOutLines, updateLines, versionLines } from '../render/agent-update-lines.ts';
import { paintOfStatus } from '../render/style.ts';
import { table } from '../render/table.ts';
import { ago, plural } from '../render/units.ts';
import { watchAgentUpdate } from '../watch/watch-agent-update.ts';
import { watchFlags } from './watch-options.ts';

const COMMON = ['usage', 'not-found', 'not-permitted', 'unreachable'] as const;
const WATCHED = ['failed', 'stopped', 'watch-timed-out', 'left'] as const;
const update = optionalArgument('[update]', 'its id; default: the last one');
const version = optionalArgument('[version]', 'default: the newest that is offered');
const { detach, noWatch, timeout } = watchFlags;

const versions = defineCommand({
  name: 'versions',
  summary: 'Versions of the agent: offered, running, and who an update would leave out',
  examples: [['drover agents versions', 'what an update would do']],
  arguments: { version },
  exits: COMMON,
  seeAlso: ['agents update', 'hosts ls'],
  async run(cli, args) {
    const client = await cli.client();
    const found = await client.getAgentVersions({ version: args.version });
    cli.output.answer({
      json: () => ({ ...found }),
      lines: () => versionLines(found, cli.output),
      ids: () => found.offered.map((one) => one.version),
    });
    return 'done';
  },
});

const start = defineCommand({
  name: 'update',
  summary: 'Bring a version of the agent to the fleet, wave by wave, and watch it',
  examples: [
    ['drover agents update', 'the newest that the coordinator offers: one host, a tenth, the rest'],
    ['drover agents update --waves 1', 'one host only, to try it'],
    ['drover agents update 0.2.0 --waves 5,25%,100% --budget 5%', ''],
    ['drover agents update 0.1.0 --downgrade', 'back to an older one'],
  ],
  arguments: { version },
  options: {
    downgrade: flag('--downgrade', 'also hosts that have a newer version', { group: 'What' }),
    waves: text('--waves <list>', 'hosts that had their turn after each wave (default 1,10%,100%)'),
    budget: text('--budget <share>', 'hosts of a wave that are out at once; so many failures stop it (default 10%)'),
    healthyWithin: span('--healthy-within <time>', 'a new agent must be connected by then (default 2m)', {
      group: 'Safety',
    }),
    yes: flag('-y, --yes', 'do not ask', { group: 'Safety' }),
    detach,
    noWatch,
    timeout,
  },
  exits: [...COMMON, ...WATCHED, 'refused', 'nothing-to-do', 'needs-answer'],
  seeAlso: ['agents versions', 'agents status', 'why'],
  notes: [
    'Each wave is a deployment of drover-agent/fleet. On each host an updater keeps the old version, installs the new one, and puts the old one back unless the new one is connected in time; a wave that fails stops the update.',
  ],
  async run(cli, args, options) {
    const client = await cli.client();
    const waves =
      options.waves === undefined ? undefined : options.waves.split(',').map((one) => shareOf('--waves', one));
    const budget = options.budget === undefined ? undefined : shareOf('--budget', options.budget);
    const found = await client.getAgentVersions({ version: args.version, downgrade: options.downgrade });
    for (const line of leftOutLines(found.leftOut)) cli.output.note(line);
    await cli.confirm(
      `Update the agents of ${plural(found.outdatedHosts, 'host')} to ${found.version ?? 'nothing'} ${inContext(await cli.chosen())}`,
      { isYes: options.yes === true || found.outdatedHosts === 0 },
    );
    const begun = await client.startAgentUpdate({
      version: found.version ?? args.version,
      waves,
      budget,
      downgrade: options.downgrade,
      healthyWithinSeconds:
        options.healthyWithin === undefined ? undefined : Math.max(1, Math.round(options.healthyWithin / 1_000)),
    });
    if (options.detach === true || options.noWatch === true) {
      answerWith(cli, begun);
      cli.output.note(`It runs. See it: drover agents status ${begun.id}. Stop it: drover agents stop ${begun.id}`);
      return 'done';
    }
    if (cli.output.mode.isQuiet) cli.output.data(begun.id);
    return watchAgentUpdate(cli, client, begun.id, { timeoutMs: options.timeout });
  },
});

const status = defineCommand({
  name: 'status',
  summary: 'How an agent update is, wave by wave',
  examples: [
    ['drover agents status', 'the last one'],
    ['drover agents status --watch', 'until it has ended'],
  ],
  arguments: { update },
  options: { watch: flag('-w, --watch', 'stay until it has ended', { group: 'Output' }), timeout },
  exits: [...COMMON, ...WATCHED],
  seeAlso: ['agents ls', 'why'],
  async run(cli, args, options) {
    const client = await cli.client();
    const found = await client.getAgentUpdate({ update: args.update ?? 'last' });
    if (options.watch === true) return watchAgentUpdate(cli, client, found.id, { timeoutMs: options.timeout });
    answerWith(cli, found);
    return 'done';
  },
});

const ls = defineCommand({
  name: 'ls',
  summary: 'List agent updates, the newest first',
  examples: [['drover agents ls', '']],
  options: {
    limit: integer('--limit <count>', 'at most this many (default 20)', { min: 1, max: 100_000 }, { group: 'Output' }),
  },
  exits: COMMON,
  async run(cli, _args, options) {
    const client = await cli.client();
    const items = await collect(client.all('listAgentUpdates', {}), options.limit ?? 20);
    const { style, width } = cli.output;
    const now = cli.world.clock.now();
    const titles = ['UPDATE', 'VERSION', 'STATUS', 'HOSTS', 'STARTED', 'BY'].map((title) => ({ title }));
    cli.output.answer({
      json: () => ({ items }),
      lines: () =>
        items.length === 0
          ? ['No agent update yet. See the versions: drover agents versions']
          : table(
              titles,
              items.map((one) => [
                one.id,
                one.version,
                { text: one.status, paint: paintOfStatus(style, one.status) },
                String(one.totalHosts),
                ago(one.createdAt, now),
                one.createdBy,
              ]),
              width,
              style,
            ),
      ids: () => items.map((one) => one.id),
    });
    return 'done';
  },
});

const stop = defineCommand({
  name: 'stop',
  summary: 'Stop an agent update: hosts in the middle of it finish, no other starts',
  examples: [['drover agents stop', 'the one that is under way']],
  arguments: { update },
  options: { detach, noWatch, timeout },
  exits: [...COMMON, ...WATCHED, 'refused'],
  seeAlso: ['agents status'],
  async run(cli, args, options) {
    const client = await cli.client();
    return stopAndWatch(cli, client, await client.stopAgentUpdate({ update: args.update ?? 'last' }), {
      isDetached: options.detach === true || options.noWatch === true,
      timeoutMs: options.timeout,
    });
  },
});

async function stopAndWatch(
  cli: Cli,
  client: DroverClient,
  stopped: AgentUpdate,
  options: { isDetached: boolean; timeoutMs: number | undefined },
): Promise<ExitName> {
  if (!options.isDetached)
    return watchAgentUpdate(cli, client, stopped.id, { timeoutMs: options.timeoutMs, isStopWanted: true });
  answerWith(cli, stopped);
  return 'done';
}

function answerWith(cli: Cli, found: AgentUpdate): void {
  cli.output.answer({
    json: () => ({ update: found }),
    lines: () => updateLines(found, cli.output),
    ids: () => [found.id],
  });
}

function shareOf(name: string, value: string): string {
  const parsed = hostShare.safeParse(value.trim());
  if (parsed.success) return parsed.data;
  throw usageError(
    `${name}: ${value} is neither a number of hosts nor a share`,
    'Write 5 or 10%; waves like 1,10%,100%.',
  );
}

export const agentsCommands: CommandGroup = {
  name: 'agents',
  summary: 'Versions of the agent on the hosts, and updates of it',
  commands: [versions, start, status, ls, stop],
};
