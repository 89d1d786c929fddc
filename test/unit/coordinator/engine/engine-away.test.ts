import { expect } from 'chai';
import { ALL_AT_ONCE, aFleet, deployed, doing, ONE_AT_A_TIME } from '../../../support/engine-fleet.ts';
import { createEngineWorld, type EngineWorld, type WorldHost } from '../../../support/engine-world.ts';

const HALF_AT_A_TIME = { deploymentConfigName: 'CodeDeployDefault.HalfAtATime' };

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

  /** Four hosts, one at a time: the last one goes off while the first is in progress, which ends well. */
  async function lastIsAway() {
    const hosts = await aFleet(world, 4);
    await deployed(world, '1', ALL_AT_ONCE);
    for (const host of hosts) host.behaviour = doing({ 2: 'hang' });
    const { id } = await deployed(world, '2', ONE_AT_A_TIME);
    world.disconnect(hosts[3]!);
    await world.run(20_000);
    world.finish(hosts[0]!, id, 'succeed');
    return { hosts, id };
  }

  it('is not ended by one that is away while others come before it: it may be back at its turn', async () => {
    const { hosts, id } = await lastIsAway();
    await world.run(200);
    expect((await world.get(id)).overview, 'one is down').to.include({ Pending: 3, InProgress: 0, Succeeded: 1 });

    await world.connect(hosts[3]!);
    await goesOn(hosts, id);
    expect((await world.get(id)).overview).to.include({ Succeeded: 4 });
  });

  it('waits for that one no longer than for any other', async () => {
    const { id } = await lastIsAway();
    await world.run(310_000);
    expect(await world.get(id)).to.nested.include({
      status: 'Failed',
      'errorInformation.code': 'HEALTH_CONSTRAINTS',
      'overview.Skipped': 3,
    });
  });

  it('waits for one that went just now as long as ever, beside others that are away for good', async () => {
    const hosts = await aFleet(world, 7);
    await deployed(world, '1', ALL_AT_ONCE);
    for (const host of hosts.slice(2)) host.behaviour = doing({ 2: 'hang' });
    const { id } = await deployed(world, '2', HALF_AT_A_TIME);
    // Three may be out. web-1 and web-2 run it and have gone.
    for (const host of hosts.slice(0, 2)) world.disconnect(host);
    await world.run(400_000);
    world.disconnect(hosts[6]!);
    await world.run(20_000);
    for (const host of hosts.slice(2, 5)) world.finish(host, id, 'succeed');
    await world.run(200);
    expect(await world.get(id)).to.nested.include({ status: 'InProgress', 'overview.Succeeded': 5 });

    await world.connect(hosts[6]!);
    for (let i = 0; i < 2; i++) await goesOn(hosts, id);
    expect(await world.get(id)).to.nested.include({ status: 'Succeeded', 'overview.Succeeded': 7 });
  });

  it('waits for none of them while it is not they who keep it', async () => {
    const hosts = await aFleet(world, 4);
    await world.addGroup('beside', { selection: { tagFilters: [], hostNames: ['web-4'] } });
    await deployed(world, '1', ALL_AT_ONCE);
    for (const host of hosts) host.behaviour = doing({ 2: 'hang', 3: 'hang' });
    hosts[3]!.behaviour = doing({ 1: 'fail', 3: 'hang' });
    await deployed(world, '1', { onlyHostNames: ['web-4'], autoRollback: { enabled: false, events: [] } });
    // web-4 is broken, and held by another group: until it is healed nobody else may be out.
    const beside = await deployed(world, '3', { deploymentGroup: 'beside' });
    const { id } = await deployed(world, '2', ONE_AT_A_TIME);
    world.disconnect(hosts[2]!);
    await world.run(400_000);
    expect(await world.get(id)).to.nested.include({ status: 'InProgress', 'overview.Pending': 4 });
    await world.connect(hosts[2]!);
    hosts[3]!.behaviour = doing({});
    world.finish(hosts[3]!, beside.id, 'succeed');
    for (let i = 0; i < 4; i++) await goesOn(hosts, id);
    expect(await world.get(id)).to.nested.include({ status: 'Succeeded' });
  });
});

describe('a coordinator that was away', () => {
  let world: EngineWorld;
  beforeEach(async () => {
    world = await createEngineWorld();
  });
  afterEach(() => world.close());

  /** OneAtATime, web-1 at work, when the coordinator ends; it is back after some minutes. */
  async function aRestart() {
    const hosts = await aFleet(world, 3);
    await deployed(world, '1', ALL_AT_ONCE);
    for (const host of hosts) host.behaviour = doing({ 2: 'hang' });
    const { id } = await deployed(world, '2', ONE_AT_A_TIME);
    for (const host of hosts) {
      host.isConnected = false;
      world.reports.closeJournal(host.id);
    }
    world.clock.standStill(180_000);
    await world.presence.start();
    await world.engine.start();
    await world.run(1_000);
    await world.connect(hosts[0]!);
    world.finish(hosts[0]!, id, 'succeed');
    return { hosts, id };
  }

  it('fails nobody at its turn who may just not have tried again: agents pause for half a minute after many failures', async () => {
    const { hosts, id } = await aRestart();
    await world.run(30_000);
    expect((await world.get(id)).overview).to.include({ Pending: 2, Succeeded: 1 });
    for (const host of hosts.slice(1)) await world.connect(host);
    await world.run(200);
    for (const host of hosts.slice(1)) {
      world.finish(host, id, 'succeed');
      await world.run(200);
    }
    expect(await world.get(id)).to.nested.include({ status: 'Succeeded', 'overview.Succeeded': 3 });
  });

  it('fails at its turn who is not back by then', async () => {
    const { id } = await aRestart();
    await world.run(60_000);
    expect(await world.history.getTarget(id, 'web-2')).to.include({ errorCode: 'HOST_OFFLINE' });
  });
});
