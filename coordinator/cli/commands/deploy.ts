import { newUuid } from '../../../shared/core/ids.ts';
import type { TagFilter } from '../../../shared/model/deployment-group.ts';
import type { DroverClient } from '../../../shared/sdk/drover-client.ts';
import type { Cli } from '../cli.ts';
import { collect } from '../collect.ts';
import { argument, choice, defineCommand, flag, optionalArgument, text, texts } from '../command.ts';
import { inContext, typedConfirmation } from '../confirmation.ts';
import { usageError } from '../exit-codes.ts';
import { type Only, partOfGroup } from '../group-part.ts';
import { findDeployment, parseGroup, textOrFile } from '../references.ts';
import { planLines } from '../render/plan-lines.ts';
import { count, plural } from '../render/units.ts';
import { announceAndWatch, DEPLOYMENT_EXITS, startFlags, watchFlags } from './watch-options.ts';

export const deployCommand = defineCommand({
  name: 'deploy',
  summary: 'Deploy a revision to a deployment group and watch it',
  examples: [
    ['drover deploy web/prod 2.4.1', "with the group's config"],
    ['drover deploy web/prod ./build', 'a directory or an archive: pushed first'],
    ['drover deploy web/prod 2.4.1 --only tag:zone=a', 'a part of the group'],
    ['drover deploy web/prod --yes --timeout 30m', 'from a pipeline'],
  ],
  arguments: {
    group: argument('<app/group>', 'the deployment group', 'group'),
    revision: optionalArgument(
      '[revision]',
      'label, id, beginning of a digest, "latest" (default: what was pushed last), a directory or an archive',
      'revision',
    ),
  },
  options: {
    config: text('--config <name>', "another deployment config than the group's", { completes: 'config' }),
    only: texts(
      '--only <filter>',
      'a part of the group: tag:key=value, tag:key, host:name or failed-of:ID; repeatable',
    ),
    ignoreApplicationStopFailures: flag(
      '--ignore-application-stop-failures',
      'go on when ApplicationStop of the old revision fails',
    ),
    fileExistsBehavior: choice(
      '--file-exists-behavior <what>',
      'files that are there but not from a deployment: DISALLOW, OVERWRITE or RETAIN',
      ['DISALLOW', 'OVERWRITE', 'RETAIN'],
    ),
    outdatedOnly: flag('--outdated-only', 'only hosts that do not run the revision yet, or are broken with it'),
    ...startFlags,
    idempotencyKey: text(
      '--idempotency-key <key>',
      'the same key again gives the same deployment (default: a new one)',
      {
        group: 'Safety',
      },
    ),
    ...watchFlags,
  },
  exits: DEPLOYMENT_EXITS,
  seeAlso: ['watch', 'why', 'rollback'],
  notes: [
    'It watches until the deployment and, when it fails, its rollback have ended, and the exit code says how. Where the name of the group or of the context has prod, production or live in it, and the group more than one host, <app/group> has to be typed.',
    'Of several --only tag: a host has to match one, and so of several host:; where both are given, or failed-of:, it has to match each kind.',
  ],
  async run(cli, args, options) {
    const { application, group: deploymentGroup } = parseGroup(args.group);
    const client = await cli.client();
    const only = await onlyOf(cli, client, options.only ?? []);
    const revision = await revisionOf(cli, application, args.revision ?? 'latest');
    const plan = await loadPlan(client, { application, group: deploymentGroup, revision, config: options.config });
    const part = await partOfGroup(client, plan.hosts, only);
    const isOutdatedOnly = options.outdatedOnly === true;
    const { output } = cli;
    if (!output.mode.isJson)
      for (const line of planLines({ ...plan, part, isOutdatedOnly }, output.style)) output.note(line);
    const context = await cli.chosen();
    const hostCount = plan.hosts.length;
    await cli.confirm(
      `Deploy ${plan.revision.label} to ${part === null ? '' : `${count(part.length)} of `}${plural(hostCount, 'host')} in ${application}/${deploymentGroup} ${inContext(context)}`,
      { isYes: options.yes, typed: typedConfirmation({ application, group: deploymentGroup, context, hostCount }) },
    );
    const description = options.reason === undefined ? undefined : await textOrFile(cli, options.reason);
    const deployment = await client.createDeployment({
      application,
      deploymentGroup,
      // What was looked at and agreed to, not what `latest` may be by now.
      revision: plan.revision.id,
      deploymentConfigName: options.config,
      description,
      ignoreApplicationStopFailures: options.ignoreApplicationStopFailures,
      updateOutdatedInstancesOnly: options.outdatedOnly,
      fileExistsBehavior: options.fileExistsBehavior,
      ...only,
      idempotencyKey: options.idempotencyKey ?? newUuid(cli.world.randomness),
    });
    return announceAndWatch(cli, client, deployment, options);
  },
});

/** What a deployment would mean: loaded at once, because each is a round trip. */
export async function loadPlan(
  client: DroverClient,
  input: { application: string; group: string; revision: string; config: string | undefined },
) {
  const { application } = input;
  const [group, revision, hosts] = await Promise.all([
    client.getDeploymentGroup({ application, group: input.group }),
    client.getRevision({ application, revision: input.revision }),
    collect(client.all('listGroupHosts', { application, group: input.group })),
  ]);
  const config = await client.getDeploymentConfig({ config: input.config ?? group.deploymentConfigName });
  return { group, revision, hosts, config };
}

/** A path is pushed and gives its revision's id; anything else names a revision already. */
async function revisionOf(cli: Cli, application: string, text: string): Promise<string> {
  const looksLikePath = /[/~]/.test(text) || text === '.' || text === '..';
  const isArchiveName = /\.(tar|tgz|tar\.gz|zip)$/.test(text);
  if (!looksLikePath && !(isArchiveName && (await cli.world.files.kindOf(text)) === 'file')) return text;
  const { pushBundle } = await import('./push.ts');
  const { revision } = await pushBundle(cli, { path: text, application });
  return revision.id;
}

async function onlyOf(cli: Cli, client: DroverClient, filters: readonly string[]): Promise<Only> {
  const tagFilters: TagFilter[] = [];
  const hostNames: string[] = [];
  let failedOf: string | undefined;
  for (const filter of filters) {
    const [kind, rest] = splitOnce(filter, ':');
    if (kind === 'host' && rest) hostNames.push(...rest.split(',').filter((name) => name !== ''));
    else if (kind === 'tag' && rest) tagFilters.push(tagFilterOf(rest));
    else if (kind === 'failed-of' && rest) failedOf = (await findDeployment(cli, client, rest)).id;
    else
      throw usageError(
        `--only ${filter} is not understood`,
        'Write tag:key=value, tag:key, host:name or failed-of:ID.',
      );
  }
  return {
    ...(tagFilters.length === 0 ? {} : { onlyTagFilters: tagFilters }),
    ...(hostNames.length === 0 ? {} : { onlyHostNames: hostNames }),
    ...(failedOf === undefined ? {} : { onlyFailedOf: failedOf }),
  };
}

/** `key=value`, `key`, or `=value`. */
export function tagFilterOf(written: string): TagFilter {
  const [key, value] = splitOnce(written, '=');
  if (value === undefined) return { type: 'KEY_ONLY', key };
  return key === '' ? { type: 'VALUE_ONLY', value } : { type: 'KEY_AND_VALUE', key, value };
}

export function splitOnce(written: string, separator: string): [string, string | undefined] {
  const index = written.indexOf(separator);
  return index === -1 ? [written, undefined] : [written.slice(0, index), written.slice(index + separator.length)];
}
