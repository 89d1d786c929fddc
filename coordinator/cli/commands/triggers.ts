import type { TriggerMessage } from '../../../shared/model/trigger.ts';
import { collect } from '../collect.ts';
import { argument, type CommandGroup, choice, defineCommand, flag, optionalArgument, text } from '../command.ts';
import { inContext } from '../confirmation.ts';
import { usageError } from '../exit-codes.ts';
import { table } from '../render/table.ts';
import { plainText } from '../render/text.ts';
import { triggerLines } from '../render/trigger-lines.ts';
import { ago, plural } from '../render/units.ts';

const COMMON = ['usage', 'not-found', 'not-permitted', 'unreachable'] as const;

const ls = defineCommand({
  name: 'ls',
  summary: 'List messages of triggers that are not delivered: waiting ones and dead letters',
  examples: [
    ['drover triggers ls', 'the oldest first'],
    ['drover triggers ls --state dead', 'what was given up'],
  ],
  options: {
    state: choice('--state <state>', 'waiting or dead (default: both)', ['waiting', 'dead'], { group: 'What' }),
  },
  exits: COMMON,
  seeAlso: ['triggers retry', 'groups edit'],
  notes: [
    'A message waits until its target has taken it; after a failure it is tried again with growing pauses, and those behind it for the same target wait. A dead letter was given up: the target refused it, or it failed too often or for too long.',
  ],
  async run(cli, _args, options) {
    const client = await cli.client();
    const items = await collect(client.all('listTriggerMessages', { state: options.state }));
    const { style, width } = cli.output;
    const now = cli.world.clock.now();
    const columns = [
      { title: 'ID' },
      { title: 'STATE' },
      { title: 'EVENT' },
      { title: 'DEPLOYMENT' },
      { title: 'AGE' },
      { title: 'TRIES' },
      { title: 'WHY', isFlexible: true },
    ];
    cli.output.answer({
      json: () => ({ items }),
      lines: () =>
        items.length === 0
          ? ['Every message is delivered.']
          : table(
              columns,
              items.map((one) => [
                one.id.slice(0, 8),
                { text: one.state, paint: one.state === 'dead' ? style.bad : style.warn },
                one.event,
                one.deploymentId,
                ago(one.createdAt, now),
                String(one.attempts),
                plainText(one.lastError ?? ''),
              ]),
              width,
              style,
            ),
      ids: () => items.map((one) => one.id),
    });
    return 'done';
  },
});

const show = defineCommand({
  name: 'show',
  summary: 'One message that is not delivered, with what it says',
  examples: [['drover triggers show 8c1f02d4', 'its id or the beginning of it']],
  arguments: { message: argument('<id>', "the message's id") },
  exits: COMMON,
  async run(cli, args) {
    const client = await cli.client();
    const message = await client.getTriggerMessage({ message: await idOf(cli, args.message) });
    const { style, width } = cli.output;
    cli.output.answer({
      json: () => ({ message }),
      lines: () => triggerLines(message, cli.world.clock.now(), width, style),
      ids: () => [message.id],
    });
    return 'done';
  },
});

const retry = defineCommand({
  name: 'retry',
  summary: 'Deliver dead letters once more, or a waiting message now',
  examples: [
    ['drover triggers retry 8c1f02d4', 'one message'],
    ['drover triggers retry --all', 'all dead letters'],
    ['drover triggers retry --target https://hooks.example/x', 'the dead letters for one target'],
  ],
  arguments: { message: optionalArgument('[id]', "the message's id") },
  options: {
    all: flag('--all', 'all dead letters', { group: 'What' }),
    target: text('--target <target>', 'the dead letters for this target', { group: 'What' }),
  },
  exits: [...COMMON, 'nothing-to-do'],
  async run(cli, args, options) {
    const given = [args.message, options.target, options.all === true ? true : undefined];
    if (given.filter((one) => one !== undefined).length !== 1)
      throw usageError('say what to retry', 'Give an id, --all or --target, one of them.');
    const client = await cli.client();
    if (args.message !== undefined) {
      const message = await client.retryTriggerMessage({ message: await idOf(cli, args.message) });
      cli.output.answer({
        json: () => ({ message }),
        lines: () => [`${message.id} is tried again now`],
        ids: () => [message.id],
      });
      return 'done';
    }
    const { retried } = await client.retryDeadLetters({ target: options.target });
    cli.output.answer({
      json: () => ({ retried }),
      lines: () => [retried === 0 ? 'There is no dead letter.' : `${plural(retried, 'dead letter')} tried again now`],
      ids: () => [],
    });
    return retried === 0 ? 'nothing-to-do' : 'done';
  },
});

const rm = defineCommand({
  name: 'rm',
  summary: 'Drop a message that is not delivered: nobody will be told',
  examples: [['drover triggers rm 8c1f02d4', 'asks first']],
  arguments: { message: argument('<id>', "the message's id") },
  options: { yes: flag('-y, --yes', 'do not ask', { group: 'Safety' }) },
  exits: [...COMMON, 'refused', 'needs-answer', 'left'],
  async run(cli, args, options) {
    const client = await cli.client();
    const message = await client.getTriggerMessage({ message: await idOf(cli, args.message) });
    await cli.confirm(
      `Drop the ${message.event} of ${message.deploymentId} for ${plainText(message.target)} ${inContext(await cli.chosen())}`,
      { isYes: options.yes },
    );
    await client.deleteTriggerMessage({ message: message.id });
    cli.output.answer({
      json: () => ({ deleted: message.id }),
      lines: () => [`${message.id} dropped`],
      ids: () => [message.id],
    });
    return 'done';
  },
});

/** A whole id, from a beginning that only one message has. */
async function idOf(cli: Parameters<typeof ls.run>[0], written: string): Promise<string> {
  if (written.length >= 36) return written;
  const client = await cli.client();
  const found: TriggerMessage[] = [];
  for await (const one of client.all('listTriggerMessages', {})) if (one.id.startsWith(written)) found.push(one);
  const [only, ...others] = found;
  if (others.length > 0) throw usageError(`${written} begins ${found.length} ids`, 'Give more of it.');
  // Not there: the coordinator says so better.
  return only?.id ?? written;
}

export const triggersCommands: CommandGroup = {
  name: 'triggers',
  summary: 'Messages of triggers that are not delivered',
  commands: [ls, show, retry, rm],
};
