import { expect } from 'chai';
import { ALL_AT_ONCE, aFleet, deployed, doing, ONE_AT_A_TIME } from '../../../support/engine-fleet.ts';
import { createEngineWorld, type EngineWorld, type WorldHost } from '../../../support/engine-world.ts';

const HALF_AT_A_TIME = { deploymentConfigName: 'CodeDeployDefault.HalfAtATime' };

describe('a deployment beside one that brings a host in', () => {
  let world: EngineWorld;
  let hosts: WorldHost[];

  beforeEach(async () => {
    world = await createEngineWorld();
    hosts = await aFleet(world, 4, ({ revision }, host) =>
      revision.label === '3' || (revision.label === '2' && host === hosts[1]) ? 'hang' : 'succeed',
    );
    await deployed(world, '1', ALL_AT_ONCE);
    world.disconnect(hosts[1]!);
    await world.run(20_000);
  });
  afterEach(() => world.close());

  /** web-2 runs 1 and was away when 2 came. It is back, and its way to 2 takes long. */
  async function bringInSecond(): Promise<string> {
    const second = await deployed(world, '2', HALF_AT_A_TIME);
    expect(second.status).to.equal('Succeeded');
    await world.connect(hosts[1]!);
    await world.run(200);
    const bringIn = hosts[1]!.started.at(-1) ?? '';
    expect(await world.get(bringIn)).to.include({ creator: 'autoscaling', status: 'InProgress' });
    return bringIn;
  }
  const startedOn = (id: string) => hosts.filter((host) => host.started.includes(id)).map((host) => host.name);

  it('counts that host as out of service until it is brought in', async () => {
    const bringIn = await bringInSecond();
    const third = await deployed(world, '3', ONE_AT_A_TIME);
    expect(startedOn(third.id), 'one is down already').to.deep.equal([]);
    world.finish(hosts[1]!, bringIn, 'succeed');
    await world.run(200);
    expect(startedOn(third.id)).to.have.length(1);
  });

  /** As above in a second group, where bringing it in waits for the first one's. */
  async function bringInSecondLater(): Promise<{ first: string }> {
    await world.addGroup('beside');
    await world.connect(hosts[1]!);
    await deployed(world, '1', { ...ALL_AT_ONCE, deploymentGroup: 'beside' });
    world.disconnect(hosts[1]!);
    await world.run(20_000);
    for (const deploymentGroup of ['beside', 'prod'])
      expect((await deployed(world, '2', { ...HALF_AT_A_TIME, deploymentGroup })).status).to.equal('Succeeded');
    await world.connect(hosts[1]!);
    await world.run(200);
    const first = hosts[1]!.started.at(-1) ?? '';
    expect(await world.get(first)).to.include({ creator: 'autoscaling', deploymentGroup: 'prod' });
    return { first };
  }

  it('counts that host as out of service while bringing it in waits for another group', async () => {
    const { first } = await bringInSecondLater();
    const third = await deployed(world, '3', { ...ONE_AT_A_TIME, deploymentGroup: 'beside' });
    world.finish(hosts[1]!, first, 'succeed');
    await world.run(200);
    const bringIn = hosts[1]!.started.at(-1) ?? '';
    expect(await world.get(bringIn)).to.include({ creator: 'autoscaling', deploymentGroup: 'beside' });
    expect(startedOn(third.id), 'web-2 is down').to.deep.equal([]);
    world.finish(hosts[1]!, bringIn, 'succeed');
    await world.run(200);
    expect(startedOn(third.id)).to.have.length(1);
  });

  it('lets that host be brought in first', async () => {
    const { first } = await bringInSecondLater();
    const third = await deployed(world, '3', { ...HALF_AT_A_TIME, deploymentGroup: 'beside' });
    expect(startedOn(third.id)).to.deep.equal(['web-1']);
    // In this order: the deployment is the first to look at web-2, whose turn it is.
    world.finish(hosts[0]!, third.id, 'succeed');
    world.finish(hosts[1]!, first, 'succeed');
    await world.run(200);
    const bringIn = hosts[1]!.started.at(-1) ?? '';
    expect(await world.get(bringIn)).to.include({ creator: 'autoscaling', deploymentGroup: 'beside' });
    world.finish(hosts[1]!, bringIn, 'succeed');
    await world.run(200);
    for (const host of hosts.slice(2)) if (host.unfinished.has(third.id)) world.finish(host, third.id, 'succeed');
    await world.run(200);
    expect(hosts[1]!.started.at(-1), 'nothing takes it back to 2').to.equal(third.id);
  });

  it('counts that host as down when bringing it in has failed, and starts with it', async () => {
    const bringIn = await bringInSecond();
    // web-1 runs an old revision as well, by an operator's wish: it comes first by name, and serves.
    await deployed(world, '1', { onlyHostNames: ['web-1'] });
    const third = await deployed(world, '3', ONE_AT_A_TIME);
    world.finish(hosts[1]!, bringIn, 'fail');
    await world.run(200);
    expect(startedOn(third.id)).to.deep.equal(['web-2']);
    world.finish(hosts[1]!, third.id, 'succeed');
    await world.run(200);
    expect(startedOn(third.id), 'one more, and no two').to.have.length(2);
    expect(world.faults).to.deep.equal([]);
  });

  it('counts a host that was brought in meanwhile as in service', async () => {
    const joined: WorldHost[] = [];
    for (const name of ['web-5', 'web-6']) joined.push(await world.addHost(name, { behaviour: () => 'hang' }));
    await world.run(200);
    const [fifth, sixth] = joined;
    await world.connect(hosts[1]!);
    const third = await deployed(world, '3', ONE_AT_A_TIME);
    world.finish(fifth!, fifth!.started[0]!, 'succeed');
    await world.run(200);
    const all = [...hosts, ...joined].filter((host) => host.started.includes(third.id));
    expect(all, 'web-6 is still down').to.deep.equal([]);
    world.finish(sixth!, sixth!.started[0]!, 'succeed');
    await world.run(200);
    expect([...hosts, ...joined].filter((host) => host.started.includes(third.id))).to.have.length(1);
    expect(world.faults).to.deep.equal([]);
  });

  it('is not followed by bringing a host in that it has brought on itself', async () => {
    await world.connect(hosts[1]!);
    for (const host of hosts) host.behaviour = () => 'hang';
    const second = await world.deploy('2', ONE_AT_A_TIME);
    await world.run(200);
    // As when the host came back in the moment in which the deployment was made.
    await world.database.transaction((tx) =>
      tx.executeMany(`UPDATE group_hosts SET converge = 'entering' WHERE host_id = ?`, [[hosts[1]!.id]]),
    );
    world.finish(hosts[0]!, second.id, 'succeed');
    await world.run(200);
    expect(startedOn(second.id)).to.deep.equal(['web-1', 'web-2']);
    world.finish(hosts[1]!, second.id, 'succeed');
    await world.run(20_000);
    expect(hosts[1]!.started.at(-1), 'nothing takes it back to 1').to.equal(second.id);
  });
});

