import { resolve } from 'node:path';
import { isAppError } from '../../../shared/core/errors.ts';
import type { Cli } from '../cli.ts';
import { defineCommand, optionalArgument, text } from '../command.ts';
import {
  checkAddress,
  contextNameFor,
  contextsPath,
  loadContexts,
  sameAddress,
  saveContexts,
  unknownContext,
} from '../context.ts';
import { CommandFailure, usageError } from '../exit-codes.ts';
import { warnOfVersion } from '../versions.ts';

export const loginCommand = defineCommand({
  name: 'login',
  summary: 'Log in to a coordinator: checks the token and keeps it in a context',
  examples: [
    ['drover login https://drover.example:7717', 'asks for the token'],
    ['drover login https://drover.example:7717 --token-file token', 'reads it from a file'],
    ['drover login http://127.0.0.1:7717 --name local < token', 'reads it from stdin'],
  ],
  arguments: { url: optionalArgument('[address]', 'of the coordinator; default: of the context in use') },
  options: {
    name: text('--name <context>', "the context's name (default: the coordinator's host, or host:port)", {
      group: 'What',
      completes: 'context',
    }),
    tokenFile: text('--token-file <path>', 'a file with the token, or - for stdin', { completes: 'path' }),
    caFile: text('--ca-file <path>', 'PEM file of the authority that signed its certificate', { completes: 'path' }),
  },
  exits: ['usage', 'refused', 'not-permitted', 'unreachable', 'needs-answer', 'left'],
  seeAlso: ['context', 'logout', 'doctor'],
  async run(cli, args, options) {
    const { files, env } = cli.world;
    const contexts = await loadContexts(files, env);
    if (args.url !== undefined) checkAddress(args.url);
    const name =
      options.name ??
      cli.globals.context ??
      (args.url === undefined ? (contexts.current ?? '') : contextNameFor(contexts, args.url));
    const known = contexts.contexts[name];
    const url = args.url ?? known?.url;
    if (url === undefined) throw usageError('log in where?', 'drover login https://<coordinator>');
    const isMoved = known !== undefined && !sameAddress(known.url, url);
    const knownCaFile = isMoved ? undefined : known?.caFile;
    const caFile = options.caFile === undefined ? knownCaFile : resolve(options.caFile);
    const token = await readToken(cli, options.tokenFile, { url, caFile });
    const who = await cli.clientOf({ url, token, caFile }).whoami();
    await saveContexts(files, env, {
      ...contexts,
      current: name,
      contexts: { ...contexts.contexts, [name]: { url, token, ...(caFile === undefined ? {} : { caFile }) } },
    });
    cli.output.answer({
      json: () => ({ who, context: { name, url } }),
      lines: () => [`${who.name} (${who.role}) at ${url}; context ${name} is in use`],
      ids: () => [name],
    });
    if (isMoved) cli.output.note(`Context ${name} was for ${known.url}; its token is not kept any more.`);
    cli.output.note(`The token is kept in ${contextsPath(env)} (0600).`);
    // Else somebody whose DROVER_TOKEN is refused logs in, is refused again, and logs in again.
    const winning = ['DROVER_URL', 'DROVER_CONTEXT', 'DROVER_TOKEN'].filter((variable) => env[variable]);
    if (winning.length > 0)
      cli.output.note(
        `${winning.join(' and ')} ${winning.length === 1 ? 'is set, and wins' : 'are set, and win'} over it.`,
      );
    await warnOfVersion(cli, who.coordinatorVersion);
    return 'done';
  },
});

export const logoutCommand = defineCommand({
  name: 'logout',
  summary: 'Forget the token of a context; it stays valid until it is revoked',
  examples: [['drover logout', 'the context in use']],
  exits: ['usage', 'not-found', 'nothing-to-do'],
  seeAlso: ['login', 'tokens rm'],
  async run(cli) {
    const { files, env } = cli.world;
    const contexts = await loadContexts(files, env);
    const name = cli.globals.context ?? (env['DROVER_CONTEXT'] || contexts.current);
    if (name === null) throw new CommandFailure('nothing-to-do', 'no context is in use');
    const known = contexts.contexts[name];
    if (known === undefined) throw unknownContext(contexts, name);
    if (known.token === undefined) throw new CommandFailure('nothing-to-do', `there is no token in context ${name}`);
    const { token: _, ...rest } = known;
    await saveContexts(files, env, { ...contexts, contexts: { ...contexts.contexts, [name]: rest } });
    cli.output.answer({ json: () => ({ loggedOut: name }), lines: () => [`logged out of ${name}`], ids: () => [name] });
    return 'done';
  },
});

interface Place {
  url: string;
  caFile: string | undefined;
}

async function readToken(cli: Cli, tokenFile: string | undefined, place: Place): Promise<string> {
  const token = (await tokenText(cli, tokenFile, place))?.trim();
  if (token === undefined) throw new CommandFailure('left', 'nothing was changed');
  if (token !== '') return token;
  if (tokenFile === undefined && !cli.world.stdin.isTty) throw nobodyToAsk();
  throw usageError(
    'the token is empty',
    'The first one is in the data directory of the coordinator; drover tokens create makes others.',
  );
}

async function tokenText(cli: Cli, tokenFile: string | undefined, place: Place): Promise<string | undefined> {
  const { stdin, files } = cli.world;
  if (tokenFile !== undefined && tokenFile !== '-') {
    const text = await files.readText(tokenFile);
    if (text === undefined) throw usageError(`there is no file ${tokenFile}`);
    return text;
  }
  if (tokenFile === '-' || !stdin.isTty) return stdin.readAll();
  if (!cli.canAsk) throw nobodyToAsk();
  await expectCoordinator(cli, place);
  return stdin.ask(`Token for ${place.url}: `, { isSecret: true });
}

function nobodyToAsk(): CommandFailure {
  return new CommandFailure('needs-answer', 'the token has to be asked for, and there is no terminal', {
    hint: 'Use --token-file, or write the token to stdin.',
  });
}

/** Nobody should look for a secret, and type it, for an address that does not answer. */
async function expectCoordinator(cli: Cli, place: Place): Promise<void> {
  try {
    await cli.clientOf({ ...place, token: undefined }).whoami();
  } catch (error) {
    if (!isAppError(error, 'unauthorized')) throw error;
  }
}
