import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { formatProblem } from '../../../../shared/appspec/format.ts';
import { parseAppSpec } from '../../../../shared/appspec/parse.ts';

const directory = join(import.meta.dirname, '../../../fixtures/appspec');

/** The first line of each fixture says which problems it has: `line code`, in order. */
describe('the AppSpec fixtures', () => {
  for (const name of readdirSync(directory))
    it(`${name} has the problems it says`, () => {
      const text = readFileSync(join(directory, name), 'utf8');
      const expected = /^# expected: (.*)$/m.exec(text)?.[1];
      const result = parseAppSpec(text, { fileName: name });
      const problems = result.ok ? result.warnings : result.problems;
      const found = problems
        .map(({ line, code }) => `${line} ${code}`)
        .filter((each) => !each.endsWith('context-user'));
      expect(found.join(', ') || 'nothing').to.equal(expected);
      for (const problem of problems)
        expect(formatProblem(problem, text, name)).to.match(new RegExp(`^${name}:\\d+:\\d+: (error|warning): .+`));
    });
});
