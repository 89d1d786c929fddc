import { join } from 'node:path';
import * as z from 'zod';
import { CommandFailure, usageError } from './exit-codes.ts';
import type { Environment } from './terminal.ts';
import type { CliFiles } from './world.ts';

/** A coordinator that the operator works with, and what opens it. */
const context = z.object({
  url: z.url({ protocol: /^https?$/ }),
  token: z.string().optional(),
  caFile: z.string().optional(),
});

const contextsFile = z.object({
  version: z.literal(1),
  current: z.string().nullable(),
  contexts: z.record(z.string(), context),
});
export type Contexts = z.infer<typeof contextsFile>;

export interface ChosenContext {
  /** Null when the environment alone says it. */
  name: string | null;
  url: string;
  token: string | undefined;
  caFile: string | undefined;
}

export function configDirectory(env: Environment): string {
  return join(env['XDG_CONFIG_HOME'] || join(env['HOME'] ?? '/', '.config'), 'drover');
}

export function stateDirectory(env: Environment): string {
  return join(env['XDG_STATE_HOME'] || join(env['HOME'] ?? '/', '.local', 'state'), 'drover');
}

export function contextsPath(env: Environment): string {
  return join(configDirectory(env), 'contexts.json');
}

export async function loadContexts(files: CliFiles, env: Environment): Promise<Contexts> {
  const path = contextsPath(env);
  const text = await files.readText(path);
  if (text === undefined) return { version: 1, current: null, contexts: {} };
  try {
    return contextsFile.parse(JSON.parse(text));
  } catch (error) {
    const why = error instanceof z.ZodError ? z.prettifyError(error) : String(error);
    throw usageError(`cannot read ${path}: ${why}`, 'Correct it, or remove it and log in again.');
  }
}

export async function saveContexts(files: CliFiles, env: Environment, contexts: Contexts): Promise<void> {
  await files.writePrivate(contextsPath(env), `${JSON.stringify(contexts, null, 2)}\n`);
}

/**
 * Which coordinator this command is for: `--context`, then the environment (`DROVER_URL`, `DROVER_CONTEXT`), then the
 * context in use. `DROVER_TOKEN` and `DROVER_CA_FILE` replace the context's own, but not of one that is named with `--context`: a
 * token that is exported for one coordinator is not shown to another. A stored token goes only to the address that it is stored with.
 */
export function chooseContext(contexts: Contexts, env: Environment, flag: string | undefined): ChosenContext {
  const urlFromEnv = flag === undefined ? env['DROVER_URL'] || undefined : undefined;
  const name = flag ?? (env['DROVER_CONTEXT'] || contexts.current || undefined);
  const stored = name === undefined ? undefined : contexts.contexts[name];
  const isWanted = flag !== undefined || (urlFromEnv === undefined && name !== undefined);
  if (isWanted && stored === undefined) throw unknownContext(contexts, name ?? '');
  const url = urlFromEnv ?? stored?.url;
  if (url === undefined)
    throw new CommandFailure('not-permitted', 'not logged in to any coordinator', {
      hint: 'drover login https://<coordinator>  (or set DROVER_URL and DROVER_TOKEN)',
    });
  const own = stored !== undefined && sameAddress(stored.url, url) ? stored : undefined;
  const fromEnv = { token: env['DROVER_TOKEN'] || undefined, caFile: env['DROVER_CA_FILE'] || undefined };
  const [first, second] = flag === undefined ? [fromEnv, own] : [own, fromEnv];
  return {
    name: own === undefined ? null : (name ?? null),
    url,
    token: first?.token ?? second?.token,
    caFile: first?.caFile ?? second?.caFile,
  };
}

/**
 * The context that has this address; else a new one by the name of its host or, where that is another coordinator's, by host and port.
 * @throws CommandFailure `refused` when both are others'
 */
export function contextNameFor({ contexts }: Contexts, url: string): string {
  const known = Object.entries(contexts).find(([, one]) => sameAddress(one.url, url))?.[0];
  if (known !== undefined) return known;
  const { hostname, port, protocol } = new URL(url);
  const withPort = `${hostname}:${port || (protocol === 'https:' ? 443 : 80)}`;
  const free = [hostname, withPort].find((name) => contexts[name] === undefined);
  if (free !== undefined) return free;
  throw new CommandFailure('refused', `the contexts ${hostname} and ${withPort} are for other addresses`, {
    hint: 'Give this one a name: --name',
  });
}

/** An address as a person wrote it. @throws CommandFailure `usage` */
export function checkAddress(url: string): void {
  if (!URL.canParse(url) || !/^https?:/.test(url))
    throw usageError(`${url} is not an address`, 'Write it as https://host:port.');
}

export function unknownContext(contexts: Contexts, name: string): CommandFailure {
  const names = Object.keys(contexts.contexts);
  return new CommandFailure('not-found', `there is no context ${name}`, {
    hint: names.length === 0 ? 'drover login https://<coordinator>' : `There are: ${names.join(', ')}.`,
  });
}

/** Spelt in another way it may still be the same. */
export function sameAddress(a: string, b: string): boolean {
  const form = (url: string) => (URL.canParse(url) ? new URL(url).href.replace(/\/+$/, '') : url);
  return form(a) === form(b);
}
