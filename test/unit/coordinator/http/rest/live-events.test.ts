import { getEventListeners } from 'node:events';
import { Readable } from 'node:stream';
import { expect } from 'chai';
import { createLiveEvents } from '../../../../../coordinator/http/rest/live-events.ts';
import { silentLogger } from '../../../../../shared/core/logger.ts';
import type { FeedItem } from '../../../../../shared/model/deployment-feed.ts';
import { createFakeClock, settle } from '../../../../support/fake-clock.ts';

const ITEMS = 500;

describe('live events', () => {
  /** @param follow what is told to a watcher */
  function aWorld(follow: (signal: AbortSignal) => AsyncGenerator<FeedItem>) {
    const clock = createFakeClock();
    const stopping = new AbortController();
    const live = createLiveEvents({
      clock,
      logger: silentLogger,
      maxWatchers: 10,
      stopping: stopping.signal,
      mayFollow: async () => true,
      follow: (_id, _after, signal) => follow(signal),
    });
    const open = () => {
      const gone = new AbortController();
      const http = { remoteAddress: 'x', header: () => undefined, signal: gone.signal, bodyStream: Readable.from([]) };
      const body = live.open('d-1', undefined, http).body as Readable;
      let text = '';
      body.on('data', (data) => {
        text += data;
      });
      const ended = new Promise<void>((resolve) => body.once('close', resolve));
      return { gone, ended, read: () => text };
    };
    return { clock, stopping, open };
  }
  // What the stream does with items is of no account here: only the sequence and that it has ended are looked at.
  const item = (sequence: number, kind = 'target') => ({ kind, sequence }) as unknown as FeedItem;
  const untilAborted = (signal: AbortSignal) =>
    new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  async function* many(): AsyncGenerator<FeedItem> {
    for (let sequence = 1; sequence < ITEMS; sequence++) {
      if (sequence % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
      yield item(sequence);
    }
    yield item(ITEMS, 'ended');
  }

  it('leave nothing of a stream at the signal that the coordinator stops, and one listener while it runs', async () => {
    const { stopping, open } = aWorld(many);
    const listeners = () => getEventListeners(stopping.signal, 'abort').length;
    const streams = [open(), open()];
    expect(listeners()).to.equal(2);
    for (const { ended } of streams) await ended;
    for (const { read } of streams) expect(read().match(/^id: /gm)).to.have.length(ITEMS);
    expect(listeners()).to.equal(0);
    expect(dependentsOf(stopping.signal)).to.equal(0);
  });

  for (const who of ['the coordinator', 'the watcher'])
    it(`say that they are still there while nothing happens, until ${who} ends them`, async () => {
      let isOver = false;
      const { clock, stopping, open } = aWorld(async function* (signal) {
        yield item(1);
        await untilAborted(signal);
        isOver = true;
      });
      const stream = open();
      await settle();
      await clock.advance(31_000);
      expect(stream.read()).to.match(/id: 1\n.*\n\n: still here\n\n: still here\n\n$/);
      (who === 'the watcher' ? stream.gone : stopping).abort();
      await stream.ended;
      expect(isOver).to.equal(true);
    });
});

/** What `AbortSignal.any` has left at a signal; Node has no public name for it. */
function dependentsOf(signal: AbortSignal): number {
  const symbol = Object.getOwnPropertySymbols(signal).find(({ description }) => description === 'kDependantSignals');
  if (symbol === undefined) return 0;
  return (signal as unknown as Record<symbol, Set<unknown> | undefined>)[symbol]?.size ?? 0;
}
