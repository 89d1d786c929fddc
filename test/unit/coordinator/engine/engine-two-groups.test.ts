import { expect } from 'chai';
import { ALL_AT_ONCE, aFleet, deployed, ONE_AT_A_TIME } from '../../../support/engine-fleet.ts';
import { ANN, createEngineWorld, type EngineWorld, type WorldHost } from '../../../support/engine-world.ts';

const HALF_AT_A_TIME = { deploymentConfigName: 'CodeDeployDefault.HalfAtATime' };
const CANARY = { deploymentGroup: 'canary' };

describe('a host in two groups of one application', () => {
  let world: EngineWorld;
  let hosts: WorldHost[];

  beforeEach(async () => {
    world = await createEngineWorld();
    hosts = await aFleet(world, 4, ({ revision }) => (revision.label === '3' ? 'hang' : 'succeed'));
    await world.addGroup('canary', { selection: { tagFilters: [], hostNames: ['web-1'] } });
    await deployed(world, '1', ALL_AT_ONCE);
    await deployed(world, '1', { ...ALL_AT_ONCE, ...CANARY });
  });
  afterEach(() => world.close());

  it('is ready in neither while a deployment of one of them runs on it', async () => {
    expect((await world.readiness.of(hosts[0]!.id)).isReady).to.equal(true);
    const { id } = await deployed(world, '3', CANARY);
    expect(hosts[0]!.started.at(-1)).to.equal(id);
    const { groups } = await world.readiness.of(hosts[0]!.id);
    expect(groups.map(({ deploymentGroup, isInService }) => `${deploymentGroup} ${isInService}`)).to.deep.equal([
      'canary false',
      'prod false',
    ]);
  });

  const startedOn = (id: string) => hosts.filter((host) => host.started.includes(id)).map((host) => host.name);

  it('counts as down for a deployment of the one while the other one is at work on it', async () => {
    const canary = await deployed(world, '3', CANARY);
    const prod = await deployed(world, '2', ONE_AT_A_TIME);
    expect(startedOn(prod.id), 'web-1 is down').to.deep.equal([]);
    world.finish(hosts[0]!, canary.id, 'succeed');
    await world.run(200);
    expect(await world.get(prod.id)).to.include({ status: 'Succeeded' });
    expect(startedOn(prod.id)).to.deep.equal(['web-1', 'web-2', 'web-3', 'web-4']);
  });

  it('counts so, too, when the deployment has been there already', async () => {
    hosts[1]!.behaviour = () => 'hang';
    const prod = await deployed(world, '2', ONE_AT_A_TIME);
    expect(startedOn(prod.id)).to.deep.equal(['web-1', 'web-2']);
    const canary = await deployed(world, '3', CANARY);
    world.finish(hosts[1]!, prod.id, 'succeed');
    await world.run(200);
    expect(startedOn(prod.id), 'web-1 is down').to.deep.equal(['web-1', 'web-2']);
    world.finish(hosts[0]!, canary.id, 'succeed');
    // Nothing of its own has changed: it is looked at by the next tick.
    await world.run(10_000);
    expect(await world.get(prod.id)).to.include({ status: 'Succeeded' });
    expect(world.faults).to.deep.equal([]);
  });

  it('counts so, too, when a rollback has left it alone', async () => {
    await world.addGroup('last', { selection: { tagFilters: [], hostNames: ['web-4'] } });
    for (const host of hosts.slice(0, 2)) host.behaviour = () => 'hang';
    const stopped = await deployed(world, '2', HALF_AT_A_TIME);
    expect(startedOn(stopped.id)).to.deep.equal(['web-1', 'web-2']);
    await deployed(world, '3', { deploymentGroup: 'last' });
    await world.deployments.stop(stopped.id, { reason: '', rollback: true }, ANN);
    for (const host of hosts.slice(0, 2)) world.finish(host, stopped.id, 'succeed');
    await world.run(200);
    const { rollbackInfo } = await world.get(stopped.id);
    expect(startedOn(rollbackInfo.rollbackDeploymentId ?? ''), 'web-4 is down').to.deep.equal(['web-1']);
  });
});

