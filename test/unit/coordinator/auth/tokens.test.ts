import { expect } from 'chai';
import { bearerSecret, hashSecret, isSameHash } from '../../../../coordinator/auth/tokens.ts';

describe('tokens', () => {
  it('are stored as their SHA-256', () => {
    expect(hashSecret('abc')).to.equal('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  });

  it('are equal only when every character is', () => {
    expect(isSameHash('aa', 'aa')).to.equal(true);
    expect(isSameHash('aa', 'ab')).to.equal(false);
    expect(isSameHash('aa', 'aaa')).to.equal(false);
  });

  it('are read from a bearer header in any case, and from nothing else', () => {
    expect(bearerSecret('Bearer drover_op_x')).to.equal('drover_op_x');
    expect(bearerSecret('bearer  drover_op_x ')).to.equal('drover_op_x');
    for (const header of [undefined, '', 'Bearer', 'Basic YTpi', 'Bearer a b', `Bearer ${'x'.repeat(300)}`])
      expect(bearerSecret(header)).to.equal(null);
  });
});
