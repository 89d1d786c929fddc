import { expect } from 'chai';
import { createStandstill } from '../../../../coordinator/engine/standstill.ts';
import { silentLogger } from '../../../../shared/core/logger.ts';
import { ALL_AT_ONCE, aFleet, deployed, doing, ONE_AT_A_TIME } from '../../../support/engine-fleet.ts';
import { createEngineWorld, type EngineWorld } from '../../../support/engine-world.ts';

describe('a coordinator that stood still', () => {
  let world: EngineWorld;
  beforeEach(async () => {
    world = await createEngineWorld();
  });
  afterEach(() => world.close());

  async function twoHostsAtWork() {
    const hosts = await aFleet(world, 2);
    await deployed(world, '1', ALL_AT_ONCE);
    for (const host of hosts) host.behaviour = doing({ 2: 'hang' });
    const { id } = await deployed(world, '2', ALL_AT_ONCE);
    for (const host of hosts) world.running(host, id, 'AfterInstall', 60_000);
    await world.run(1_000);
    const statusOf = async (hostName: string) => {
      const { status, errorCode } = await world.history.getTarget(id, hostName);
      return { status, errorCode };
    };
    return { hosts, id, statusOf };
  }

  it('gives hosts their time again: what they told meanwhile is still to be read', async () => {
    const { hosts, id, statusOf } = await twoHostsAtWork();
    world.clock.standStill(600_000);
    await world.run(0);
    world.finish(hosts[0]!, id, 'succeed');
    await world.run(200);
    expect(await statusOf('web-1')).to.deep.equal({ status: 'Succeeded', errorCode: null });
    await world.run(130_000);
    expect(await statusOf('web-2'), 'and no more than that').to.deep.equal({
      status: 'Failed',
      errorCode: 'EVENT_TIMEOUT',
    });
  });

  it('waits as long as before for a host that was away then', async () => {
    const { hosts, statusOf } = await twoHostsAtWork();
    world.disconnect(hosts[0]!);
    await world.run(1_000);
    world.clock.standStill(600_000);
    await world.run(1_000);
    expect(await statusOf('web-1')).to.include({ status: 'InProgress' });
    await world.run(310_000);
    expect(await statusOf('web-1')).to.deep.equal({ status: 'Failed', errorCode: 'HOST_LOST' });
  });

  it('finds out which connections have ended only after it is there again', async () => {
    const standstill = createStandstill({
      database: world.database,
      changes: { last: () => 0 },
      clock: world.clock,
      logger: silentLogger,
      toleratedMs: 20_000,
      hostLostAfterMs: 300_000,
      silenceLimitMs: 60_000,
    });
    world.clock.standStill(600_000);
    await standstill.makeUp();
    expect(standstill.present()).to.deep.equal({
      upSince: world.clock.now(),
      missedUntil: world.clock.now() + 60_000,
    });
  });

  it('waits for a host that was away long before that no longer than one that is back would take', async () => {
    const hosts = await aFleet(world, 3);
    await deployed(world, '1', ALL_AT_ONCE);
    world.disconnect(hosts[0]!);
    await world.run(600_000);
    world.clock.standStill(120_000);
    const { id } = await world.deploy('2', ALL_AT_ONCE);
    const statusOf = async () => (await world.history.getTarget(id, 'web-1')).status;
    await world.run(30_000);
    expect(await statusOf()).to.equal('Pending');
    await world.run(20_000);
    expect(await statusOf()).to.equal('Failed');
  });

  it('fails nobody at its turn who has lost the connection by that, and is not back yet', async () => {
    const hosts = await aFleet(world, 3);
    await deployed(world, '1', ALL_AT_ONCE);
    for (const host of hosts) host.behaviour = doing({ 2: 'hang' });
    const { id } = await deployed(world, '2', ONE_AT_A_TIME);
    world.clock.standStill(120_000);
    await world.run(1_000);
    for (const host of hosts.slice(1)) world.disconnect(host);
    await world.run(100);
    world.finish(hosts[0]!, id, 'succeed');
    await world.run(30_000);
    expect((await world.get(id)).overview).to.include({ Pending: 2, Succeeded: 1 });
    for (const host of hosts.slice(1)) await world.connect(host);
    await world.run(200);
    expect((await world.get(id)).overview).to.include({ Pending: 1, InProgress: 1 });
  });
});

