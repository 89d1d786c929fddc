import { expect } from 'chai';
import { ALL_AT_ONCE, aFleet, deployed, doing, ONE_AT_A_TIME } from '../../../support/engine-fleet.ts';
import { createEngineWorld, type EngineWorld, type WorldHost } from '../../../support/engine-world.ts';

const HALF_AT_A_TIME = { deploymentConfigName: 'CodeDeployDefault.HalfAtATime' };

describe('hosts that a deployment could not reach', () => {
  let world: EngineWorld;
  beforeEach(async () => {
    world = await createEngineWorld();
  });
  afterEach(() => world.close());

  it('are brought to the new revision when they come back after a deployment that took its time', async () => {
    const hosts = await aFleet(world, 3);
    await deployed(world, '1');
    world.disconnect(hosts[0]!);
    await world.run(20_000);
    hosts[1]!.behaviour = doing({ 2: 'hang' });
    const { id } = await deployed(world, '2', ALL_AT_ONCE);
    await world.run(60_000);
    world.finish(hosts[1]!, id, 'succeed');
    await world.run(200);
    expect((await world.get(id)).status).to.equal('Succeeded');
    await world.connect(hosts[0]!);
    await world.run(200);
    expect(hosts[0]!.installed).to.equal('r-2');
    expect((await world.readiness.of(hosts[0]!.id)).isReady).to.equal(true);
  });

  it('count as out of service in another deployment while they are brought in', async () => {
    const hosts = await aFleet(world, 4);
    await deployed(world, '1', ALL_AT_ONCE);
    world.disconnect(hosts[3]!);
    await world.run(20_000);
    await deployed(world, '2', ALL_AT_ONCE);
    for (const host of hosts) host.behaviour = () => 'hang';
    await world.connect(hosts[3]!);
    await world.run(200);
    const broughtIn = [...hosts[3]!.unfinished.keys()];
    expect(broughtIn).to.have.length(1);

    const { id } = await deployed(world, '3');
    const begun = () => hosts.filter((host) => host.started.includes(id)).map((host) => host.name);
    expect((await world.get(id)).minimumHealthyCount).to.equal(2);
    expect(begun()).to.deep.equal(['web-1']);

    world.finish(hosts[3]!, broughtIn[0]!, 'succeed');
    await world.run(200);
    expect(begun()).to.have.length(2);
  });

  it('wait for the end of the deployment that passed them over, while they serve', async () => {
    const hosts = await aFleet(world, 4);
    await deployed(world, '1', ALL_AT_ONCE);
    await deployed(world, '3', { onlyHostNames: ['web-1'] });
    world.disconnect(hosts[0]!);
    await world.run(20_000);
    for (const host of hosts) host.behaviour = doing({ 1: 'hang', 2: 'hang' });
    const { id } = await deployed(world, '2', { deploymentConfigName: 'CodeDeployDefault.HalfAtATime' });
    // m is 2: web-1 was offline at its turn and counts as one of the two that may be out, one other is.
    expect(hosts.filter((host) => host.unfinished.has(id))).to.have.length(1);
    await world.connect(hosts[0]!);
    await world.run(1_000);
    expect(hosts[0]!.unfinished.size, 'it serves').to.equal(0);
    for (let i = 0; i < 3; i++) {
      for (const host of hosts) if (host.unfinished.has(id)) world.finish(host, id, 'succeed');
      await world.run(200);
    }
    expect((await world.get(id)).status).to.equal('Succeeded');
    expect(hosts[0]!.unfinished.size, 'its turn comes').to.equal(1);
  });

  it('are brought to the first revision of the group when they come back', async () => {
    const hosts = await aFleet(world, 3);
    world.disconnect(hosts[0]!);
    await world.run(20_000);
    hosts[1]!.behaviour = doing({ 1: 'hang' });
    const { id } = await deployed(world, '1', ALL_AT_ONCE);
    await world.run(60_000);
    world.finish(hosts[1]!, id, 'succeed');
    await world.run(200);
    await world.connect(hosts[0]!);
    await world.run(200);
    expect(hosts[0]!.installed).to.equal('r-1');
  });

  it('are brought on when they came back while the deployment still ran, and got the old revision then', async () => {
    const hosts = await aFleet(world, 3);
    await deployed(world, '1');
    hosts[0]!.behaviour = doing({ 2: 'hang' });
    hosts[1]!.behaviour = doing({ 2: 'hang' });
    const { id } = await deployed(world, '2', ALL_AT_ONCE);
    world.disconnect(hosts[0]!);
    await world.run(310_000);
    expect(await world.history.getTarget(id, 'web-1')).to.include({ errorCode: 'HOST_LOST' });
    // Its disk was replaced: it does not go on with what it had.
    hosts[0]!.unfinished.clear();
    hosts[0]!.behaviour = () => 'succeed';
    await world.connect(hosts[0]!);
    // It might yet tell how it ended.
    await world.run(70_000);
    expect(hosts[0]!.installed).to.equal('r-1');
    world.finish(hosts[1]!, id, 'succeed');
    await world.run(200);
    expect((await world.get(id)).status).to.equal('Succeeded');
    expect(hosts[0]!.installed).to.equal('r-2');
  });

  it('are brought back to the good revision although they went on with the bad one while away', async () => {
    const hosts = await aFleet(world, 4);
    await deployed(world, '1');
    for (const host of hosts) host.behaviour = doing({ 2: 'fail' });
    hosts[0]!.behaviour = doing({ 2: 'hang' });
    const { id } = await deployed(world, '2');
    world.disconnect(hosts[0]!);
    await world.run(310_000);
    expect((await world.get(id)).status).to.equal('Failed');
    world.finish(hosts[0]!, id, 'succeed');
    await world.connect(hosts[0]!);
    await world.run(15_000);
    expect(hosts[0]!.installed).to.equal('r-1');
    expect((await world.readiness.of(hosts[0]!.id)).isReady).to.equal(true);
  });

  it('are ready with the old revision once that is the good one again, though bringing them on was stopped', async () => {
    const hosts = await aFleet(world, 3);
    await deployed(world, '1', ALL_AT_ONCE);
    world.disconnect(hosts[0]!);
    await world.run(20_000);
    await deployed(world, '2', ALL_AT_ONCE);
    hosts[0]!.behaviour = () => 'ignore';
    await world.connect(hosts[0]!);
    await world.run(200);
    const bringIn = (await world.history.list({ status: 'InProgress', limit: 10 })).items[0]!;
    await world.deployments.stop(bringIn.id, { reason: '' }, { kind: 'coordinator' });
    await world.run(200);
    expect((await world.readiness.of(hosts[0]!.id)).isReady).to.equal(false);
    await deployed(world, '1', { updateOutdatedInstancesOnly: true });
    expect(hosts[0]!.started).to.have.length(1);
    expect((await world.readiness.of(hosts[0]!.id)).groups[0]).to.include({ isInService: true, reason: null });
  });

  it('are as healthy as they were when nothing was sent to them and their revision is still the good one', async () => {
    const hosts = await aFleet(world, 3);
    await deployed(world, '1');
    world.disconnect(hosts[0]!);
    await world.run(20_000);
    for (const host of hosts) host.behaviour = doing({ 2: 'fail' });
    expect((await deployed(world, '2')).status).to.equal('Failed');
    await world.connect(hosts[0]!);
    await world.run(15_000);
    expect(hosts[0]!.started).to.have.length(1);
    expect((await world.readiness.of(hosts[0]!.id)).isReady).to.equal(true);
  });
});

