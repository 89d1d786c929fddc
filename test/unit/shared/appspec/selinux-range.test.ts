import { expect } from 'chai';
import { parseSelinuxRange } from '../../../../shared/appspec/selinux-range.ts';

function canonical(written: string): string | null {
  const range = parseSelinuxRange(written);
  return range.ok ? range.canonical : null;
}

describe('parseSelinuxRange', () => {
  it('31. writes ranges in their shortest form', () => {
    expect(canonical('s0')).to.equal('s0');
    expect(canonical('s0-s0:c0.c1023')).to.equal('s0:c0.c1023');
    expect(canonical('s0-s3:c7,c1,c2,c3')).to.equal('s0-s3:c1.c3,c7');
  });
  it('31. refuses a wrong order, a missing s, categories out of range, backwards or twice', () => {
    for (const written of [
      's3-s0',
      '0-1',
      's0-s1-s2',
      's0:c1024',
      's0:c3.c1',
      's0:c1,c1',
      's0:c0.c3,c2',
      's0:1',
      's0:',
      's0:c1:c2',
      '',
      's0:c1.c2.c3',
    ])
      expect(canonical(written), written).to.equal(null);
  });
});
