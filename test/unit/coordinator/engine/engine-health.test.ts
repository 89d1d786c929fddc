import { expect } from 'chai';
import { createDeploymentGroups } from '../../../../coordinator/services/deployment-groups.ts';
import { ALL_AT_ONCE, aFleet, deployed, doing } from '../../../support/engine-fleet.ts';
import { createEngineWorld, type EngineWorld } from '../../../support/engine-world.ts';
import { seededRandomness } from '../../../support/fake-randomness.ts';

describe('what is known of a host after a deployment', () => {
  let world: EngineWorld;
  beforeEach(async () => {
    world = await createEngineWorld();
  });
  afterEach(() => world.close());

  /** `web-1: r-1 Healthy`, by name. */
  async function known(): Promise<string[]> {
    const rows = await world.database.query
      .selectFrom('group_hosts as g')
      .innerJoin('hosts as h', 'h.id', 'g.host_id')
      .select(['h.name', 'g.revision_id', 'g.instance_health'])
      .orderBy('h.name')
      .execute();
    return rows.map((row) => `${row.name}: ${row.revision_id} ${row.instance_health}`);
  }
  const goodRevision = async () =>
    (
      await world.database.query
        .selectFrom('deployment_groups')
        .select('last_good_revision_id')
        .executeTakeFirstOrThrow()
    ).last_good_revision_id;

  it('is its revision and that it is healthy where it succeeded, and is as it was where it was not reached', async () => {
    const hosts = await aFleet(world, 3);
    expect(await known()).to.deep.equal(['web-1: null Unknown', 'web-2: null Unknown', 'web-3: null Unknown']);
    await deployed(world, '1');
    expect(await known()).to.deep.equal(['web-1: r-1 Healthy', 'web-2: r-1 Healthy', 'web-3: r-1 Healthy']);
    hosts[0]!.behaviour = doing({ 2: 'fail' });
    const failed = await deployed(world, '2', { autoRollback: { enabled: false, events: [] } });
    expect(failed.status).to.equal('Failed');
    expect((await known()).slice(1)).to.deep.equal(['web-2: r-1 Healthy', 'web-3: r-1 Healthy']);
    expect((await known())[0]).to.match(/ Unhealthy$/);
    expect(await goodRevision(), 'a failed deployment does not change the revision of the group').to.equal('r-1');
  });

  it('is by its own result also when the deployment as a whole went the other way', async () => {
    const hosts = await aFleet(world, 3);
    await deployed(world, '1');
    hosts[2]!.behaviour = doing({ 2: 'fail' });
    const succeeded = await deployed(world, '2', ALL_AT_ONCE);
    expect(succeeded.status).to.equal('Succeeded');
    expect((await known()).slice(0, 2)).to.deep.equal(['web-1: r-2 Healthy', 'web-2: r-2 Healthy']);
    expect((await known())[2]).to.match(/ Unhealthy$/);
    expect(await goodRevision()).to.equal('r-2');
  });

  it('is that it is not in service when it is broken with the good revision on it', async () => {
    const hosts = await aFleet(world, 2);
    await deployed(world, '1');
    hosts[1]!.behaviour = () => 'fail';
    await deployed(world, '1', { onlyHostNames: ['web-2'], autoRollback: { enabled: false, events: [] } });
    const groups = createDeploymentGroups({
      ...world,
      randomness: seededRandomness(1),
      groupChanged: async () => () => {},
    });
    const { items } = await groups.listHosts({ application: 'app', group: 'prod' }, { limit: 10 });
    expect(items.map(({ isInService }) => isInService)).to.deep.equal([true, false]);
    expect((await world.readiness.of(hosts[1]!.id)).isReady).to.equal(false);
  });

  it('makes no good revision out of parts while one host is broken with it', async () => {
    const hosts = await aFleet(world, 2);
    await deployed(world, '1', ALL_AT_ONCE);
    hosts[1]!.behaviour = doing({ 2: 'fail' });
    const noRollback = { autoRollback: { enabled: false, events: [] } };
    for (const name of ['web-2', 'web-1']) await deployed(world, '2', { onlyHostNames: [name], ...noRollback });
    expect(await known()).to.deep.equal(['web-1: r-2 Healthy', 'web-2: r-2 Unhealthy']);
    expect(await goodRevision()).to.equal('r-1');
    hosts[1]!.behaviour = () => 'succeed';
    await deployed(world, '2', { onlyHostNames: ['web-2'], ...noRollback });
    expect(await goodRevision()).to.equal('r-2');
  });

  it('is nothing, as before, of one that never began and was never deployed to', async () => {
    const hosts = await aFleet(world, 2);
    hosts[0]!.behaviour = () => 'ignore';
    const { id } = await world.deploy('1', ALL_AT_ONCE);
    await world.run(310_000);
    expect((await world.get(id)).overview).to.include({ Failed: 1, Succeeded: 1 });
    expect(await known()).to.deep.equal(['web-1: null Unknown', 'web-2: r-1 Healthy']);
  });

  it('stays what its last deployment left when an assignment comes twice and the end of an earlier one is told again', async () => {
    const [host] = await aFleet(world, 1);
    const first = await deployed(world, '1');
    await deployed(world, '2');
    world.tellEndAgain(host!, first.id);
    await world.run();
    expect(await known()).to.deep.equal(['web-1: r-2 Healthy']);
    expect(world.faults).to.deep.equal([]);
  });

  it('decides who is tried first the next time', async () => {
    const hosts = await aFleet(world, 3);
    await deployed(world, '1');
    hosts[2]!.behaviour = doing({ 2: 'fail' });
    await deployed(world, '2', ALL_AT_ONCE);
    for (const host of hosts) host.behaviour = () => 'hang';
    const { id } = await world.deploy('3', { deploymentConfigName: 'CodeDeployDefault.OneAtATime' });
    await world.run();
    expect(hosts.filter((host) => host.started.includes(id)).map((host) => host.name)).to.deep.equal(['web-3']);
  });
});