describe('hosts that joined', () => {
  let world: EngineWorld;
  beforeEach(async () => {
    world = await createEngineWorld();
  });
  afterEach(() => world.close());

  it('follow on when they left the group and came back in the middle of its deployment', async () => {
    const hosts = await aFleet(world, 2);
    await deployed(world, '1');
    hosts[1]!.behaviour = doing({ 2: 'hang' });
    const { id } = await deployed(world, '2', ALL_AT_ONCE);
    await world.retag(hosts[0]!, { role: 'db' });
    await world.retag(hosts[0]!, { role: 'web' });
    await world.run(200);
    world.finish(hosts[1]!, id, 'succeed');
    await world.run(200);
    expect(hosts[0]!.installed).to.equal('r-2');
    expect((await world.readiness.of(hosts[0]!.id)).isReady).to.equal(true);
  });

  it('stay on the old revision when the strategy for outdated instances is IGNORE', async () => {
    const first = await world.addHost('web-1', { behaviour: doing({ 2: 'hang' }) });
    await world.addGroup('prod', { settings: { outdatedInstancesStrategy: 'IGNORE' } });
    for (const label of ['1', '2']) await world.addRevision(label);
    await deployed(world, '1');
    const { id } = await deployed(world, '2');
    const late = await world.addHost('web-5');
    await world.run(200);
    world.finish(first, id, 'succeed');
    await world.run(60_000);
    expect((await world.get(id)).status).to.equal('Succeeded');
    expect(late.installed).to.equal('r-1');
    expect(late.started).to.have.length(1);
  });

  it('stay on the old revision, too, when they were still being brought in to it while the group moved on', async () => {
    const first = await world.addHost('web-1', { behaviour: doing({ 2: 'hang' }) });
    await world.addGroup('prod', { settings: { outdatedInstancesStrategy: 'IGNORE' } });
    for (const label of ['1', '2']) await world.addRevision(label);
    await deployed(world, '1');
    const { id } = await deployed(world, '2');
    const late = await world.addHost('web-5', { behaviour: () => 'hang' });
    await world.run(200);
    world.finish(first, id, 'succeed');
    await world.run(200);
    world.finish(late, late.started[0]!, 'succeed');
    await world.run(60_000);
    expect(late.installed).to.equal('r-1');
    expect(late.started).to.have.length(1);
  });

  it('stay on the old revision, too, when the group is told to leave them alone before they follow on', async () => {
    const hosts = await aFleet(world, 1, doing({ 2: 'hang' }));
    await deployed(world, '1');
    const { id } = await deployed(world, '2');
    const late = await world.addHost('web-5');
    await world.run(200);
    world.disconnect(late);
    await world.run(20_000);
    world.finish(hosts[0]!, id, 'succeed');
    await world.run(200);
    const { settings } = await world.database.query
      .selectFrom('deployment_groups')
      .select('settings')
      .executeTakeFirstOrThrow();
    await world.database.query
      .updateTable('deployment_groups')
      .set({ settings: settings.replace('"UPDATE"', '"IGNORE"') })
      .execute();
    await world.connect(late);
    await world.run(60_000);
    expect(late.installed).to.equal('r-1');
    expect(late.started).to.have.length(1);
  });

  it('are each tried when one of those that follow on together fails', async () => {
    const hosts = await aFleet(world, 1, doing({ 2: 'hang' }));
    await deployed(world, '1');
    const { id } = await deployed(world, '2');
    const late = [];
    for (const i of [5, 6, 7]) late.push(await world.addHost(`web-${i}`));
    await world.run(200);
    late[0]!.behaviour = doing({ 2: 'fail' });
    world.finish(hosts[0]!, id, 'succeed');
    await world.run(15_000);
    expect(late.map((host) => host.installed)).to.deep.equal(['r-2', 'r-2', 'r-2']);
    expect(late[0]!.started).to.have.length(2);
    expect((await world.readiness.of(late[1]!.id)).isReady).to.equal(true);
    expect((await world.readiness.of(late[0]!.id)).isReady).to.equal(false);
  });

  it('are left alone when an operator stopped what was to bring them on', async () => {
    const hosts = await aFleet(world, 1, doing({ 2: 'hang' }));
    await deployed(world, '1');
    const { id } = await deployed(world, '2', ONE_AT_A_TIME);
    const late = [];
    for (const i of [5, 6, 7]) late.push(await world.addHost(`web-${i}`, { behaviour: doing({ 2: 'hang' }) }));
    await world.run(200);
    world.finish(hosts[0]!, id, 'succeed');
    await world.run(200);
    const followOn = late[0]!.started[1]!;
    await world.deployments.stop(followOn, { reason: '' }, { kind: 'coordinator' });
    world.finish(late[0]!, followOn, 'succeed');
    await world.run(30_000);
    expect((await world.get(followOn)).status).to.equal('Stopped');
    expect(late.slice(1).map((host) => host.started.length)).to.deep.equal([1, 1]);
  });
});

