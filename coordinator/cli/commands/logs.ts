import { sleep } from '../../../shared/core/clock.ts';
import { AppError, isAppError } from '../../../shared/core/errors.ts';
import { type Deployment, isTerminal } from '../../../shared/model/deployment.ts';
import { IN_PLACE_EVENTS, LIFECYCLE_EVENTS } from '../../../shared/model/lifecycle-event.ts';
import type { Target } from '../../../shared/model/target.ts';
import type { DroverClient } from '../../../shared/sdk/drover-client.ts';
import type { Cli } from '../cli.ts';
import { collect } from '../collect.ts';
import { argument, defineCommand, flag, integer, optionalArgument, text } from '../command.ts';
import { CommandFailure, usageError } from '../exit-codes.ts';
import { findDeployment } from '../references.ts';
import { plainText } from '../render/text.ts';
import { type Ask, ContactWatch, patiently } from '../watch/patience.ts';

const CHUNK_BYTES = 262_144;
const FOLLOW_MS = 1_000;

export const logsCommand = defineCommand({
  name: 'logs',
  summary: "What a deployment's scripts printed",
  examples: [
    ['drover logs last', 'of every host, in the order of the plan'],
    ['drover logs d-8K1M web-3 AfterInstall', 'one event of one host'],
    ['drover logs last --failed --tail 20', 'the ends of what failed'],
    ['drover logs last web-3 -f', 'as it is printed'],
  ],
  arguments: {
    deployment: argument('<deployment>', 'id or its beginning, address, "last"', 'deployment'),
    host: optionalArgument('[host]', 'default: all', 'host'),
    event: optionalArgument('[event]', 'a lifecycle event; default: all', IN_PLACE_EVENTS),
  },
  options: {
    follow: flag('-f, --follow', 'go on until the deployment has ended', { group: 'How' }),
    tail: integer('--tail <lines>', 'only the last lines of each event', { min: 1, max: 100_000 }, { group: 'What' }),
    failed: flag('--failed', 'only hosts that failed, and only the event that did', { group: 'What' }),
    grep: text('--grep <pattern>', 'only lines that match this regular expression', { group: 'What' }),
    raw: flag('--raw', 'the bytes as they were printed: no prefix, control characters and all', { group: 'Output' }),
  },
  exits: ['usage', 'not-found', 'not-permitted', 'unreachable', 'left'],
  seeAlso: ['why', 'watch'],
  notes: [
    'Lines begin with the host when there are several, and with the event when there are several. Control characters are left out unless --raw is given.',
  ],
  async run(cli, args, options) {
    const client = await cli.client();
    const event = args.event === undefined ? undefined : eventNamed(args.event);
    const deployment = await findDeployment(cli, client, args.deployment);
    const printer = new LogPrinter(cli, {
      hasHosts: args.host === undefined && deployment.totalHosts > 1,
      hasEvents: event === undefined,
      isRaw: options.raw === true,
      grep: options.grep === undefined ? undefined : patternOf(options.grep),
    });
    const leaving = new AbortController();
    const stopSignals = cli.world.onInterrupt(() => leaving.abort(new CommandFailure('left', 'left the log')));
    const contact = new ContactWatch(cli.world.clock, (lostSinceAt) =>
      cli.output.note(lostSinceAt === null ? 'The coordinator answers.' : 'The coordinator does not answer.'),
    );
    // What a round has printed before it broke off, the printer does not ask for again.
    const ask: Ask = options.follow
      ? (question) => patiently(cli, contact, leaving.signal, question)
      : (question) => question();
    try {
      const wanted = { host: args.host, event, isOnlyFailed: options.failed === true };
      printer.isMoreToCome = options.follow === true && !isTerminal(deployment.status);
      await ask(() => printAll(client, deployment, wanted, printer, options.tail, leaving.signal));
      let current = deployment;
      while (options.follow && !isTerminal(current.status)) {
        await sleep(cli.world.clock, FOLLOW_MS, leaving.signal);
        current = await ask(() => client.getDeployment({ deployment: deployment.id }, { signal: leaving.signal }));
        const seen = current;
        printer.isMoreToCome = !isTerminal(seen.status);
        await ask(() => printAll(client, seen, wanted, printer, undefined, leaving.signal));
      }
      if (printer.printed === 0)
        cli.output.note(`Nothing was printed${options.failed ? ' by a script that failed' : ' yet'}.`);
      return 'done';
    } finally {
      contact.stop();
      stopSignals();
    }
  },
});

interface Wanted {
  host: string | undefined;
  event: string | undefined;
  isOnlyFailed: boolean;
}

/** Prints what is new of every event of every host. */
async function printAll(
  client: DroverClient,
  deployment: Deployment,
  wanted: Wanted,
  printer: LogPrinter,
  tail: number | undefined,
  signal: AbortSignal,
): Promise<void> {
  const status = wanted.isOnlyFailed ? ('Failed' as const) : undefined;
  const targets: Pick<Target, 'hostName' | 'status' | 'lifecycleEvent'>[] =
    wanted.host === undefined
      ? await collect(client.all('listTargets', { deployment: deployment.id, status }, { signal }))
      : [await client.getTarget({ deployment: deployment.id, host: wanted.host }, { signal })];
  for (const target of targets) {
    if (target.status === 'Pending' || target.status === 'Skipped') continue;
    if (wanted.isOnlyFailed && target.status !== 'Failed') continue;
    const place = { deployment: deployment.id, host: target.hostName };
    for (const event of await eventsOf(client, place, target, wanted, signal)) {
      await printEvent(client, { ...place, event }, printer, tail, signal);
      if (!printer.isMoreToCome) printer.flush({ ...place, event });
    }
  }
}

