import { role } from '../../../shared/model/operator.ts';
import { collect } from '../collect.ts';
import { argument, type CommandGroup, choice, defineCommand, flag, span } from '../command.ts';
import { inContext } from '../confirmation.ts';
import { CommandFailure } from '../exit-codes.ts';
import { table } from '../render/table.ts';
import { ago, dateTime } from '../render/units.ts';

const COMMON = ['usage', 'not-found', 'not-permitted', 'unreachable'] as const;

const ls = defineCommand({
  name: 'ls',
  summary: 'List tokens of operators, without their secrets',
  examples: [['drover tokens ls', '']],
  exits: COMMON,
  async run(cli) {
    const client = await cli.client();
    const items = await collect(client.all('listOperatorTokens', {}));
    const { style, width } = cli.output;
    const now = cli.world.clock.now();
    const columns = [
      { title: 'NAME', isFlexible: true },
      { title: 'ROLE' },
      { title: 'ID' },
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
            one.name,
            one.role,
            one.id,
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
  summary: 'Create a token for an operator or a pipeline; its secret is shown once',
  examples: [
    ['drover tokens create ana --role deployer', ''],
    ['drover tokens create ci --role deployer --valid 90d > token', 'only the secret is on stdout'],
  ],
  arguments: { name: argument('<name>', 'whose it is; it is in every audit record') },
  options: {
    role: choice('--role <role>', 'viewer reads; deployer deploys; admin does all (default viewer)', role.options, {
      group: 'What',
    }),
    valid: span('--valid <time>', 'for how long, for example 90d (default: until it is revoked)', { group: 'Safety' }),
  },
  exits: [...COMMON, 'refused'],
  async run(cli, args, options) {
    const client = await cli.client();
    const token = await client.createOperatorToken({
      name: args.name,
      role: options.role ?? 'viewer',
      validForSeconds: options.valid === undefined ? undefined : Math.max(1, Math.round(options.valid / 1_000)),
    });
    cli.output.answer({ json: () => ({ token }), lines: () => [token.secret], ids: () => [token.secret] });
    cli.output.note(
      `${token.id}: ${token.name}, ${token.role}. The secret is not shown again. Log in with it: drover login`,
    );
    return 'done';
  },
});

const rm = defineCommand({
  name: 'rm',
  summary: 'Revoke a token of an operator, at once',
  examples: [['drover tokens rm ana', 'asks first']],
  arguments: { token: argument('<name|id>', 'whose, or its id') },
  options: { yes: flag('-y, --yes', 'do not ask', { group: 'Safety' }) },
  exits: [...COMMON, 'refused', 'needs-answer', 'left'],
  async run(cli, args, options) {
    const client = await cli.client();
    const items = await collect(client.all('listOperatorTokens', {}));
    const token = items.find((one) => one.id === args.token) ?? items.find((one) => one.name === args.token);
    if (token === undefined)
      throw new CommandFailure('not-found', `there is no token ${args.token}`, { hint: 'drover tokens ls' });
    await cli.confirm(`Revoke the token of ${token.name} (${token.role}) ${inContext(await cli.chosen())}`, {
      isYes: options.yes,
    });
    await client.deleteOperatorToken({ id: token.id });
    cli.output.answer({
      json: () => ({ deleted: token.id }),
      lines: () => [`the token of ${token.name} is revoked`],
      ids: () => [token.id],
    });
    return 'done';
  },
});

export const tokensCommands: CommandGroup = {
  name: 'tokens',
  summary: 'Tokens of operators',
  commands: [ls, create, rm],
};
