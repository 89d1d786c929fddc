import { newUuid } from '../../../shared/core/ids.ts';
import { deploymentCan } from '../../../shared/model/deployment.ts';
import { argument, defineCommand } from '../command.ts';
import { inContext, typedConfirmation } from '../confirmation.ts';
import { CommandFailure } from '../exit-codes.ts';
import { partOfGroup } from '../group-part.ts';
import { findDeployment, textOrFile } from '../references.ts';
import { planLines } from '../render/plan-lines.ts';
import { plural } from '../render/units.ts';
import { loadPlan } from './deploy.ts';
import { announceAndWatch, DEPLOYMENT_EXITS, startFlags, watchFlags } from './watch-options.ts';

export const retryCommand = defineCommand({
  name: 'retry',
  summary: 'Deploy the same revision again to the hosts that failed or were not attempted',
  examples: [
    ['drover retry last', 'my last deployment'],
    ['drover retry d-8K1M --reason "disk was full"', 'kept in history'],
  ],
  arguments: { deployment: argument('<deployment>', 'id or its beginning, address, "last"', 'deployment') },
  options: { ...startFlags, ...watchFlags },
  exits: DEPLOYMENT_EXITS,
  seeAlso: ['why', 'deploy'],
  async run(cli, args, options) {
    const client = await cli.client();
    const earlier = await findDeployment(cli, client, args.deployment);
    const { id, application, deploymentGroup: group, overview } = earlier;
    if (!deploymentCan.retry(earlier)) {
      const isOver = earlier.completedAt !== null;
      throw new CommandFailure(
        isOver ? 'nothing-to-do' : 'refused',
        isOver ? `${id} has no host that failed or was skipped` : `${id} still runs`,
        { hint: isOver ? `drover status ${id}` : `drover watch ${id}` },
      );
    }
    const { output } = cli;
    if (!output.mode.isJson) {
      const { revisionId: revision, deploymentConfigName: config } = earlier;
      const plan = await loadPlan(client, { application, group, revision, config });
      const part = await partOfGroup(client, plan.hosts, { onlyFailedOf: id });
      for (const line of planLines({ ...plan, part, isOutdatedOnly: false }, output.style)) output.note(line);
    }
    const hostCount = overview.Failed + overview.Skipped;
    const context = await cli.chosen();
    await cli.confirm(
      `Deploy ${earlier.revisionLabel} again to ${plural(hostCount, 'host')} of ${application}/${group} ${inContext(context)}`,
      {
        isYes: options.yes,
        typed: typedConfirmation({ application, group, context, hostCount }),
      },
    );
    const deployment = await client.createDeployment({
      application,
      deploymentGroup: group,
      revision: earlier.revisionId,
      deploymentConfigName: earlier.deploymentConfigName,
      ignoreApplicationStopFailures: earlier.ignoreApplicationStopFailures,
      fileExistsBehavior: earlier.fileExistsBehavior,
      onlyFailedOf: id,
      description: options.reason === undefined ? `again after ${id}` : await textOrFile(cli, options.reason),
      idempotencyKey: newUuid(cli.world.randomness),
    });
    return announceAndWatch(cli, client, deployment, options);
  },
});
