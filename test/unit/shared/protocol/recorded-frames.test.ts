import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { AGENT_MESSAGE_KINDS, COORDINATOR_MESSAGE_KINDS, decodeFrame } from '../../../../shared/protocol/codec.ts';
import { agentMessage, coordinatorMessage } from '../../../../shared/protocol/messages.ts';

/** What an agent and a coordinator of protocol 1.1 said to each other in three deployments. Never edited. */
const RECORDED = new URL('../../../fixtures/recorded/frames-1.1.ndjson', import.meta.url);
const lines = readFileSync(RECORDED, 'utf8').trim().split('\n');
const frames: { from: 'agent' | 'coordinator'; frame: Record<string, unknown> }[] = lines.map((line) =>
  JSON.parse(line),
);

const decode = (from: 'agent' | 'coordinator', frame: object) =>
  from === 'agent'
    ? decodeFrame(agentMessage, AGENT_MESSAGE_KINDS, JSON.stringify(frame))
    : decodeFrame(coordinatorMessage, COORDINATOR_MESSAGE_KINDS, JSON.stringify(frame));

describe('frames of protocol 1.1', () => {
  it('are understood, and nothing in them is lost', () => {
    expect(frames).to.have.length.above(50);
    for (const { from, frame } of frames)
      expect(decode(from, frame), JSON.stringify(frame)).to.deep.equal({ ok: true, message: frame });
  });

  it('are understood with fields of a later version in them, which pass', () => {
    for (const { from, frame } of frames)
      expect(decode(from, withNovelties(frame)), JSON.stringify(frame)).to.deep.equal({ ok: true, message: frame });
  });
});

/** A field that nobody knows in every object that has named fields; not in maps, whose keys are the sender's own. */
function withNovelties(value: unknown): object {
  const MAPS = new Set(['hookEnvironment']);
  const walk = (inner: unknown, key: string): unknown => {
    if (Array.isArray(inner)) return inner.map((one) => walk(one, key));
    if (typeof inner !== 'object' || inner === null || MAPS.has(key)) return inner;
    const entries = Object.entries(inner).map(([name, one]) => [name, walk(one, name)]);
    return { ...Object.fromEntries(entries), novelty: { of: 'the next version' } };
  };
  return walk(value, '') as object;
}
