import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { EXIT_CODES } from '../../coordinator/cli/exit-codes.ts';

describe('docs/cli.md', () => {
  it('lists every exit code by number, name and meaning as the help does, and no other', () => {
    const page = readFileSync(join(import.meta.dirname, '../../docs/cli.md'), 'utf8');
    const rows = [...page.replaceAll('`', '').matchAll(/^\| (\d+) \| ([a-z-]+) \| (.*) \|$/gm)];
    expect(rows.map(([, code, name, meaning]) => `${code} ${name}: ${meaning}`)).to.deep.equal(
      EXIT_CODES.map(({ code, name, meaning }) => `${code} ${name}: ${meaning.replaceAll('`', '')}`),
    );
  });
});
