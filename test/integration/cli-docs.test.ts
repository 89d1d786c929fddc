import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { EXIT_CODES } from '../../coordinator/cli/exit-codes.ts';

describe('docs/cli.md', () => {
  it('lists every exit code by number and name, and no other', () => {
    const page = readFileSync(join(import.meta.dirname, '../../docs/cli.md'), 'utf8');
    const listed = [...page.matchAll(/^\| (\d+) \| ([a-z-]+) \|/gm)].map(([, code, name]) => `${code} ${name}`);
    expect(listed).to.deep.equal(EXIT_CODES.map(({ code, name }) => `${code} ${name}`));
  });
});
