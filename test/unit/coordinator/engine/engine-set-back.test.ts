import { expect } from 'chai';
import type { Report } from '../../../../shared/protocol/messages.ts';
import { ALL_AT_ONCE, aFleet, deployed, ONE_AT_A_TIME } from '../../../support/engine-fleet.ts';
import { createEngineWorld, type EngineWorld, installedOn, type WorldHost } from '../../../support/engine-world.ts';

describe('a host that runs something else than is known', () => {
  let world: EngineWorld;
  let hosts: WorldHost[];
  let first: string;
  let second: string;

  beforeEach(async () => {
    world = await createEngineWorld();
    hosts = await aFleet(world, 3);
    first = (await deployed(world, '1', ALL_AT_ONCE)).id;
    second = (await deployed(world, '2', ALL_AT_ONCE)).id;
  });
  afterEach(() => world.close());

  /** The host comes back, and says that it has another revision. */
  async function isBackWith(host: WorldHost, has: { deploymentId: string; revisionId: string }): Promise<void> {
    world.disconnect(host);
    for (const groupId of host.installedIn.keys()) host.installedIn.set(groupId, has);
    await world.connect(host);
    // It is committed with the reports.
    await world.clock.advance(3);
  }

  async function known(host: WorldHost): Promise<object> {
    return world.database.query
      .selectFrom('group_hosts')
      .select(['revision_id', 'instance_health', 'converge'])
      .where('host_id', '=', host.id)
      .executeTakeFirstOrThrow();
  }

  const audited = () =>
    world.database.query
      .selectFrom('audit')
      .select(['subject', 'details'])
      .where('action', '=', 'host.revision')
      .execute();

  it('was set back to a snapshot, and is brought the good revision again', async () => {
    const [host] = hosts as [WorldHost];
    const before = [...host.started];
    await isBackWith(host, { deploymentId: first, revisionId: 'r-1' });
    await world.run(200);
    const [entry] = await audited();
    expect(JSON.parse(entry!.details)).to.include({ was: 'r-2', is: 'r-1', from: first });
    const [followOn, ...more] = host.started.slice(before.length);
    expect(more).to.deep.equal([]);
    expect(await world.get(followOn!)).to.include({ creator: 'CodeDeployAutoUpdate', status: 'Succeeded' });
    expect(await known(host)).to.deep.equal({ revision_id: 'r-2', instance_health: 'Healthy', converge: null });
    for (const other of hosts.slice(1)) expect(other.started).to.deep.equal([first, second]);
    expect(world.faults).to.deep.equal([]);
  });

  it('was set back beyond what is kept of deployments, and is brought the good revision all the same', async () => {
    const [host] = hosts as [WorldHost];
    await world.database.query.deleteFrom('targets').where('deployment_id', '=', first).execute();
    await world.database.query.deleteFrom('deployments').where('id', '=', first).execute();
    await isBackWith(host, { deploymentId: first, revisionId: 'r-1' });
    await world.run(200);
    expect(host.started).to.have.length(3);
    expect(await known(host)).to.deep.equal({ revision_id: 'r-2', instance_health: 'Healthy', converge: null });
  });

  it('is left alone in a group that wants outdated hosts left alone', async () => {
    const [host] = hosts as [WorldHost];
    const { id } = await world.database.query.selectFrom('deployment_groups').select('id').executeTakeFirstOrThrow();
    await world.database.query
      .updateTable('deployment_groups')
      .set((e) => ({ settings: e.fn('json_set', ['settings', e.val('$.outdatedInstancesStrategy'), e.val('IGNORE')]) }))
      .where('id', '=', id)
      .execute();
    await isBackWith(host, { deploymentId: first, revisionId: 'r-1' });
    await world.run(200);
    expect(await known(host)).to.include({ revision_id: 'r-1', converge: null });
    expect(host.started).to.deep.equal([first, second]);
  });

  it('got it from a deployment that the coordinator has forgotten, and nothing is taken from it', async () => {
    for (const host of hosts) await isBackWith(host, { deploymentId: 'd-AAAAAAAAA', revisionId: 'r-3' });
    await world.run(200);
    for (const host of hosts) {
      expect(await known(host)).to.deep.equal({ revision_id: 'r-3', instance_health: 'Healthy', converge: null });
      expect(host.started).to.deep.equal([first, second]);
    }
  });

  it('is what its reports say where a deployment is under way', async () => {
    const [host] = hosts as [WorldHost];
    host.behaviour = () => 'hang';
    const third = await deployed(world, '3', ALL_AT_ONCE);
    await isBackWith(host, { deploymentId: third.id, revisionId: 'r-3' });
    expect(await known(host)).to.include({ revision_id: 'r-2' });
    world.finish(host, third.id, 'succeed');
    await world.run(200);
    expect(await known(host)).to.include({ revision_id: 'r-3' });
    expect(await audited()).to.deep.equal([]);
  });

  it('is what it tells last: what it had is nothing against a report that follows', async () => {
    const [host] = hosts as [WorldHost];
    host.behaviour = () => 'hang';
    const third = await deployed(world, '3', ALL_AT_ONCE);
    world.reports.receiveInstalled(host.id, installedOn(host));
    world.finish(host, third.id, 'succeed');
    await world.run(200);
    expect(await known(host)).to.include({ revision_id: 'r-3' });
    expect(await audited()).to.deep.equal([]);
  });

  it('has ended what a coordinator that was set back has still before it: that counts at its turn', async () => {
    const [first, second] = hosts as [WorldHost, WorldHost];
    first.behaviour = () => 'hang';
    const { id } = await deployed(world, '3', ONE_AT_A_TIME);
    const end = { kind: 'finished', deploymentId: id, status: 'Succeeded', at: 0, installedRevisionId: 'r-3' };
    second.held.add(id);
    second.ends.set(id, { ...end, sequence: 0 } as Report);
    world.tellEndAgain(second, id);
    await world.run(200);
    expect(await world.history.getTarget(id, second.name)).to.include({ status: 'Pending', message: null });

    world.finish(first, id, 'succeed');
    await world.run(200);
    expect(await world.history.getTarget(id, second.name)).to.include({ status: 'InProgress' });
    world.tellEndAgain(second, id);
    await world.run(200);
    expect(await world.get(id)).to.nested.include({ status: 'Succeeded', 'overview.Succeeded': 3 });
  });

  it('is told once, however often it connects', async () => {
    const [host] = hosts as [WorldHost];
    for (let i = 0; i < 3; i++) await isBackWith(host, { deploymentId: 'd-AAAAAAAAA', revisionId: 'r-1' });
    const [entry, ...more] = await audited();
    expect(more).to.deep.equal([]);
    expect(JSON.parse(entry!.details)).to.deep.equal({
      group: 'app/prod',
      was: 'r-2',
      is: 'r-1',
      from: 'd-AAAAAAAAA',
    });
  });
});
