// Writes the table of exceptions in docs/aws-compatibility.md from the suites' own cases:
//   node --import=tsx .ci/generate-aws-exceptions.mjs
// A unit test fails when the page is not what this writes.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { exceptionsTable, TABLE_BEGIN, TABLE_END } from '../test/support/aws-exceptions/registry.ts';

const PAGE = join(import.meta.dirname, '../docs/aws-compatibility.md');
const page = readFileSync(PAGE, 'utf8');
const from = page.indexOf(TABLE_BEGIN);
const to = page.indexOf(TABLE_END);
if (from < 0 || to < from) throw new Error(`${PAGE} lacks '${TABLE_BEGIN}' and '${TABLE_END}'`);
writeFileSync(PAGE, `${page.slice(0, from)}${TABLE_BEGIN}\n\n${exceptionsTable()}\n\n${page.slice(to)}`);
