import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { expect } from 'chai';

const root = join(import.meta.dirname, '../../../..');
const ITEMS = [...numbers(1, 34), ...numbers(79, 129)];

function numbers(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

interface Row {
  item: number;
  what: string;
  drover: string;
  test: string;
}

function rowsOf(page: string): Row[] {
  return page.split('\n').flatMap((line) => {
    const [, item, what, drover, test] = /^\| (\d+) \| (.+) \| (.+) \| ([a-z-]+) \|$/.exec(line) ?? [];
    if (item === undefined || what === undefined || drover === undefined || test === undefined) return [];
    return [{ item: Number(item), what, drover, test }];
  });
}

/** The numbers in front of the titles of a test file. */
function numbersInTitles(path: string): Set<number> {
  const titles = readFileSync(path, 'utf8').matchAll(/\bit\(\s*['"`]((?:\d+\.(?:-\d+\.)? )+)/g);
  return new Set(
    [...titles].flatMap(([, prefix]) =>
      (prefix ?? '')
        .trim()
        .split(' ')
        .flatMap((each) => {
          const [from, to] = each.split('-').map((number) => Number.parseInt(number, 10));
          return from === undefined ? [] : numbers(from, to ?? from);
        }),
    ),
  );
}

describe('the compatibility checklist in docs/appspec.md', () => {
  const rows = rowsOf(readFileSync(join(root, 'docs/appspec.md'), 'utf8'));
  const files = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' }).filter(
    (name) => name.includes('agent') || name.includes('appspec'),
  );

  it('has every item once, in order', () => {
    expect(rows.map((row) => row.item)).to.deep.equal(ITEMS);
  });

  it('names for each item a file with a test that has its number', () => {
    for (const { item, test } of rows) {
      const named = files.filter((name) => basename(name) === `${test}.test.ts`);
      const found = new Set(named.flatMap((name) => [...numbersInTitles(join(root, 'test', name))]));
      expect([...found], `item ${item} in ${test}.test.ts`).to.include(item);
    }
  });
});
