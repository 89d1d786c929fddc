import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { expect } from 'chai';
import { OPERATIONS } from '../../../../../coordinator/http/aws/model.ts';
import {
  AREA_NAMES,
  areaCases,
  exceptionsTable,
  modelledExceptions,
  TABLE_BEGIN,
  TABLE_END,
  testFileOf,
  titleOf,
} from '../../../../support/aws-exceptions/registry.ts';

const root = join(import.meta.dirname, '../../../../..');
const all = AREA_NAMES.flatMap(areaCases);

describe("the exceptions of CodeDeploy's model", () => {
  it('each have a test, or a reason why an account of hosts cannot meet them', () => {
    const lacking = modelledExceptions().filter(({ found }) => found === undefined);
    expect(lacking.map(({ operation, exception }) => `${operation} ${exception}`)).to.deep.equal([]);
    for (const { operation, exception, known } of all)
      expect('never' in known ? known.never : known.when, `${operation} ${exception}`).to.match(/^[^|]{5,110}$/);
  });

  it('are no others than those that have one', () => {
    const unknown = all.filter(
      ({ operation, exception }) => !(OPERATIONS[operation].errors as readonly string[]).includes(exception),
    );
    expect(unknown.map(({ operation, exception }) => `${operation} ${exception}`)).to.deep.equal([]);
  });

  it('are tested in a file for each area, each by a title of its own', () => {
    const files = readdirSync(join(root, 'test/integration')).filter((name) => name.startsWith('aws-exceptions-'));
    expect(files).to.have.members(AREA_NAMES.map((area) => basename(testFileOf(area))));
    for (const area of AREA_NAMES)
      expect(readFileSync(join(root, testFileOf(area)), 'utf8')).to.match(
        new RegExp(`^describeExceptions\\('${area}'\\);$`, 'm'),
      );
    const titles = all.flatMap(({ operation, exception, known }) =>
      'never' in known ? [] : [titleOf(operation, exception, known)],
    );
    expect(new Set(titles).size).to.equal(titles.length);
  });

  it('are in docs/aws-compatibility.md as the suites have them', () => {
    const page = readFileSync(join(root, 'docs/aws-compatibility.md'), 'utf8');
    const [, table = ''] = page.split(TABLE_BEGIN);
    expect(table.split(TABLE_END)[0]?.trim(), 'run node --import=tsx .ci/generate-aws-exceptions.mjs').to.equal(
      exceptionsTable(),
    );
  });
});
