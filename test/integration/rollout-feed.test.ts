import { expect } from 'chai';
import { type FeedItem, feedItem } from '../../shared/model/deployment-feed.ts';
import { ServerSentEventParser } from '../../shared/sdk/server-sent-events.ts';
import { PlayedHerd } from '../support/played-herd.ts';

describe('the live feed of a deployment', function () {
  this.timeout(60_000);
  let herd: PlayedHerd;
  beforeEach(async () => {
    herd = await PlayedHerd.start(6);
  });
  afterEach(() => herd.close());

  /** Reads until `count` items have come or the feed has ended, then cuts the connection. */
  async function read(deployment: string, lastEventId: string | null, count: number) {
    const response = await fetch(`${herd.coordinator.url}/v1/deployments/${deployment}/events`, {
      headers: {
        authorization: `Bearer ${herd.coordinator.adminToken}`,
        ...(lastEventId === null ? {} : { 'last-event-id': lastEventId }),
      },
    });
    expect(response.status).to.equal(200);
    const parser = new ServerSentEventParser();
    const decoder = new TextDecoder();
    const items: FeedItem[] = [];
    const answer = () => ({ items, id: items.length === 0 ? lastEventId : String(items.at(-1)?.sequence) });
    // To return from the loop cancels the body.
    for await (const chunk of response.body ?? [])
      for (const event of parser.push(decoder.decode(chunk, { stream: true }))) {
        items.push(feedItem.parse(JSON.parse(event.data)));
        if (items.length >= count) return answer();
      }
    return answer();
  }
  const withoutTime = (items: readonly FeedItem[]) => items.map((item) => ({ ...item, at: 0 }));

  it('resumes after any cut, and tells the last state of every target and the end', async () => {
    const { id } = await herd.create('v1', { deploymentConfigName: 'CodeDeployDefault.OneAtATime' });
    const seen: FeedItem[] = [];
    let lastEventId: string | null = null;
    for (let cut = 0; cut < 200 && seen.at(-1)?.kind !== 'ended'; cut++) {
      const part = await read(id, lastEventId, 1 + (cut % 3));
      for (const item of part.items) {
        expect(item.sequence, 'never back').to.be.at.least(seen.at(-1)?.sequence ?? 0);
        seen.push(item);
      }
      lastEventId = part.id;
    }
    const end = seen.at(-1);
    expect(end?.kind === 'ended' && end.deployment.status).to.equal('Succeeded');
    const told = new Map(
      seen.flatMap((item) => (item.kind === 'target' ? [[item.target.hostName, item.target.status]] : [])),
    );
    expect(Object.fromEntries(told)).to.deep.equal(await herd.targets(id));
    expect([...told.values()]).to.deep.equal(Array.from({ length: 6 }, () => 'Succeeded'));
  });

  it('tells everything to whoever comes after the end, from the beginning or from where it was', async () => {
    const { id } = await herd.deploy('v1');
    const all = await read(id, null, 1_000);
    expect(all.items.at(-1)?.kind).to.equal('ended');
    expect(new Set(all.items.flatMap((item) => (item.kind === 'target' ? [item.target.hostName] : [])))).to.have.length(
      6,
    );
    const middle = all.items[2];
    const rest = await read(id, String(middle?.sequence), 1_000);
    expect(rest.items.at(-1)?.kind).to.equal('ended');
    const later = all.items.filter((item) => item.sequence > (middle?.sequence ?? 0));
    expect(withoutTime(rest.items)).to.deep.equal(withoutTime(later));
    expect(
      (await read(id, all.id, 1_000)).items.map((item) => item.kind),
      'the deployment as it is, and that it ended',
    ).to.deep.equal(['deployment', 'ended']);
  });

  it('goes on over a restart of the coordinator in the middle, by the same number', async () => {
    for (const host of herd.hosts) host.holdAt = 'AfterInstall';
    const { id } = await herd.create('v1');
    const before = await read(id, null, 7);
    await herd.restartCoordinator();
    for (const host of herd.hosts) host.release();
    await Promise.all(herd.hosts.map((host) => host.connect()));
    const after = await read(id, before.id, 1_000);
    const end = after.items.at(-1);
    expect(end?.kind === 'ended' && end.deployment.overview.Succeeded).to.equal(6);
    const final = after.items.filter((item) => item.kind === 'target' && item.target.status === 'Succeeded');
    expect(final.length, 'the end of each').to.be.at.least(6);
  });
});
