import { expect } from 'chai';
import { ALL_AT_ONCE, aFleet, deployed, doing, ONE_AT_A_TIME } from '../../../support/engine-fleet.ts';
import { createEngineWorld, type EngineWorld } from '../../../support/engine-world.ts';

const HALF_AT_A_TIME = { deploymentConfigName: 'CodeDeployDefault.HalfAtATime' };

describe('a rollback', () => {
  let world: EngineWorld;
  beforeEach(async () => {
    world = await createEngineWorld();
  });
  afterEach(() => world.close());
  const rollbackOf = async (id: string) =>
    world.get((await world.get(id)).rollbackInfo.rollbackDeploymentId ?? 'none was made');

  it('takes a host that serves another revision for healthy, and keeps the minimum', async () => {
    const hosts = await aFleet(world, 3);
    await deployed(world, '1', ALL_AT_ONCE);
    await deployed(world, '3', { onlyHostNames: ['web-3'] });
    // web-1 is down, fails with the new revision and again with the good one: with web-3 two of three would be down.
    hosts[0]!.behaviour = () => 'fail';
    await deployed(world, '3', { onlyHostNames: ['web-1'], autoRollback: { enabled: false, events: [] } });
    hosts[2]!.behaviour = () => 'hang';
    const { id } = await deployed(world, '2', ONE_AT_A_TIME);
    const rollback = await rollbackOf(id);
    expect(rollback).to.include({ status: 'Failed', totalHosts: 3 });
    expect(hosts[2]!.unfinished.size).to.equal(0);
    // Written down before anybody can know how it ends.
    expect((await world.get(id)).rollbackInfo.rollbackMessage).to.equal(`${rollback.id} is to roll it back to 1.`);
  });

  it('counts a host as down that is broken with the good revision on it', async () => {
    const hosts = await aFleet(world, 4);
    await deployed(world, '1', ALL_AT_ONCE);
    // web-4 is broken, still with 1 on it, and out of reach when 2 comes: it is not touched by that.
    hosts[3]!.behaviour = () => 'fail';
    const noRollback = { autoRollback: { enabled: false, events: [] } };
    await deployed(world, '1', { onlyHostNames: ['web-4'], ...noRollback });
    world.disconnect(hosts[3]!);
    await world.run(20_000);
    // web-2 fails with 2 and then takes its time; web-1 runs 2 and serves.
    hosts[1]!.behaviour = doing({ 1: 'hang', 2: 'fail' });
    const { id } = await deployed(world, '2', HALF_AT_A_TIME);
    expect(hosts.map((host) => host.installed)).to.deep.equal(['r-2', 'r-2', 'r-1', 'r-1']);
    hosts[3]!.behaviour = () => 'hang';
    await world.connect(hosts[3]!);
    await world.run(15_000);
    const rollback = await rollbackOf(id);
    expect(hosts[0]!.started, 'with web-1 three of four would be down').not.to.include(rollback.id);
    expect(rollback.overview).to.include({ Pending: 1, InProgress: 1, Failed: 1 });
  });

  it('counts a host as in service that told so after the deployment that it answers had passed it over', async () => {
    const hosts = await aFleet(world, 5);
    await deployed(world, '1', ALL_AT_ONCE);
    // web-5 takes too long with 2 and is given up; whether it serves is not known when 3 comes.
    for (const host of hosts) host.behaviour = () => 'hang';
    const noRollback = { autoRollback: { enabled: false, events: [] } };
    const second = await deployed(world, '2', { onlyHostNames: ['web-5'], ...noRollback });
    await world.run(3_700_000);
    expect(await world.history.getTarget(second.id, 'web-5')).to.include({ errorCode: 'EVENT_TIMEOUT' });
    const third = await deployed(world, '3', HALF_AT_A_TIME);
    await world.deployments.stop(third.id, { reason: '', rollback: true }, { kind: 'coordinator' });
    world.finish(hosts[4]!, second.id, 'succeed');
    for (const host of hosts.slice(1, 3)) world.disconnect(host);
    await world.run(20_000);

    world.finish(hosts[0]!, third.id, 'succeed');
    await world.run(200);
    const rollback = await rollbackOf(third.id);
    expect(rollback).to.include({ totalHosts: 5, minimumHealthyCount: 3 });
    expect(hosts[4]!.started, 'two of five are away').not.to.include(rollback.id);
  });

  it('counts hosts as in service that have left the group and come back before their turn in the failed deployment', async () => {
    const hosts = await aFleet(world, 6);
    await deployed(world, '1', ALL_AT_ONCE);
    for (const host of hosts) host.behaviour = () => 'hang';
    const { id } = await deployed(world, '2', HALF_AT_A_TIME);
    for (const host of hosts.slice(3)) for (const role of ['db', 'web']) await world.retag(host, { role });
    world.finish(hosts[0]!, id, 'fail');
    for (const host of hosts.slice(1, 3)) world.disconnect(host);
    await world.run(310_000);
    const rollback = await rollbackOf(id);
    expect(rollback).to.include({ totalHosts: 6, minimumHealthyCount: 3 });
    const out = () => hosts.filter(({ unfinished }) => unfinished.has(rollback.id)).map(({ name }) => name);
    expect(out(), 'web-2 and web-3 are lost').to.deep.equal(['web-1']);
    world.finish(hosts[0]!, rollback.id, 'succeed');
    await world.run(200);
    expect(out(), 'the others run it').to.deep.equal([]);
  });

  it('counts a host as in service that has succeeded while it was out of the group, and is back', async () => {
    const hosts = await aFleet(world, 4);
    await deployed(world, '1', ALL_AT_ONCE);
    for (const host of hosts) host.behaviour = () => 'hang';
    const { id } = await deployed(world, '2', HALF_AT_A_TIME);
    await world.retag(hosts[0]!, { role: 'db' });
    world.finish(hosts[0]!, id, 'succeed');
    await world.run(200);
    await world.retag(hosts[0]!, { role: 'web' });
    for (const host of hosts.slice(1, 3)) {
      world.finish(host, id, 'fail');
      await world.run(200);
    }
    const rollback = await rollbackOf(id);
    expect(rollback).to.include({ totalHosts: 4, minimumHealthyCount: 2 });
    const out = hosts.filter(({ unfinished }) => unfinished.has(rollback.id)).map(({ name }) => name);
    expect(out, 'web-1 and web-4 serve').to.deep.equal(['web-2', 'web-3']);
  });

  it('counts a host as down on which a deployment is at work that brings it in, though it has told meanwhile that it runs the good revision', async () => {
    const hosts = await aFleet(world, 5);
    // web-5 is lost in the first deployment, passed over by the second one, and back. How the first one ended it tells after more than five minutes.
    hosts[4]!.behaviour = () => 'hang';
    const first = await deployed(world, '1', ALL_AT_ONCE);
    world.disconnect(hosts[4]!);
    await world.run(310_000);
    hosts[0]!.behaviour = doing({ 2: 'hang' });
    hosts[1]!.behaviour = doing({ 1: 'hang', 2: 'fail' });
    const { id } = await deployed(world, '2', HALF_AT_A_TIME);
    await world.connect(hosts[4]!);
    await world.run(320_000);
    world.finish(hosts[4]!, first.id, 'succeed');
    await world.run(200);
    expect(await world.get(hosts[4]!.started.at(-1) ?? '')).to.include({
      creator: 'autoscaling',
      status: 'InProgress',
    });

    world.finish(hosts[0]!, id, 'succeed');
    await world.run(200);
    const rollback = await rollbackOf(id);
    expect(rollback).to.include({ totalHosts: 5, minimumHealthyCount: 3 });
    expect(hosts[0]!.started, 'with web-1 three of five would be down').not.to.include(rollback.id);
  });

  it('leaves a host alone that has left the group before its turn', async () => {
    const hosts = await aFleet(world, 3);
    await deployed(world, '1', ALL_AT_ONCE);
    hosts[0]!.behaviour = doing({ 2: 'hang' });
    const { id } = await deployed(world, '2', ONE_AT_A_TIME);
    await world.retag(hosts[2]!, { role: 'db' });
    world.finish(hosts[0]!, id, 'fail');
    await world.run(1_000);
    expect(await rollbackOf(id)).to.include({ status: 'Succeeded', totalHosts: 3 });
    expect(hosts[2]!.started).to.have.length(1);
  });

  it('of a part of the group leaves the other hosts as they are', async () => {
    const hosts = await aFleet(world, 4);
    await deployed(world, '1', ALL_AT_ONCE);
    await deployed(world, '3', { onlyHostNames: ['web-4'] });
    hosts[0]!.behaviour = doing({ 2: 'fail' });
    const { id } = await deployed(world, '2', { onlyHostNames: ['web-1'] });
    await world.run(30_000);
    expect((await rollbackOf(id)).status).to.equal('Succeeded');
    expect(hosts.map((host) => host.installed)).to.deep.equal(['r-1', 'r-1', 'r-1', 'r-3']);
  });

  it('brings back the last good revision, not the one of a part that came between', async () => {
    const hosts = await aFleet(world, 3);
    await deployed(world, '1', ALL_AT_ONCE);
    await deployed(world, '3', { onlyHostNames: ['web-3'] });
    for (const host of hosts) host.behaviour = doing({ 2: 'fail' });
    const { id } = await deployed(world, '2', ALL_AT_ONCE);
    await world.run(1_000);
    expect(await rollbackOf(id)).to.include({ status: 'Succeeded', revisionLabel: '1' });
    expect(hosts.map((host) => host.installed)).to.deep.equal(['r-1', 'r-1', 'r-1']);
  });

  it('answers the redeployment of an older revision with the newer one', async () => {
    const hosts = await aFleet(world, 2);
    await deployed(world, '1', ALL_AT_ONCE);
    await deployed(world, '2', ALL_AT_ONCE);
    for (const host of hosts) host.behaviour = doing({ 1: 'fail' });
    const { id } = await deployed(world, '1', ALL_AT_ONCE);
    await world.run(1_000);
    expect(await rollbackOf(id)).to.include({ status: 'Succeeded', revisionLabel: '2' });
  });

  it('leaves out a host that was forgotten meanwhile, with a minimum of those that are left', async () => {
    const hosts = await aFleet(world, 3);
    await deployed(world, '1', ALL_AT_ONCE);
    hosts[1]!.behaviour = doing({ 2: 'hang' });
    const { id } = await deployed(world, '2', ONE_AT_A_TIME);
    await world.run(1_000);
    await world.forget(hosts[1]!);
    await world.run(1_000);
    expect(await rollbackOf(id)).to.include({ status: 'Succeeded', totalHosts: 2, minimumHealthyCount: 1 });
    expect(hosts[0]!.installed).to.equal('r-1');
  });

  it('lets one host be out, as the deployment that it answers did, when one was forgotten and a percentage would let none', async () => {
    const hosts = await aFleet(world, 4);
    await world.database.query
      .insertInto('deployment_configs')
      .values({ name: 'three-quarters', minimum_type: 'FLEET_PERCENT', minimum_value: 75, created_at: 0 })
      .execute();
    await deployed(world, '1', ALL_AT_ONCE);
    hosts[2]!.behaviour = doing({ 2: 'hang' });
    const { id } = await deployed(world, '2', { deploymentConfigName: 'three-quarters' });
    await world.forget(hosts[0]!);
    world.finish(hosts[2]!, id, 'fail');
    await world.run(1_000);
    expect(await rollbackOf(id)).to.include({ status: 'Succeeded', totalHosts: 3, minimumHealthyCount: 2 });
    expect(hosts.slice(1).map((host) => host.installed)).to.deep.equal(['r-1', 'r-1', 'r-1']);
  });

  it('counts hosts that it leaves alone as down when they go offline', async () => {
    const hosts = await aFleet(world, 5);
    await deployed(world, '1', ALL_AT_ONCE);
    for (const host of hosts) host.behaviour = doing({ 2: 'hang' });
    hosts[1]!.behaviour = doing({ 2: 'fail' });
    const { id } = await deployed(world, '2', { deploymentConfigName: 'CodeDeployDefault.HalfAtATime' });
    // m is 3. web-1 runs the new revision; web-2 and web-3 have failed; web-4 and web-5 go offline at the same time.
    world.finish(hosts[0]!, id, 'succeed');
    await world.run(100);
    for (const host of hosts.slice(3)) world.disconnect(host);
    await world.run(20_000);
    for (const host of hosts) host.behaviour = doing({ 1: 'hang' });
    world.finish(hosts[2]!, id, 'fail');
    await world.run(100);
    const rollback = await rollbackOf(id);
    expect(rollback.alreadyCurrentHosts).to.equal(2);
    for (const host of [hosts[1]!, hosts[2]!]) world.finish(host, rollback.id, 'succeed');
    await world.run(1_000);
    // In service are web-1, web-2 and web-3: none of them may be taken out.
    expect(hosts[0]!.unfinished.size).to.equal(0);
    for (const host of hosts.slice(3)) await world.connect(host);
    await world.run(11_000);
    expect([...hosts[0]!.unfinished.keys()]).to.deep.equal([rollback.id]);
  });
});

