import { expect } from 'chai';
import { ALL_AT_ONCE, aFleet, deployed, doing, ONE_AT_A_TIME } from '../../../support/engine-fleet.ts';
import { createEngineWorld, type EngineWorld } from '../../../support/engine-world.ts';

const HALF_AT_A_TIME = { deploymentConfigName: 'CodeDeployDefault.HalfAtATime' };

describe('hosts that are forgotten after they have had the revision', () => {
  let world: EngineWorld;
  beforeEach(async () => {
    world = await createEngineWorld();
  });
  afterEach(() => world.close());

  /** `three`: three hosts must stay in service, whatever the fleet. */
  async function addConfigOfThreeHosts(): Promise<void> {
    await world.database.query
      .insertInto('deployment_configs')
      .values({ name: 'three', minimum_type: 'HOST_COUNT', minimum_value: 3, created_at: 0 })
      .execute();
  }

  it('serve nobody any more: as few of those that are left are taken out at once as of a fleet of their size', async () => {
    const hosts = await aFleet(world, 10);
    await deployed(world, '1', ALL_AT_ONCE);
    for (const host of hosts) host.behaviour = doing({ 2: 'hang' });
    const { id } = await deployed(world, '2', HALF_AT_A_TIME);
    // m is 5, so five at once: four have it and four follow them, then the four are scaled in. m of six is 3.
    for (const host of hosts.slice(0, 4)) world.finish(host, id, 'succeed');
    await world.run(200);
    for (const host of hosts.slice(0, 4)) await world.forget(host);
    expect(await world.get(id)).to.include({ totalHosts: 10, forgottenHosts: 4, minimumHealthyCount: 3 });

    for (const host of hosts.slice(4, 6)) world.finish(host, id, 'succeed');
    await world.run(200);
    expect(hosts[9]!.started, 'three of six are still out').not.to.include(id);
    world.finish(hosts[6]!, id, 'succeed');
    await world.run(200);
    expect(hosts[9]!.started).to.include(id);
  });

  it('do not end a deployment that takes one at a time', async () => {
    const hosts = await aFleet(world, 4);
    await deployed(world, '1', ALL_AT_ONCE);
    for (const host of hosts) host.behaviour = doing({ 2: 'hang' });
    const { id } = await deployed(world, '2', ONE_AT_A_TIME);
    world.finish(hosts[0]!, id, 'succeed');
    await world.run(200);
    await world.forget(hosts[0]!);
    for (const host of hosts.slice(1)) {
      expect([...hosts.filter((each) => each.unfinished.has(id))], 'one at a time').to.deep.equal([host]);
      world.finish(host, id, 'succeed');
      await world.run(200);
    }
    expect(await world.get(id)).to.include({ status: 'Succeeded', forgottenHosts: 1, minimumHealthyCount: 2 });
  });

  it('leave a count of hosts as it is, and end the deployment when no more are left than that', async () => {
    const hosts = await aFleet(world, 4);
    await addConfigOfThreeHosts();
    await deployed(world, '1', ALL_AT_ONCE);
    for (const host of hosts) host.behaviour = doing({ 2: 'hang' });
    const { id } = await deployed(world, '2', { deploymentConfigName: 'three' });
    world.finish(hosts[0]!, id, 'succeed');
    await world.run(200);
    await world.forget(hosts[0]!);
    world.finish(hosts[1]!, id, 'succeed');
    await world.run(200);
    const ended = await world.get(id);
    expect(ended).to.include({ status: 'Failed', minimumHealthyCount: 3 });
    expect(ended.errorInformation?.message).to.include('1 in service were forgotten');
    expect(hosts[2]!.started).not.to.include(id);
  });

  it('are no failure of a deployment that every other host has had, however many must stay', async () => {
    const hosts = await aFleet(world, 4);
    await addConfigOfThreeHosts();
    await deployed(world, '1', ALL_AT_ONCE);
    hosts[3]!.behaviour = doing({ 2: 'hang' });
    const { id } = await deployed(world, '2', { deploymentConfigName: 'three' });
    for (const host of hosts.slice(0, 2)) await world.forget(host);
    world.finish(hosts[3]!, id, 'succeed');
    await world.run(200);
    expect(await world.get(id)).to.include({ status: 'Succeeded', forgottenHosts: 2 });
  });

  it('let hosts that follow on go on one by one, as before', async () => {
    const hosts = await aFleet(world, 1);
    hosts[0]!.behaviour = doing({ 2: 'hang' });
    await deployed(world, '1', ALL_AT_ONCE);
    const { id } = await deployed(world, '2', ONE_AT_A_TIME);
    const joined = [];
    for (const name of ['web-2', 'web-3', 'web-4'])
      joined.push(await world.addHost(name, { behaviour: doing({ 2: 'hang' }) }));
    await world.run(1_000);
    world.finish(hosts[0]!, id, 'succeed');
    await world.run(200);
    const followOn = [...joined[0]!.unfinished.keys()][0] ?? '';
    expect(await world.get(followOn)).to.include({ creator: 'CodeDeployAutoUpdate', minimumHealthyCount: 2 });
    world.finish(joined[0]!, followOn, 'succeed');
    await world.run(200);
    await world.forget(joined[0]!);
    for (const host of joined.slice(1)) {
      expect([...host.unfinished.keys()]).to.deep.equal([followOn]);
      world.finish(host, followOn, 'succeed');
      await world.run(200);
    }
    expect(await world.get(followOn)).to.include({ status: 'Succeeded', minimumHealthyCount: 1 });
  });

  it('count the same when a rollback had left them alone', async () => {
    const hosts = await aFleet(world, 6);
    await deployed(world, '1', ALL_AT_ONCE);
    for (const host of hosts) host.behaviour = doing({ 1: 'hang', 2: 'hang' });
    const { id } = await deployed(world, '2', HALF_AT_A_TIME);
    world.finish(hosts[0]!, id, 'succeed');
    for (const host of hosts.slice(1, 3)) world.finish(host, id, 'fail');
    await world.run(200);
    for (const host of hosts.slice(3)) if (host.unfinished.has(id)) world.finish(host, id, 'fail');
    await world.run(200);
    const rollback = await world.get((await world.get(id)).rollbackInfo.rollbackDeploymentId ?? '');
    expect(rollback).to.include({ totalHosts: 6, alreadyCurrentHosts: 2, minimumHealthyCount: 3 });
    for (const host of hosts.slice(4)) await world.forget(host);
    expect(await world.get(rollback.id)).to.include({ totalHosts: 6, forgottenHosts: 2, minimumHealthyCount: 2 });
  });
});