describe('hosts that follow on, of which one is down', () => {
  let world: EngineWorld;
  beforeEach(async () => {
    world = await createEngineWorld();
  });
  afterEach(() => world.close());

  it('begin with that one, and lose nobody else meanwhile', async () => {
    const [first] = await aFleet(world, 1, doing({ 2: 'hang' }));
    await deployed(world, '1');
    const { id } = await deployed(world, '2', ONE_AT_A_TIME);
    const late: WorldHost[] = [];
    for (const i of [5, 6, 7])
      late.push(await world.addHost(`web-${i}`, { behaviour: doing({ 1: i === 7 ? 'fail' : 'succeed', 2: 'hang' }) }));
    await world.run(200);
    world.finish(first!, id, 'succeed');
    await world.run(200);
    const followOn = late.flatMap((host) => host.started.slice(1))[0] ?? '';
    expect(await world.get(followOn)).to.include({ creator: 'CodeDeployAutoUpdate', minimumHealthyCount: 2 });
    const begun = () => late.filter((host) => host.started.includes(followOn)).map((host) => host.name);
    expect(begun(), 'web-7 is down').to.deep.equal(['web-7']);
    world.finish(late[2]!, followOn, 'succeed');
    await world.run(200);
    expect(begun()).to.have.length(2);
  });
});

