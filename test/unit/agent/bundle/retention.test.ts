import { expect } from 'chai';
import { planRetention } from '../../../../agent/bundle/retention.ts';

const file = (letter: string, sizeBytes: number, modifiedAt: number, ending = '') => ({
  name: letter.repeat(64) + ending,
  sizeBytes,
  modifiedAt,
});
const names = (plan: string[]) => plan.map((name) => name[0] + name.slice(64));

describe('planRetention', () => {
  it('removes the oldest until the rest fits', () => {
    const files = [file('a', 10, 3), file('b', 10, 1), file('c', 10, 2)];
    expect(names(planRetention(files, { digests: new Set(), maxBytes: 20 }))).to.deep.equal(['b']);
    expect(names(planRetention(files, { digests: new Set(), maxBytes: 30 }))).to.deep.equal([]);
    expect(names(planRetention(files, { digests: new Set(), maxBytes: 0 }))).to.deep.equal(['b', 'c', 'a']);
  });
  it('keeps what is asked for, even when it is too much', () => {
    const files = [file('a', 100, 1), file('b', 10, 2)];
    expect(names(planRetention(files, { digests: new Set(['a'.repeat(64)]), maxBytes: 50 }))).to.deep.equal(['b']);
  });
  it('removes half downloads that nobody waits for', () => {
    const files = [
      file('a', 1, 1, '.part'),
      file('b', 1, 1, '.part'),
      file('c', 1, 1),
      file('d', 1, 1, '.manifest.tmp'),
      file('e', 1, 1, '.manifest'),
    ];
    expect(names(planRetention(files, { digests: new Set(['b'.repeat(64)]), maxBytes: 100 }))).to.deep.equal([
      'a.part',
      'd.manifest.tmp',
    ]);
  });
  it('leaves foreign files alone', () => {
    expect(
      planRetention([{ name: 'README', sizeBytes: 100, modifiedAt: 1 }], { digests: new Set(), maxBytes: 0 }),
    ).to.deep.equal([]);
  });
});
