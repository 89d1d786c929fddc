import { expect } from 'chai';
import fc from 'fast-check';
import { backoffMs } from '../../../../shared/core/backoff.ts';
import { clip, keepHeadBytes, keepTailBytes } from '../../../../shared/core/bounded.ts';
import { sleep } from '../../../../shared/core/clock.ts';
import { AppError, errorMessage, isAppError, wrapError } from '../../../../shared/core/errors.ts';
import { newDeploymentGroupId, newDeploymentId, newHostId, newSecret } from '../../../../shared/core/ids.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';
import { seededRandomness } from '../../../support/fake-randomness.ts';

describe('ids', () => {
  it('have the forms that clients parse', () => {
    const randomness = seededRandomness(3);
    expect(newDeploymentId(randomness)).to.match(/^d-[A-Z0-9]{9}$/);
    expect(newHostId(randomness)).to.match(/^h-[a-z0-9]{12}$/);
    expect(newDeploymentGroupId(randomness)).to.match(
      /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    );
    expect(newSecret('drover_join', randomness)).to.match(/^drover_join_[A-Za-z0-9]{33}$/);
  });

  it('do not repeat', () => {
    const randomness = seededRandomness(3);
    expect(new Set(Array.from({ length: 5_000 }, () => newDeploymentId(randomness))).size).to.equal(5_000);
  });
});

describe('backoffMs', () => {
  const policy = { baseMs: 100, maxMs: 5_000 };

  it('stays inside a window that doubles up to its bound', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1_000 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (failures, fraction) => {
          const window = Math.min(policy.maxMs, policy.baseMs * 2 ** Math.min(failures - 1, 30));
          expect(backoffMs(policy, failures, fraction)).to.be.within(Math.floor(window / 10), window);
        },
      ),
    );
  });
});

describe('keepTailBytes', () => {
  it('keeps the end, at the border of a character', () => {
    expect(keepTailBytes('abcdef', 3)).to.equal('def');
    expect(keepTailBytes('aé', 2)).to.equal('é');
    expect(keepTailBytes('aé', 1)).to.equal('');
  });

  it('never gives more bytes than asked for', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.nat(40), (text, bytes) => {
        const tail = keepTailBytes(text, bytes);
        expect(Buffer.byteLength(tail)).to.be.at.most(bytes);
        expect(text.endsWith(tail)).to.equal(true);
      }),
    );
  });
});

describe('keepHeadBytes', () => {
  it('keeps the beginning, at the border of a character', () => {
    expect(keepHeadBytes('abcdef', 3)).to.equal('abc');
    expect(keepHeadBytes('éa', 2)).to.equal('é');
    expect(keepHeadBytes('éa', 1)).to.equal('');
  });

  it('never gives more bytes than asked for', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.nat(40), (text, bytes) => {
        const head = keepHeadBytes(text, bytes);
        expect(Buffer.byteLength(head)).to.be.at.most(bytes);
        expect(text.startsWith(head)).to.equal(true);
      }),
    );
  });
});

describe('clip', () => {
  it('says that it cut', () => {
    expect(clip('abcdef', 4)).to.equal('abc…');
    expect(clip('abcd', 4)).to.equal('abcd');
  });
});

describe('sleep', () => {
  it('ends after its time, on the clock that it was given', async () => {
    const clock = createFakeClock();
    let isOver = false;
    const sleeping = sleep(clock, 1_000).then(() => {
      isOver = true;
    });
    await clock.advance(999);
    expect(isOver).to.equal(false);
    await clock.advance(1);
    await sleeping;
    expect(isOver).to.equal(true);
  });

  it('ends early, with the reason, when it is aborted', async () => {
    const abort = new AbortController();
    const sleeping = sleep(createFakeClock(), 1_000, abort.signal).catch((reason) => reason);
    abort.abort('enough');
    expect(await sleeping).to.equal('enough');
  });
});

describe('wrapError', () => {
  it('says what was being done and keeps code, hint and details', () => {
    const wrapped = wrapError(
      'unpack d-1',
      new AppError('conflict', 'there already', { hint: 'remove it', details: { path: '/x' } }),
    );
    expect(wrapped).to.include({ code: 'conflict', message: 'unpack d-1: there already', hint: 'remove it' });
    expect(wrapped.details).to.deep.equal({ path: '/x' });
    expect(isAppError(wrapped, 'conflict')).to.equal(true);
    expect(isAppError(wrapped, 'invalid')).to.equal(false);
  });

  it('makes an internal error of anything else', () => {
    expect(wrapError('open', new Error('EACCES'))).to.include({ code: 'internal', message: 'open: EACCES' });
    expect(errorMessage('text')).to.equal('text');
  });
});
