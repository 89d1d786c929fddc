import type { ImportItem, ImportState } from '../import/import-item.ts';
import type { Style } from './style.ts';
import { type Cell, table } from './table.ts';
import { plainText } from './text.ts';
import { count } from './units.ts';

const WORDS: Readonly<Record<ImportState, string>> = {
  create: 'to create',
  created: 'created',
  same: 'is here',
  differs: 'differs',
  cannot: 'cannot',
  failed: 'failed',
};
const ORDER: readonly ImportState[] = ['create', 'created', 'same', 'differs', 'cannot', 'failed'];

/** Every item with what becomes of it, and how many there are of each. */
export function importLines(items: readonly ImportItem[], width: number, style: Style): string[] {
  if (items.length === 0) return ['The account has nothing to import.'];
  const columns = [{ title: '' }, { title: 'WHAT' }, { title: 'NAME', isFlexible: true }, { title: '', isProse: true }];
  const rows = items.map((item): (Cell | string)[] => [
    { text: WORDS[item.state], paint: paintOf(item.state, style) },
    item.kind.replaceAll('-', ' '),
    plainText(item.name),
    plainText([...item.reasons, ...item.notes].map((one) => one.text).join('; ')),
  ]);
  return [...table(columns, rows, width, style), '', totals(items)];
}

export function totals(items: readonly ImportItem[]): string {
  const numbers = ORDER.map((state) => [state, items.filter((item) => item.state === state).length] as const);
  return `${numbers
    .filter(([, number]) => number > 0)
    .map(([state, number]) => `${count(number)} ${WORDS[state]}`)
    .join(', ')}.`;
}

function paintOf(state: ImportState, style: Style) {
  switch (state) {
    case 'create':
    case 'created':
      return style.good;
    case 'same':
      return style.dim;
    case 'differs':
    case 'cannot':
      return style.warn;
    case 'failed':
      return style.bad;
  }
}
