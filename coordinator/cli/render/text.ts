import type { Paint, Style } from './style.ts';

// biome-ignore lint/suspicious/noControlCharactersInRegex: it is control characters that are looked for
const ESCAPES = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[@-Z\\-_])?/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: it is control characters that are looked for
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;

/** Text from elsewhere (a script's output, a message) without anything that moves a cursor or changes a terminal. */
export function plainText(text: string): string {
  return text.replace(ESCAPES, '').replace(/\r\n/g, '\n').replace(CONTROLS, '').replaceAll('\t', '    ');
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: it is control characters that are looked for
const COLOUR = /^\u001b\[[\d;]*m$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: it is control characters that are looked for
const CONTROLS_BUT_ESCAPE = /[\u0000-\u0008\u000b-\u001a\u001c-\u001f\u007f-\u009f]/g;

/** Our own lines, which may be coloured: whatever else steers a terminal in them came from elsewhere. */
export function steadyText(text: string): string {
  if (PRINTABLE_ASCII.test(text)) return text;
  return text.replace(ESCAPES, (found) => (COLOUR.test(found) ? found : '')).replace(CONTROLS_BUT_ESCAPE, '');
}

/** The last `limit` lines that say something. */
export function lastLines(text: string, limit: number): string[] {
  const lines = plainText(text)
    .split('\n')
    .filter((line) => line.trim() !== '');
  return lines.slice(-limit);
}

/** Columns that a text takes on a terminal. Our own, because the usual package takes 50 ms of a start-up of 150. */
export function widthOf(text: string): number {
  if (PRINTABLE_ASCII.test(text)) return text.length;
  let width = 0;
  for (const character of text.replace(ESCAPES, '')) {
    const code = character.codePointAt(0) ?? 0;
    if (code < 0x20 || (code >= 0x7f && code < 0xa0) || NO_WIDTH.test(character)) continue;
    width += WIDE.some(([from, to]) => code >= from && code <= to) ? 2 : 1;
  }
  return width;
}

const PRINTABLE_ASCII = /^[ -~]*$/;
/** Marks that combine with what is before them, joiners and other format characters. */
const NO_WIDTH = /^[\p{M}\p{Cf}]$/u;
/** Source: Unicode UAX #11, East Asian Width W and F, in ranges that leave single exceptions out. */
const WIDE: readonly (readonly [from: number, to: number])[] = [
  [0x1100, 0x115f],
  [0x2e80, 0x303e],
  [0x3041, 0x33ff],
  [0x3400, 0x4dbf],
  [0x4e00, 0x9fff],
  [0xa000, 0xa4cf],
  [0xa960, 0xa97f],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe30, 0xfe6f],
  [0xff01, 0xff60],
  [0xffe0, 0xffe6],
  [0x1f300, 0x1f64f],
  [0x1f680, 0x1f6ff],
  [0x1f900, 0x1faff],
  [0x20000, 0x3fffd],
];

/** Cuts the end off. */
export function cutEnd(text: string, width: number, style: Style): string {
  if (widthOf(text) <= width) return text;
  const mark = style.glyphs.ellipsis;
  return width <= widthOf(mark) ? takeWidth(text, width) : `${takeWidth(text, width - widthOf(mark))}${mark}`;
}

/** Cuts the middle out, because names differ at both ends. */
export function cutMiddle(text: string, width: number, style: Style): string {
  if (widthOf(text) <= width) return text;
  const mark = style.glyphs.ellipsis;
  if (width < 5) return cutEnd(text, width, style);
  const room = width - widthOf(mark);
  const tail = Math.floor(room / 2);
  return `${takeWidth(text, room - tail)}${mark}${text.slice(-tail)}`;
}

export function padEnd(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - widthOf(text)));
}

/** A piece of a line, and how it is painted. */
export type Segment = string | readonly [text: string, paint: Paint];

/** Joins pieces into one line of at most `width` columns. */
export function line(segments: readonly Segment[], width: number, style: Style): string {
  let room = width;
  let result = '';
  for (const segment of segments) {
    if (room <= 0) break;
    const [text, paint] = typeof segment === 'string' ? [segment, undefined] : segment;
    const fitted = cutEnd(text, room, style);
    room -= widthOf(fitted);
    result += paint === undefined || fitted === '' ? fitted : paint(fitted);
  }
  return result;
}

/** Puts `right` at the right edge when both fit, or drops it. */
export function sides(left: readonly Segment[], right: Segment, width: number, style: Style): string {
  const textOf = (segment: Segment) => (typeof segment === 'string' ? segment : segment[0]);
  const used = left.reduce((sum, segment) => sum + widthOf(textOf(segment)), 0);
  const room = width - used - widthOf(textOf(right));
  return room < 2 || textOf(right) === ''
    ? line(left, width, style)
    : line([...left, ' '.repeat(room), right], width, style);
}

/** Breaks text at spaces so that no line is wider than `width`, and keeps how far it is indented. */
export function wrap(text: string, width: number): string[] {
  const indent = /^ */.exec(text)?.[0] ?? '';
  const lines: string[] = [];
  let current = '';
  for (const word of text.slice(indent.length).split(' ')) {
    const next = current === '' ? word : `${current} ${word}`;
    if (widthOf(indent + next) > width && current !== '') {
      lines.push(indent + current);
      current = word;
    } else current = next;
  }
  return [...lines, indent + current];
}

function takeWidth(text: string, width: number): string {
  let taken = '';
  let used = 0;
  for (const character of text) {
    const next = widthOf(character);
    if (used + next > width) break;
    taken += character;
    used += next;
  }
  return taken;
}
