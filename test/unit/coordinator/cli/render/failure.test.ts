import { expect } from 'chai';
import { CommandFailure, EXIT_CODES } from '../../../../../coordinator/cli/exit-codes.ts';
import { failureDocument } from '../../../../../coordinator/cli/render/failure.ts';
import { AppError } from '../../../../../shared/core/errors.ts';

type Told = { error: { code: string; exit: number; exitName: string } };

describe('failureDocument', () => {
  it("spells the command's own codes as the API's, and keeps the exit code with its name", () => {
    for (const { code: exit, name } of EXIT_CODES) {
      const { error } = failureDocument(new CommandFailure(name, 'x')) as Told;
      expect(error).to.include({ exit, exitName: name });
      expect(error.code).to.match(/^[a-z]+(_[a-z]+)*$/);
    }
  });

  it('gives what is not there one code, whoever finds that out', () => {
    const own = failureDocument(new CommandFailure('not-found', 'there is no context x')) as Told;
    const api = failureDocument(new AppError('not_found', 'there is no host x')) as Told;
    expect(own.error.code).to.equal('not_found');
    expect(own.error).to.include({ code: api.error.code, exit: api.error.exit, exitName: api.error.exitName });
  });
});
