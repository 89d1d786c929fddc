import { expect } from 'chai';
import { deploymentLines } from '../../../../../coordinator/cli/render/deployment-lines.ts';
import type { DeploymentStatus } from '../../../../../shared/model/deployment.ts';
import { aDeployment, T0 } from '../../../../support/api-samples.ts';
import { plainStyle } from '../../../../support/cli-style.ts';

describe('deploymentLines', () => {
  const linesOfRollback = (status: DeploymentStatus) =>
    deploymentLines(
      aDeployment({ status: 'Failed', completedAt: T0 + 1_000 }),
      { rollback: aDeployment({ id: 'd-ROLLBACK1', status, revisionLabel: '1.8.4' }), targets: [] },
      T0,
      100,
      plainStyle,
    )
      .filter((line) => /^Roll/.test(line))
      .map((line) => line.replace(/ +/g, ' '));

  it('says that a deployment was rolled back only when its rollback succeeded', () => {
    expect(linesOfRollback('Succeeded')).to.deep.equal(['Rolled back by d-ROLLBACK1 to 1.8.4']);
    expect(linesOfRollback('Failed')).to.deep.equal(['Rollback d-ROLLBACK1 to 1.8.4 failed']);
    expect(linesOfRollback('Stopped')).to.deep.equal(['Rollback d-ROLLBACK1 to 1.8.4 was stopped']);
    for (const status of ['Created', 'Queued', 'InProgress', 'Baking', 'Ready'] as const)
      expect(linesOfRollback(status)).to.deep.equal(['Rollback d-ROLLBACK1 to 1.8.4 has not ended yet']);
  });

  it('says nothing of a rollback where there is none', () => {
    const none = deploymentLines(aDeployment(), { rollback: null, targets: [] }, T0, 100, plainStyle);
    expect(none.filter((line) => /roll/i.test(line))).to.deep.equal([]);
  });
});
