import { expect } from 'chai';
import type { Enrolment } from '../../../../agent/connection/identity.ts';
import type { AnswerEvidence, ConnectionEvidence } from '../../../../agent/doctor/evidence.ts';
import { judgeConnection } from '../../../../agent/doctor/judge-connection.ts';

const NOW = Date.UTC(2026, 0, 1);
const DAY_MS = 86_400_000;
const url = 'https://coordinator.example:7717';
const enrolment: Enrolment = {
  hostId: 'h-1',
  hostName: 'web-1',
  coordinatorId: 'c-1',
  coordinatorUrl: url,
  enrolledAt: 0,
};
const certificate = { fault: null, names: 'DNS:coordinator.example', validFrom: 0, validTo: NOW + 90 * DAY_MS };
const open = { ok: true, value: 'open' } as const;
const failure = { ok: false, message: 'it broke', hint: 'mend it' } as const;

function anAnswer(changes: Partial<AnswerEvidence> = {}) {
  return { ok: true, value: { statusCode: 200, tookMs: 3, clockAheadMs: 0, certificate, ...changes } } as const;
}
function evidence(changes: Partial<ConnectionEvidence> = {}): ConnectionEvidence {
  return {
    url,
    addresses: { ok: true, value: ['192.0.2.1'] },
    connect: { ok: true, value: { tookMs: 1 } },
    answer: anAnswer(),
    upgrade: open,
    longPoll: null,
    coordinatorId: { ok: true, value: 'c-1' },
    session: open,
    ...changes,
  };
}
const nothingElse = { upgrade: null, longPoll: null, coordinatorId: null, session: null };

function judged(changes: Partial<ConnectionEvidence>) {
  const found = judgeConnection(evidence(changes), enrolment, NOW).filter((check) => check.result !== 'fine');
  for (const check of found) expect(check.remedy, `${check.name} says what to do`).to.be.a('string');
  return found.map((check) => `${check.result} ${check.name}: ${check.text}`);
}

describe('the judgement of a connection', () => {
  it('finds nothing when all of it works', () => {
    expect(judged({})).to.deep.equal([]);
    expect(judgeConnection(evidence(), enrolment, NOW).map((check) => check.name)).to.deep.equal([
      'reach',
      'clock',
      'tls',
      'frames',
      'identity',
    ]);
  });

  it('tells the first step that failed, and judges nothing behind it', () => {
    const steps = [
      { addresses: failure, connect: null, answer: null, ...nothingElse },
      { connect: failure, answer: null, ...nothingElse },
      { answer: failure, ...nothingElse },
    ];
    for (const changes of steps) expect(judged(changes)).to.deep.equal(['wrong reach: it broke']);
  });

  it('finds something else than a coordinator at the address', () => {
    expect(judged({ answer: anAnswer({ statusCode: 404 }) })[0]).to.match(/^wrong reach: .*\/healthz answers 404/);
  });

  it('says on which side a clock is', () => {
    expect(judged({ answer: anAnswer({ clockAheadMs: 5_000 }) })).to.deep.equal([]);
    const ahead = judged({ answer: anAnswer({ clockAheadMs: -3_600_000 }) });
    expect(ahead).to.deep.equal(['warning clock: this host is 3600 s ahead of the coordinator']);
    const behind = judged({ answer: anAnswer({ clockAheadMs: 6_000 }) });
    expect(behind).to.deep.equal(['warning clock: this host is 6 s behind the coordinator']);
    expect(judged({ answer: anAnswer({ clockAheadMs: null }) })[0]).to.match(/^warning clock/);
  });

  it('warns before a certificate ends, and tells each fault by its name', () => {
    const of = (changes: Partial<typeof certificate>) =>
      judged({ answer: anAnswer({ certificate: { ...certificate, ...changes } }) });
    expect(of({ validTo: NOW + 14 * DAY_MS })).to.deep.equal([]);
    expect(of({ validTo: NOW + 13 * DAY_MS })[0]).to.match(/^warning tls: .*2026-01-14, 13 days more/);
    const faulty = (fault: string, changes: Partial<typeof certificate> = {}) =>
      judged({
        ...nothingElse,
        answer: anAnswer({ certificate: { ...certificate, fault: fault as never, validTo: NOW - DAY_MS, ...changes } }),
      })[0];
    expect(faulty('CERT_HAS_EXPIRED')).to.match(/^wrong tls: .*expired on 2025-12-31/);
    // OpenSSL names the fault of any certificate in the chain.
    expect(faulty('CERT_HAS_EXPIRED', { validTo: NOW + 300 * DAY_MS })).to.match(
      /^wrong tls: an authority of the coordinator's certificate has expired$/,
    );
    expect(faulty('CERT_NOT_YET_VALID')).to.match(/^wrong tls: .*good from 1970-01-01 only/);
    expect(faulty('ERR_TLS_CERT_ALTNAME_INVALID')).to.match(
      /for DNS:coordinator\.example, not for coordinator\.example/,
    );
    expect(faulty('SELF_SIGNED_CERT_IN_CHAIN')).to.match(/^wrong tls: .*\(SELF_SIGNED_CERT_IN_CHAIN\)/);
  });

  it('takes plain HTTP for good on this host alone', () => {
    const answer = anAnswer({ certificate: null });
    expect(judged({ answer, url: 'http://coordinator.example' })[0]).to.match(/^warning tls: none/);
    for (const local of ['http://127.0.0.1:7717', 'http://localhost', 'http://[::1]:1'])
      expect(judged({ answer, url: local })).to.deep.equal([]);
  });

  it('warns of a fallback to long poll, and finds when neither way is open', () => {
    expect(judged({ upgrade: failure, longPoll: open })[0]).to.match(/^warning frames: by long poll.*it broke/);
    expect(judged({ upgrade: failure, longPoll: failure })[0]).to.match(/^wrong frames/);
  });

  it('finds another coordinator at the address, and one that has forgotten the host', () => {
    const other = judged({ coordinatorId: { ok: true, value: 'c-2' }, session: null });
    expect(other[0]).to.match(/^wrong identity: .*c-1.*and here is c-2/);
    expect(judged({ session: failure })).to.deep.equal(['wrong identity: it broke']);
    expect(judged({ coordinatorId: failure, session: null })).to.deep.equal(['wrong identity: it broke']);
  });
});
