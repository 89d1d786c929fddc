import { expect } from 'chai';
import {
  findPredefinedConfig,
  isReservedConfigName,
  PREDEFINED_CONFIGS,
} from '../../../../coordinator/domain/predefined-configs.ts';
import { deploymentConfig } from '../../../../shared/model/deployment-config.ts';

describe('predefined deployment configs', () => {
  it("are CodeDeploy's three, with its minimums", () => {
    expect(
      PREDEFINED_CONFIGS.map(({ name, minimumHealthyHosts: { type, value } }) => [name, type, value]),
    ).to.deep.equal([
      ['CodeDeployDefault.OneAtATime', 'MOST_CONCURRENCY', 1],
      ['CodeDeployDefault.HalfAtATime', 'FLEET_PERCENT', 50],
      ['CodeDeployDefault.AllAtOnce', 'FLEET_PERCENT', 0],
    ]);
    for (const config of PREDEFINED_CONFIGS) expect(deploymentConfig.parse(config).isPredefined).to.equal(true);
  });

  it('are found by their whole name, and keep their prefix for themselves', () => {
    expect(findPredefinedConfig('OneAtATime')).to.equal(null);
    expect(isReservedConfigName('CodeDeployDefault.Mine')).to.equal(true);
    expect(isReservedConfigName('Mine')).to.equal(false);
  });
});
