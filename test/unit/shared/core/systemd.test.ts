import { expect } from 'chai';
import { silentLogger } from '../../../../shared/core/logger.ts';
import { createSystemd, feedIntervalMs, watchdogMsOf } from '../../../../shared/core/systemd.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';

describe('feedIntervalMs', () => {
  it('is half of the watchdog time, but spares the host a process every few seconds', () => {
    expect(feedIntervalMs(60_000)).to.equal(30_000);
    expect(feedIntervalMs(2_000)).to.equal(5_000);
  });
});

describe('watchdogMsOf', () => {
  it('reads what systemd asks for', () => {
    expect(watchdogMsOf({ WATCHDOG_USEC: '60000000' })).to.equal(60_000);
    expect(watchdogMsOf({})).to.equal(null);
    expect(watchdogMsOf({ WATCHDOG_USEC: 'soon' })).to.equal(null);
  });
});

describe('createSystemd', () => {
  it('says ready, feeds the watchdog at half of its time, and feeds no more once it stops', async () => {
    const clock = createFakeClock();
    const said: string[] = [];
    const run = async (_file: string, args: readonly string[]) => {
      said.push(args.join(' '));
      return { exitCode: 0, stderr: '' };
    };
    const systemd = createSystemd({ run, clock, logger: silentLogger, watchdogMs: 60_000 });
    await systemd.ready('at work');
    await clock.advance(29_999);
    expect(said).to.deep.equal(['--ready --status=at work']);
    await clock.advance(1);
    await clock.advance(30_000);
    await systemd.stopping();
    await clock.advance(90_000);
    expect(said.slice(1)).to.deep.equal(['WATCHDOG=1', 'WATCHDOG=1', 'STOPPING=1']);
  });
});
