import { collect } from '../collect.ts';
import { argument, type CommandGroup, defineCommand, flag, span, text } from '../command.ts';
import { inContext } from '../confirmation.ts';
import { CommandFailure, usageError } from '../exit-codes.ts';
import { table } from '../render/table.ts';
import { ago, dateTime } from '../render/units.ts';

const COMMON = ['usage', 'not-found', 'not-permitted', 'unreachable'] as const;

const ls = defineCommand({
  name: 'ls',
  summary: 'List access keys for the AWS-compatible API, without their secrets',
  examples: [['drover access-keys ls', '']],
  exits: COMMON,
  async run(cli) {
    const client = await cli.client();
    const items = await collect(client.all('listAccessKeys', {}));
    const { style, width } = cli.output;
    const now = cli.world.clock.now();
    const columns = [
      { title: 'ID' },
      { title: 'HOLDER', isFlexible: true },
      { title: 'LAST USED' },
      { title: 'EXPIRES' },
      { title: 'BY' },
    ];
    cli.output.answer({
      json: () => ({ items }),
      lines: () =>
        table(
          columns,
          items.map((one) => [
            one.id,
            `${one.holder.kind} ${one.holder.name}`,
            one.lastUsedAt === null ? 'never' : ago(one.lastUsedAt, now),
            one.expiresAt === null ? 'never' : dateTime(one.expiresAt, style.utcOffset),
            one.createdBy,
          ]),
          width,
          style,
        ),
      ids: () => items.map((one) => one.id),
    });
    return 'done';
  },
});

const create = defineCommand({
  name: 'create',
  summary: 'Create an access key for an operator or a host; its secret is shown once',
  examples: [
    ['drover access-keys create --operator ci > aws.env', 'what aws and the SDKs read from their environment'],
    ['drover access-keys create --host web-1', "for AWS's own agent on that host"],
    ['drover access-keys create --operator ci --valid 12h --session', 'with a session token, as temporary keys have'],
  ],
  options: {
    operator: text('--operator <name>', "whose token's role the key has", { group: 'What' }),
    host: text('--host <host>', "the host whose agent of AWS's it is for", { group: 'What', completes: 'host' }),
    valid: span('--valid <time>', 'for how long, for example 90d (default: until it is removed)', { group: 'Safety' }),
    session: flag('--session', 'every request has to carry a session token too', { group: 'Safety' }),
  },
  exits: [...COMMON, 'refused'],
  notes: ['A key ends with its holder: revoking the token, or forgetting the host, removes it.'],
  async run(cli, _args, options) {
    if ((options.operator === undefined) === (options.host === undefined))
      throw usageError('say who holds the key', 'Give --operator <name> or --host <host>, one of them.');
    const client = await cli.client();
    const key = await client.createAccessKey({
      operator: options.operator,
      host: options.host,
      validForSeconds: options.valid === undefined ? undefined : Math.max(1, Math.round(options.valid / 1_000)),
      session: options.session,
    });
    cli.output.answer({
      json: () => ({ accessKey: key }),
      lines: () => [
        `AWS_ACCESS_KEY_ID=${key.id}`,
        `AWS_SECRET_ACCESS_KEY=${key.secretAccessKey}`,
        ...(key.sessionToken === null ? [] : [`AWS_SESSION_TOKEN=${key.sessionToken}`]),
      ],
      ids: () => [key.id],
    });
    cli.output.note(`${key.id}: ${key.holder.kind} ${key.holder.name}. The secret is not shown again.`);
    return 'done';
  },
});

const rm = defineCommand({
  name: 'rm',
  summary: 'Remove an access key, at once',
  examples: [['drover access-keys rm DROV8K1M2N3P4Q5R6S7T', 'asks first']],
  arguments: { id: argument('<id>', 'the access key id') },
  options: { yes: flag('-y, --yes', 'do not ask', { group: 'Safety' }) },
  exits: [...COMMON, 'refused', 'needs-answer', 'left'],
  async run(cli, args, options) {
    const client = await cli.client();
    const items = await collect(client.all('listAccessKeys', {}));
    const key = items.find((one) => one.id === args.id);
    if (key === undefined)
      throw new CommandFailure('not-found', `there is no access key ${args.id}`, { hint: 'drover access-keys ls' });
    const { kind, name } = key.holder;
    await cli.confirm(`Remove the access key of ${kind} ${name} ${inContext(await cli.chosen())}`, {
      isYes: options.yes,
    });
    await client.deleteAccessKey({ id: key.id });
    cli.output.answer({
      json: () => ({ deleted: key.id }),
      lines: () => [`the access key of ${kind} ${name} is removed`],
      ids: () => [key.id],
    });
    return 'done';
  },
});

export const accessKeysCommands: CommandGroup = {
  name: 'access-keys',
  summary: 'Access keys for the AWS-compatible API',
  commands: [ls, create, rm],
};
