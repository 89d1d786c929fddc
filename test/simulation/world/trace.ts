import { createHash } from 'node:crypto';
import type { Timeline } from './timeline.ts';

/** The story of a history, one line for each thing that happened; its hash is the history's name. */
export interface Trace {
  say(who: string, what: string): void;
  hash(): string;
  readonly lines: readonly string[];
}

/** Characters. */
const MAX_UNHASHED = 16_384;

export function createTrace(timeline: Timeline, parts: { keepsLines: boolean; show?(line: string): void }): Trace {
  const hash = createHash('sha256');
  const lines: string[] = [];
  // A call of the hash costs more than a line does.
  let unhashed = '';
  const digestUnhashed = () => {
    hash.update(unhashed);
    unhashed = '';
  };
  return {
    lines,
    say(who, what) {
      const line = `${timeAt(timeline.now)} ${who.padEnd(12)} ${what}`;
      unhashed += `${line}\n`;
      if (unhashed.length > MAX_UNHASHED) digestUnhashed();
      if (parts.keepsLines) lines.push(line);
      parts.show?.(line);
    },
    hash() {
      digestUnhashed();
      return hash.copy().digest('hex');
    },
  };
}

/** `1:02:03.456` since the beginning. */
export function timeAt(ms: number): string {
  const whole = Math.floor(ms);
  const pad = (value: number, width = 2) => String(value).padStart(width, '0');
  return `${Math.floor(whole / 3_600_000)}:${pad(Math.floor(whole / 60_000) % 60)}:${pad(Math.floor(whole / 1_000) % 60)}.${pad(whole % 1_000, 3)}`;
}