describe('going back by hand', () => {
  let world: EngineWorld;
  beforeEach(async () => {
    world = await createEngineWorld();
  });
  afterEach(() => world.close());
  const prod = { application: 'app', group: 'prod' };
  const back = (body: object = {}) =>
    world.deployments.rollbackGroup(prod, { description: '', ...body }, { kind: 'coordinator' });
  const refusalOf = (work: Promise<unknown>) =>
    work.then(
      () => null,
      (error) => error,
    );

  it('goes to the good revision before the one that runs', async () => {
    await aFleet(world, 2);
    await deployed(world, '1');
    await deployed(world, '2');
    expect((await back()).revisionLabel).to.equal('1');
  });

  it('answers a repeated request with the deployment that it made', async () => {
    await aFleet(world, 2);
    await deployed(world, '1');
    await deployed(world, '2');
    const first = await back({ idempotencyKey: 'k' });
    await world.run(500);
    expect((await world.get(first.id)).status).to.equal('Succeeded');
    expect((await back({ idempotencyKey: 'k' })).id).to.equal(first.id);
  });

  it('refuses a key that was used for another revision', async () => {
    await aFleet(world, 2);
    await deployed(world, '1', { idempotencyKey: 'k' });
    expect(await refusalOf(world.deploy('2', { idempotencyKey: 'k' }))).to.include({ code: 'conflict' });
    for (const same of ['1', 'r-1', 'latest', Buffer.from('1').toString('hex').padEnd(64, '0')])
      expect((await world.deploy(same, { idempotencyKey: 'k' })).revisionLabel).to.equal('1');
  });

  it('refuses a key whose revision has a digest that begins as the label that is asked for', async () => {
    await aFleet(world, 2);
    // Its digest begins with 3.
    await deployed(world, '1', { idempotencyKey: 'k' });
    expect(await refusalOf(world.deploy('3', { idempotencyKey: 'k' }))).to.include({ code: 'conflict' });
  });

  it('refuses the key of a deployment for a rollback, and the other way round', async () => {
    await aFleet(world, 2);
    await deployed(world, '1');
    await deployed(world, '2', { idempotencyKey: 'k' });
    expect(await refusalOf(back({ idempotencyKey: 'k' }))).to.include({ code: 'conflict' });
    await back({ idempotencyKey: 'l' });
    await world.run(500);
    expect(await refusalOf(world.deploy('1', { idempotencyKey: 'l' }))).to.include({ code: 'conflict' });
  });

  it('refuses the key of a deployment to a part of the group for the whole, and for other hosts', async () => {
    await aFleet(world, 3);
    const canary = await deployed(world, '1', { onlyHostNames: ['web-1'], idempotencyKey: 'k' });
    for (const other of [{}, { onlyHostNames: ['web-2', 'web-3'] }, { updateOutdatedInstancesOnly: true }])
      expect(await refusalOf(world.deploy('1', { ...other, idempotencyKey: 'k' }))).to.include({ code: 'conflict' });
    const again = await world.deploy('1', { onlyHostNames: ['web-1'], idempotencyKey: 'k' });
    expect(again.id).to.equal(canary.id);
  });

  it('refuses the key of a deployment to some hosts for these and more: nothing was deployed to the others', async () => {
    await aFleet(world, 3);
    await deployed(world, '1', { onlyHostNames: ['web-1'], idempotencyKey: 'k' });
    const more = { onlyHostNames: ['web-1', 'web-2'], idempotencyKey: 'k' };
    expect(await refusalOf(world.deploy('1', more))).to.include({ code: 'conflict' });
  });

  it('refuses a key that was used for a group that was deleted and made again under its name', async () => {
    await aFleet(world, 2);
    await deployed(world, '1', { idempotencyKey: 'k' });
    await world.database.query.updateTable('deployment_groups').set({ id: 'g-made-again' }).execute();
    expect(await refusalOf(world.deploy('1', { idempotencyKey: 'k' }))).to.include({ code: 'conflict' });
  });
});
