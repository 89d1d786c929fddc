import { CATALOGUE } from '../catalogue.ts';
import { defineCommand, isGroup, optionalArgument } from '../command.ts';
import { usageError } from '../exit-codes.ts';
import { helpOfCommand, helpOfGroup, helpOfProgram } from '../render/help-text.ts';
import { HELP_TOPICS, isTopic, topicLines } from '../render/help-topics.ts';

export const helpCommand = defineCommand({
  name: 'help',
  summary: 'Help on a command or a topic',
  examples: [
    ['drover help deploy', 'a command'],
    ['drover help groups apply', 'one of a noun'],
    ['drover help exit-codes', `a topic: ${HELP_TOPICS.join(', ')}`],
  ],
  arguments: {
    what: optionalArgument('[command|topic]', 'default: all commands', HELP_TOPICS),
    which: optionalArgument('[which]', 'a command of a noun'),
  },
  exits: ['usage'],
  async run(cli, args) {
    const { style } = cli.output;
    const width = Math.min(cli.output.width, 100);
    const say = (lines: readonly string[]) => {
      for (const text of lines) cli.output.data(text);
    };
    if (args.what === undefined) say(helpOfProgram(CATALOGUE, width, style));
    else if (isTopic(args.what)) say(topicLines(args.what, width, style));
    else {
      const entry = CATALOGUE.find((one) => one.name === args.what);
      if (entry === undefined)
        throw usageError(
          `there is no help on ${args.what}`,
          `Topics: ${HELP_TOPICS.join(', ')}. Commands: drover help`,
        );
      const loaded = await entry.load();
      const command = isGroup(loaded) ? loaded.commands.find((one) => one.name === args.which) : loaded;
      if (isGroup(loaded) && command === undefined) say(helpOfGroup(loaded, width, style));
      else if (command !== undefined)
        say(helpOfCommand(command, isGroup(loaded) ? `${loaded.name} ${command.name}` : command.name, width, style));
    }
    return 'done';
  },
});
