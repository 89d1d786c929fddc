import { expect } from 'chai';
import { createCoalesced } from '../../../../coordinator/services/coalesced.ts';
import { aFleet, deployed } from '../../../support/engine-fleet.ts';
import { createEngineWorld } from '../../../support/engine-world.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';

describe('when the database fails for a while', () => {
  it('tries each deployment and group again once a second, however long it lasts', async () => {
    const world = await createEngineWorld();
    await aFleet(world, 2);
    await deployed(world, '1');
    for (const host of world.hosts.values()) host.behaviour = () => 'hang';
    const { id } = await deployed(world, '2');
    let attempts = 0;
    const { transaction } = world.database;
    world.database.transaction = async () => {
      attempts++;
      throw new Error('disk I/O error');
    };
    await world.run(120_000);
    attempts = 0;
    await world.run(10_000);
    expect(attempts).to.be.within(5, 25);
    world.database.transaction = transaction;
    for (const host of world.hosts.values()) if (host.unfinished.has(id)) world.finish(host, id, 'succeed');
    await world.run(20_000);
    expect((await world.get(id)).overview.Succeeded).to.be.greaterThan(0);
    world.faults.length = 0;
    await world.close();
  });

  it('still learns who is connected', async () => {
    const world = await createEngineWorld();
    const [host] = await aFleet(world, 1);
    world.disconnect(host!);
    await world.run(20_000);
    const { transaction } = world.database;
    world.database.transaction = () => Promise.reject(new Error('disk I/O error'));
    await world.connect(host!);
    world.database.transaction = transaction;
    await world.run(1_000);
    const row = await world.database.query.selectFrom('hosts').select('presence').executeTakeFirst();
    expect(row).to.deep.equal({ presence: 'Online' });
    world.faults.length = 0;
    await world.close();
  });
});

describe('createCoalesced', () => {
  function aGatherer(failures: number) {
    const clock = createFakeClock();
    const handled: Record<string, number>[] = [];
    let left = failures;
    const gatherer = createCoalesced<number>({
      clock,
      windowMs: 4,
      handle: async (values) => {
        if (left-- > 0) throw new Error('not now');
        handled.push(Object.fromEntries(values));
      },
      onError: () => {},
    });
    return { clock, gatherer, handled };
  }

  it('hands over again what could not be dealt with, unless a later value has come', async () => {
    const { clock, gatherer, handled } = aGatherer(1);
    gatherer.add('a', 1);
    gatherer.add('b', 1);
    await clock.advance(5);
    expect(handled).to.deep.equal([]);
    gatherer.add('b', 2);
    await clock.advance(2_000);
    expect(handled).to.deep.equal([{ a: 1, b: 2 }]);
  });

  it('never hands over an earlier value after a later one, also when that came while the earlier one was being dealt with', async () => {
    const clock = createFakeClock();
    const handled: number[] = [];
    let failures = 1;
    const gatherer = createCoalesced<number>({
      clock,
      windowMs: 4,
      handle: async (values) => {
        await new Promise<void>((resolve) => clock.setTimer(100, resolve));
        if (failures-- > 0) throw new Error('not now');
        handled.push(...values.values());
      },
      onError: () => {},
    });
    gatherer.add('a', 1);
    await clock.advance(50);
    gatherer.add('a', 2);
    await clock.advance(2_000);
    expect(handled).to.deep.equal([2]);
  });

  it('gives up at the end', async () => {
    const { clock, gatherer, handled } = aGatherer(1);
    gatherer.add('a', 1);
    await gatherer.close();
    await clock.advance(10_000);
    expect(handled).to.deep.equal([]);
  });
});
