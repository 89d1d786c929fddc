import { type Deployment, isTerminal } from '../../../shared/model/deployment.ts';
import type { DroverClient } from '../../../shared/sdk/drover-client.ts';
import type { Cli } from '../cli.ts';
import { collect } from '../collect.ts';
import { defineCommand, optionalArgument } from '../command.ts';
import { incompleteGroups } from '../incomplete-groups.ts';
import { findDeployment, isDeploymentReference, parseGroup, rollbackOf } from '../references.ts';
import { deploymentLines } from '../render/deployment-lines.ts';
import { groupLines } from '../render/group-lines.ts';
import { overviewLines } from '../render/overview-lines.ts';

const DAY_MS = 86_400_000;
/** Lines for hosts on one screen. */
const MAX_TARGETS = 15;

export const statusCommand = defineCommand({
  name: 'status',
  summary: 'What needs me; or how one deployment or deployment group is, on one screen',
  examples: [
    ['drover status', 'what runs, what failed in the last day and was not mended, who is offline or out of service'],
    ['drover status web/prod', 'a group with its hosts'],
    ['drover status last', 'my last deployment'],
  ],
  arguments: { what: optionalArgument('[deployment|app/group]', 'default: everything', 'group') },
  exits: ['usage', 'not-found', 'not-permitted', 'unreachable'],
  seeAlso: ['watch', 'why', 'history'],
  async run(cli, args) {
    const client = await cli.client();
    if (args.what === undefined) await showOverview(cli, client);
    else if (!isDeploymentReference(args.what) && args.what.includes('/')) await showGroup(cli, client, args.what);
    else await showDeployment(cli, client, args.what);
    return 'done';
  },
});

async function showOverview(cli: Cli, client: DroverClient): Promise<void> {
  const now = cli.world.clock.now();
  const [running, recent, offline] = await Promise.all([
    collect(client.all('listDeployments', { active: true })),
    // All of them: a fleet that grows makes hundreds in an hour, each to bring one host in.
    collect(client.all('listDeployments', { since: now - DAY_MS })),
    collect(client.all('listHosts', { presence: 'Offline' })),
  ]);
  const incomplete = await incompleteGroups(client, running);
  const failed = notMended(recent);
  const mended = recent.filter((one) => one.status === 'Failed' && !failed.includes(one)).length;
  const { style, width } = cli.output;
  cli.output.answer({
    json: () => ({ running, failed, offlineHosts: offline, mendedFailures: mended, incompleteGroups: incomplete }),
    lines: () => overviewLines({ running, failed, offline, incomplete, mended, now }, width, style),
    ids: () => [...running, ...failed].map((one) => one.id),
  });
}

/**
 * The last word of each group, where that is a failure, and hosts that could not be brought in since. A host that was brought in says
 * nothing of the others.
 */
export function notMended(recent: readonly Deployment[]): Deployment[] {
  const ended = recent.filter((one) => isTerminal(one.status));
  const latest = new Map<string, Deployment>();
  for (const one of ended) {
    if (one.creator === 'autoscaling') continue;
    const before = latest.get(one.deploymentGroupId);
    if (before === undefined || before.createdAt < one.createdAt) latest.set(one.deploymentGroupId, one);
  }
  const notBroughtIn = ended.filter(
    (one) => one.creator === 'autoscaling' && one.createdAt > (latest.get(one.deploymentGroupId)?.createdAt ?? 0),
  );
  return [...latest.values(), ...notBroughtIn].filter((one) => one.status !== 'Succeeded');
}

async function showDeployment(cli: Cli, client: DroverClient, reference: string): Promise<void> {
  const deployment = await findDeployment(cli, client, reference);
  const { id } = deployment;
  const [targets, rollback] = await Promise.all([
    collect(client.all('listTargets', { deployment: id })),
    rollbackOf(client, deployment),
  ]);
  const shown =
    targets.length <= MAX_TARGETS
      ? targets
      : targets.filter((one) => one.status === 'Failed' || one.status === 'InProgress');
  const { style, width } = cli.output;
  cli.output.answer({
    json: () => ({ deployment, targets }),
    lines: () =>
      deploymentLines(
        deployment,
        { rollback, targets: shown.slice(0, MAX_TARGETS) },
        cli.world.clock.now(),
        width,
        style,
      ),
    ids: () => [id],
  });
}

async function showGroup(cli: Cli, client: DroverClient, reference: string): Promise<void> {
  const place = parseGroup(reference);
  const [group, hosts] = await Promise.all([
    client.getDeploymentGroup(place),
    collect(client.all('listGroupHosts', place)),
  ]);
  const { style, width } = cli.output;
  cli.output.answer({
    json: () => ({ group, hosts }),
    lines: () => groupLines(group, hosts, width, style),
    ids: () => [`${group.application}/${group.name}`],
  });
}
