import { expect } from 'chai';
import { ALL_AT_ONCE, aFleet, deployed, doing } from '../../../support/engine-fleet.ts';
import { createEngineWorld, type EngineWorld } from '../../../support/engine-world.ts';

describe('a coordinator that stood still', () => {
  let world: EngineWorld;
  beforeEach(async () => {
    world = await createEngineWorld();
  });
  afterEach(() => world.close());

  async function twoHostsAtWork() {
    const hosts = await aFleet(world, 2);
    await deployed(world, '1', ALL_AT_ONCE);
    for (const host of hosts) host.behaviour = doing({ 2: 'hang' });
    const { id } = await deployed(world, '2', ALL_AT_ONCE);
    for (const host of hosts) world.running(host, id, 'AfterInstall', 60_000);
    await world.run(1_000);
    const statusOf = async (hostName: string) => {
      const { status, errorCode } = await world.history.getTarget(id, hostName);
      return { status, errorCode };
    };
    return { hosts, id, statusOf };
  }

  it('gives hosts their time again: what they told meanwhile is still to be read', async () => {
    const { hosts, id, statusOf } = await twoHostsAtWork();
    world.clock.standStill(600_000);
    await world.run(0);
    world.finish(hosts[0]!, id, 'succeed');
    await world.run(200);
    expect(await statusOf('web-1')).to.deep.equal({ status: 'Succeeded', errorCode: null });
    await world.run(130_000);
    expect(await statusOf('web-2'), 'and no more than that').to.deep.equal({
      status: 'Failed',
      errorCode: 'EVENT_TIMEOUT',
    });
  });

  it('waits as long as before for a host that was away then', async () => {
    const { hosts, statusOf } = await twoHostsAtWork();
    world.disconnect(hosts[0]!);
    await world.run(1_000);
    world.clock.standStill(600_000);
    await world.run(1_000);
    expect(await statusOf('web-1')).to.include({ status: 'InProgress' });
    await world.run(310_000);
    expect(await statusOf('web-1')).to.deep.equal({ status: 'Failed', errorCode: 'HOST_LOST' });
  });
});
