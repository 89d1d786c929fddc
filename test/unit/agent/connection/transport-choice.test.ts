import { expect } from 'chai';
import { parseContentRange } from '../../../../agent/connection/bundle-download.ts';
import {
  type Attempt,
  afterAttempt,
  FRESH_CHOICE,
  nextTransport,
} from '../../../../agent/connection/transport-choice.ts';

const choiceAfter = (...attempts: Attempt[]) => nextTransport(attempts.reduce(afterAttempt, FRESH_CHOICE));
const webSocket = (outcome: 'connected' | 'failed' | 'upgrade-refused'): Attempt => ({
  transport: 'websocket',
  outcome,
});
const longPoll = (outcome: 'connected' | 'failed'): Attempt => ({ transport: 'long-poll', outcome });

describe('nextTransport', () => {
  it('begins with a WebSocket', () => {
    expect(nextTransport(FRESH_CHOICE)).to.equal('websocket');
  });

  it('falls back at once when the upgrade is refused, and after three failures of another kind', () => {
    expect(choiceAfter(webSocket('upgrade-refused'))).to.equal('long-poll');
    expect(choiceAfter(webSocket('failed'), webSocket('failed'))).to.equal('websocket');
    expect(choiceAfter(webSocket('failed'), webSocket('failed'), webSocket('failed'))).to.equal('long-poll');
  });

  it('goes back to WebSocket when long poll fails too', () => {
    expect(choiceAfter(webSocket('upgrade-refused'), longPoll('failed'))).to.equal('websocket');
  });

  it('stays with long poll while that works, and forgets all of it when a WebSocket works', () => {
    expect(choiceAfter(webSocket('upgrade-refused'), longPoll('connected'))).to.equal('long-poll');
    expect(choiceAfter(webSocket('failed'), webSocket('failed'), webSocket('connected'), webSocket('failed'))).to.equal(
      'websocket',
    );
  });
});

describe('parseContentRange', () => {
  it('reads where the bytes begin and how many there are', () => {
    expect(parseContentRange('bytes 5-9/10')).to.deep.equal({ offset: 5, totalBytes: 10 });
    expect(parseContentRange(undefined)).to.equal(null);
    expect(parseContentRange('bytes */10')).to.equal(null);
  });
});
