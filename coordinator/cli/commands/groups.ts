import { isAppError } from '../../../shared/core/errors.ts';
import type { DeploymentGroup, HostSelection } from '../../../shared/model/deployment-group.ts';
import type { DroverClient } from '../../../shared/sdk/drover-client.ts';
import type { Cli } from '../cli.ts';
import { collect } from '../collect.ts';
import { argument, type CommandGroup, choice, defineCommand, flag, optionalArgument, text, texts } from '../command.ts';
import { inContext } from '../confirmation.ts';
import { usageError } from '../exit-codes.ts';
import { parseGroup } from '../references.ts';
import { diffLines } from '../render/diff-lines.ts';
import { groupLines, selectionText } from '../render/group-lines.ts';
import { table } from '../render/table.ts';
import { splitOnce, tagFilterOf } from './deploy.ts';
import { triggerSettings, triggersOf } from './group-triggers.ts';

const COMMON = ['usage', 'not-found', 'not-permitted', 'unreachable'] as const;

const ls = defineCommand({
  name: 'ls',
  summary: 'List deployment groups',
  examples: [['drover groups ls web', 'of one application; default: of all']],
  arguments: { application: optionalArgument('[app]', 'an application', 'application') },
  exits: COMMON,
  async run(cli, args) {
    const client = await cli.client();
    const applications =
      args.application === undefined
        ? (await collect(client.all('listApplications', {}))).map((one) => one.name)
        : [args.application];
    const items: DeploymentGroup[] = [];
    for (const application of applications)
      items.push(...(await collect(client.all('listDeploymentGroups', { application }))));
    const { style, width } = cli.output;
    const columns = [
      { title: 'GROUP', isFlexible: true },
      { title: 'HOSTS', isFlexible: true },
      { title: 'CONFIG', isFlexible: true },
      { title: 'LAST GOOD' },
      { title: 'RUNNING' },
    ];
    cli.output.answer({
      json: () => ({ items }),
      lines: () =>
        items.length === 0
          ? ['No deployment group. Make one: drover groups create <app>/<group> --tag <key=value>']
          : table(
              columns,
              items.map((one) => [
                `${one.application}/${one.name}`,
                selectionText(one),
                one.deploymentConfigName,
                one.lastGoodRevisionLabel ?? 'none',
                one.activeDeploymentId ?? '',
              ]),
              width,
              style,
            ),
      ids: () => items.map((one) => `${one.application}/${one.name}`),
    });
    return 'done';
  },
});

const show = defineCommand({
  name: 'show',
  summary: 'One deployment group with its hosts',
  examples: [['drover groups show web/prod', '']],
  arguments: { group: argument('<app/group>', 'the deployment group', 'group') },
  exits: COMMON,
  async run(cli, args) {
    const client = await cli.client();
    const place = parseGroup(args.group);
    const [group, hosts] = await Promise.all([
      client.getDeploymentGroup(place),
      collect(client.all('listGroupHosts', place)),
    ]);
    const { style, width } = cli.output;
    cli.output.answer({
      json: () => ({ group, hosts }),
      lines: () => groupLines(group, hosts, width, style),
      ids: () => hosts.map((host) => host.hostName),
    });
    return 'done';
  },
});

const settings = {
  tag: texts('--tag <filter>', 'hosts with key=value, key, or =value; several: hosts that match any', {
    group: 'What',
  }),
  host: texts('--host <name>', 'a host by name; repeatable', { group: 'What', completes: 'host' }),
  scalingGroup: texts('--scaling-group <name>', 'the hosts of a scaling group; repeatable', { group: 'What' }),
  config: text('--config <name>', 'the deployment config', { completes: 'config' }),
  rollback: choice(
    '--rollback <when>',
    'roll back: failure, failure-or-stop or never',
    ['failure', 'failure-or-stop', 'never'],
    { group: 'Safety' },
  ),
  lateHosts: choice('--late-hosts <what>', 'hosts that join during a deployment: update or ignore', [
    'update',
    'ignore',
  ]),
  env: texts('--env <NAME=value>', 'a variable for every hook of the group; repeatable', { group: 'How' }),
  hooksIn: choice('--hooks-in <what>', 'hooks run in a session of their own, or in a transient unit of systemd each', [
    'session',
    'transient-unit',
  ]),
  ...triggerSettings,
} as const;