describe('a coordinator whose clock was set back', () => {
  let world: EngineWorld;
  beforeEach(async () => {
    world = await createEngineWorld();
  });
  afterEach(() => world.close());
  const HOUR_MS = 3_600_000;

  /** Two hosts with revision 1, of which web-1 does so with revision 2. */
  async function atWork(does: 'hang' | 'ignore') {
    const [host] = await aFleet(world, 2);
    await deployed(world, '1', ALL_AT_ONCE);
    host!.behaviour = doing({ 2: does });
    const { id } = await deployed(world, '2', { ...ONE_AT_A_TIME, autoRollback: { enabled: false, events: [] } });
    // The next look is by the clock as it was.
    await world.run(20_000);
    const errorCode = async () => (await world.history.getTarget(id, 'web-1')).errorCode;
    return { host: host!, id, errorCode };
  }

  it('waits no longer for a host that does not accept', async () => {
    const { errorCode } = await atWork('ignore');
    world.clock.setBack(HOUR_MS);
    await world.run(200_000);
    expect(await errorCode()).to.equal(null);
    await world.run(100_000);
    expect(await errorCode()).to.equal('NOT_ACCEPTED');
  });

  it('tells a host once more what it has not heard of, as it did before', async () => {
    const { host, id } = await atWork('ignore');
    host.behaviour = doing({ 2: 'hang' });
    world.clock.setBack(HOUR_MS);
    await world.run(12_000);
    expect(host.started).to.include(id);
  });

  it('waits no longer for a host that says nothing more of an event, and no shorter for one that has begun one since', async () => {
    const { host, id, errorCode } = await atWork('hang');
    world.running(host, id, 'BeforeInstall', 60_000);
    await world.run(20_000);
    world.clock.setBack(HOUR_MS);
    world.running(host, id, 'AfterInstall', 2 * HOUR_MS);
    await world.run(2 * HOUR_MS);
    expect(await errorCode()).to.equal(null);

    world.running(host, id, 'ValidateService', 60_000);
    await world.run(20_000);
    world.clock.setBack(HOUR_MS);
    await world.run(120_000);
    expect(await errorCode()).to.equal('EVENT_TIMEOUT');
  });

  it('waits no longer for a host that is offline', async () => {
    const { host, errorCode } = await atWork('hang');
    world.disconnect(host);
    await world.run(40_000);
    world.clock.setBack(HOUR_MS);
    await world.run(320_000);
    expect(await errorCode()).to.equal('HOST_LOST');
  });

  it('waits no longer for a host in service to come back', async () => {
    const hosts = await aFleet(world, 3);
    await deployed(world, '1', ALL_AT_ONCE);
    hosts[0]!.behaviour = doing({ 2: 'hang' });
    const { id } = await deployed(world, '2', { ...ONE_AT_A_TIME, autoRollback: { enabled: false, events: [] } });
    world.disconnect(hosts[2]!);
    await world.run(30_000);
    world.finish(hosts[0]!, id, 'succeed');
    await world.run(20_000);
    world.clock.setBack(HOUR_MS);
    await world.run(320_000);
    expect((await world.get(id)).status).to.equal('Failed');
  });

  it('holds a host no longer that was given up and does not tell how that ended', async () => {
    const { host, id, errorCode } = await atWork('hang');
    world.running(host, id, 'AfterInstall', 60_000);
    await world.run(130_000);
    expect(await errorCode()).to.equal('EVENT_TIMEOUT');
    world.clock.setBack(HOUR_MS);
    const { id: next } = await world.deploy('3', ALL_AT_ONCE);
    await world.run(320_000);
    expect(host.started.at(-1)).to.equal(next);
  });
});