describe('a host that the coordinator gave up', () => {
  let world: EngineWorld;
  beforeEach(async () => {
    world = await createEngineWorld();
  });
  afterEach(() => world.close());

  it('does not count as healthy, nor as running what it ran before', async () => {
    const hosts = await aFleet(world, 1);
    await deployed(world, '1');
    hosts[0]!.behaviour = doing({ 2: 'hang' });
    const { id } = await deployed(world, '2', { autoRollback: { enabled: false, events: [] } });
    await world.run(2 * 3_600_000);
    expect(await world.history.getTarget(id, 'web-1')).to.include({ errorCode: 'EVENT_TIMEOUT' });
    expect((await world.readiness.of(hosts[0]!.id)).isReady).to.equal(false);
    expect(await world.database.query.selectFrom('group_hosts').selectAll().executeTakeFirst()).to.include({
      instance_health: 'Unhealthy',
      revision_id: null,
      last_deployment_id: id,
    });
  });
});

describe('a host that leaves its group and comes back', () => {
  let world: EngineWorld;
  beforeEach(async () => {
    world = await createEngineWorld();
  });
  afterEach(() => world.close());
  const outOfService = (hosts: readonly WorldHost[]) => hosts.filter(({ unfinished }) => unfinished.size > 0).length;
  const rowOf = (host: WorldHost) =>
    world.database.query
      .selectFrom('group_hosts')
      .select(['revision_id', 'instance_health', 'converge'])
      .where('host_id', '=', host.id)
      .executeTakeFirst();

  it('is what it was: a selection that was wrong for a moment takes nothing out of service', async () => {
    const hosts = await aFleet(world, 6);
    await deployed(world, '1', ALL_AT_ONCE);
    for (const host of hosts) host.behaviour = () => 'hang';
    const group = await world.database.query.selectFrom('deployment_groups').selectAll().executeTakeFirstOrThrow();
    for (const settings of [group.settings.replace('"web"', '"wbe"'), group.settings]) {
      await world.database.query.updateTable('deployment_groups').set({ settings }).execute();
      (await world.database.transaction((tx) => world.membership.groupChanged(tx, group.id)))();
      await world.run(1_000);
      expect(outOfService(hosts)).to.equal(0);
    }
    expect((await world.readiness.of(hosts[0]!.id)).isReady).to.equal(true);
  });

  it('is left with the revision that it has when the group leaves it with that', async () => {
    const hosts = await aFleet(world, 2);
    await deployed(world, '1', ALL_AT_ONCE);
    await deployed(world, '2', { onlyHostNames: ['web-1'] });
    for (const role of ['db', 'web']) await world.retag(hosts[0]!, { role });
    await world.run(1_000);
    expect(await rowOf(hosts[0]!)).to.deep.equal({ revision_id: 'r-2', instance_health: 'Healthy', converge: null });
    expect(hosts[0]!.installed).to.equal('r-2');
  });

  it('is brought to what the group has come to meanwhile', async () => {
    const hosts = await aFleet(world, 2);
    await deployed(world, '1', ALL_AT_ONCE);
    await world.retag(hosts[0]!, { role: 'db' });
    await deployed(world, '2');
    await world.retag(hosts[0]!, { role: 'web' });
    await world.run(1_000);
    expect(hosts[0]!.installed).to.equal('r-2');
  });

  it('is unknown when another group of the application has deployed to it meanwhile', async () => {
    const hosts = await aFleet(world, 2);
    await world.addGroup('stage', {
      selection: { tagFilters: [{ type: 'KEY_AND_VALUE', key: 'role', value: 'db' }] },
    });
    await deployed(world, '1', ALL_AT_ONCE);
    await world.retag(hosts[0]!, { role: 'db' });
    await deployed(world, '2', { deploymentGroup: 'stage' });
    expect(hosts[0]!.installed).to.equal('r-2');
    await world.retag(hosts[0]!, { role: 'web' });
    await world.run(1_000);
    expect(hosts[0]!.installed).to.equal('r-1');
  });

  it('is brought in again when it had failed, or was at work when it left', async () => {
    const hosts = await aFleet(world, 3);
    await deployed(world, '1', ALL_AT_ONCE);
    hosts[0]!.behaviour = doing({ 2: 'fail' });
    await deployed(world, '2', { onlyHostNames: ['web-1'], autoRollback: { enabled: false, events: [] } });
    hosts[1]!.behaviour = doing({ 2: 'hang' });
    const { id } = await deployed(world, '2', { onlyHostNames: ['web-2'] });
    for (const host of hosts.slice(0, 2)) await world.retag(host, { role: 'db' });
    world.finish(hosts[1]!, id, 'succeed');
    await world.run(1_000);
    for (const host of hosts.slice(0, 2)) await world.retag(host, { role: 'web' });
    await world.run(1_000);
    expect(hosts.map(({ installed }) => installed)).to.deep.equal(['r-1', 'r-1', 'r-1']);
  });
});

