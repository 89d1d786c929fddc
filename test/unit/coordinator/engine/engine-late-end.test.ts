import { expect } from 'chai';
import { ALL_AT_ONCE, aFleet, deployed, ONE_AT_A_TIME } from '../../../support/engine-fleet.ts';
import { ANN, createEngineWorld, type EngineWorld, type WorldHost } from '../../../support/engine-world.ts';

describe('a host that was given up in the middle', () => {
  let world: EngineWorld;
  let hosts: WorldHost[];

  beforeEach(async () => {
    world = await createEngineWorld();
    hosts = await aFleet(world, 3, ({ revision }) => (revision.label === '1' ? 'succeed' : 'hang'));
    await deployed(world, '1', ALL_AT_ONCE);
  });
  afterEach(() => world.close());

  const startedOn = (id: string) => hosts.filter((host) => host.started.includes(id)).map((host) => host.name);

  async function countedHealthy(id: string): Promise<number> {
    const row = await world.database.query
      .selectFrom('targets')
      .select((e) => e.fn.sum<number>('was_healthy').as('healthy'))
      .where('deployment_id', '=', id)
      .executeTakeFirstOrThrow();
    return row.healthy;
  }

  /** All three are away in the middle of revision 2 until they count as lost. */
  async function lostInSecond(): Promise<string> {
    const second = await deployed(world, '2', { ...ALL_AT_ONCE, autoRollback: { enabled: false, events: [] } });
    for (const host of hosts) world.disconnect(host);
    await world.run(330_000);
    expect(await world.get(second.id)).to.include({ status: 'Failed' });
    return second.id;
  }

  it('counts as in service in a deployment made meanwhile once it tells that it succeeded', async () => {
    const second = await lostInSecond();
    for (const host of hosts) world.finish(host, second, 'succeed');
    for (const host of hosts) await world.connect(host);
    const third = await world.deploy('3', ONE_AT_A_TIME);
    await world.run(200);
    expect(startedOn(third.id)).to.have.length(1);
    expect(await countedHealthy(third.id)).to.equal(3);
    expect(world.faults).to.deep.equal([]);
  });

  it('is not started while it still goes on with what was given up', async () => {
    const second = await lostInSecond();
    for (const host of hosts) await world.connect(host);
    const third = await deployed(world, '3', ONE_AT_A_TIME);
    expect(startedOn(third.id), 'nobody has told how it ended').to.deep.equal([]);
    world.finish(hosts[1]!, second, 'fail');
    await world.run(200);
    expect(startedOn(third.id), 'it is down, so that costs nothing; the others are in doubt').to.deep.equal(['web-2']);
    world.finish(hosts[0]!, second, 'succeed');
    world.finish(hosts[2]!, second, 'succeed');
    await world.run(200);
    expect(startedOn(third.id), 'one may be out, and is').to.deep.equal(['web-2']);
    expect(world.faults).to.deep.equal([]);
  });

  it('is waited for five minutes and no longer', async () => {
    await lostInSecond();
    for (const host of hosts) await world.connect(host);
    const third = await deployed(world, '3', ONE_AT_A_TIME);
    await world.run(280_000);
    expect(startedOn(third.id)).to.deep.equal([]);
    await world.run(40_000);
    expect(startedOn(third.id)).to.have.length(1);
  });

  describe('and is back', () => {
    let second: string;
    /** web-3 is at work on revision 2, to which the others have come meanwhile. */
    beforeEach(async () => {
      hosts[0]!.behaviour = hosts[1]!.behaviour = () => 'succeed';
      second = (await deployed(world, '2', ALL_AT_ONCE)).id;
      world.disconnect(hosts[2]!);
      await world.run(330_000);
      expect(await world.get(second)).to.include({ status: 'Succeeded' });
      hosts[2]!.behaviour = () => 'succeed';
      await world.connect(hosts[2]!);
      await world.run(30_000);
    });

    it('is not deployed to again when it tells that it has what the group has by now', async () => {
      world.finish(hosts[2]!, second, 'succeed');
      await world.run(30_000);
      expect(hosts[2]!.started.at(-1)).to.equal(second);
      expect(await world.readiness.of(hosts[2]!.id)).to.include({ isReady: true });
    });

    it('is brought in at once when it tells that it failed', async () => {
      world.finish(hosts[2]!, second, 'fail');
      await world.run(200);
      expect(await world.get(hosts[2]!.started.at(-1) ?? '')).to.include({
        creator: 'autoscaling',
        status: 'Succeeded',
      });
    });

    it('is brought in when it does not tell for five minutes', async () => {
      expect(hosts[2]!.started.at(-1)).to.equal(second);
      await world.run(300_000);
      expect(await world.get(hosts[2]!.started.at(-1) ?? '')).to.include({ creator: 'autoscaling' });
    });
  });

  it('is told to leave it, and is in service as before when it tells that it never began', async () => {
    for (const host of hosts) host.behaviour = () => 'ignore';
    const second = await world.deploy('2', { ...ALL_AT_ONCE, autoRollback: { enabled: false, events: [] } });
    await world.run(310_000);
    expect(await world.get(second.id)).to.include({ status: 'Failed' });
    for (const host of hosts) host.behaviour = () => 'hang';
    const third = await deployed(world, '3', ONE_AT_A_TIME);
    expect(startedOn(third.id)).to.have.length(1);
    expect(await countedHealthy(third.id)).to.equal(3);
    expect(world.faults).to.deep.equal([]);
  });

  it('is told so when it is back, where it was away for that, and is in service as before', async () => {
    for (const host of hosts) host.behaviour = () => 'ignore';
    const second = await world.deploy('2', { ...ALL_AT_ONCE, autoRollback: { enabled: false, events: [] } });
    await world.run(200);
    for (const host of hosts) world.disconnect(host);
    await world.run(330_000);
    expect(await world.get(second.id)).to.include({ status: 'Failed' });
    for (const host of hosts) await world.connect(host);
    await world.run(200);
    const known = await world.database.query
      .selectFrom('group_hosts')
      .select(['revision_id', 'instance_health'])
      .execute();
    expect(known).to.deep.equal(hosts.map(() => ({ revision_id: 'r-1', instance_health: 'Healthy' })));
    expect(world.faults).to.deep.equal([]);
  });

  it('is what a later deployment made of it, also when it tells twice how the one that it was given up in ended', async () => {
    const second = await lostInSecond();
    for (const host of hosts) world.finish(host, second, 'fail');
    for (const host of hosts) await world.connect(host);
    await world.run(200);
    for (const host of hosts) host.behaviour = () => 'succeed';
    const third = await deployed(world, '3', ALL_AT_ONCE);
    expect(third).to.include({ status: 'Succeeded' });
    for (const host of hosts) world.tellEndAgain(host, second);
    await world.run(200);
    const known = await world.database.query
      .selectFrom('group_hosts')
      .select(['revision_id', 'instance_health', 'last_deployment_id'])
      .execute();
    expect(known).to.deep.equal(
      hosts.map(() => ({ revision_id: 'r-3', instance_health: 'Healthy', last_deployment_id: third.id })),
    );
    const [target] = (await world.history.listTargets(second, { limit: 1 })).items;
    expect(target!.message!.match(/The host reported/g)).to.have.length(1);
  });

  it('is not brought what it has told that it has while that waited for a deployment of another group', async () => {
    await world.addGroup('other', { selection: { tagFilters: [], hostNames: ['web-3'] } });
    const host = hosts[2]!;
    hosts[0]!.behaviour = hosts[1]!.behaviour = () => 'succeed';
    const second = await deployed(world, '2', ALL_AT_ONCE);
    world.disconnect(host);
    await world.run(330_000);
    world.hangDisk(host);
    await world.connect(host);
    const other = await deployed(world, '3', { ...ALL_AT_ONCE, deploymentGroup: 'other' });
    await world.run(330_000);
    const bringIn = await world.database.query
      .selectFrom('targets')
      .innerJoin('deployments', 'deployments.id', 'targets.deployment_id')
      .select(['deployment_id as id', 'targets.status'])
      .where('creator', '=', 'autoscaling')
      .executeTakeFirstOrThrow();
    expect(bringIn.status).to.equal('Pending');
    world.finish(host, second.id, 'succeed');
    world.releaseDisk(host);
    world.finish(host, other.id, 'succeed');
    await world.run(200);
    expect(host.started).to.not.include(bringIn.id);
    expect(await world.get(bringIn.id)).to.include({ status: 'Stopped' });
    const owed = await world.database.query
      .selectFrom('group_hosts')
      .select('converge')
      .where('host_id', '=', host.id)
      .execute();
    expect(owed).to.deep.equal([{ converge: null }, { converge: null }]);
    expect(world.faults).to.deep.equal([]);
  });

  describe('and is given up a second time before it has told how the first ended', () => {
    let second: string;
    let bringIn: string;
    /** web-3 is back, and tells nothing, since its disk hangs: the good revision is sent to it again, and that is given up, too. */
    beforeEach(async () => {
      hosts[0]!.behaviour = hosts[1]!.behaviour = () => 'succeed';
      second = (await deployed(world, '2', ALL_AT_ONCE)).id;
      world.disconnect(hosts[2]!);
      await world.run(330_000);
      world.hangDisk(hosts[2]!);
      await world.connect(hosts[2]!);
      await world.run(330_000);
      const [made] = await world.database.query
        .selectFrom('deployments')
        .select('id')
        .where('creator', '=', 'autoscaling')
        .execute();
      bringIn = made!.id;
      expect(await world.get(bringIn)).to.include({ status: 'InProgress' });
      for (const host of hosts) host.behaviour = () => 'ignore';
    });

    const known = (host: WorldHost) =>
      world.database.query
        .selectFrom('group_hosts')
        .select(['revision_id', 'instance_health'])
        .where('host_id', '=', host.id)
        .executeTakeFirst();

    async function givenUpAgain(): Promise<void> {
      await world.run(310_000);
      expect(await world.get(bringIn)).to.include({ status: 'Failed' });
    }

    it('is in service when it tells that the first succeeded and that the second never began', async () => {
      await givenUpAgain();
      const third = await deployed(world, '3', ONE_AT_A_TIME);
      world.finish(hosts[2]!, second, 'succeed');
      world.releaseDisk(hosts[2]!);
      await world.run(200);
      expect(await known(hosts[2]!)).to.deep.equal({ revision_id: 'r-2', instance_health: 'Healthy' });
      expect(await countedHealthy(third.id)).to.equal(3);
    });

    it('is so, too, when it is given up after it has told that the first succeeded', async () => {
      world.finish(hosts[2]!, second, 'succeed');
      await givenUpAgain();
      const third = await deployed(world, '3', ONE_AT_A_TIME);
      expect(await known(hosts[2]!), 'it may have begun').to.deep.equal({
        revision_id: null,
        instance_health: 'Unhealthy',
      });
      world.releaseDisk(hosts[2]!);
      await world.run(200);
      expect(await known(hosts[2]!)).to.deep.equal({ revision_id: 'r-2', instance_health: 'Healthy' });
      expect(await countedHealthy(third.id)).to.equal(3);
    });

    it('is so, too, when the second is stopped and it tells that it never began', async () => {
      const third = await deployed(world, '3', ONE_AT_A_TIME);
      await world.deployments.stop(bringIn, { reason: '' }, ANN);
      world.finish(hosts[2]!, second, 'succeed');
      world.releaseDisk(hosts[2]!);
      await world.run(200);
      expect(await known(hosts[2]!)).to.deep.equal({ revision_id: 'r-2', instance_health: 'Healthy' });
      expect(await countedHealthy(third.id)).to.equal(3);
    });

    it('stays in doubt while only the first is told: the second may have begun', async () => {
      await givenUpAgain();
      world.finish(hosts[2]!, second, 'succeed');
      await world.run(200);
      expect(await known(hosts[2]!)).to.deep.equal({ revision_id: null, instance_health: 'Unhealthy' });
    });

    it('is broken when it tells that the first failed and that the second never began', async () => {
      await givenUpAgain();
      world.finish(hosts[2]!, second, 'fail');
      world.releaseDisk(hosts[2]!);
      await world.run(200);
      expect(await known(hosts[2]!)).to.deep.equal({ revision_id: 'r-2', instance_health: 'Unhealthy' });
    });
  });
});
