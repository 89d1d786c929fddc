import { expect } from 'chai';
import fc from 'fast-check';
import { MAX_EVENT_CHARACTERS, ServerSentEventParser } from '../../../../shared/sdk/server-sent-events.ts';

describe('ServerSentEventParser', () => {
  it('gives id and data of each event, and passes comments and unknown fields over', () => {
    const parser = new ServerSentEventParser();
    const events = parser.push(': hello\n\nretry: 5\nid: 7\ndata: {"a":1}\n\nid:8\ndata:one\ndata: two\n\n');
    expect(events).to.deep.equal([
      { id: '7', data: '{"a":1}' },
      { id: '8', data: 'one\ntwo' },
    ]);
  });

  it('does not care where the chunks end, whatever the line ends are', () => {
    const text = 'id: 1\r\ndata: a\r\n\r\nid: 2\ndata: b\n\nid: 3\rdata: c\r\rid: 4\ndata: d\n\n';
    const whole = new ServerSentEventParser().push(text);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }), (sizes) => {
        const parser = new ServerSentEventParser();
        const events = [];
        for (let at = 0, turn = 0; at < text.length; turn++) {
          const size = sizes[turn % sizes.length] ?? 1;
          events.push(...parser.push(text.slice(at, at + size)));
          at += size;
        }
        expect(events).to.deep.equal(whole);
      }),
    );
    expect(whole.map((event) => event.data)).to.deep.equal(['a', 'b', 'c', 'd']);
  });

  it('refuses an event that grows past its bound', () => {
    const parser = new ServerSentEventParser();
    parser.push('data: x\n');
    expect(() => parser.push('y'.repeat(MAX_EVENT_CHARACTERS))).to.throw(/larger than/);
  });
});
