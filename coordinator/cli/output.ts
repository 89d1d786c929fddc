import type { Style } from './render/style.ts';
import { steadyText } from './render/text.ts';
import type { OutStream } from './world.ts';

/** The version of every JSON shape that the command prints; docs/cli.md lists them. Fields are only ever added. */
export const JSON_VERSION = 1;

export interface OutputMode {
  isJson: boolean;
  isQuiet: boolean;
}

/** An answer in its three forms; only the one that is asked for is made. */
export interface Answer {
  json: () => object;
  lines: () => readonly string[];
  /** One a line, for `--quiet`. */
  ids: () => readonly string[];
}

/**
 * Data on stdout, everything else on stderr. A name, a description or a message that somebody else wrote cannot steer the terminal;
 * only {@link Output.data} gives text as it is.
 */
export class Output {
  readonly style: Style;
  readonly mode: OutputMode;
  readonly #stdout: OutStream;
  readonly #stderr: OutStream;

  constructor(stdout: OutStream, stderr: OutStream, style: Style, mode: OutputMode) {
    this.#stdout = stdout;
    this.#stderr = stderr;
    this.style = style;
    this.mode = mode;
  }

  /** Columns that a line may take; a pipe has no width, and gets lines whole. */
  get width(): number {
    return this.#stdout.isTty ? this.#stdout.columns() : 10_000;
  }

  answer(answer: Answer): void {
    if (this.mode.isJson) this.#stdout.write(`${JSON.stringify(documentOf(answer.json()), null, 2)}\n`);
    else
      for (const text of this.mode.isQuiet ? answer.ids() : answer.lines()) this.#stdout.write(`${steadyText(text)}\n`);
  }

  /** One line of data, whatever the mode. */
  data(text: string): void {
    this.#stdout.write(`${text}\n`);
  }

  /** One line of a stream of JSON. */
  jsonLine(value: object): void {
    this.#stdout.write(`${JSON.stringify(documentOf(value))}\n`);
  }

  /** For the operator's eyes: what happens, hints, questions. */
  note(text: string): void {
    if (!this.mode.isQuiet) this.#stderr.write(`${steadyText(text)}\n`);
  }

  /** Said even with `--quiet`. */
  complain(text: string): void {
    this.#stderr.write(`${steadyText(text)}\n`);
  }
}

/** Adds the version; instants (`…At`, `at`, `…Since`, `now`) become UTC in ISO 8601. */
export function documentOf(value: object): object {
  return { v: JSON_VERSION, ...(withIsoTimes(value) as object) };
}

const INSTANT = /(^at$|At$|Since$|^now$)/;

function withIsoTimes(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withIsoTimes);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      typeof inner === 'number' && INSTANT.test(key) ? new Date(inner).toISOString() : withIsoTimes(inner),
    ]),
  );
}
