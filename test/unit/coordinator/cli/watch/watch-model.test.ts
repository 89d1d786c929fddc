import { expect } from 'chai';
import { budgetOf, remainingMs } from '../../../../../coordinator/cli/watch/budget.ts';
import { WatchModel } from '../../../../../coordinator/cli/watch/watch-model.ts';
import type { Target } from '../../../../../shared/model/target.ts';
import { aDeployment, aFailedTarget, aTarget, T0 } from '../../../../support/api-samples.ts';

const item = (target: Target, sequence = 1) => ({ kind: 'target' as const, sequence, at: T0, target });

describe('WatchModel', () => {
  const aModel = () =>
    new WatchModel(
      aDeployment(),
      ['a', 'b', 'c', 'd', 'e'].map((name) => aTarget(name)),
    );

  it('counts by status and keeps the order of the plan', () => {
    const model = aModel();
    model.apply(item(aTarget('b', { status: 'InProgress' })));
    model.apply(item(aFailedTarget('a')));
    expect(model.counts).to.deep.equal({ Pending: 3, InProgress: 1, Succeeded: 0, Failed: 1, Skipped: 0 });
    expect([...model.targets].map((target) => target.hostName)).to.deep.equal(['a', 'b', 'c', 'd', 'e']);
  });

  it('never takes a target back, however late or often an item comes', () => {
    const model = aModel();
    const running = (event: string) => aTarget('a', { status: 'InProgress', lifecycleEvent: event });
    expect(model.apply(item(running('Install')))).to.have.lengthOf(1);
    expect(model.apply(item(running('BeforeInstall')))).to.deep.equal([]);
    expect(model.apply(item(running('AfterInstall')))).to.have.lengthOf(1);
    expect(model.apply(item(aFailedTarget('a')))).to.have.lengthOf(1);
    expect(model.apply(item(aFailedTarget('a')))).to.deep.equal([]);
    expect(model.apply(item(running('ValidateService')))).to.deep.equal([]);
    expect(model.counts.Failed).to.equal(1);
  });

  it('takes hosts in that the list did not have yet', () => {
    const model = new WatchModel(aDeployment(), []);
    expect(model.counts.Pending).to.equal(5);
    for (const name of ['a', 'b', 'c', 'd', 'e']) model.apply(item(aTarget(name, { status: 'InProgress' })));
    expect(model.counts).to.include({ InProgress: 5, Pending: 0 });
  });

  it('tells equal failures once, the most frequent first, and remembers the first', () => {
    const model = aModel();
    const lost = { status: 'Failed' as const, errorCode: 'HOST_LOST' as const, message: 'lost for 5 min' };
    model.apply(item(aTarget('e', lost)));
    for (const name of ['a', 'b']) model.apply(item(aFailedTarget(name)));
    expect(model.causes.first?.hostName).to.equal('e');
    expect(model.causes.list.map((cause) => [cause.hostCount, cause.hostNames])).to.deep.equal([
      [2, ['a', 'b']],
      [1, ['e']],
    ]);
    expect(model.causes.list[1]).to.include({ errorCode: 'HOST_LOST', message: 'lost for 5 min', scriptName: null });
  });

  it('says how long the rest may take only when it can be said', () => {
    const model = aModel();
    expect(remainingMs(model)).to.equal(null);
    for (const name of ['a', 'b'])
      model.apply(item(aTarget(name, { status: 'Succeeded', startedAt: T0, completedAt: T0 + 10_000 })));
    expect(remainingMs(model)).to.equal(30_000);
  });
});

describe('budgetOf', () => {
  it('is the arithmetic of the deployment: T - m may be out, and as many failures end it', () => {
    const budget = budgetOf(aDeployment({ totalHosts: 50, minimumHealthyCount: 45 }));
    expect(budget).to.deep.equal({ floor: 45, mayBeOut: 5, endsAtFailure: 5, willRollBackTo: '1.8.4' });
  });

  it('has one host out at a time with OneAtATime', () => {
    expect(budgetOf(aDeployment())).to.include({ floor: 4, mayBeOut: 1, endsAtFailure: 1 });
    expect(budgetOf(aDeployment({ totalHosts: 1 }))).to.include({ floor: 0, mayBeOut: 1, endsAtFailure: null });
  });

  it('promises no rollback that will not come', () => {
    const to = (fields: object) => budgetOf(aDeployment(fields)).willRollBackTo;
    expect(to({ autoRollback: { enabled: false, events: ['DEPLOYMENT_FAILURE'] } })).to.equal(null);
    expect(to({ autoRollback: { enabled: true, events: ['DEPLOYMENT_STOP_ON_REQUEST'] } })).to.equal(null);
    expect(to({ previousRevisionId: null, previousRevisionLabel: null })).to.equal(null);
    expect(to({ previousRevisionId: 'r-bbbbbbbbbbbb' })).to.equal(null);
    expect(to({ creator: 'codeDeployRollback' })).to.equal(null);
  });
});
