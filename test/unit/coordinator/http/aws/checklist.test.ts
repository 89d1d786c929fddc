import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { expect } from 'chai';

const root = join(import.meta.dirname, '../../../../..');
const PAGES = [
  { page: 'docs/aws-agents.md', from: 35, to: 78 },
  { page: 'docs/aws-compatibility.md', from: 143, to: 180 },
] as const;

interface Row {
  item: number;
  /** Named tests, and a reason: at least one of the two. */
  tests: { file: string; title: string }[];
  reason: string | null;
}

function rowsOf(page: string): Row[] {
  return readFileSync(join(root, page), 'utf8')
    .split('\n')
    .flatMap((line) => {
      const [, item, cell] = /^\| (\d+) \| .+? \| (.+) \|$/.exec(line) ?? [];
      return item === undefined || cell === undefined ? [] : [rowOf(Number(item), cell)];
    });
}

/** `file` "title", "title"; `file` "title"; not: reason */
function rowOf(item: number, cell: string): Row {
  const at = cell.search(/(?:^|; )not: /);
  const named = at < 0 ? cell : cell.slice(0, at);
  const tests = named.split(/; (?=`)/).flatMap((part) => {
    const [, file, titles] = /^`([\w-]+)` (".+")$/.exec(part) ?? [];
    if (part === '') return [];
    if (file === undefined || titles === undefined) throw new Error(`item ${item}: no test is named by ${part}`);
    return titles
      .slice(1, -1)
      .split('", "')
      .map((title) => ({ file: `${file}.test.ts`, title }));
  });
  return { item, tests, reason: at < 0 ? null : cell.slice(at).replace(/^(?:; )?not: /, '') };
}

const files = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' });
/** Where the cases of a suite that is made of a table stand. */
const TABLES: Readonly<Record<string, string>> = Object.fromEntries(
  files
    .filter((name) => name.startsWith('support/aws-exceptions/'))
    .map((name) => [`aws-exceptions-${basename(name, '.ts')}.test.ts`, name]),
);

/** Every text in a file, each as a whole, as titles are given. */
function textsIn(file: string): Set<string> {
  const names = files.filter((name) => basename(name) === file || name === TABLES[file]);
  const content = names.map((name) => readFileSync(join(root, 'test', name), 'utf8')).join('\n');
  return new Set([...content.matchAll(/(['"`])((?:(?!\1).)+)\1/g)].map(([, , text]) => text ?? ''));
}

for (const { page, from, to } of PAGES)
  describe(`the compatibility checklist in ${page}`, () => {
    const rows = rowsOf(page);

    it('has every item once, in order', () => {
      expect(rows.map((row) => row.item)).to.deep.equal(Array.from({ length: to - from + 1 }, (_, at) => from + at));
    });

    it('names tests that are there, or says why there is none', () => {
      for (const { item, tests, reason } of rows) {
        if (reason === null) expect(tests, `tests of item ${item}`).not.to.deep.equal([]);
        else expect(reason, `reason of item ${item}`).to.have.length.above(10);
        for (const { file, title } of tests) expect([...textsIn(file)], `${item}: ${file}`).to.include(title);
      }
    });
  });