describe('a host that leaves its group in the middle of a deployment and comes back', () => {
  let world: EngineWorld;
  beforeEach(async () => {
    world = await createEngineWorld();
  });
  afterEach(() => world.close());
  const leaveAndReturn = async (host: WorldHost) => {
    await world.retag(host, { role: 'db' });
    await world.retag(host, { role: 'web' });
    await world.run(200);
  };
  it('is not brought in beside a rollback that has left it alone and counts on it', async () => {
    const hosts = await aFleet(world, 5);
    await deployed(world, '1', ALL_AT_ONCE);
    for (const host of hosts) host.behaviour = doing({ 1: 'hang', 2: host === hosts[2] ? 'fail' : 'succeed' });
    const { id } = await deployed(world, '2', ONE_AT_A_TIME);
    const rollback = (await world.get(id)).rollbackInfo.rollbackDeploymentId ?? '';
    await leaveAndReturn(hosts[4]!);
    for (const host of [hosts[2]!, hosts[0]!, hosts[1]!]) {
      expect(hosts.filter(({ unfinished }) => unfinished.size > 0)).to.deep.equal([host]);
      world.finish(host, rollback, 'succeed');
      await world.run(200);
    }
    expect((await world.get(rollback)).status).to.equal('Succeeded');
    expect(hosts[4]!.unfinished.size, 'it has it').to.equal(0);
  });

  it('is not brought in beside a stopped deployment that still has hosts in progress and counts on those it skipped', async () => {
    const hosts = await aFleet(world, 4);
    await deployed(world, '1', ALL_AT_ONCE);
    for (const host of hosts) host.behaviour = doing({ 1: 'hang', 2: 'hang' });
    const { id } = await deployed(world, '2', HALF_AT_A_TIME);
    const taken = hosts.filter(({ unfinished }) => unfinished.size > 0);
    const spared = hosts.filter(({ unfinished }) => unfinished.size === 0);
    expect([taken.length, spared.length]).to.deep.equal([2, 2]);
    await world.deployments.stop(id, { reason: '' }, { kind: 'coordinator' });
    await leaveAndReturn(spared[0]!);
    expect(spared[0]!.unfinished.size).to.equal(0);
    for (const host of taken) world.finish(host, id, 'succeed');
    await world.run(200);
    expect((await world.get(id)).status).to.equal('Stopped');
    expect(spared[0]!.unfinished.size, 'it has it').to.equal(0);
  });

  it('is not brought in beside a deployment that passed it over since it was offline, while it serves', async () => {
    const hosts = await aFleet(world, 4);
    await deployed(world, '1', ALL_AT_ONCE);
    world.disconnect(hosts[0]!);
    await world.run(20_000);
    for (const host of hosts) host.behaviour = doing({ 1: 'hang', 2: 'hang' });
    const { id } = await deployed(world, '2', HALF_AT_A_TIME);
    expect(await world.history.getTarget(id, 'web-1')).to.include({ errorCode: 'HOST_OFFLINE' });
    await world.connect(hosts[0]!);
    await leaveAndReturn(hosts[0]!);
    for (let i = 0; i < 3; i++) {
      expect(hosts[0]!.unfinished.size, 'it serves').to.equal(0);
      for (const host of hosts) if (host.unfinished.has(id)) world.finish(host, id, 'succeed');
      await world.run(200);
    }
    expect((await world.get(id)).status).to.equal('Succeeded');
    expect(hosts[0]!.unfinished.size, 'its turn comes').to.equal(1);
  });

  it('is not taken back to the old revision beside the deployment that it has had the new one from', async () => {
    const hosts = await aFleet(world, 3);
    await deployed(world, '1', ALL_AT_ONCE);
    hosts[0]!.behaviour = doing({ 1: 'fail' });
    for (const host of hosts.slice(1)) host.behaviour = doing({ 2: 'hang' });
    const { id } = await deployed(world, '2', ONE_AT_A_TIME);
    await leaveAndReturn(hosts[0]!);
    for (const host of hosts.slice(1)) {
      expect(hosts[0]!.installed).to.equal('r-2');
      world.finish(host, id, 'succeed');
      await world.run(200);
    }
    expect((await world.get(id)).status).to.equal('Succeeded');
    expect((await world.readiness.of(hosts[0]!.id)).isReady).to.equal(true);
  });

  /** Bringing the host in to another group waits for the end of the deployment `id`, which is at work on it. */
  async function broughtInLater() {
    const [host] = await aFleet(world, 2);
    await world.addGroup('beside');
    for (const deploymentGroup of ['prod', 'beside']) await deployed(world, '1', { ...ALL_AT_ONCE, deploymentGroup });
    host!.behaviour = () => 'hang';
    const { id } = await deployed(world, '2', { onlyHostNames: ['web-1'] });
    await leaveAndReturn(host!);
    const waiting = await world.database.query
      .selectFrom('deployments')
      .select(['id', 'group_name'])
      .where('creator', '=', 'autoscaling')
      .execute();
    expect(waiting.map((row) => row.group_name)).to.deep.equal(['beside']);
    return { host: host!, id, waitingId: waiting[0]!.id };
  }

  it('is not brought in any more once it has left for good', async () => {
    const { host, id, waitingId } = await broughtInLater();
    await world.retag(host, { role: 'db' });
    world.finish(host, id, 'succeed');
    await world.run(30_000);
    expect(host.unfinished.size).to.equal(0);
    expect(await world.get(waitingId)).to.include({ status: 'Stopped' });
  });

  it('is not brought in any more once it has left for good, also when the coordinator was restarted just then', async () => {
    const { host, id, waitingId } = await broughtInLater();
    await world.database.query.updateTable('hosts').set({ tags: '{"role":"db"}' }).execute();
    await world.database.transaction((tx) => world.membership.hostChanged(tx, host.id));
    await world.run(11_000);
    world.finish(host, id, 'succeed');
    await world.run(30_000);
    expect(host.unfinished.size).to.equal(0);
    expect(await world.get(waitingId)).to.include({ status: 'Stopped' });
  });
});

