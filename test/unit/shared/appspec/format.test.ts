import { expect } from 'chai';
import { findAppSpec } from '../../../../shared/appspec/find.ts';
import { formatProblem } from '../../../../shared/appspec/format.ts';
import { nearestName } from '../../../../shared/appspec/nearest.ts';

describe('formatProblem', () => {
  const problem = {
    severity: 'error' as const,
    code: 'os-unsupported',
    path: 'os',
    line: 2,
    column: 5,
    message: 'os must be linux',
    hint: 'write "os: linux"',
  };

  it('gives place, message, the line with a caret and the hint', () => {
    expect(formatProblem(problem, 'version: 0.0\r\nos: Linux\r\n', 'appspec.yml')).to.equal(
      [
        'appspec.yml:2:5: error: os must be linux (os-unsupported)',
        '  2 | os: Linux',
        '    |     ^',
        '  hint: write "os: linux"',
      ].join('\n'),
    );
  });
  it('shows a piece of a very long line and no control characters', () => {
    const text = `x\n${'a'.repeat(5_000)}\u001b[31m`;
    const lines = formatProblem({ ...problem, column: 5_001, hint: null }, text, 'f').split('\n');
    expect(lines.every((line) => line.length < 200)).to.equal(true);
    expect(lines.join('')).not.to.contain('\u001b');
    expect(lines[2]?.indexOf('^')).to.equal(lines[1]?.indexOf('?'));
  });
});

describe('findAppSpec', () => {
  it('111. looks for the wanted name, then appspec.yml, then appspec.yaml', () => {
    expect(findAppSpec(['a.yml', 'appspec.yml', 'appspec.yaml'], 'a.yml')).to.equal('a.yml');
    expect(findAppSpec(['appspec.yaml', 'appspec.yml'], 'a.yml')).to.equal('appspec.yml');
    expect(findAppSpec(['appspec.yaml'], 'appspec.yml')).to.equal('appspec.yaml');
    expect(findAppSpec(['AppSpec.yml', 'x/appspec.yml'], 'appspec.yml')).to.equal(null);
  });
});

describe('nearestName', () => {
  it('finds what was meant, and nothing when nothing is near', () => {
    expect(nearestName('aplicationstart', ['ApplicationStop', 'ApplicationStart'])).to.equal('ApplicationStart');
    expect(nearestName('zebra', ['files', 'hooks'])).to.equal(null);
    expect(nearestName('xy', ['os'])).to.equal(null);
  });
});
