import { expect } from 'chai';
import { ALL_AT_ONCE, aFleet, deployed, doing, ONE_AT_A_TIME } from '../../../support/engine-fleet.ts';
import { createEngineWorld, type EngineWorld, type WorldHost } from '../../../support/engine-world.ts';

describe('a deployment of which hosts in service are away', () => {
  let world: EngineWorld;
  beforeEach(async () => {
    world = await createEngineWorld();
  });
  afterEach(() => world.close());

  /** Every host that is in progress ends well, until none is. */
  async function goesOn(hosts: readonly WorldHost[], id: string): Promise<void> {
    await world.run(10_000);
    for (const host of hosts)
      if (host.unfinished.has(id)) {
        world.finish(host, id, 'succeed');
        await world.run(200);
      }
  }

  it('is not ended by one that is away while others come before it: it may be back at its turn', async () => {
    const hosts = await aFleet(world, 4);
    await deployed(world, '1', ALL_AT_ONCE);
    for (const host of hosts) host.behaviour = doing({ 2: 'hang' });
    const { id } = await deployed(world, '2', ONE_AT_A_TIME);
    world.disconnect(hosts[3]!);
    await world.run(20_000);
    world.finish(hosts[0]!, id, 'succeed');
    await world.run(200);
    expect((await world.get(id)).overview, 'one is down').to.include({ Pending: 3, InProgress: 0, Succeeded: 1 });

    await world.connect(hosts[3]!);
    await goesOn(hosts, id);
    expect((await world.get(id)).overview).to.include({ Succeeded: 4 });
  });

  it('waits for that one no longer than for any other', async () => {
    const hosts = await aFleet(world, 4);
    await deployed(world, '1', ALL_AT_ONCE);
    for (const host of hosts) host.behaviour = doing({ 2: 'hang' });
    const { id } = await deployed(world, '2', ONE_AT_A_TIME);
    world.disconnect(hosts[3]!);
    await world.run(20_000);
    world.finish(hosts[0]!, id, 'succeed');
    await world.run(310_000);
    expect(await world.get(id)).to.nested.include({
      status: 'Failed',
      'errorInformation.code': 'HEALTH_CONSTRAINTS',
      'overview.Skipped': 3,
    });
  });
});
