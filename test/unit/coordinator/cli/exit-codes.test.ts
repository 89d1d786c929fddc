import { expect } from 'chai';
import { CommandFailure, EXIT_CODES, exitCode, exitName, exitOfError } from '../../../../coordinator/cli/exit-codes.ts';
import { AppError, ERROR_CODES } from '../../../../shared/core/errors.ts';

describe('exit codes', () => {
  it('have each number and each name once', () => {
    expect(new Set(EXIT_CODES.map((exit) => exit.code)).size).to.equal(EXIT_CODES.length);
    expect(new Set(EXIT_CODES.map((exit) => exit.name)).size).to.equal(EXIT_CODES.length);
    for (const exit of EXIT_CODES) expect(exitName(exitCode(exit.name))).to.equal(exit.name);
  });

  it('say all that they are given for', () => {
    const meaning = (code: number) => EXIT_CODES.find((exit) => exit.code === code)?.meaning;
    expect(meaning(2)).to.match(/lint/);
    expect(meaning(7)).to.match(/`stop` itself/);
    expect(meaning(12)).to.match(/cannot be reached.*cannot serve now.*import/);
    expect(meaning(130)).to.match(/Ctrl C.*`q`/);
  });

  it('tell every failure of the coordinator', () => {
    const codes = Object.fromEntries(ERROR_CODES.map((code) => [code, exitCode(exitOfError(new AppError(code, 'x')))]));
    expect(codes).to.deep.equal({
      invalid: 2,
      not_found: 10,
      conflict: 3,
      unauthorized: 11,
      forbidden: 11,
      too_large: 3,
      rate_limited: 3,
      unavailable: 12,
      not_implemented: 3,
      internal: 1,
    });
  });

  it('tell a conflict that there is nothing to do for from one that blocks', () => {
    expect(exitOfError(new AppError('conflict', 'x', { details: { reason: 'nothing_to_do' } }))).to.equal(
      'nothing-to-do',
    );
    expect(exitOfError(new AppError('conflict', 'x', { details: { activeDeploymentId: 'd-1' } }))).to.equal('refused');
  });

  it("tell what is nobody else's failure", () => {
    expect(exitOfError(new CommandFailure('needs-answer', 'x'))).to.equal('needs-answer');
    expect(exitCode(exitOfError(new TypeError('bug')))).to.equal(1);
  });
});
