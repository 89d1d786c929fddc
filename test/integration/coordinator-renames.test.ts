import { expect } from 'chai';
import { at } from '../support/coordinator.ts';
import { PlayedHerd } from '../support/played-herd.ts';

describe('a new name', () => {
  let herd: PlayedHerd;
  before(async () => {
    herd = await PlayedHerd.start(1);
    await herd.deploy('v1');
  });
  after(() => herd.close());

  it('of an application takes its groups, revisions and history along, and the next deployment runs', async () => {
    const { id } = await herd.client.getApplication({ application: 'app' });
    const renamed = await herd.client.updateApplication({ application: 'app', name: 'shop', description: 'sells' });
    expect(renamed).to.include({ id, name: 'shop', description: 'sells' });
    const { items } = await herd.client.listDeployments({ application: 'shop' });
    expect(items.map((one) => one.revisionLabel)).to.deep.equal(['v1']);
    const made = await herd.client.createDeployment({ application: 'shop', deploymentGroup: 'all', revision: 'v2' });
    expect((await herd.ended(made.id)).status).to.equal('Succeeded');
    const { body } = await herd.coordinator.call('GET', '/v1/applications/app');
    expect(at(body, 'code')).to.equal('not_found');
  });

  it('of a group keeps its id and its history', async () => {
    const before = await herd.client.getDeploymentGroup({ application: 'shop', group: 'all' });
    const after = await herd.client.updateDeploymentGroup({ application: 'shop', group: 'all', name: 'everything' });
    expect(after).to.include({ id: before.id, name: 'everything', lastGoodRevisionLabel: 'v2' });
    expect((await herd.client.listDeployments({ deploymentGroup: 'everything' })).items).to.have.length(2);
  });

  it('that another one has is refused', async () => {
    await herd.client.createApplication({ name: 'taken' });
    const refused = await herd.coordinator.call('PATCH', '/v1/applications/shop', { body: { name: 'taken' } });
    expect(refused.status).to.equal(409);
    expect(at(refused.body, 'details.reason')).to.equal('exists');
  });
});
