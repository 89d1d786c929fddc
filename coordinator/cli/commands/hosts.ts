import { type Host, hostPresence } from '../../../shared/model/host.ts';
import { collect } from '../collect.ts';
import {
  argument,
  type CommandGroup,
  choice,
  defineCommand,
  flag,
  integer,
  restArguments,
  span,
  text,
  texts,
} from '../command.ts';
import { inContext } from '../confirmation.ts';
import { usageError } from '../exit-codes.ts';
import { driftLines } from '../render/drift.ts';
import { paintOfStatus } from '../render/style.ts';
import { facts, table } from '../render/table.ts';
import { plainText } from '../render/text.ts';
import { ago, bytes, dateTime, duration } from '../render/units.ts';
import { registerCodeDeployAgent } from './codedeploy-agent.ts';
import { splitOnce } from './deploy.ts';
import { pairsOf } from './groups.ts';

const COMMON = ['usage', 'not-found', 'not-permitted', 'unreachable'] as const;

const ls = defineCommand({
  name: 'ls',
  summary: 'List hosts',
  examples: [
    ['drover hosts ls --presence Offline', 'who is away'],
    ['drover hosts ls --tag role=web --quiet', 'names only'],
  ],
  options: {
    presence: choice('--presence <presence>', 'Online, Reconnecting or Offline', hostPresence.options, {
      group: 'What',
    }),
    tag: text('--tag <key=value>', 'with this tag, or with this key', { group: 'What' }),
    scalingGroup: text('--scaling-group <name>', 'of this scaling group', { group: 'What' }),
    prefix: text('--prefix <name>', 'whose names begin with this', { group: 'What', completes: 'host' }),
    limit: integer(
      '--limit <count>',
      'at most this many (default: all)',
      { min: 1, max: 1_000_000 },
      { group: 'Output' },
    ),
  },
  exits: COMMON,
  async run(cli, _args, options) {
    const client = await cli.client();
    const { presence, tag, scalingGroup, prefix: namePrefix } = options;
    const items = await collect(client.all('listHosts', { presence, tag, scalingGroup, namePrefix }), options.limit);
    const isFiltered = [presence, tag, scalingGroup, namePrefix].some((filter) => filter !== undefined);
    const { style, width } = cli.output;
    const now = cli.world.clock.now();
    const columns = [
      { title: 'HOST', isFlexible: true },
      { title: 'PRESENCE' },
      { title: 'SINCE' },
      { title: 'TAGS', isFlexible: true },
      { title: 'ZONE' },
      { title: 'AGENT' },
      { title: 'RUNNING' },
    ];
    cli.output.answer({
      json: () => ({ items }),
      lines: () =>
        items.length === 0
          ? [isFiltered ? 'No host fits. See all: drover hosts ls' : 'No host. Enrol one: drover hosts enrol-token']
          : table(
              columns,
              items.map((one) => [
                one.name,
                { text: one.presence, paint: paintOfStatus(style, one.presence) },
                ago(one.presenceSince, now),
                tagText(one.tags),
                one.zone ?? '',
                agentText(one),
                one.runningDeploymentId ?? '',
              ]),
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
  summary: 'One host',
  examples: [['drover hosts show web-1', '']],
  arguments: { host: argument('<host>', 'its name or id', 'host') },
  exits: COMMON,
  async run(cli, args) {
    const client = await cli.client();
    const host = await client.getHost(args);
    const { style, width } = cli.output;
    const { facts: about } = host;
    const at = (instant: number | null) => (instant === null ? 'never' : dateTime(instant, style.utcOffset));
    const system = [about.osName, about.osVersion, about.kernel, about.architecture]
      .filter((part) => part !== undefined)
      .join(' ');
    cli.output.answer({
      json: () => ({ host }),
      lines: () =>
        facts(
          [
            ['Host', `${host.name}  (${host.id})`],
            [
              'Presence',
              { text: `${host.presence} since ${at(host.presenceSince)}`, paint: paintOfStatus(style, host.presence) },
            ],
            ['Last contact', at(host.lastContactAt)],
            ['Enrolled', at(host.enrolledAt)],
            ['Tags', tagText(host.tags)],
            ['Zone', host.zone ?? 'none'],
            ['Scaling group', host.scalingGroup ?? 'none'],
            ['Agent', agentText(host) || 'unknown'],
            ...(host.iamArn === null ? [] : [['IAM ARN', host.iamArn] as const]),
            [
              'Clock',
              host.clockOffsetMs === null
                ? 'unknown'
                : `${duration(Math.abs(host.clockOffsetMs))} ${host.clockOffsetMs < 0 ? 'behind' : 'ahead'}`,
            ],
            ['System', plainText(system) || 'unknown'],
            ['Disk free', about.diskFreeBytes === undefined ? 'unknown' : bytes(about.diskFreeBytes)],
            ['Running', host.runningDeploymentId ?? 'nothing'],
          ],
          width,
          style,
        ),
      ids: () => [host.name],
    });
    return 'done';
  },
});

const drift = defineCommand({
  name: 'drift',
  summary: 'Which installed files of a host were changed by hand since their install',
  examples: [
    ['drover hosts drift web-1', 'exit code 13 when there are some'],
    ['drover hosts drift web-1 --quiet', 'their paths only'],
  ],
  arguments: { host: argument('<host>', 'its name or id', 'host') },
  exits: [...COMMON, 'refused', 'drift'],
  seeAlso: ['hosts show'],
  notes: ['The host reads every installed file, for at most 25 s. What its own hooks rewrite counts as changed.'],
  async run(cli, args) {
    const client = await cli.client();
    const found = await client.findHostDrift(args);
    cli.output.answer({
      json: () => ({ ...found }),
      lines: () => driftLines(found),
      ids: () => found.groups.flatMap((group) => group.files.map((file) => plainText(file.path))),
    });
    return found.groups.some((group) => group.changedFiles > 0) ? 'drift' : 'done';
  },
});

const enrolToken = defineCommand({
  name: 'enrol-token',
  summary: 'Create a join token: what enrols with it gets its tags, zone and scaling group',
  examples: [
    ['drover hosts enrol-token --tag role=web', 'for one host, good for an hour'],
    ['drover hosts enrol-token --scaling-group edge --uses 500 --valid 90d', 'for an image'],
    ['drover hosts enrol-token --list', 'those that can still be used'],
  ],
  options: {
    tag: texts('--tag <key=value>', 'a tag of hosts that use it; repeatable', { group: 'What' }),
    zone: text('--zone <name>', 'their zone', { group: 'What' }),
    scalingGroup: text('--scaling-group <name>', 'their scaling group', { group: 'What' }),
    uses: integer(
      '--uses <count>',
      'how many hosts may use it (default 1)',
      { min: 1, max: 100_000 },
      { group: 'Safety' },
    ),
    valid: span('--valid <time>', 'for how long, for example 2h or 30d (default 1h)', { group: 'Safety' }),
    list: flag('--list', 'list tokens instead', { group: 'What' }),
    revoke: text('--revoke <id>', 'revoke one instead; hosts that used it stay', { group: 'What' }),
  },
  exits: COMMON,
  seeAlso: ['hosts ls'],
  notes: ["The secret is shown once. On the host: the coordinator's /install.sh with --join, or drover-agent enrol."],
  async run(cli, _args, options) {
    const client = await cli.client();
    const { output } = cli;
    if (options.revoke !== undefined) {
      const id = options.revoke;
      await client.deleteJoinToken({ id });
      output.answer({ json: () => ({ deleted: id }), lines: () => [`${id} revoked`], ids: () => [id] });
      return 'done';
    }
    if (options.list) {
      const items = await collect(client.all('listJoinTokens', {}));
      const columns = [
        { title: 'TOKEN' },
        { title: 'USES LEFT' },
        { title: 'TAGS', isFlexible: true },
        { title: 'SCALING GROUP' },
        { title: 'EXPIRES' },
        { title: 'BY' },
      ];
      output.answer({
        json: () => ({ items }),
        lines: () =>
          items.length === 0
            ? ['No join token can be used.']
            : table(
                columns,
                items.map((one) => [
                  one.id,
                  String(one.usesLeft),
                  tagText(one.tags),
                  one.scalingGroup ?? '',
                  dateTime(one.expiresAt, output.style.utcOffset),
                  one.createdBy,
                ]),
                output.width,
                output.style,
              ),
        ids: () => items.map((one) => one.id),
      });
      return 'done';
    }
    const token = await client.createJoinToken({
      tags: pairsOf('--tag', options.tag ?? []),
      zone: options.zone ?? null,
      scalingGroup: options.scalingGroup ?? null,
      uses: options.uses,
      validForSeconds: options.valid === undefined ? undefined : Math.max(1, Math.round(options.valid / 1_000)),
    });
    output.answer({
      json: () => ({ token }),
      lines: () => [token.secret],
      ids: () => [token.secret],
    });
    output.note(
      `${token.id}: ${token.usesLeft === 1 ? 'one host' : `${token.usesLeft} hosts`} until ${dateTime(token.expiresAt, output.style.utcOffset)}. The secret is not shown again.`,
    );
    return 'done';
  },
});

const tag = defineCommand({
  name: 'tag',
  summary: 'Change tags of a host; a host that enters a group thereby gets its revision',
  examples: [
    ['drover hosts tag web-3 role=web tier=front', 'set or change'],
    ['drover hosts tag web-3 tier-', 'a minus at its end takes a tag away'],
  ],
  arguments: {
    host: argument('<host>', 'its name or id', 'host'),
    changes: restArguments('<changes...>', 'key=value sets a tag, key- takes it away'),
  },
  exits: [...COMMON, 'refused'],
  async run(cli, args) {
    const client = await cli.client();
    // Of what is given twice, the last counts.
    const values = new Map<string, string | null>();
    for (const change of args.changes) {
      const [key, value] = splitOnce(change, '=');
      if (value !== undefined && key !== '') values.set(key, value);
      else if (change.endsWith('-') && change.length > 1) values.set(change.slice(0, -1), null);
      else
        throw usageError(`${change} is neither key=value nor key-`, 'For example role=web to set, role- to take away.');
    }
    const host = await client.updateHost({
      host: args.host,
      setTags: Object.fromEntries([...values].flatMap(([key, value]) => (value === null ? [] : [[key, value]]))),
      removeTags: [...values].flatMap(([key, value]) => (value === null ? [key] : [])),
    });
    cli.output.answer({
      json: () => ({ host }),
      lines: () => [`${host.name}  ${tagText(host.tags)}`],
      ids: () => [host.name],
    });
    return 'done';
  },
});

const forget = defineCommand({
  name: 'forget',
  summary: 'Forget a host: its key is refused from now on; history stays',
  examples: [['drover hosts forget web-9', 'asks first']],
  arguments: { host: argument('<host>', 'its name or id', 'host') },
  options: { yes: flag('-y, --yes', 'do not ask', { group: 'Safety' }) },
  exits: [...COMMON, 'refused', 'needs-answer', 'left'],
  async run(cli, args, options) {
    const client = await cli.client();
    const host = await client.getHost(args);
    const running = host.runningDeploymentId === null ? '' : `, which runs ${host.runningDeploymentId} now,`;
    await cli.confirm(`Forget ${host.name}${running} ${inContext(await cli.chosen())}`, { isYes: options.yes });
    await client.forgetHost({ host: host.id });
    cli.output.answer({
      json: () => ({ deleted: host.name }),
      lines: () => [`${host.name} is forgotten`],
      ids: () => [host.name],
    });
    return 'done';
  },
});

/** Drover's own by its version alone. */
function agentText({ agentKind, agentVersion }: Pick<Host, 'agentKind' | 'agentVersion'>): string {
  const version = plainText(agentVersion ?? '');
  return agentKind === 'codedeploy' ? `AWS CodeDeploy ${version}`.trimEnd() : version;
}

function tagText(tags: Readonly<Record<string, string>>): string {
  return Object.entries(tags)
    .map(([key, value]) => (value === '' ? key : `${key}=${value}`))
    .join(' ');
}

export const hostsCommands: CommandGroup = {
  name: 'hosts',
  summary: 'Hosts, and tokens for enrolling them',
  commands: [ls, show, drift, enrolToken, registerCodeDeployAgent, tag, forget],
};
