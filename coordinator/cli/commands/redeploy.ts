import { newUuid } from '../../../shared/core/ids.ts';
import type { Deployment } from '../../../shared/model/deployment.ts';
import type { DroverClient } from '../../../shared/sdk/drover-client.ts';
import type { Cli } from '../cli.ts';
import { argument, defineCommand } from '../command.ts';
import { inContext, typedConfirmation } from '../confirmation.ts';
import { usageError } from '../exit-codes.ts';
import { findDeployment, isDeploymentReference, parseGroup, textOrFile } from '../references.ts';
import { planLines } from '../render/plan-lines.ts';
import { plural } from '../render/units.ts';
import { loadPlan } from './deploy.ts';
import { announceAndWatch, DEPLOYMENT_EXITS, startFlags, watchFlags } from './watch-options.ts';

export const redeployCommand = defineCommand({
  name: 'redeploy',
  summary: 'Deploy a revision from history again, and watch it',
  examples: [
    ['drover redeploy web/prod 2.3.9', 'an earlier revision'],
    ['drover redeploy web/prod d-7Q2F', 'what that deployment deployed, in its way'],
  ],
  arguments: {
    group: argument('<app/group>', 'the deployment group', 'group'),
    what: argument('<revision|deployment>', 'a revision, or an earlier deployment of the application', 'revision'),
  },
  options: { ...startFlags, ...watchFlags },
  exits: DEPLOYMENT_EXITS,
  seeAlso: ['history', 'revisions ls', 'rollback'],
  notes: [
    "A deployment lends its revision and, for its own group, its config and flags; the group's config is used otherwise.",
  ],
  async run(cli, args, options) {
    const { application, group } = parseGroup(args.group);
    const client = await cli.client();
    const earlier = isDeploymentReference(args.what) ? await earlierOf(cli, client, args.what, application) : undefined;
    const isSameGroup = earlier?.deploymentGroup === group;
    const config = isSameGroup ? earlier?.deploymentConfigName : undefined;
    const plan = await loadPlan(client, { application, group, revision: earlier?.revisionId ?? args.what, config });
    if (!cli.output.mode.isJson)
      for (const line of planLines({ ...plan, part: null, isOutdatedOnly: false }, cli.output.style))
        cli.output.note(line);
    const context = await cli.chosen();
    const hostCount = plan.hosts.length;
    await cli.confirm(
      `Deploy ${plan.revision.label} again to ${plural(hostCount, 'host')} in ${application}/${group} ${inContext(context)}`,
      {
        isYes: options.yes,
        typed: typedConfirmation({ application, group, context, hostCount }),
      },
    );
    const deployment = await client.createDeployment({
      application,
      deploymentGroup: group,
      revision: plan.revision.id,
      ...(options.reason === undefined ? {} : { description: await textOrFile(cli, options.reason) }),
      ...(earlier === undefined || !isSameGroup ? {} : wayOf(earlier)),
      idempotencyKey: newUuid(cli.world.randomness),
    });
    return announceAndWatch(cli, client, deployment, options);
  },
});

async function earlierOf(cli: Cli, client: DroverClient, reference: string, application: string): Promise<Deployment> {
  const earlier = await findDeployment(cli, client, reference);
  if (earlier.application === application) return earlier;
  throw usageError(`${earlier.id} deployed ${earlier.application}, not ${application}`);
}

function wayOf(earlier: Deployment) {
  const { deploymentConfigName, ignoreApplicationStopFailures, fileExistsBehavior } = earlier;
  return { deploymentConfigName, ignoreApplicationStopFailures, fileExistsBehavior };
}
