import { expect } from 'chai';
import { createOutputStreamer } from '../../../../agent/connection/output-streamer.ts';
import type { Disk } from '../../../../agent/host/disk.ts';
import { silentLogger } from '../../../../shared/core/logger.ts';
import type { AgentMessage } from '../../../../shared/protocol/messages.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';

const PATH = '/state/logs/ApplicationStart.log';
const FILE = { deploymentId: 'd-1', event: 'ApplicationStart', path: PATH };

/** One output file, and a coordinator that acknowledges whatever it gets. */
function aStreamer() {
  const clock = createFakeClock();
  const completed: string[] = [];
  let content = '';
  let received = '';
  const streamer = createOutputStreamer({
    disk: { status: async () => ({ sizeBytes: content.length }) } as unknown as Disk,
    clock,
    logger: silentLogger,
    send(message: AgentMessage) {
      if (message.kind !== 'output') return true;
      // What leaves a gap is not kept.
      for (const chunk of message.chunks)
        if (chunk.offset <= received.length)
          received = received.slice(0, chunk.offset) + Buffer.from(chunk.data, 'base64').toString();
      clock.setTimer(1, () => streamer.acknowledged([{ ...FILE, length: received.length }]));
      return true;
    },
    readOutput: async (_path, { from, length }) => Buffer.from(content.slice(from, from + length)),
    queuedBytes: () => 0,
    maxOutputBytes: 1_000_000,
    onComplete: (deploymentId) => completed.push(deploymentId),
  });
  return {
    clock,
    streamer,
    completed,
    print: (text: string) => {
      content += text;
    },
    remove: () => {
      content = '';
    },
    received: () => received,
    setBack: (to: number) => {
      received = received.slice(0, to);
    },
  };
}

describe('the output streamer', () => {
  it('sends what is printed while it is printed, to its end', async () => {
    const { clock, streamer, print, received, completed } = aStreamer();
    streamer.connected();
    streamer.begin(FILE);
    print('one\n');
    await clock.advance(1_000);
    expect(received()).to.equal('one\n');
    print('two\n');
    streamer.end(FILE);
    streamer.deploymentEnded('d-1');
    await clock.advance(1_000);
    expect(received()).to.equal('one\ntwo\n');
    expect(completed).to.deep.equal(['d-1']);
  });

  it('sends once more what a coordinator that was set back to a backup has lost', async () => {
    const { clock, streamer, print, received, setBack, completed } = aStreamer();
    streamer.connected();
    streamer.begin(FILE);
    print('one\ntwo\n');
    await clock.advance(1_000);
    streamer.disconnected();
    setBack(4);
    streamer.connected();
    print('three\n');
    streamer.end(FILE);
    streamer.deploymentEnded('d-1');
    await clock.advance(1_000);
    expect(received()).to.equal('one\ntwo\nthree\n');
    expect(completed).to.deep.equal(['d-1']);
  });

  it('has nothing more to send of an output that was removed meanwhile', async () => {
    const { clock, streamer, print, remove, completed } = aStreamer();
    streamer.begin(FILE);
    print('started\n');
    streamer.end(FILE);
    streamer.deploymentEnded('d-1');
    await clock.advance(1_000);
    remove();
    streamer.connected();
    await clock.advance(1_000);
    expect(completed).to.deep.equal(['d-1']);
  });

  for (const isConnected of [true, false])
    it(`leaves what a daemon prints after the event has ended, ${isConnected ? 'connected' : 'and was away at its end'}`, async () => {
      const { clock, streamer, print, received, completed } = aStreamer();
      if (isConnected) streamer.connected();
      streamer.begin(FILE);
      print('started\n');
      streamer.end(FILE);
      streamer.deploymentEnded('d-1');
      await clock.advance(0);
      for (let i = 0; i < 100; i++) {
        print('GET / 200\n');
        if (i === 50 && !isConnected) streamer.connected();
        await clock.advance(50);
      }
      expect(received()).to.equal('started\n');
      expect(completed).to.deep.equal(['d-1']);
    });
});
