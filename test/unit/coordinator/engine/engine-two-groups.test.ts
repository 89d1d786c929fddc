import { expect } from 'chai';
import { ALL_AT_ONCE, aFleet, deployed } from '../../../support/engine-fleet.ts';
import { createEngineWorld, type EngineWorld, type WorldHost } from '../../../support/engine-world.ts';

const CANARY = { deploymentGroup: 'canary' };

describe('a host in two groups of one application', () => {
  let world: EngineWorld;
  let hosts: WorldHost[];

  beforeEach(async () => {
    world = await createEngineWorld();
    hosts = await aFleet(world, 4, ({ revision }) => (revision.label === '3' ? 'hang' : 'succeed'));
    await world.addGroup('canary', { selection: { tagFilters: [], hostNames: ['web-1'] } });
    await deployed(world, '1', ALL_AT_ONCE);
    await deployed(world, '1', { ...ALL_AT_ONCE, ...CANARY });
  });
  afterEach(() => world.close());

  it('is ready in neither while a deployment of one of them runs on it', async () => {
    expect((await world.readiness.of(hosts[0]!.id)).isReady).to.equal(true);
    const { id } = await deployed(world, '3', CANARY);
    expect(hosts[0]!.started.at(-1)).to.equal(id);
    const { groups } = await world.readiness.of(hosts[0]!.id);
    expect(groups.map(({ deploymentGroup, isInService }) => `${deploymentGroup} ${isInService}`)).to.deep.equal([
      'canary false',
      'prod false',
    ]);
  });
});
