import { expect } from 'chai';
import { encodeLine, encodeRecord, type JournalRecord, readLines } from '../../../../agent/journal/records.ts';
import { emptyState } from '../../../../agent/journal/state.ts';

const checkpoint: JournalRecord = { kind: 'checkpoint', state: emptyState('journal-1') };
const acknowledged = (sequence: number): JournalRecord => ({ kind: 'acknowledged', sequence });
const lineOf = (records: readonly JournalRecord[]) => encodeLine(records.map(encodeRecord));

describe('readLines', () => {
  const lines = [[checkpoint], [acknowledged(1), acknowledged(2)], [acknowledged(3)]].map(lineOf);
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
    expect(readLines(Buffer.from(lineOf([acknowledged(1)])))).to.include({ ok: false, offset: 0 });
  });

  describe('of an agent of the next minor version', () => {
    /** Kinds and fields that this version does not have. */
    const written = (...records: object[]) => lineOf(records as JournalRecord[]);
    const read = (line: string) => readLines(Buffer.from(`${lines[0]}${line}${lines[2]}`));

    it('refuses a record that it may not pass over, and says what to do', () => {
      const future = read(written({ kind: 'moon-phase' }));
      expect(future).to.include({ ok: false, offset: ends[0] });
      expect(future).to.have.property('message').that.includes('"moon-phase"').and.includes('install that agent again');
      for (const optional of [false, 'yes', 1])
        expect(read(written({ kind: 'moon-phase', optional })).ok, String(optional)).to.equal(false);
    });

    it('passes over records that say that they may be, also when nothing else is in their line', () => {
      const moon = { kind: 'moon-phase', optional: true, phase: { of: 'the moon' } };
      for (const line of [written(moon), written(moon, moon)])
        expect(read(line)).to.deep.include({ ok: true, records: [checkpoint, acknowledged(3)] });
      expect(read(written(acknowledged(1), moon, acknowledged(2)))).to.deep.include({
        ok: true,
        records: [checkpoint, acknowledged(1), acknowledged(2), acknowledged(3)],
      });
    });

    it('passes fields that it does not know, wherever they are', () => {
      const state = { ...emptyState('journal-1'), novelty: [1] };
      const all = Buffer.from(
        written({ kind: 'checkpoint', state }) + written({ ...acknowledged(1), by: 'the next version' }),
      );
      expect(readLines(all)).to.deep.include({ ok: true, records: [checkpoint, acknowledged(1)] });
    });

    it('still refuses a known kind that it does not understand, passable or not', () => {
      expect(read(written({ kind: 'acknowledged', sequence: 'one', optional: true }))).to.include({ ok: false });
    });
  });
});
