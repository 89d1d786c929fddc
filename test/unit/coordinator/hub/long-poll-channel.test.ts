import { expect } from 'chai';
import type { Channel, ChannelReceiver } from '../../../../coordinator/hub/channel.ts';
import { createLongPoll } from '../../../../coordinator/hub/long-poll-channel.ts';
import { isAppError } from '../../../../shared/core/errors.ts';
import { createFakeClock, settle } from '../../../support/fake-clock.ts';
import { seededRandomness } from '../../../support/fake-randomness.ts';

const never = new AbortController().signal;

async function aConnection() {
  const clock = createFakeClock();
  const heard: string[] = [];
  let channel: Channel | null = null;
  const receiver: ChannelReceiver = {
    onFrame: (frame) => heard.push(frame),
    onAlive: () => heard.push('(alive)'),
    onClosed: (reason) => heard.push(`(closed: ${reason})`),
  };
  const longPoll = createLongPoll({
    clock,
    randomness: seededRandomness(),
    accept(accepted) {
      channel = accepted;
      accepted.send('challenge');
      return receiver;
    },
  });
  const first = await longPoll.exchange({ frames: [], hold: true }, '192.0.2.1', never);
  const { connectionId } = first;
  const exchange = (frames: string[], hold: boolean, signal = never) =>
    longPoll.exchange({ connectionId, frames, hold }, '192.0.2.1', signal);
  if (channel === null) throw new Error('nobody accepted the channel');
  // The closure above has set it, which the compiler cannot see.
  return { clock, heard, longPoll, first, exchange, channel: channel as Channel };
}

describe('a long poll', () => {
  it('opens with the frames that wait already', async () => {
    const { first } = await aConnection();
    expect(first.frames).to.deep.equal(['challenge']);
    expect(first.closed).to.equal(null);
  });

  it('is held until there is news, then gives all of it', async () => {
    const { channel, exchange } = await aConnection();
    const held = exchange([], true);
    await settle();

    channel.send('a');
    channel.send('b');

    expect((await held).frames[0]).to.equal('a');
  });

  it('is answered with nothing after 25 seconds', async () => {
    const { clock, exchange } = await aConnection();
    const held = exchange([], true);
    await clock.advance(25_000);
    expect(await held).to.deep.include({ frames: [], closed: null });
  });

  it('hands frames up in order, and does not hold a call that only sends', async () => {
    const { heard, exchange } = await aConnection();
    expect(await exchange(['x', 'y'], false)).to.deep.include({ frames: [] });
    expect(heard).to.deep.equal(['x', 'y']);
  });

  it('gives the news to the newest of two held calls', async () => {
    const { channel, exchange } = await aConnection();
    const older = exchange([], true);
    await settle();
    const newer = exchange([], true);
    await settle();

    channel.send('a');

    expect((await older).frames).to.deep.equal([]);
    expect((await newer).frames).to.deep.equal(['a']);
  });

  it('keeps frames for the next call when the caller of a held one has gone', async () => {
    const { channel, exchange } = await aConnection();
    const gone = new AbortController();
    const held = exchange([], true, gone.signal).catch(() => 'refused');
    await settle();
    gone.abort();
    expect(await held).to.equal('refused');

    channel.send('a');

    expect((await exchange([], false)).frames).to.deep.equal(['a']);
  });

  it('answers a ping when its client comes back for more', async () => {
    const { heard, channel, exchange } = await aConnection();
    const held = exchange([], true);
    await settle();
    channel.ping();
    expect((await held).frames).to.deep.equal([]);
    expect(heard).to.deep.equal([]);

    void exchange([], true);
    await settle();

    expect(heard).to.deep.equal(['(alive)']);
  });

  it('takes nothing for the answer to a ping that may have been sent before it', async () => {
    const { heard, channel, exchange } = await aConnection();
    channel.ping();

    await exchange(['of a process that has ended'], false);
    expect((await exchange([], true)).frames).to.deep.equal([]);
    await exchange(['and of it, too'], false);
    expect(heard).to.deep.equal(['of a process that has ended', 'and of it, too']);

    void exchange([], true);
    await settle();
    expect(heard.at(-1)).to.equal('(alive)');
  });

  it('lets a sender wait while nobody reads, and closes when it does not', async () => {
    const { heard, channel, exchange } = await aConnection();
    channel.pause();
    const waiting = exchange(['x'], false);
    await settle();
    expect(heard).to.deep.equal([]);
    channel.resume();
    await waiting;
    expect(heard).to.deep.equal(['x']);

    channel.pause();
    const flooding = await exchange(
      Array.from({ length: 200 }, () => 'y'),
      false,
    );

    expect(flooding.closed).to.equal('flooding');
    expect(heard.at(-1)).to.equal('(closed: flooding)');
  });

  it('gives its last frames with the end, and is unknown afterwards', async () => {
    const { channel, exchange } = await aConnection();
    channel.send('goodbye');
    channel.close('stopping');

    expect(await exchange([], true)).to.deep.include({ frames: ['goodbye'], closed: 'stopping' });
    const error = await exchange([], true).catch((thrown: unknown) => thrown);
    expect(isAppError(error, 'not_found')).to.equal(true);
  });

  it('is forgotten when nobody fetches its end', async () => {
    const { clock, channel, exchange } = await aConnection();
    channel.close('silent');
    await clock.advance(31_000);
    const error = await exchange([], true).catch((thrown: unknown) => thrown);
    expect(isAppError(error, 'not_found')).to.equal(true);
  });
});
