import { expect } from 'chai';
import { makeStyle } from '../../../../../coordinator/cli/render/style.ts';
import { table } from '../../../../../coordinator/cli/render/table.ts';
import {
  cutMiddle,
  lastLines,
  line,
  plainText,
  sides,
  widthOf,
  wrap,
} from '../../../../../coordinator/cli/render/text.ts';
import { plainStyle } from '../../../../support/cli-style.ts';

const colours = makeStyle({ hasColour: true, isUnicode: true, utcOffset: () => 0 });

describe('plainText', () => {
  it('takes out everything that moves a cursor or changes a terminal', () => {
    expect(plainText('a\u001b[31mred\u001b[0m\u001b]0;title\u0007b\u001b[2J\rc\u0007\u009bd')).to.equal('aredbcd');
    expect(plainText('one\r\ntwo\tthree')).to.equal('one\ntwo    three');
    expect(plainText('Grüße 火')).to.equal('Grüße 火');
  });

  it('gives the last lines that say something', () => {
    expect(lastLines('a\n\nb\nc\n\n', 2)).to.deep.equal(['b', 'c']);
  });
});

describe('line', () => {
  it('never takes more columns than there are, and cuts before it paints', () => {
    const text = line(['name  ', ['failed for a long reason', colours.bad], ' and more'], 16, colours);
    expect(widthOf(text)).to.equal(16);
    expect(text).to.equal('name  \u001b[31mfailed fo…\u001b[39m');
  });

  it('counts columns, not characters', () => {
    expect(['web-1', 'Grüße', 'é', '火山', '🚀 go', '\u001b[1mbold\u001b[22m', '│·…→'].map(widthOf)).to.deep.equal([
      5, 5, 1, 4, 5, 4, 4,
    ]);
  });

  it('counts wide characters as two columns', () => {
    expect(widthOf(line(['火火火火火'], 7, colours))).to.be.at.most(7);
  });

  it('puts the right side at the edge, or drops it', () => {
    expect(sides(['left'], 'right', 12, plainStyle)).to.equal('left   right');
    expect(sides(['left side'], 'right', 12, plainStyle)).to.equal('left side');
  });
});

describe('cutMiddle', () => {
  it('keeps both ends of a name', () => {
    expect(cutMiddle('edge-eu-central-1a-0907', 12, plainStyle)).to.equal('edge-e~-0907');
    expect(cutMiddle('web-1', 12, plainStyle)).to.equal('web-1');
  });
});

describe('wrap', () => {
  it('breaks at spaces', () => {
    expect(wrap('one two three four', 9)).to.deep.equal(['one two', 'three', 'four']);
    expect(wrap('  one two three', 9)).to.deep.equal(['  one two', '  three']);
  });
});

describe('table', () => {
  it('aligns columns and narrows the flexible ones to fit', () => {
    const columns = [{ title: 'HOST', isFlexible: true }, { title: 'STATUS' }];
    const rows = [
      ['web-1', 'Succeeded'],
      ['a-very-long-host-name-that-does-not-fit', 'Failed'],
    ];
    expect(table(columns, rows, 30, plainStyle)).to.deep.equal([
      'HOST                 STATUS',
      'web-1                Succeeded',
      'a-very-lo~s-not-fit  Failed',
    ]);
  });
});