type Settings = { [K in keyof typeof settings]?: ReturnType<(typeof settings)[K]['parse']> | undefined };

const create = defineCommand({
  name: 'create',
  summary: 'Create a deployment group',
  examples: [
    ['drover groups create web/prod --tag role=web', 'hosts with this tag'],
    ['drover groups create web/canary --host web-1 --config careful', 'a host by name'],
    ['drover groups create web/prod --tag web --trigger chat=https://chat.example/x', ''],
  ],
  arguments: { group: argument('<app/group>', 'application and new name', 'application') },
  options: settings,
  exits: [...COMMON, 'refused'],
  seeAlso: ['groups apply', 'configs ls'],
  async run(cli, args, options) {
    const { application, group: name } = parseGroup(args.group);
    const client = await cli.client();
    const group = await client.createDeploymentGroup({
      application,
      name,
      ...bodyOf(options),
      selection: { ...emptySelection(), ...selectionOf(options) },
    });
    await tellGroup(cli, client, group, 'created');
    return 'done';
  },
});

const edit = defineCommand({
  name: 'edit',
  summary: 'Change settings of a deployment group; what is not given stays',
  examples: [
    ['drover groups edit web/prod --config CodeDeployDefault.HalfAtATime', ''],
    ['drover groups edit web/prod --tag role=web --tag role=api', 'all tag filters anew'],
  ],
  arguments: { group: argument('<app/group>', 'the deployment group', 'group') },
  options: { ...settings, yes: flag('-y, --yes', 'do not ask', { group: 'Safety' }) },
  exits: [...COMMON, 'refused', 'nothing-to-do', 'needs-answer', 'left'],
  seeAlso: ['groups export', 'groups apply'],
  notes: [
    'It shows what changes, and asks. --tag, --host, --scaling-group, --env and --trigger each give their whole list anew: repeat what is to stay.',
  ],
  async run(cli, args, options) {
    const place = parseGroup(args.group);
    const client = await cli.client();
    const before = await client.getDeploymentGroup(place);
    const selection = selectionOf(options);
    const body = bodyOf(options);
    if (Object.keys(selection).length + Object.keys(body).length === 0)
      throw usageError(
        'nothing to change was given',
        'Give flags, or edit a file: drover groups export, then drover groups apply -f.',
      );
    const given = {
      ...body,
      ...(Object.keys(selection).length === 0 ? {} : { selection: { ...before.selection, ...selection } }),
    };
    const isChanged = await changeGroup(cli, client, before, { ...before, ...given }, { isYes: options.yes, given });
    return isChanged ? 'done' : 'nothing-to-do';
  },
});

const rm = defineCommand({
  name: 'rm',
  summary: 'Delete a deployment group; what is deployed stays on the hosts',
  examples: [['drover groups rm web/canary', 'asks first']],
  arguments: { group: argument('<app/group>', 'the deployment group', 'group') },
  options: { yes: flag('-y, --yes', 'do not ask', { group: 'Safety' }) },
  exits: [...COMMON, 'refused', 'needs-answer', 'left'],
  async run(cli, args, options) {
    const place = parseGroup(args.group);
    const client = await cli.client();
    await client.getDeploymentGroup(place);
    await cli.confirm(`Delete the deployment group ${args.group} ${inContext(await cli.chosen())}`, {
      isYes: options.yes,
      typed: args.group,
    });
    await client.deleteDeploymentGroup(place);
    cli.output.answer({
      json: () => ({ deleted: args.group }),
      lines: () => [`${args.group} deleted`],
      ids: () => [args.group],
    });
    return 'done';
  },
});

