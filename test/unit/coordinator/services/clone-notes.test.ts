import { expect } from 'chai';
import { CloneNotes } from '../../../../coordinator/services/clone-notes.ts';

const HOUR_MS = 3_600_000;
const copy = { hostId: 'h-1', remoteAddress: '192.0.2.1', machineId: 'b'.repeat(64) };

describe('CloneNotes', () => {
  it('notes a copy at its first attempt, and then once an hour with the attempts since', () => {
    const notes = new CloneNotes();
    const minutes = Array.from({ length: 121 }, (_, minute) => notes.attempt(copy, minute * 60_000));
    expect(minutes.flatMap((attempts, minute) => (attempts === null ? [] : [[minute, attempts]]))).to.deep.equal([
      [0, 1],
      [60, 60],
      [120, 60],
    ]);
  });

  it('notes another host, address or machine by itself', () => {
    const notes = new CloneNotes();
    notes.attempt(copy, 0);
    for (const other of [{ hostId: 'h-2' }, { remoteAddress: '192.0.2.2' }, { machineId: undefined }])
      expect(notes.attempt({ ...copy, ...other }, 1)).to.equal(1);
    expect(notes.attempt(copy, 2)).to.equal(null);
  });

  it('notes it again when the clock was set back', () => {
    const notes = new CloneNotes();
    notes.attempt(copy, 10 * HOUR_MS);
    expect(notes.attempt(copy, 0)).to.equal(1);
    expect(notes.attempt(copy, 1)).to.equal(null);
  });

  it('is asked for the same note again when it could not be written', () => {
    const notes = new CloneNotes();
    const attempts = notes.attempt(copy, 0);
    notes.attempt(copy, 1);
    notes.notWritten(copy, attempts ?? 0);
    expect(notes.attempt(copy, 2)).to.equal(3);
    expect(notes.attempt(copy, 3)).to.equal(null);
  });

  it('remembers a bounded number of copies', () => {
    const notes = new CloneNotes();
    for (let number = 0; number <= 10_000; number++) notes.attempt({ ...copy, hostId: `h-${number}` }, 0);
    expect(notes.attempt({ ...copy, hostId: 'h-10000' }, 1)).to.equal(null);
    expect(notes.attempt({ ...copy, hostId: 'h-0' }, 1)).to.equal(1);
  });
});
