import { newUuid } from '../../../shared/core/ids.ts';
import type { DroverClient } from '../../../shared/sdk/drover-client.ts';
import { collect } from '../collect.ts';
import { argument, defineCommand, text } from '../command.ts';
import { inContext, typedConfirmation } from '../confirmation.ts';
import { findDeployment, isDeploymentReference, parseGroup, textOrFile } from '../references.ts';
import { plural } from '../render/units.ts';
import { announceAndWatch, DEPLOYMENT_EXITS, startFlags, watchFlags } from './watch-options.ts';

export const rollbackCommand = defineCommand({
  name: 'rollback',
  summary: 'Bring a deployment group back to its last good revision, and watch it',
  examples: [
    ['drover rollback web/prod', 'to the last good revision, or the good one before it'],
    ['drover rollback web/prod --to 2.3.9', 'to this one'],
    ['drover rollback last', 'the group of my last deployment'],
  ],
  arguments: { place: argument('<app/group|deployment>', 'the group, or a deployment of it', 'group') },
  options: {
    to: text('--to <revision>', 'label, id or beginning of a digest', { group: 'What', completes: 'revision' }),
    ...startFlags,
    idempotencyKey: text(
      '--idempotency-key <key>',
      'the same key again gives the same deployment (default: a new one)',
      { group: 'Safety' },
    ),
    ...watchFlags,
  },
  exits: DEPLOYMENT_EXITS,
  seeAlso: ['redeploy', 'history', 'stop'],
  async run(cli, args, options) {
    const client = await cli.client();
    const place = isDeploymentReference(args.place)
      ? await findDeployment(cli, client, args.place).then((one) => ({
          application: one.application,
          group: one.deploymentGroup,
        }))
      : parseGroup(args.place);
    const { application, group: name } = place;
    const [to, hosts] = await Promise.all([
      wayBack(client, place, options),
      collect(client.all('listGroupHosts', place)),
    ]);
    const context = await cli.chosen();
    await cli.confirm(
      `Roll ${plural(hosts.length, 'host')} of ${application}/${name} ${inContext(context)} back to ${to.label}`,
      {
        isYes: options.yes,
        typed: typedConfirmation({ ...place, context, hostCount: hosts.length }),
      },
    );
    const deployment = await client.rollbackGroup({
      ...place,
      ...(to.revision === undefined ? {} : { to: to.revision }),
      ...(options.reason === undefined ? {} : { description: await textOrFile(cli, options.reason) }),
      idempotencyKey: options.idempotencyKey ?? newUuid(cli.world.randomness),
    });
    return announceAndWatch(cli, client, deployment, options);
  },
});

/** What the question names is what is asked for then, whatever becomes good meanwhile. */
async function wayBack(
  client: DroverClient,
  place: { application: string; group: string },
  options: { to?: string | undefined; idempotencyKey?: string | undefined },
): Promise<{ label: string; revision: string | undefined }> {
  if (options.to !== undefined) return { label: options.to, revision: options.to };
  // A repeated command would ask for another one: the group is back by then.
  if (options.idempotencyKey !== undefined) return { label: 'its last good revision', revision: undefined };
  const { revision } = await client.getRollbackRevision(place);
  return { label: revision.label, revision: revision.id };
}
