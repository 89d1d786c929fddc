import { AppError } from '../core/errors.ts';

/** One dispatched event; a comment or an event without data is none. */
export interface ServerSentEvent {
  id: string | undefined;
  data: string;
}

/** The most characters of one event that are waited for. */
export const MAX_EVENT_CHARACTERS = 4 * 1_024 * 1_024;

/**
 * Cuts a stream of text into server-sent events, wherever the chunks end.
 * Source: WHATWG HTML, "Interpreting an event stream". `event:` and `retry:` are not used by Drover and passed over.
 */
export class ServerSentEventParser {
  #rest = '';
  #data: string[] = [];
  #dataCharacters = 0;
  #id: string | undefined;

  /** @throws AppError `too_large` when one event grows past {@link MAX_EVENT_CHARACTERS} */
  push(chunk: string): ServerSentEvent[] {
    const events: ServerSentEvent[] = [];
    // A carriage return at the very end may be half of CR LF: it stays until more is known.
    const text = this.#rest + chunk;
    const lines = text.split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      const event = this.#takeLine(line);
      if (event !== undefined) events.push(event);
    }
    if (this.#rest.length + this.#dataCharacters > MAX_EVENT_CHARACTERS)
      throw new AppError('too_large', `an event of the live feed is larger than ${MAX_EVENT_CHARACTERS} characters`);
    return events;
  }

  #takeLine(line: string): ServerSentEvent | undefined {
    if (line === '') return this.#dispatch();
    const colon = line.indexOf(':');
    if (colon === 0) return undefined;
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'data') {
      this.#data.push(value);
      this.#dataCharacters += value.length;
    } else if (field === 'id') this.#id = value;
    return undefined;
  }

  #dispatch(): ServerSentEvent | undefined {
    const data = this.#data;
    this.#data = [];
    this.#dataCharacters = 0;
    return data.length === 0 ? undefined : { id: this.#id, data: data.join('\n') };
  }
}
