import type { Paint, Style } from './style.ts';
import { cutMiddle, line, padEnd, type Segment, widthOf, wrap } from './text.ts';

export interface Cell {
  text: string;
  paint?: Paint;
}
export interface Column {
  title: string;
  /** Narrowed first, and in the middle, when the table is wider than the terminal. */
  isFlexible?: boolean;
  /** Flexible, and a sentence: wrapped into further lines, since a sentence without its middle says nothing. */
  isProse?: boolean;
}

const GAP = 2;
const NARROWEST = 8;

/** Rows under titles, aligned, at most `width` columns wide. */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly (Cell | string)[])[],
  width: number,
  style: Style,
): string[] {
  const cellOf = (cell: Cell | string | undefined): Cell =>
    typeof cell === 'string' || cell === undefined ? { text: cell ?? '' } : cell;
  const widths = columns.map((column, index) =>
    Math.max(widthOf(column.title), ...rows.map((row) => widthOf(cellOf(row[index]).text))),
  );
  narrow(widths, columns, width);
  const render = (cells: readonly Cell[]) => {
    const segments = cells.flatMap((cell, index): Segment[] => {
      const room = widths[index] ?? 0;
      const text = cutMiddle(cell.text, room, style);
      const isLast = index === cells.length - 1;
      const gap = isLast ? '' : ' '.repeat(room - widthOf(text) + GAP);
      return [cell.paint === undefined ? text : [text, cell.paint], gap];
    });
    return line(segments, width, style).trimEnd();
  };
  const titles = render(columns.map((column) => ({ text: column.title, paint: style.dim })));
  const linesOf = (row: readonly (Cell | string)[]) => {
    const cells = columns.map((column, index): Cell[] => {
      const cell = cellOf(row[index]);
      return column.isProse ? wrap(cell.text, widths[index] ?? 0).map((text) => ({ ...cell, text })) : [cell];
    });
    const height = Math.max(...cells.map((lines) => lines.length));
    return Array.from({ length: height }, (_, index) => render(cells.map((lines) => lines[index] ?? { text: '' })));
  };
  return [titles, ...rows.flatMap(linesOf)];
}

/** Names and values in two aligned columns. */
export function facts(pairs: readonly (readonly [string, string | Cell])[], width: number, style: Style): string[] {
  const nameWidth = Math.max(...pairs.map(([name]) => widthOf(name)));
  return pairs.map(([name, value]) => {
    const cell = typeof value === 'string' ? { text: value } : value;
    const shown: Segment = cell.paint === undefined ? cell.text : [cell.text, cell.paint];
    return line([[padEnd(name, nameWidth), style.dim], '  ', shown], width, style);
  });
}

function narrow(widths: number[], columns: readonly Column[], width: number): void {
  const total = () => widths.reduce((sum, one) => sum + one + GAP, -GAP);
  const flexible = columns.flatMap((column, index) => (column.isFlexible || column.isProse ? [index] : []));
  while (total() > width) {
    const widest = flexible.reduce<number | undefined>(
      (best, index) => (best === undefined || (widths[index] ?? 0) > (widths[best] ?? 0) ? index : best),
      undefined,
    );
    if (widest === undefined || (widths[widest] ?? 0) <= NARROWEST) return;
    widths[widest] = Math.max(NARROWEST, (widths[widest] ?? 0) - (total() - width));
  }
}
