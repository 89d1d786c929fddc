import { expect } from 'chai';
import { notMended } from '../../../../../coordinator/cli/commands/status.ts';
import { overviewLines } from '../../../../../coordinator/cli/render/overview-lines.ts';
import { aDeployment, T0 } from '../../../../support/api-samples.ts';
import { plainStyle } from '../../../../support/cli-style.ts';

const failed = aDeployment({ id: 'd-FAILED001', status: 'Failed', createdAt: T0, completedAt: T0 + 1_000 });

describe('overviewLines', () => {
  it('says that all is well as far as it looked, and does not hide what failed and was mended', () => {
    const lines = (mended: number) =>
      overviewLines({ running: [], failed: [], offline: [], incomplete: [], mended, now: T0 }, 100, plainStyle);
    expect(lines(0)).to.deep.equal([
      'Nothing runs, nothing of the last day is left broken, no host is offline or out of service.',
    ]);
    expect(lines(1)[1]).to.equal('In the last day 1 deployment failed and was mended since: drover history');
  });

  it('tells of groups whose hosts are not all in service, and where that is just being changed', () => {
    const web = (deploymentGroup: string, inServiceHosts: number, ...runningDeploymentIds: string[]) => ({
      application: 'web',
      deploymentGroup,
      hosts: 3,
      inServiceHosts,
      runningDeploymentIds,
    });
    const incomplete = [web('blue', 2, 'd-RUNNING01'), web('prod', 0)];
    expect(
      overviewLines({ running: [], failed: [], offline: [], incomplete, mended: 0, now: T0 }, 100, plainStyle),
    ).to.deep.equal([
      'In service  web/prod  0 of 3 hosts   drover status web/prod',
      '            web/blue  2 of 3 hosts, d-RUNNING01 is at work there',
    ]);
    const many = Array.from({ length: 6 }, (_, at) => web(`g${at}`, 1));
    expect(
      overviewLines({ running: [], failed: [], offline: [], incomplete: many, mended: 0, now: T0 }, 100, plainStyle).at(
        -1,
      ),
    ).to.equal('            and 2 groups more');
  });
});

describe('notMended', () => {
  it('keeps a failure that nothing of the whole group came after', () => {
    expect(notMended([failed])).to.deep.equal([failed]);
  });

  it('drops a failure that a rollback mended', () => {
    const rollback = aDeployment({ status: 'Succeeded', creator: 'codeDeployRollback', createdAt: T0 + 2_000 });
    expect(notMended([rollback, failed])).to.deep.equal([]);
  });

  it('does not take a new host that was brought in for a mended group', () => {
    const scaleOut = aDeployment({ status: 'Succeeded', creator: 'autoscaling', createdAt: T0 + 2_000 });
    expect(notMended([scaleOut, failed])).to.deep.equal([failed]);
  });

  it('keeps a host that could not be brought in until its group was deployed to again', () => {
    const notBroughtIn = aDeployment({ ...failed, creator: 'autoscaling' });
    const broughtIn = aDeployment({
      id: 'd-ANOTHER01',
      status: 'Succeeded',
      creator: 'autoscaling',
      createdAt: T0 + 1_000,
    });
    expect(notMended([broughtIn, notBroughtIn])).to.deep.equal([notBroughtIn]);
    const deployed = aDeployment({ id: 'd-DEPLOYED1', status: 'Succeeded', createdAt: T0 + 2_000 });
    expect(notMended([deployed, broughtIn, notBroughtIn])).to.deep.equal([]);
  });
});
