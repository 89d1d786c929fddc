import { expect } from 'chai';
import fc from 'fast-check';
import { createMask, secretsIn } from '../../../../agent/hooks/mask.ts';

describe('createMask', () => {
  it('puts an asterisk for each byte of a secret, and leaves short values alone', () => {
    const mask = createMask(['hunter2hunter2', 'short', 'pässwort']);
    expect(mask.apply(Buffer.from('x hunter2hunter2 short pässwort')).toString()).to.equal(
      `x ${'*'.repeat(14)} short ${'*'.repeat(9)}`,
    );
    const nothing = Buffer.from('nothing to hide');
    expect(mask.apply(nothing)).to.equal(nothing);
    expect(createMask([]).isEmpty).to.equal(true);
  });

  it('knows how much of the end may become a secret', () => {
    const mask = createMask(['hunter2', 'unterwegs']);
    expect(mask.unfinishedBytes(Buffer.from('say hunt'))).to.equal(4);
    expect(mask.unfinishedBytes(Buffer.from('say hunter2'))).to.equal(0);
    expect(mask.unfinishedBytes(Buffer.from('say unter'))).to.equal(5);
    expect(mask.unfinishedBytes(Buffer.from(''))).to.equal(0);
  });

  it('masks a piece with its surroundings as it masks the whole', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 200 });
    const secrets = fc.array(fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 6, maxLength: 12 }), {
      maxLength: 4,
    });
    fc.assert(
      fc.property(letters, secrets, fc.nat(200), fc.nat(200), (text, values, from, length) => {
        const mask = createMask(values);
        const bytes = Buffer.from(text);
        const start = Math.max(0, from - mask.reachBytes);
        const piece = mask.apply(bytes.subarray(start, from + length + mask.reachBytes));
        const whole = mask
          .apply(bytes)
          .subarray(from, from + length)
          .toString();
        expect(piece.subarray(from - start, from - start + length).toString()).to.equal(whole);
      }),
    );
  });
});

describe('secretsIn', () => {
  it('takes values from the usual forms of files, and other lines whole', () => {
    expect(secretsIn('# comment-line\nA=first-secret\nexport B="second secret"\n\nC=no\n')).to.include.members([
      'first-secret',
      'second secret',
    ]);
    expect(secretsIn('password: yaml-secret\n')).to.include('yaml-secret');
    expect(secretsIn('{\n  "token": "json-secret",\n}')).to.include('json-secret');
    expect(secretsIn('-----BEGIN KEY-----\nMIIBVgIBADANBg\n-----END KEY-----\n')).to.deep.equal(['MIIBVgIBADANBg']);
    expect(secretsIn('base64token==\n')).to.include('base64token==');
  });
});
