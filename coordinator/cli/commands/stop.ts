import { isAppError } from '../../../shared/core/errors.ts';
import type { DroverClient } from '../../../shared/sdk/drover-client.ts';
import { argument, defineCommand, flag } from '../command.ts';
import { findDeployment, textOrFile } from '../references.ts';
import { watchToEnd } from '../watch/watch.ts';
import { DEPLOYMENT_EXITS, startFlags, watchFlags } from './watch-options.ts';

export const stopCommand = defineCommand({
  name: 'stop',
  summary: 'Stop a deployment: no further host starts, hosts in progress finish',
  examples: [
    ['drover stop last', 'my last deployment'],
    ['drover stop d-8K1M --rollback', 'and bring back what ran before'],
  ],
  arguments: { deployment: argument('<deployment>', 'id or its beginning, address, "last"', 'deployment') },
  options: {
    rollback: flag('--rollback', 'roll back afterwards, whatever the group says', { group: 'Safety' }),
    noRollback: flag('--no-rollback', 'do not roll back, whatever the group says', { group: 'Safety' }),
    reason: startFlags.reason,
    ...watchFlags,
  },
  exits: DEPLOYMENT_EXITS.filter((exit) => exit !== 'needs-answer'),
  seeAlso: ['rollback', 'watch'],
  notes: ['It never asks: stopping is the safe direction. Once it is accepted no further host starts.'],
  async run(cli, args, options) {
    const client = await cli.client();
    const { id } = await findDeployment(cli, client, args.deployment);
    const rollback = options.rollback ? true : options.noRollback ? false : undefined;
    const reason = options.reason === undefined ? undefined : await textOrFile(cli, options.reason);
    const { stopStatus, deployment } = await stopped(client, {
      deployment: id,
      ...(rollback === undefined ? {} : { rollback }),
      ...(reason === undefined ? {} : { reason }),
    });
    const isDetached = options.detach === true || options.noWatch === true;
    const running = deployment.overview.InProgress;
    if (isDetached || !cli.output.mode.isJson)
      cli.output.answer({
        json: () => ({ stopStatus, deployment }),
        lines: () => [
          stopStatus === 'Succeeded' ? `${id} is stopped` : `${id} stops: ${running} in progress will finish`,
        ],
        ids: () => [id],
      });
    if (isDetached) return 'done';
    return watchToEnd(cli, client, id, {
      timeoutMs: options.timeout,
      hasTargets: options.targets === true,
      isStopWanted: true,
      isBegun: true,
    });
  },
});

type Stop = Parameters<DroverClient['stopDeployment']>[0];

/** As asked for; also when that was done before, perhaps by this command itself, whose first answer was lost. */
async function stopped(client: DroverClient, stop: Stop): ReturnType<DroverClient['stopDeployment']> {
  try {
    return await client.stopDeployment(stop);
  } catch (error) {
    // What was asked of a rollback is not known to have been done.
    if (!isAppError(error, 'conflict') || stop.rollback !== undefined) throw error;
    const deployment = await client.getDeployment({ deployment: stop.deployment });
    if (deployment.status !== 'Stopped') throw error;
    return { stopStatus: 'Succeeded', deployment };
  }
}