async function eventsOf(
  client: DroverClient,
  place: { deployment: string; host: string },
  target: Pick<Target, 'lifecycleEvent'>,
  wanted: Wanted,
  signal: AbortSignal,
): Promise<string[]> {
  if (wanted.event !== undefined) return [wanted.event];
  if (wanted.isOnlyFailed) return target.lifecycleEvent === null ? [] : [target.lifecycleEvent];
  const { lifecycleEvents } = await client.getTarget(place, { signal });
  return lifecycleEvents.filter((one) => one.status !== 'Pending' && one.status !== 'Skipped').map((one) => one.name);
}

async function printEvent(
  client: DroverClient,
  place: { deployment: string; host: string; event: string },
  printer: LogPrinter,
  tail: number | undefined,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    const offset = printer.offsetOf(place);
    const chunk = await outputOf(client, { ...place, offset, limitBytes: CHUNK_BYTES }, signal);
    if (chunk === undefined) break;
    // Nothing more comes of what the coordinator has not kept, though there was more.
    const isLast = chunk.nextOffset >= chunk.length || chunk.nextOffset <= offset;
    printer.take(place, chunk, { isLast, tail });
    if (isLast) break;
  }
}

/** Undefined when the event has no output: most have no script. */
async function outputOf(
  client: DroverClient,
  input: { deployment: string; host: string; event: string; offset: number; limitBytes: number },
  signal: AbortSignal,
) {
  try {
    return await client.getOutput(input, { signal });
  } catch (error) {
    if (isAppError(error, 'not_found')) return undefined;
    throw error;
  }
}

/** Cuts chunks into lines and prints them with where they come from. */
class LogPrinter {
  readonly #cli: Cli;
  readonly #options: { hasHosts: boolean; hasEvents: boolean; isRaw: boolean; grep: RegExp | undefined };
  readonly #offsets = new Map<string, number>();
  readonly #rests = new Map<string, string>();
  readonly #toldOfMore = new Set<string>();
  /** While more may come, the beginning of a line waits for its end. */
  isMoreToCome = false;
  /** Lines so far. */
  printed = 0;

  constructor(cli: Cli, options: { hasHosts: boolean; hasEvents: boolean; isRaw: boolean; grep: RegExp | undefined }) {
    this.#cli = cli;
    this.#options = options;
  }

  offsetOf(place: { host: string; event: string }): number {
    return this.#offsets.get(keyOf(place)) ?? 0;
  }

  take(
    place: { host: string; event: string },
    chunk: { text: string; nextOffset: number; isTruncated: boolean },
    options: { isLast: boolean; tail: number | undefined },
  ): void {
    const key = keyOf(place);
    this.#offsets.set(key, chunk.nextOffset);
    const lines = `${this.#rests.get(key) ?? ''}${chunk.text}`.split('\n');
    const rest = lines.pop() ?? '';
    const isEnd = options.isLast && !this.isMoreToCome;
    this.#rests.set(key, isEnd ? '' : rest);
    if (isEnd && rest !== '') lines.push(rest);
    const { tail } = options;
    // The lines before the last chunk are not wanted when only the end is.
    if (tail !== undefined && !options.isLast) {
      this.#rests.set(key, [...lines.slice(-tail), rest].join('\n'));
      return;
    }
    const wanted = lines.filter((text) => this.#options.grep?.test(plainText(text)) ?? true);
    const shown = tail === undefined ? wanted : wanted.slice(-tail);
    for (const text of shown) this.#print(place, text);
    if (options.isLast && chunk.isTruncated && !this.#toldOfMore.has(key)) {
      this.#toldOfMore.add(key);
      this.#cli.output.note(`(${place.host} ${place.event} printed more than the coordinator keeps)`);
    }
  }

  /** The beginning of a line whose end never came. */
  flush(place: { host: string; event: string }): void {
    const rest = this.#rests.get(keyOf(place)) ?? '';
    this.#rests.delete(keyOf(place));
    if (rest !== '') this.#print(place, rest);
  }

  #print({ host, event }: { host: string; event: string }, text: string): void {
    this.printed++;
    const { output } = this.#cli;
    const { hasHosts, hasEvents, isRaw } = this.#options;
    if (output.mode.isJson) output.jsonLine({ host, event, text });
    else if (isRaw) output.data(text);
    else {
      const prefix = [hasHosts ? host : '', hasEvents ? event : ''].filter((part) => part !== '').join(' ');
      output.data(`${prefix === '' ? '' : `${output.style.dim(prefix)}  `}${plainText(text)}`);
    }
  }
}

function keyOf(place: { host: string; event: string }): string {
  return `${place.host}/${place.event}`;
}

function eventNamed(written: string): string {
  const known = LIFECYCLE_EVENTS.find((name) => name.toLowerCase() === written.toLowerCase());
  if (known === undefined)
    throw usageError(`there is no lifecycle event ${written}`, `There are: ${IN_PLACE_EVENTS.join(', ')}.`);
  return known;
}

function patternOf(written: string): RegExp {
  try {
    return new RegExp(written);
  } catch (error) {
    throw new AppError('invalid', `--grep ${written} is no regular expression`, { cause: error });
  }
}
