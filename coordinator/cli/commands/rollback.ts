import { newUuid } from '../../../shared/core/ids.ts';
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
    const [group, hosts] = await Promise.all([
      client.getDeploymentGroup(place),
      collect(client.all('listGroupHosts', place)),
    ]);
    const to = options.to ?? `its last good revision (now: ${group.lastGoodRevisionLabel ?? 'none'})`;
    const context = await cli.chosen();
    await cli.confirm(
      `Roll ${plural(hosts.length, 'host')} of ${application}/${name} ${inContext(context)} back to ${to}`,
      {
        isYes: options.yes,
        typed: typedConfirmation({ ...place, context, hostCount: hosts.length }),
      },
    );
    const deployment = await client.rollbackGroup({
      ...place,
      ...(options.to === undefined ? {} : { to: options.to }),
      ...(options.reason === undefined ? {} : { description: await textOrFile(cli, options.reason) }),
      idempotencyKey: newUuid(cli.world.randomness),
    });
    return announceAndWatch(cli, client, deployment, options);
  },
});