const exportCommand = defineCommand({
  name: 'export',
  summary: 'The settings of a deployment group as YAML, for git',
  examples: [['drover groups export web/prod > prod.yaml', 'read back by drover groups apply']],
  arguments: { group: argument('<app/group>', 'the deployment group', 'group') },
  exits: COMMON,
  seeAlso: ['groups apply'],
  async run(cli, args) {
    const { groupToYaml } = await import('../group-document.ts');
    const client = await cli.client();
    const group = await client.getDeploymentGroup(parseGroup(args.group));
    cli.output.answer({
      json: () => ({ group }),
      lines: () => groupToYaml(group).trimEnd().split('\n'),
      ids: () => [args.group],
    });
    return 'done';
  },
});

const apply = defineCommand({
  name: 'apply',
  summary: 'Make deployment groups as a file says: shows what changes, and asks',
  examples: [
    ['drover groups apply -f prod.yaml', 'one or more YAML documents'],
    ['drover groups apply -f - --yes < groups.yaml', 'from a pipeline'],
  ],
  options: {
    file: text('-f, --file <path>', 'the file, or - for stdin', { group: 'What', completes: 'path' }),
    yes: flag('-y, --yes', 'do not ask', { group: 'Safety' }),
    dryRun: flag('--dry-run', 'only show what would change', { group: 'Safety' }),
  },
  exits: [...COMMON, 'refused', 'nothing-to-do', 'needs-answer', 'left'],
  seeAlso: ['groups export'],
  notes: [
    'What a document leaves out gets its default, so that the same file always makes the same group. Groups that are in no document stay.',
  ],
  async run(cli, _args, options) {
    if (options.file === undefined)
      throw usageError('--file is missing', 'For example drover groups apply -f prod.yaml');
    const { parseGroupDocuments } = await import('../group-document.ts');
    const source =
      options.file === '-' ? await cli.world.stdin.readAll() : await cli.world.files.readText(options.file);
    if (source === undefined) throw usageError(`there is no file ${options.file}`);
    const documents = parseGroupDocuments(source, options.file === '-' ? 'stdin' : options.file);
    const client = await cli.client();
    const changed: string[] = [];
    for (const wanted of documents) {
      const place = `${wanted.application}/${wanted.name}`;
      const before = await groupOrUndefined(client, { application: wanted.application, group: wanted.name });
      const without = changed.length === 0 ? {} : { without: `${place} is as it was; changed: ${changed.join(', ')}` };
      const asking = { isYes: options.yes, ...without };
      if (await changeGroup(cli, client, before, wanted, asking, options.dryRun)) changed.push(place);
    }
    return changed.length > 0 ? 'done' : 'nothing-to-do';
  },
});

type Wanted = Pick<
  DeploymentGroup,
  | 'application'
  | 'name'
  | 'selection'
  | 'deploymentConfigName'
  | 'autoRollback'
  | 'outdatedInstancesStrategy'
  | 'hookEnvironment'
  | 'triggers'
  | 'transientUnits'
>;

/**
 * Shows what changes, asks, writes. False when nothing changes.
 * @param asking.given what is written of a group that is there; default: all. While somebody thinks about the answer, somebody else may
 * change the rest.
 */
