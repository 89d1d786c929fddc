import { argument, defineCommand } from '../command.ts';
import { findDeployment } from '../references.ts';
import { whyLines } from '../render/cause-lines.ts';
import { plainText } from '../render/text.ts';

export const whyCommand = defineCommand({
  name: 'why',
  summary: 'Why hosts failed: each cause once, with the lines that matter',
  examples: [
    ['drover why last', 'my last deployment'],
    ['drover why d-8K1M --json', 'for a report'],
  ],
  arguments: { deployment: argument('<deployment>', 'id or its beginning, address, "last"', 'deployment') },
  exits: ['usage', 'not-found', 'not-permitted', 'unreachable'],
  seeAlso: ['logs', 'status', 'retry'],
  async run(cli, args) {
    const client = await cli.client();
    const deployment = await findDeployment(cli, client, args.deployment);
    const { items } = await client.listCauses({ deployment: deployment.id });
    const { style, width } = cli.output;
    const error = deployment.errorInformation;
    cli.output.answer({
      json: () => ({
        deployment: { id: deployment.id, status: deployment.status, errorInformation: error },
        causes: items,
      }),
      lines: () => [
        ...(items.length === 0 ? [`No host of ${deployment.id} has failed.`] : whyLines(items, width, style)),
        ...(error === null ? [] : [`${error.code}: ${plainText(error.message)}`]),
        ...(deployment.rollbackInfo.rollbackDeploymentId === null
          ? []
          : [`Rolled back by ${deployment.rollbackInfo.rollbackDeploymentId}.`]),
      ],
      ids: () => items.flatMap((cause) => cause.hostNames),
    });
    return 'done';
  },
});
