import { expect } from 'chai';
import { parseOsRelease } from '../../../../agent/host/facts.ts';
import { parseFailpoint } from '../../../../agent/host/failpoint-disk.ts';
import { parseClaim, parseProcessStat } from '../../../../agent/host/hook-wrapper.ts';

describe('parseProcessStat', () => {
  it('finds state and start time behind any command name', () => {
    const rest = 'S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20 21';
    for (const name of ['sh', 'a b', 'x) R 9 9', '((('])
      expect(parseProcessStat(`77 (${name}) ${rest}\n`)).to.deep.equal({ state: 'S', startTicks: '4711' });
  });
});

describe('parseClaim', () => {
  it('takes a whole claim only', () => {
    expect(parseClaim('12 boot-id:345\n')).to.deep.equal({ pid: 12, startTime: 'boot-id:345' });
    for (const text of ['', '12', '12 boot-id:345', 'x boot:1\n', '\0\0']) expect(parseClaim(text)).to.equal(null);
  });
});

describe('parseOsRelease', () => {
  it('reads quoted and plain values', () => {
    expect(parseOsRelease('PRETTY_NAME="x"\nNAME="Debian GNU/Linux"\nVERSION_ID="12"\n')).to.deep.equal({
      osName: 'Debian GNU/Linux',
      osVersion: '12',
    });
    expect(parseOsRelease('NAME=Alpine\nVERSION_ID=3.20\n')).to.deep.equal({ osName: 'Alpine', osVersion: '3.20' });
    expect(parseOsRelease('')).to.deep.equal({});
  });
});

describe('parseFailpoint', () => {
  it('names file, append and moment, or any change of the disk', () => {
    expect(parseFailpoint('journal:12:torn')).to.deep.equal({
      kind: 'append',
      fileName: 'journal',
      append: 12,
      moment: 'torn',
    });
    expect(parseFailpoint('disk:37:after')).to.deep.equal({ kind: 'disk', change: 37, moment: 'after' });
    expect(() => parseFailpoint('journal:x')).to.throw('DROVER_FAILPOINT');
  });
});
