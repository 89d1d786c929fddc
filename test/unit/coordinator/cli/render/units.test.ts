import { expect } from 'chai';
import {
  ago,
  bytes,
  count,
  dateTime,
  duration,
  elapsed,
  guess,
  ordinal,
  parseDuration,
  plural,
  timeOfDay,
  utcTimeOfDay,
} from '../../../../../coordinator/cli/render/units.ts';
import { T0 } from '../../../../support/api-samples.ts';

const S = 1_000;
const MIN = 60 * S;
const H = 60 * MIN;

describe('units', () => {
  it('says durations in the two units that matter', () => {
    expect([0, 850, 52 * S, 114 * S, 120 * S, 2 * H + 5 * MIN, 26 * H].map(duration)).to.deep.equal([
      '0 ms',
      '850 ms',
      '52 s',
      '1 min 54 s',
      '2 min',
      '2 h 05 min',
      '1 d 2 h',
    ]);
    expect(elapsed(850)).to.equal('0 s');
  });

  it('separates thousands, and counts things in one and many', () => {
    expect([7, 999, 1_000, 4_900, 1_234_567].map(count)).to.deep.equal(['7', '999', '1,000', '4,900', '1,234,567']);
    expect([plural(1, 'host'), plural(5_000, 'host'), plural(2, 'entry', 'entries')]).to.deep.equal([
      '1 host',
      '5,000 hosts',
      '2 entries',
    ]);
    expect([1, 2, 3, 4, 11, 12, 13, 21, 100, 112].map(ordinal)).to.deep.equal([
      '1st',
      '2nd',
      '3rd',
      '4th',
      '11th',
      '12th',
      '13th',
      '21st',
      '100th',
      '112th',
    ]);
  });

  it('says sizes', () => {
    expect([812, 3_400, 182_000_000, 1_100_000_000].map(bytes)).to.deep.equal(['812 B', '3.4 kB', '182 MB', '1.1 GB']);
  });

  it('says local time with its offset, and UTC for logs', () => {
    const berlin = () => 60;
    const newfoundland = () => -210;
    expect(timeOfDay(T0, berlin)).to.equal('15:02:00');
    expect(dateTime(T0, berlin)).to.equal('2026-03-04 15:02:00 +01:00');
    expect(dateTime(T0, newfoundland)).to.equal('2026-03-04 10:32:00 -03:30');
    expect(utcTimeOfDay(T0)).to.equal('14:02:00Z');
    expect([5 * S, 30 * S, 5 * MIN, 5 * H, 50 * H].map((ms) => ago(T0 - ms, T0))).to.deep.equal([
      'just now',
      '30 s ago',
      '5 min ago',
      '5 h ago',
      '2 d ago',
    ]);
  });

  it('makes a guess look like one', () => {
    expect([5 * S, 40 * S, 150 * S, 10 * H].map(guess)).to.deep.equal([
      'a few seconds',
      'about 40 s',
      'about 2-3 min',
      'about 8-12 h',
    ]);
  });

  it('reads spans of time, and nothing else', () => {
    expect(['90s', '30m', '1h30m', '7d', '500ms', '2 min'].map(parseDuration)).to.deep.equal([
      90 * S,
      30 * MIN,
      90 * MIN,
      168 * H,
      500,
      2 * MIN,
    ]);
    expect(['', '90', 'soon', '3 weeks', '1h nonsense'].map(parseDuration)).to.deep.equal([
      undefined,
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  });
});
