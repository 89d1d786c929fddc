import { type Deployment, isTerminal } from '../../../shared/model/deployment.ts';
import { argument, defineCommand } from '../command.ts';
import { findDeployment, rollbackOf } from '../references.ts';
import { whyLines } from '../render/cause-lines.ts';
import { rollbackTrouble } from '../render/rollback-text.ts';
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
    const [{ items }, rollback] = await Promise.all([
      client.listCauses({ deployment: deployment.id }),
      rollbackOf(client, deployment),
    ]);
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
        ...(rollback === null ? [] : [rollbackLine(rollback)]),
      ],
      ids: () => items.flatMap((cause) => cause.hostNames),
    });
    return 'done';
  },
});

function rollbackLine(rollback: Deployment): string {
  const { id, status } = rollback;
  const trouble = rollbackTrouble(rollback);
  if (trouble === null) return `Rolled back by ${id}.`;
  return `Rollback ${trouble}. See: drover ${isTerminal(status) ? 'why' : 'watch'} ${id}`;
}