describe('a host that has gone over to another group of its application', () => {
  let world: EngineWorld;
  let hosts: WorldHost[];
  let host: WorldHost;

  beforeEach(async () => {
    world = await createEngineWorld();
    hosts = await aFleet(world, 3, ({ revision }) => (revision.label === '2' ? 'hang' : 'succeed'));
    await world.addHost('web-4', { tags: { role: 'canary' } });
    await world.addGroup('canary', {
      selection: { tagFilters: [{ type: 'KEY_AND_VALUE', key: 'role', value: 'canary' }] },
    });
    await deployed(world, '1', ALL_AT_ONCE);
    await deployed(world, '3', { ...ALL_AT_ONCE, ...CANARY });
    host = hosts[2]!;
  });
  afterEach(() => world.close());

  /** It goes over before its turn in the deployment, and is brought in there; then its turn comes. */
  async function reached(): Promise<string> {
    const { id } = await deployed(world, '2', ONE_AT_A_TIME);
    await world.retag(host, { role: 'canary' });
    await world.run(200);
    expect(host.installed).to.equal('r-3');
    expect((await world.readiness.of(host.id)).isReady).to.equal(true);
    for (const each of hosts.slice(0, 2)) {
      world.finish(each, id, 'succeed');
      await world.run(200);
    }
    expect(host.started.at(-1)).to.equal(id);
    return id;
  }
  const broughtBack = async () =>
    expect(await world.get(host.started.at(-1) ?? '')).to.include({
      creator: 'autoscaling',
      deploymentGroup: 'canary',
      revisionLabel: '3',
      status: 'Succeeded',
    });

  for (const outcome of ['succeed', 'fail'] as const)
    it(`is brought in there again when an earlier deployment has reached it after that, and did ${outcome}`, async () => {
      const id = await reached();
      world.finish(host, id, outcome);
      await world.run(200);
      expect((await world.readiness.of(host.id)).isReady).to.equal(false);
      await world.run(10_000);
      await broughtBack();
      expect((await world.readiness.of(host.id)).isReady).to.equal(true);
      expect(world.faults).to.deep.equal([]);
    });

  it('is brought in there again, too, when it is one of several that follow on there, which end after that', async () => {
    const inCanary = world.hosts.get('h-web-4')!;
    inCanary.behaviour = () => 'hang';
    const canary = await deployed(world, '2', CANARY);
    const prod = await deployed(world, '2', ONE_AT_A_TIME);
    const [first, goneOver] = hosts as [WorldHost, WorldHost];
    await world.retag(goneOver, { role: 'canary' });
    const joined = await world.addHost('web-5', { tags: { role: 'canary' }, behaviour: goneOver.behaviour });
    await world.run(200);
    world.finish(inCanary, canary.id, 'succeed');
    await world.run(200);
    const followOn = goneOver.started.at(-1)!;
    expect(await world.get(followOn)).to.include({ creator: 'CodeDeployAutoUpdate', revisionLabel: '2' });
    world.finish(goneOver, followOn, 'succeed');
    await world.run(200);
    world.finish(first, prod.id, 'succeed');
    await world.run(200);
    world.finish(goneOver, prod.id, 'succeed');
    await world.run(200);
    world.finish(joined, followOn, 'succeed');
    await world.run(10_000);
    expect(await world.get(followOn)).to.include({ status: 'Succeeded' });
    const last = goneOver.started.at(-1)!;
    expect(await world.get(last)).to.include({ creator: 'autoscaling', deploymentGroup: 'canary' });
    world.finish(goneOver, last, 'succeed');
    await world.run(200);
    expect((await world.readiness.of(goneOver.id)).isReady).to.equal(true);
    expect(world.faults).to.deep.equal([]);
  });

  it('is brought in there again when it was lost in an earlier deployment after that', async () => {
    const id = await reached();
    world.disconnect(host);
    await world.run(400_000);
    expect((await world.readiness.of(host.id)).isReady).to.equal(false);
    await world.connect(host);
    world.finish(host, id, 'succeed');
    await world.run(10_000);
    await broughtBack();
    expect((await world.readiness.of(host.id)).isReady).to.equal(true);
  });

  it('counts as down, when it is back before its turn, in a deployment that had it as healthy: what has been brought to it meanwhile is unknown', async () => {
    const { id } = await deployed(world, '2', ONE_AT_A_TIME);
    host.behaviour = ({ revision }) => (revision.label === '3' ? 'fail' : 'hang');
    await world.retag(host, { role: 'canary' });
    await world.run(200);
    expect(host.installed, 'and is broken').to.equal('r-3');
    await world.retag(host, { role: 'web' });
    world.finish(hosts[0]!, id, 'succeed');
    await world.run(10_000);
    const out = hosts.filter(({ unfinished }) => unfinished.has(id)).map(({ name }) => name);
    expect(out, 'web-2 serves').to.deep.equal(['web-3']);
    world.finish(host, id, 'succeed');
    await world.run(200);
    world.finish(hosts[1]!, id, 'succeed');
    await world.run(200);
    expect(await world.get(id)).to.include({ status: 'Succeeded' });
    expect(world.faults).to.deep.equal([]);
  });

  it('is not brought in when it is back beside a rollback that has left it alone and counts on it', async () => {
    hosts[0]!.behaviour = () => 'hang';
    const stopped = await deployed(world, '2', HALF_AT_A_TIME);
    await world.retag(host, { role: 'canary' });
    await world.run(200);
    expect(host.installed).to.equal('r-3');
    await world.deployments.stop(stopped.id, { reason: '', rollback: true }, ANN);
    world.finish(hosts[0]!, stopped.id, 'succeed');
    await world.run(200);
    const rollback = (await world.get(stopped.id)).rollbackInfo.rollbackDeploymentId ?? '';
    expect(hosts[0]!.started.at(-1), 'one of three is out').to.equal(rollback);

    await world.retag(host, { role: 'web' });
    await world.run(20_000);
    expect(host.installed, 'it serves what the canary has brought it').to.equal('r-3');
    world.finish(hosts[0]!, rollback, 'succeed');
    await world.run(200);
    expect(await world.get(rollback)).to.include({ status: 'Succeeded' });
    expect(await world.get(host.started.at(-1) ?? '')).to.include({
      creator: 'autoscaling',
      deploymentGroup: 'prod',
      revisionLabel: '1',
      status: 'Succeeded',
    });
    expect(world.faults).to.deep.equal([]);
  });
});
