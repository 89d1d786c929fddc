import { expect } from 'chai';
import { ALL_AT_ONCE, aFleet, deployed, doing } from '../../../support/engine-fleet.ts';
import { createEngineWorld, type EngineWorld } from '../../../support/engine-world.ts';

describe('a stop', () => {
  let world: EngineWorld;
  beforeEach(async () => {
    world = await createEngineWorld();
  });
  afterEach(() => world.close());
  const stop = (id: string, rollback?: boolean) =>
    world.deployments.stop(
      id,
      { reason: '', ...(rollback === undefined ? {} : { rollback }) },
      { kind: 'coordinator' },
    );

  it('has the last word on a rollback, also when the deployment is failing already', async () => {
    const hosts = await aFleet(world, 4);
    await deployed(world, '1');
    hosts[0]!.behaviour = doing({ 2: 'fail' });
    hosts[1]!.behaviour = doing({ 2: 'hang' });
    const { id } = await deployed(world, '2');
    await world.forget(hosts[3]!);
    await world.run();
    expect(await world.get(id)).to.include({ status: 'InProgress', endingAs: 'Failed' });
    await stop(id, false);
    world.finish(hosts[1]!, id, 'succeed');
    await world.run(200);
    expect(await world.get(id)).to.include({ status: 'Failed' });
    expect((await world.get(id)).rollbackInfo.rollbackDeploymentId).to.equal(null);
  });

  it('asked for twice makes one rollback, by what was said last', async () => {
    const hosts = await aFleet(world, 2);
    await deployed(world, '1');
    for (const host of hosts) host.behaviour = doing({ 2: 'hang' });
    const { id } = await deployed(world, '2', ALL_AT_ONCE);
    await stop(id);
    await stop(id, true);
    await world.run();
    for (const host of hosts) world.finish(host, id, 'succeed');
    await world.run(200);
    const { items } = await world.history.list({ limit: 10 } as never);
    expect(items.map((item) => `${item.creator} ${item.revisionLabel} ${item.status}`)).to.deep.equal([
      'codeDeployRollback 1 Succeeded',
      'user 2 Stopped',
      'user 1 Succeeded',
    ]);
  });

  it('calls back who has not begun, also when the deployment is failing already', async () => {
    const hosts = await aFleet(world, 4);
    await deployed(world, '1');
    hosts[0]!.behaviour = doing({ 2: 'fail' });
    hosts[1]!.behaviour = doing({ 2: 'ignore' });
    const { id } = await deployed(world, '2');
    await world.forget(hosts[3]!);
    await world.run();
    expect(await world.get(id)).to.include({ status: 'InProgress', endingAs: 'Failed' });
    await stop(id);
    await world.run();
    expect(await world.history.getTarget(id, 'web-2')).to.include({ status: 'Skipped' });
    expect(await world.get(id)).to.include({ status: 'Failed' });
  });

  it('calls a host back again that has not heard it', async () => {
    const hosts = await aFleet(world, 2, () => 'ignore');
    const { id } = await deployed(world, '1', ALL_AT_ONCE);
    await world.run(15_000);
    // As when what waits for it on its connection is too much.
    hosts[0]!.isConnected = false;
    await stop(id);
    await world.run();
    hosts[0]!.isConnected = true;
    await world.run(15_000);
    expect((await world.get(id)).overview).to.include({ Skipped: 2 });
  });

  it('is answered with Pending while a host is in progress, and with Succeeded when none is', async () => {
    const hosts = await aFleet(world, 2, () => 'hang');
    await world.addGroup('other', { selection: { tagFilters: [], hostNames: ['web-1', 'web-2'] } });
    const first = await deployed(world, '1', ALL_AT_ONCE);
    // Both hosts are busy: it has begun none.
    const second = await deployed(world, '1', { ...ALL_AT_ONCE, deploymentGroup: 'other' });
    expect((await stop(second.id)).stopStatus).to.equal('Succeeded');
    expect((await stop(first.id)).stopStatus).to.equal('Pending');
    for (const host of hosts) world.finish(host, first.id, 'succeed');
    await world.run(200);
    expect((await world.get(first.id)).status).to.equal('Stopped');
    expect((await world.get(second.id)).overview).to.include({ Skipped: 2, Failed: 0 });
  });

  it('ends the sending of assignments that is under way', async () => {
    const hosts = await aFleet(world, 30, () => 'ignore');
    const { id } = await deployed(world, '1', ALL_AT_ONCE);
    let isAsked = false;
    let isAcknowledged = false;
    let toldAfterwards = 0;
    for (const host of hosts)
      host.behaviour = () => {
        if (!isAsked)
          void stop(id).then(() => {
            isAcknowledged = true;
          });
        isAsked = true;
        if (isAcknowledged) toldAfterwards++;
        return 'ignore';
      };
    await world.run(30_000);
    expect(isAcknowledged).to.equal(true);
    expect(toldAfterwards).to.equal(0);
    expect(await world.get(id)).to.include({ status: 'Stopped' });
  });
});

describe('reports that come again', () => {
  let world: EngineWorld;
  beforeEach(async () => {
    world = await createEngineWorld();
  });
  afterEach(() => world.close());

  it('are no news: a host that tells its end once more has not ended twice', async () => {
    const hosts = await aFleet(world, 1);
    const { id } = await deployed(world, '1');
    const end = { kind: 'finished', deploymentId: id, status: 'Succeeded', at: 0, installedRevisionId: 'r-1' };
    world.reports.receive(hosts[0]!.id, [{ ...end, sequence: ++hosts[0]!.sequence } as never], []);
    await world.run();
    expect(await world.history.getTarget(id, 'web-1')).to.include({ status: 'Succeeded', message: null });
  });

  it('are told when the coordinator had given the host up', async () => {
    const hosts = await aFleet(world, 1, () => 'hang');
    const { id } = await deployed(world, '1');
    await world.run(2 * 3_600_000);
    world.finish(hosts[0]!, id, 'fail');
    await world.run();
    const target = await world.history.getTarget(id, 'web-1');
    expect(target).to.include({ status: 'Failed', errorCode: 'EVENT_TIMEOUT' });
    expect(target.message).to.contain('The host reported Failed afterwards');
  });
});
