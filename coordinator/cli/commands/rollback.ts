import { newUuid } from '../../../shared/core/ids.ts';
import type { Revision } from '../../../shared/model/revision.ts';
import type { DroverClient } from '../../../shared/sdk/drover-client.ts';
import { collect } from '../collect.ts';
import { argument, defineCommand, text } from '../command.ts';
import { inContext, typedConfirmation } from '../confirmation.ts';
import { findDeployment, isDeploymentReference, parseGroup, textOrFile } from '../references.ts';
import { planLines } from '../render/plan-lines.ts';
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
    const [to, group, hosts] = await Promise.all([
      wayBack(client, place, options),
      client.getDeploymentGroup(place),
      collect(client.all('listGroupHosts', place)),
    ]);
    const { output } = cli;
    if (to.revision !== null && !output.mode.isJson) {
      const config = await client.getDeploymentConfig({ config: group.deploymentConfigName });
      const plan = { group, hosts, part: null, config, revision: to.revision, isOutdatedOnly: false };
      for (const line of planLines(plan, output.style)) output.note(line);
    }
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
      ...(to.named === undefined ? {} : { to: to.named }),
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
): Promise<{ label: string; named: string | undefined; revision: Pick<Revision, 'id' | 'label'> | null }> {
  const { to } = options;
  if (to !== undefined) {
    const revision = await client.getRevision({ application: place.application, revision: to });
    return { label: to, named: to, revision };
  }
  // A repeated command would ask for another one: the group is back by then.
  if (options.idempotencyKey !== undefined)
    return { label: 'its last good revision', named: undefined, revision: null };
  const { revision } = await client.getRollbackRevision(place);
  return { label: revision.label, named: revision.id, revision };
}
