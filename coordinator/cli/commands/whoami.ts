import { defineCommand } from '../command.ts';
import { facts } from '../render/table.ts';
import { warnOfVersion } from '../versions.ts';

export const whoamiCommand = defineCommand({
  name: 'whoami',
  summary: 'Who am I, and which coordinator answers',
  examples: [['drover whoami', '']],
  exits: ['usage', 'not-found', 'not-permitted', 'unreachable'],
  seeAlso: ['context', 'doctor'],
  async run(cli) {
    const client = await cli.client();
    const who = await client.whoami();
    const chosen = await cli.chosen();
    const { style, width } = cli.output;
    cli.output.answer({
      json: () => ({ who, context: { name: chosen.name, url: chosen.url } }),
      lines: () =>
        facts(
          [
            ['Operator', `${who.name} (${who.role})`],
            ['Coordinator', `${chosen.url}  ${who.coordinatorVersion}`],
            ['Context', chosen.name ?? 'from the environment'],
          ],
          width,
          style,
        ),
      ids: () => [who.name],
    });
    await warnOfVersion(cli, who.coordinatorVersion);
    return 'done';
  },
});
