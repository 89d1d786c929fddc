import { expect } from 'chai';
import { parseRange } from '../../../../coordinator/http/range.ts';

describe('parseRange', () => {
  it('reads a range, an open one and a suffix', () => {
    expect(parseRange('bytes=0-9', 100)).to.deep.equal({ kind: 'part', start: 0, end: 9 });
    expect(parseRange('bytes=90-', 100)).to.deep.equal({ kind: 'part', start: 90, end: 99 });
    expect(parseRange('bytes=-10', 100)).to.deep.equal({ kind: 'part', start: 90, end: 99 });
    expect(parseRange('bytes=50-500', 100)).to.deep.equal({ kind: 'part', start: 50, end: 99 });
    expect(parseRange('bytes=-500', 100)).to.deep.equal({ kind: 'part', start: 0, end: 99 });
  });

  it('says when nothing of it is there', () => {
    expect(parseRange('bytes=100-', 100).kind).to.equal('unsatisfiable');
    expect(parseRange('bytes=-0', 100).kind).to.equal('unsatisfiable');
    expect(parseRange('bytes=0-', 0).kind).to.equal('unsatisfiable');
  });

  it('gives everything for what it does not understand', () => {
    for (const header of [undefined, '', 'bytes=', 'bytes=-', 'bytes=5-2', 'bytes=0-1,5-6', 'items=0-1', 'bytes=a-b'])
      expect(parseRange(header, 100).kind).to.equal('all');
  });
});