describe('a group whose variables for hooks, from before they were bounded, are more than a host takes', () => {
  let world: EngineWorld;
  let variables: Record<string, string>;
  beforeEach(async () => {
    world = await createEngineWorld();
    variables = Object.fromEntries(Array.from({ length: 70 }, (_, number) => [`V${number}`, 'x'.repeat(4_000)]));
  });
  afterEach(() => world.close());

  const store = (hookEnvironment: object) =>
    world.database.query
      .updateTable('deployment_groups')
      .set(({ fn, val }) => ({
        settings: fn<string>('json_set', [
          'settings',
          val('$.hookEnvironment'),
          fn('json', [val(JSON.stringify(hookEnvironment))]),
        ]),
      }))
      .execute();

  it('ends a deployment at once, and touches no host', async () => {
    const hosts = await aFleet(world, 2);
    await store(variables);
    const ended = await deployed(world, '1');
    expect(ended).to.include({ status: 'Failed' });
    expect(ended.errorInformation).to.include({ code: 'HEALTH_CONSTRAINTS_INVALID' });
    for (const host of hosts) expect(host.started).to.deep.equal([]);
  });

  it('does not try again and again to bring a host in', async () => {
    await aFleet(world, 2);
    await deployed(world, '1', ALL_AT_ONCE);
    await store(variables);
    const late = await world.addHost('web-3');
    await world.run(60_000);
    const { items } = await world.history.list({ limit: 100 });
    expect(items.map(({ creator, status }) => `${creator} ${status}`)).to.deep.equal([
      'autoscaling Failed',
      'user Succeeded',
    ]);
    expect(late.started).to.deep.equal([]);
    // An operator has shortened them.
    await store({});
    await deployed(world, '2', ALL_AT_ONCE);
    expect(late.installed).to.equal('r-2');
  });
});