async function changeGroup(
  cli: Cli,
  client: DroverClient,
  before: DeploymentGroup | undefined,
  wanted: Wanted,
  asking: { isYes: boolean | undefined; without?: string; given?: Partial<Wanted> },
  isDryRun = false,
): Promise<boolean> {
  const { groupToYaml } = await import('../group-document.ts');
  const { output } = cli;
  const {
    application,
    name,
    selection,
    deploymentConfigName,
    autoRollback,
    outdatedInstancesStrategy,
    hookEnvironment,
    triggers,
    transientUnits,
  } = wanted;
  const place = `${application}/${name}`;
  const diff = diffLines(before === undefined ? '' : groupToYaml(before), groupToYaml(wanted), output.style);
  if (diff.length === 0) {
    output.note(`${place}: nothing changes`);
    return false;
  }
  output.note(`${place}${before === undefined ? ' (new)' : ''}`);
  for (const line of diff) output.note(`  ${line}`);
  if (isDryRun) return true;
  await cli.confirm(`${before === undefined ? 'Create' : 'Change'} ${place} ${inContext(await cli.chosen())}`, asking);
  const body = {
    selection,
    deploymentConfigName,
    autoRollback,
    outdatedInstancesStrategy,
    hookEnvironment,
    triggers,
    transientUnits,
  };
  const group =
    before === undefined
      ? await client.createDeploymentGroup({ application, name, ...body })
      : await client.updateDeploymentGroup({ ...(asking.given ?? body), application, group: name });
  await tellGroup(cli, client, group, before === undefined ? 'created' : 'changed');
  return true;
}

async function tellGroup(cli: Cli, client: DroverClient, group: DeploymentGroup, done: string): Promise<void> {
  const place = { application: group.application, group: group.name };
  const hosts = await collect(client.all('listGroupHosts', place));
  const name = `${group.application}/${group.name}`;
  const found = hosts.length === 0 ? 'It selects no host now.' : `It selects ${hosts.length} now.`;
  cli.output.answer({ json: () => ({ group }), lines: () => [`${name} ${done}. ${found}`], ids: () => [name] });
}

async function groupOrUndefined(
  client: DroverClient,
  place: { application: string; group: string },
): Promise<DeploymentGroup | undefined> {
  try {
    return await client.getDeploymentGroup(place);
  } catch (error) {
    if (isAppError(error, 'not_found')) return undefined;
    throw error;
  }
}

function emptySelection(): HostSelection {
  return { tagFilters: [], tagSet: [], hostNames: [], scalingGroups: [] };
}

function selectionOf(options: Settings): Partial<HostSelection> {
  return {
    ...(options.tag === undefined ? {} : { tagFilters: options.tag.map(tagFilterOf) }),
    ...(options.host === undefined ? {} : { hostNames: options.host }),
    ...(options.scalingGroup === undefined ? {} : { scalingGroups: options.scalingGroup }),
  };
}

function bodyOf(options: Settings): Partial<Omit<Wanted, 'application' | 'name' | 'selection'>> {
  const triggers = triggersOf(options);
  return {
    ...(triggers === undefined ? {} : { triggers }),
    ...(options.config === undefined ? {} : { deploymentConfigName: options.config }),
    ...(options.rollback === undefined ? {} : { autoRollback: rollbackOf(options.rollback) }),
    ...(options.lateHosts === undefined
      ? {}
      : { outdatedInstancesStrategy: options.lateHosts === 'update' ? ('UPDATE' as const) : ('IGNORE' as const) }),
    ...(options.env === undefined ? {} : { hookEnvironment: pairsOf('--env', options.env) }),
    ...(options.hooksIn === undefined ? {} : { transientUnits: options.hooksIn === 'transient-unit' }),
  };
}

function rollbackOf(when: 'failure' | 'failure-or-stop' | 'never'): DeploymentGroup['autoRollback'] {
  if (when === 'never') return { enabled: false, events: [] };
  return {
    enabled: true,
    events: when === 'failure' ? ['DEPLOYMENT_FAILURE'] : ['DEPLOYMENT_FAILURE', 'DEPLOYMENT_STOP_ON_REQUEST'],
  };
}

/** `key=value` several times, as a record. */
export function pairsOf(flagName: string, written: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    written.map((pair) => {
      const [key, value] = splitOnce(pair, '=');
      if (key === '' || value === undefined) throw usageError(`${flagName} ${pair} is not ${flagName} name=value`);
      return [key, value];
    }),
  );
}

export const groupsCommands: CommandGroup = {
  name: 'groups',
  summary: 'Deployment groups: which hosts, how, and what on failure',
  commands: [ls, show, create, edit, rm, exportCommand, apply],
};
