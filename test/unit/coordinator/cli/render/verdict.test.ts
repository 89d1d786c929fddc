import { expect } from 'chai';
import { exitOfOutcome, verdictLines } from '../../../../../coordinator/cli/render/verdict.ts';
import type { Deployment } from '../../../../../shared/model/deployment.ts';
import { aDeployment, T0 } from '../../../../support/api-samples.ts';
import { plainStyle } from '../../../../support/cli-style.ts';

const ended = (fields: Partial<Deployment>) => aDeployment({ completedAt: T0 + 118_000, ...fields });
const all = { Pending: 0, InProgress: 0, Succeeded: 5, Failed: 0, Skipped: 0 };
const failed = ended({
  status: 'Failed',
  overview: { Pending: 0, InProgress: 0, Succeeded: 2, Failed: 1, Skipped: 2 },
  errorInformation: { code: 'HEALTH_CONSTRAINTS', message: 'too many hosts failed' },
});
const rollback = ended({
  id: 'd-ROLLBACK1',
  creator: 'codeDeployRollback',
  status: 'Succeeded',
  overview: { ...all, Succeeded: 3 },
  alreadyCurrentHosts: 2,
  revisionLabel: '1.8.4',
});
const plainExit = (deployment: Deployment, back: Deployment | null) =>
  exitOfOutcome({ deployment, rollback: back }, { isStopWanted: false });

describe('exitOfOutcome', () => {
  it('tells success, failure, failure that was rolled back, and a stop', () => {
    expect(plainExit(ended({ status: 'Succeeded', overview: all }), null)).to.equal('done');
    expect(plainExit(failed, null)).to.equal('failed');
    expect(plainExit(failed, rollback)).to.equal('failed-rolled-back');
    expect(plainExit(failed, { ...rollback, status: 'Failed' })).to.equal('failed');
    expect(plainExit(ended({ status: 'Stopped' }), null)).to.equal('stopped');
    expect(plainExit(ended({ status: 'Stopped' }), rollback)).to.equal('stopped');
  });

  it('counts a stop as done for the command that asked for it, unless its rollback failed', () => {
    const stopped = ended({ status: 'Stopped' });
    expect(exitOfOutcome({ deployment: stopped, rollback: null }, { isStopWanted: true })).to.equal('done');
    expect(
      exitOfOutcome({ deployment: stopped, rollback: { ...rollback, status: 'Failed' } }, { isStopWanted: true }),
    ).to.equal('failed');
    expect(exitOfOutcome({ deployment: failed, rollback: null }, { isStopWanted: true })).to.equal('failed');
  });
});

describe('verdictLines', () => {
  const lines = (deployment: Deployment, back: Deployment | null = null) =>
    verdictLines({ deployment, rollback: back }, 1_000, plainStyle);

  it('tells success, and what to do about the hosts that failed below the limit', () => {
    expect(lines(ended({ status: 'Succeeded', overview: all }))).to.deep.equal([
      'Succeeded in 1 min 58 s: 5 of 5 hosts run 1.9.0.',
    ]);
    expect(lines(ended({ status: 'Succeeded', overview: { ...all, Succeeded: 4, Failed: 1 } }))).to.deep.equal([
      'Succeeded in 1 min 58 s: 4 of 5 hosts run 1.9.0, 1 failed (fewer than end it).',
      '  again on those: drover retry d-8K1M2N3P4',
    ]);
  });

  it('tells a failure with its reason, its rollback, and where to read on', () => {
    expect(lines(failed, rollback)).to.deep.equal([
      'Failed in 1 min 58 s: 2 succeeded, 1 failed, 2 not attempted of 5 hosts. HEALTH_CONSTRAINTS: too many hosts failed',
      'Rolled back: 5 of 5 hosts run 1.8.4 again (1 min 58 s).',
      '  read it: drover why d-8K1M2N3P4     log: drover logs d-8K1M2N3P4 --failed',
    ]);
  });

  it('says why there was no rollback, and when one failed itself or was stopped', () => {
    const rollbackInfo = {
      rollbackDeploymentId: null,
      rollbackTriggeringDeploymentId: null,
      rollbackMessage: 'no earlier success',
    };
    expect(lines({ ...failed, rollbackInfo })).to.include('Not rolled back: no earlier success');
    expect(lines(failed, { ...rollback, status: 'Failed' })[1]).to.equal(
      'Rollback d-ROLLBACK1 to 1.8.4 failed (1 min 58 s). See: drover why d-ROLLBACK1',
    );
    expect(lines(failed, { ...rollback, status: 'Stopped' })[1]).to.equal(
      'Rollback d-ROLLBACK1 to 1.8.4 was stopped (1 min 58 s). See: drover why d-ROLLBACK1',
    );
  });

  it('names who stopped it', () => {
    expect(
      lines(ended({ status: 'Stopped', stopRequestedBy: 'ana', overview: { ...all, Succeeded: 1, Skipped: 4 } })),
    ).to.deep.equal(['Stopped by ana in 1 min 58 s: 1 succeeded, 0 failed, 4 not attempted of 5 hosts.']);
  });
});
