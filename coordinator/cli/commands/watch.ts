import { defineCommand, optionalArgument } from '../command.ts';
import { CommandFailure } from '../exit-codes.ts';
import { findDeployment } from '../references.ts';
import { watchToEnd } from '../watch/watch.ts';
import { DEPLOYMENT_EXITS, watchFlags } from './watch-options.ts';

export const watchCommand = defineCommand({
  name: 'watch',
  summary: 'Watch a deployment live, to its end',
  examples: [
    ['drover watch', 'the one that runs'],
    ['drover watch d-8K1M', 'the beginning of an id is enough'],
    ['drover watch last --json', 'one JSON document a line'],
  ],
  arguments: {
    deployment: optionalArgument(
      '[deployment]',
      'id or its beginning, address, "last"; default: the one that runs',
      'deployment',
    ),
  },
  options: { timeout: watchFlags.timeout, targets: watchFlags.targets },
  exits: DEPLOYMENT_EXITS.filter((exit) => exit !== 'needs-answer' && exit !== 'nothing-to-do'),
  seeAlso: ['status', 'why', 'logs'],
  notes: ['Keys: s stop (asks first), l log, w why, q leave. Leaving never stops a deployment.'],
  async run(cli, args, options) {
    const client = await cli.client();
    const id =
      args.deployment === undefined ? await onlyRunning() : (await findDeployment(cli, client, args.deployment)).id;
    return watchToEnd(cli, client, id, { timeoutMs: options.timeout, hasTargets: options.targets === true });

    async function onlyRunning(): Promise<string> {
      const { items } = await client.listDeployments({ active: true, limit: 10 });
      const [only, second] = items;
      if (only === undefined)
        throw new CommandFailure('not-found', 'no deployment runs', { hint: 'See the last ones: drover history' });
      if (second === undefined) return only.id;
      const names = items.map((one) => `${one.id} (${one.application}/${one.deploymentGroup})`);
      throw new CommandFailure('usage', 'several deployments run: name the one to watch', { hint: names.join(', ') });
    }
  },
});
