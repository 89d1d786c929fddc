import { expect } from 'chai';
import * as z from 'zod';
import { parsePart } from '../../../../coordinator/http/validation.ts';
import { isAppError } from '../../../../shared/core/errors.ts';

describe('parsePart', () => {
  const schema = z.strictObject({ name: z.string(), uses: z.number().int().max(5).optional() });
  const failure = (value: unknown) => {
    try {
      parsePart(schema, value, 'body');
    } catch (error) {
      if (isAppError(error, 'invalid')) return error;
    }
    throw new Error('was not refused as invalid');
  };

  it('names the place of a wrong value and what was expected', () => {
    expect(failure({ name: 'a', uses: 'x' }).message).to.match(/body\.uses: .*number/);
    expect(failure({ name: 'a', uses: 6 }).message).to.contain('body.uses');
  });

  it('names an unknown key before all else, with the one that was meant', () => {
    const error = failure({ nam: 'a' });

    expect(error.message).to.match(/^body: unknown key "nam"/);
    expect(error.hint).to.equal('Did you mean name?');
  });

  it('names the body itself when it is something else', () => {
    expect(failure([]).message).to.match(/^body: /);
    expect(failure(null).message).to.match(/^body: /);
  });
});
