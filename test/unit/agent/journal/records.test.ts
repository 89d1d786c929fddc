import { expect } from 'chai';
import { encodeLine, type JournalRecord, readLines } from '../../../../agent/journal/records.ts';
import { emptyState } from '../../../../agent/journal/state.ts';

const checkpoint: JournalRecord = { kind: 'checkpoint', state: emptyState('journal-1') };
const acknowledged = (sequence: number): JournalRecord => ({ kind: 'acknowledged', sequence });

describe('readLines', () => {
  const lines = [[checkpoint], [acknowledged(1), acknowledged(2)], [acknowledged(3)]].map(encodeLine);
  const whole = Buffer.from(lines.join(''));
  const ends = lines.map((_line, index) => lines.slice(0, index + 1).join('').length);

  it('reads back what was written', () => {
    expect(readLines(whole)).to.deep.equal({
      ok: true,
      records: [checkpoint, acknowledged(1), acknowledged(2), acknowledged(3)],
      wholeBytes: whole.length,
    });
  });

  it('leaves out a last write that was torn at any byte, all records of one commit together', () => {
    for (let length = ends[0] ?? 0; length <= whole.length; length++) {
      const read = readLines(whole.subarray(0, length));
      const wholeLines = ends.filter((end) => end <= length).length;
      expect(read.ok && read.wholeBytes, `cut at ${length}`).to.equal(ends[wholeLines - 1]);
      expect(read.ok && read.records.length, `cut at ${length}`).to.equal([1, 3, 4][wholeLines - 1]);
    }
  });

  it('leaves out a last line that a power cut filled with zeros or half of its bytes', () => {
    for (const tail of ['\0'.repeat(100), '\0'.repeat(50).concat('\n'), 'deadbeefdeadbeef 18 [{"kind":"begun"}]\n'])
      expect(readLines(Buffer.concat([whole, Buffer.from(tail)]))).to.include({ ok: true, wholeBytes: whole.length });
  });

  it('refuses a change of any single byte before the last line, newlines included, with its offset', () => {
    const lastLine = ends[1] ?? 0;
    for (let at = 0; at < lastLine; at++) {
      const bytes = Buffer.from(whole);
      bytes[at] = (bytes[at] ?? 0) ^ 0x01;
      expect(readLines(bytes), `byte ${at}`).to.include({ ok: false, offset: at < (ends[0] ?? 0) ? 0 : ends[0] });
    }
  });

  it('refuses a file without a whole first line, and one that does not begin with a checkpoint', () => {
    expect(readLines(Buffer.alloc(0)).ok).to.equal(false);
    expect(readLines(whole.subarray(0, 20))).to.include({ ok: false, offset: 0 });
    expect(readLines(Buffer.from(encodeLine([acknowledged(1)])))).to.include({ ok: false, offset: 0 });
  });

  it('refuses a record that another version wrote rather than passing over it', () => {
    // A kind that this version does not have.
    const future = encodeLine([{ kind: 'moon-phase' } as unknown as JournalRecord]);
    expect(readLines(Buffer.from(`${lines[0]}${future}${lines[2]}`))).to.include({ ok: false, offset: ends[0] });
  });
});
