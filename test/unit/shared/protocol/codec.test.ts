import { expect } from 'chai';
import fc from 'fast-check';
import { AGENT_MESSAGE_KINDS, COORDINATOR_MESSAGE_KINDS, decodeFrame } from '../../../../shared/protocol/codec.ts';
import { agentMessage, coordinatorMessage, MAX_FRAME_BYTES } from '../../../../shared/protocol/messages.ts';
import { PROTOCOL_VERSION, speaksWith } from '../../../../shared/protocol/versions.ts';

const decode = (frame: string | Uint8Array) => decodeFrame(agentMessage, AGENT_MESSAGE_KINDS, frame);

describe('decodeFrame', () => {
  it('gives the message of a good frame and passes fields that it does not know', () => {
    expect(decode('{"kind":"heartbeat","at":1,"from":"the future"}')).to.deep.equal({
      ok: true,
      message: { kind: 'heartbeat', at: 1 },
    });
  });

  it('says where a frame is wrong', () => {
    expect(decode('{"kind":"reports","items":[{"kind":"accepted","sequence":0}]}')).to.include({
      ok: false,
      code: 'malformed',
    });
    const { message } = decode('{"kind":"reports","items":[{"kind":"accepted","sequence":0}]}') as { message: string };
    expect(message).to.match(/^items\.0\./);
  });

  it('tells an unknown kind from a malformed frame', () => {
    expect(decode('{"kind":"teleport"}')).to.include({ ok: false, code: 'unknown_kind' });
    expect(decode('{"no":"kind"}')).to.include({ ok: false, code: 'malformed' });
    expect(decode('not json')).to.include({ ok: false, code: 'malformed', message: 'frame is not JSON' });
  });

  it('refuses a frame over the bound before reading it', () => {
    expect(decode(`"${'x'.repeat(MAX_FRAME_BYTES)}"`)).to.include({ ok: false, code: 'too_large' });
  });

  it('never throws, whatever comes', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json(), fc.uint8Array()), (frame) => {
        expect(decode(frame)).to.have.property('ok');
        expect(decodeFrame(coordinatorMessage, COORDINATOR_MESSAGE_KINDS, frame)).to.have.property('ok');
      }),
    );
  });

  it('knows the kinds that the schemas know', () => {
    const kindsOf = (options: readonly { shape: { kind: { value: string } } }[]) =>
      new Set(options.map((option) => option.shape.kind.value));
    expect(kindsOf(agentMessage.options)).to.deep.equal(AGENT_MESSAGE_KINDS);
    expect(kindsOf(coordinatorMessage.options)).to.deep.equal(COORDINATOR_MESSAGE_KINDS);
  });
});

describe('speaksWith', () => {
  it('takes one minor version older and newer, and no other major one', () => {
    const { major, minor } = PROTOCOL_VERSION;
    expect(speaksWith(PROTOCOL_VERSION, { major, minor: minor + 1 })).to.equal(true);
    expect(speaksWith({ major, minor: 3 }, { major, minor: 2 })).to.equal(true);
    expect(speaksWith({ major, minor: 3 }, { major, minor: 1 })).to.equal(false);
    expect(speaksWith(PROTOCOL_VERSION, { major: major + 1, minor })).to.equal(false);
  });
});
