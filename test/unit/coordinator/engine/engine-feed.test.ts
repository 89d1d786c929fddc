import { expect } from 'chai';
import { aFleet, deployed } from '../../../support/engine-fleet.ts';
import { createEngineWorld, type EngineWorld } from '../../../support/engine-world.ts';

describe('the feed', () => {
  let world: EngineWorld;
  beforeEach(async () => {
    world = await createEngineWorld();
  });
  afterEach(() => world.close());

  /** Reads one item and leaves, as a watcher does whose connection breaks. */
  async function readOne(id: string, after: number) {
    for await (const item of world.feed.follow(id, after, new AbortController().signal)) return item;
    throw new Error('the feed ended');
  }

  it('loses no state of the deployment for a watcher that leaves after any item and resumes', async () => {
    await aFleet(world, 3, () => 'hang');
    const { id } = await deployed(world, '1');
    let sequence = 0;
    let seen: object | null = null;
    for (let i = 0; i < 4; i++) {
      const item = await readOne(id, sequence);
      sequence = item.sequence;
      if (item.kind === 'deployment') seen = item.deployment;
    }
    expect(seen).to.deep.equal(await world.get(id));
  });

  it('ends for those who watch when the deployment does', async () => {
    const hosts = await aFleet(world, 1, () => 'hang');
    const { id } = await deployed(world, '1');
    const kinds: string[] = [];
    const reading = (async () => {
      for await (const item of world.feed.follow(id, 0, new AbortController().signal)) kinds.push(item.kind);
    })();
    await world.run();
    world.finish(hosts[0]!, id, 'succeed');
    await world.run(1_000);
    await reading;
    expect(kinds.at(-1)).to.equal('ended');
  });
});
