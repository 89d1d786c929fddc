import { expect } from 'chai';
import { ALL_AT_ONCE, aFleet, deployed } from '../../../support/engine-fleet.ts';
import { createEngineWorld, type EngineWorld } from '../../../support/engine-world.ts';

describe('a deployment to outdated hosts only', () => {
  let world: EngineWorld;
  beforeEach(async () => {
    world = await createEngineWorld();
  });
  afterEach(() => world.close());

  it('leaves out hosts that serve the revision, and takes one that is broken with it', async () => {
    const hosts = await aFleet(world, 3);
    await deployed(world, '1', ALL_AT_ONCE);
    // Broken with 1 on it.
    hosts[1]!.behaviour = () => 'fail';
    const noRollback = { autoRollback: { enabled: false, events: [] } };
    await deployed(world, '1', { ...ALL_AT_ONCE, ...noRollback, onlyHostNames: ['web-2'] });
    hosts[1]!.behaviour = () => 'succeed';

    const { id } = await deployed(world, '1', { ...ALL_AT_ONCE, updateOutdatedInstancesOnly: true });

    expect((await world.get(id)).overview).to.include({ Succeeded: 1 });
    expect(hosts.map((host) => host.started.includes(id))).to.deep.equal([false, true, false]);
  });
});
