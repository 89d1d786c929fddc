import type { CodeDeploy } from '@aws-sdk/client-codedeploy';
import { expect } from 'chai';
import { codeDeployClient, newAccessKey } from '../support/aws-tools.ts';
import { PlayedHerd } from '../support/played-herd.ts';
import { until } from '../support/real-herd.ts';

describe('CodeDeploy deployments that follow another', function () {
  this.timeout(60_000);
  let herd: PlayedHerd;
  let aws: CodeDeploy;
  beforeEach(async () => {
    herd = await PlayedHerd.start(1);
    aws = codeDeployClient(herd.coordinator.url, await newAccessKey(herd.coordinator));
    await herd.deploy('v1');
  });
  afterEach(() => herd.close());

  it('are linked with it both ways as related deployments', async () => {
    const [host] = herd.hosts;
    if (host === undefined) throw new Error('no host');
    host.holdAt = 'AfterInstall';
    const { id } = await herd.create('v2');
    await until('it runs', 10_000, () => host.assigned.length === 2);
    await herd.addHost('late-1');
    const [first] = await herd.allEnded('autoscaling', 1);
    host.release();
    expect((await herd.ended(id)).status).to.equal('Succeeded');
    const [follower] = await herd.allEnded('CodeDeployAutoUpdate', 1);
    const followerId = follower?.id ?? '';

    const root = (await aws.getDeployment({ deploymentId: id })).deploymentInfo;
    expect(root?.relatedDeployments).to.deep.equal({ autoUpdateOutdatedInstancesDeploymentIds: [followerId] });
    const child = (await aws.getDeployment({ deploymentId: followerId })).deploymentInfo;
    expect(child).to.deep.include({
      creator: 'CodeDeployAutoUpdate',
      status: 'Succeeded',
      relatedDeployments: { autoUpdateOutdatedInstancesRootDeploymentId: id },
    });
    const joined = (await aws.getDeployment({ deploymentId: first?.id ?? '' })).deploymentInfo;
    expect(joined?.creator).to.equal('autoscaling');
    expect(joined?.relatedDeployments).to.equal(undefined);
  });
});
