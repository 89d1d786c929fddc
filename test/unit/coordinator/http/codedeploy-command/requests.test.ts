import { expect } from 'chai';
import { isNoop, requests, toDiagnostics } from '../../../../../coordinator/http/codedeploy-command/requests.ts';

const told = (payload: unknown) => ({ Format: 'JSON', Payload: JSON.stringify(payload) });

describe("what AWS's agent tells of a command", () => {
  it('has a code for each kind of failure; those without a name are UnknownError', () => {
    const nameOf = (error_code: unknown) => toDiagnostics(told({ error_code, message: 'm' })).diagnostics.errorCode;
    expect([0, 1, 2, 3, 4, 5, 6, 7, 99, 'Unknown', null].map(nameOf)).to.deep.equal([
      'Success',
      'ScriptMissing',
      'ScriptNotExecutable',
      'ScriptTimedOut',
      'ScriptFailed',
      ...Array(6).fill('UnknownError'),
    ]);
  });

  it('names the script and has the end of its output, cut between characters', () => {
    const log = `${'ä'.repeat(2_000)}end`;
    const { diagnostics, log: whole } = toDiagnostics(
      told({ error_code: 4, script_name: 'scripts/start.sh', message: 'failed', log }),
    );
    expect(diagnostics).to.include({ scriptName: 'scripts/start.sh', message: 'failed' });
    expect(Buffer.byteLength(diagnostics.logTail ?? '')).to.equal(2_047);
    expect(diagnostics.logTail).to.match(/^ä+end$/);
    expect(whole).to.equal(log);
  });

  it('is taken as the message when it is not the text that is expected', () => {
    const messageOf = (payload: string | null) =>
      toDiagnostics({ Format: 'JSON', Payload: payload }).diagnostics.message;
    expect(messageOf('out of memory')).to.equal('out of memory');
    expect(messageOf('[1]')).to.equal('[1]');
    expect(messageOf(null)).to.equal('The agent gave no reason.');
    expect(toDiagnostics(undefined).diagnostics.errorCode).to.equal('UnknownError');
    expect(messageOf('x'.repeat(10_000))).to.have.lengthOf(4_096);
  });

  it('is a noop only when it says so', () => {
    expect(isNoop(told({ IsCommandNoop: true }))).to.equal(true);
    for (const other of [
      told({ IsCommandNoop: false }),
      told({ IsCommandNoop: 'true' }),
      told(null),
      {},
      null,
      undefined,
    ])
      expect(isNoop(other)).to.equal(false);
  });

  it('may have members that nobody knows, and must have those that count', () => {
    const accepted = (body: object) => requests.PutHostCommandComplete.safeParse(body).success;
    expect(accepted({ HostCommandIdentifier: 'x', CommandStatus: 'Failed', Later: 1 })).to.equal(true);
    expect(accepted({ HostCommandIdentifier: 'x' })).to.equal(false);
    expect(accepted({ HostCommandIdentifier: '', CommandStatus: 'Failed' })).to.equal(false);
    expect(accepted({ HostCommandIdentifier: 'x', CommandStatus: 'Done' })).to.equal(false);
  });
});