describe('a deployment that is made while a host in service is out of reach', () => {
  let world: EngineWorld;
  beforeEach(async () => {
    world = await createEngineWorld();
  });
  afterEach(() => world.close());

  it('counts that host as in service when it is back before its turn', async () => {
    const hosts = await aFleet(world, 4);
    await deployed(world, '1', ALL_AT_ONCE);
    hosts[1]!.behaviour = () => 'fail';
    const noRollback = { autoRollback: { enabled: false, events: [] } };
    await deployed(world, '2', { ...ALL_AT_ONCE, ...noRollback, onlyHostNames: ['web-2'] });
    // Both are held by another group: their turn does not come, and web-1 only lost its connection.
    await world.addGroup('beside');
    for (const host of hosts) host.behaviour = doing({ '2': 'hang', '3': 'hang' });
    const held = await deployed(world, '2', { ...ALL_AT_ONCE, deploymentGroup: 'beside' });
    for (const host of hosts.slice(2)) world.finish(host, held.id, 'succeed');
    world.disconnect(hosts[0]!);
    await world.run(20_000);
    const third = await deployed(world, '3', ONE_AT_A_TIME);
    const startedOn = () => hosts.filter((host) => host.started.includes(third.id)).map((host) => host.name);

    await world.connect(hosts[0]!);
    world.finish(hosts[0]!, held.id, 'succeed');
    await world.run(200);
    expect(startedOn(), 'web-2 is down').to.deep.equal([]);
    world.finish(hosts[1]!, held.id, 'succeed');
    await world.run(200);
    expect(startedOn()).to.deep.equal(['web-2']);
    world.finish(hosts[1]!, third.id, 'succeed');
    await world.run(200);
    expect(startedOn()).to.deep.equal(['web-1', 'web-2']);
  });
});

describe('a host that goes down behind more hosts than one decision looks at', () => {
  let world: EngineWorld;
  beforeEach(async () => {
    world = await createEngineWorld();
  });
  afterEach(() => world.close());

  it('is taken when nobody else may be', async () => {
    const hosts = await aFleet(world, 258);
    const last = hosts.at(-1)!;
    await deployed(world, '1', ALL_AT_ONCE);
    world.disconnect(last);
    await world.run(20_000);
    await deployed(world, '2', ALL_AT_ONCE);
    // The others run 3 when that is stopped, so the last one, with 1, comes behind them.
    hosts[0]!.behaviour = doing({ 3: 'hang' });
    const third = await deployed(world, '3', ALL_AT_ONCE);
    await world.deployments.stop(third.id, { reason: '' }, { kind: 'coordinator' });
    world.finish(hosts[0]!, third.id, 'succeed');
    await world.run(200);
    last.behaviour = () => 'hang';
    await world.connect(last);
    await world.run(200);
    const bringIn = [...last.unfinished.keys()][0] ?? '';
    const { id } = await deployed(world, '2', ONE_AT_A_TIME);
    world.finish(last, bringIn, 'fail');
    await world.run(200);
    expect([...last.unfinished.keys()]).to.deep.equal([id]);
    world.finish(last, id, 'succeed');
    await world.run(10_000);
    expect((await world.get(id)).status).to.equal('Succeeded');
  });
});
