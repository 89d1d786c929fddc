import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { systemClock } from '../../shared/core/system-clock.ts';
import { systemRandomness } from '../../shared/core/system-randomness.ts';
import { AppError, DroverClient, type FollowItem } from '../../shared/sdk/drover-client.ts';
import { aDeployment, aHost, aRevision, aTarget, T0 } from '../support/api-samples.ts';
import { FakeApi, problem } from '../support/fake-api.ts';
import { createFakeClock } from '../support/fake-clock.ts';

async function failureOf(promise: Promise<unknown>): Promise<AppError> {
  const error = await promise.then(
    () => expect.fail('expected it to fail'),
    (reason: unknown) => reason,
  );
  expect(error).to.be.instanceOf(AppError);
  return error as AppError;
}

describe('DroverClient', () => {
  let api: FakeApi;
  let client: DroverClient;
  beforeEach(async () => {
    api = await FakeApi.start();
    client = new DroverClient({ url: `${api.url}/`, token: 'secret', userAgent: 'drover-test' });
  });
  afterEach(() => api.close());

  it('puts input into path, query and body as the route says, with the token', async () => {
    api.on('GET /v1/deployments', { items: [], nextCursor: null });
    api.on('POST /v1/deployments/:deployment/stop', { stopStatus: 'Pending', deployment: aDeployment() });
    await client.listDeployments({ active: true, application: 'web' });
    await client.stopDeployment({ deployment: 'd-8K1M2N3P4', reason: 'wrong day' });
    const [list, stop] = api.requests;
    expect(list?.query).to.deep.equal({ active: 'true', application: 'web' });
    expect(list?.headers.authorization).to.equal('Bearer secret');
    expect(list?.headers['user-agent']).to.equal('drover-test');
    expect(stop?.path).to.equal('/v1/deployments/d-8K1M2N3P4/stop');
    expect(stop?.body).to.deep.equal({ reason: 'wrong day' });
  });

  it('waits as long as it takes for a bundle that the coordinator fetches, unless it was given a limit', async () => {
    const clock = createFakeClock();
    api.on('POST /v1/applications/:application/revisions', async () => {
      await clock.advance(3_600_000);
      return { status: 201, body: aRevision() };
    });
    const bundle = { application: 'web', url: 'https://builds.example/web.tgz', bundleType: 'tgz' } as const;
    const patient = new DroverClient({ url: api.url, clock });
    expect((await patient.registerRevision(bundle)).id).to.equal(aRevision().id);
    const hasty = new DroverClient({ url: api.url, clock, timeoutMs: 60_000 });
    expect((await failureOf(hasty.registerRevision(bundle))).message).to.contain('did not answer within 60000 ms');
    const failure = await failureOf(patient.registerRevision(bundle, { timeoutMs: 1_000 }));
    expect(failure.message).to.contain('did not answer within 1000 ms');
  });

  it('escapes what goes into a path', async () => {
    api.on('GET /v1/hosts/:host', ({ params }: { params: Record<string, string> }) => ({
      body: aHost('x', { zone: params['host'] ?? null }),
    }));
    expect((await client.getHost({ host: 'a/b?c' })).zone).to.equal('a/b?c');
  });

  it('turns an error answer into an AppError with hint, details and request id', async () => {
    api.on('POST /v1/deployments', () =>
      problem('conflict', 'web/prod is busy', { hint: 'wait', details: { activeDeploymentId: 'd-1' } }),
    );
    const error = await failureOf(
      client.createDeployment({ application: 'web', deploymentGroup: 'prod', revision: 'latest' }),
    );
    expect(error.code).to.equal('conflict');
    expect(error.hint).to.equal('wait');
    expect(error.details).to.deep.equal({ activeDeploymentId: 'd-1', requestId: 'req-1' });
  });

  it('reads again after a cut connection and a 503, three times at most', async () => {
    let calls = 0;
    api.on('GET /v1/hosts/:host', () => {
      calls++;
      if (calls === 1) return { cut: true };
      return calls === 2 ? problem('unavailable', 'starting') : { body: aHost('web-1') };
    });
    expect((await client.getHost({ host: 'web-1' })).name).to.equal('web-1');
    expect(calls).to.equal(3);
    api.on('GET /v1/hosts/:host', () => problem('unavailable', 'down'));
    expect((await failureOf(client.getHost({ host: 'web-1' }))).code).to.equal('unavailable');
    expect(api.requests).to.have.lengthOf(6);
  });

  it('does not write twice, unless an idempotency key makes that harmless', async () => {
    api.on('POST /v1/deployments', ({ body }: { body: unknown }) =>
      api.requests.length % 2 === 1 ? { cut: true } : { status: 201, body: { ...aDeployment(), ...(body as object) } },
    );
    const input = { application: 'web', deploymentGroup: 'prod', revision: 'latest' };
    expect((await failureOf(client.createDeployment(input))).code).to.equal('unavailable');
    expect(api.requests).to.have.lengthOf(1);
    api.requests.length = 0;
    await client.createDeployment({ ...input, idempotencyKey: 'k1' });
    expect(api.requests.map((request) => (request.body as { idempotencyKey: string }).idempotencyKey)).to.deep.equal([
      'k1',
      'k1',
    ]);
  });

  it('stops a deployment again when the answer was lost: that changes nothing more', async () => {
    api.on('POST /v1/deployments/:deployment/stop', () =>
      api.requests.length === 1 ? { cut: true } : { body: { stopStatus: 'Pending', deployment: aDeployment() } },
    );
    const { stopStatus } = await client.stopDeployment({ deployment: 'd-8K1M2N3P4', rollback: true });
    expect(stopStatus).to.equal('Pending');
    expect(api.requests.map(({ body }) => body)).to.deep.equal([{ rollback: true }, { rollback: true }]);
  });

  it('gives up on an answer that does not come, and says after how long', async () => {
    const hanging = new DroverClient({ url: api.url, timeoutMs: 30 });
    api.on('POST /v1/applications', () => new Promise<never>(() => {}));
    const error = await failureOf(hanging.createApplication({ name: 'web' }));
    expect(error.code).to.equal('unavailable');
    expect(error.message).to.contain('within 30 ms');
    api.on('GET /v1/hosts', () => new Promise<never>(() => {}));
    const listed = await failureOf(hanging.all('listHosts', {}).next());
    expect(listed.message).to.contain('within 30 ms');
  });

  it('says when nobody listens, with what to check', async () => {
    const { url } = api;
    await api.close();
    const error = await failureOf(new DroverClient({ url }).createApplication({ name: 'web' }));
    expect(error.code).to.equal('unavailable');
    expect(error.details['reason']).to.equal('ECONNREFUSED');
    expect(error.hint).to.contain('running');
    api = await FakeApi.start();
  });

  it('refuses an answer that is not what the route promises, by name', async () => {
    api.on('GET /v1/hosts/:host', { name: 5 });
    const error = await failureOf(client.getHost({ host: 'web-1' }));
    expect(error.code).to.equal('internal');
    expect(error.message).to.match(/the answer to GET \/v1\/hosts\/:host is not as expected: \w+/);
  });

  it('walks through all pages', async () => {
    api.on('GET /v1/hosts', ({ query }: { query: Record<string, string> }) => ({
      body: query['cursor']
        ? { items: [aHost('c')], nextCursor: null }
        : { items: [aHost('a'), aHost('b')], nextCursor: 'p2' },
    }));
    const names = [];
    for await (const host of client.all('listHosts', { presence: 'Online' })) names.push(host.name);
    expect(names).to.deep.equal(['a', 'b', 'c']);
    expect(api.requests[1]?.query).to.deep.equal({ presence: 'Online', cursor: 'p2', limit: '500' });
  });

  it('uploads a bundle as a stream with its size, and tells progress', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'drover-sdk-'));
    try {
      const bytes = Buffer.alloc(3_000_000, 7);
      const path = join(directory, 'bundle.tgz');
      await writeFile(path, bytes);
      const digest = createHash('sha256').update(bytes).digest('hex');
      api.on('POST /v1/applications/:application/revisions/upload', ({ query }: { query: Record<string, string> }) => ({
        status: 201,
        body: aRevision({ digest: query['digest'] ?? '', label: query['label'] ?? '' }),
      }));
      const sent: number[] = [];
      const revision = await client.uploadBundle({
        application: 'web',
        from: { path },
        digest,
        bundleType: 'tgz',
        label: '2.0',
        onProgress: ({ sentBytes, totalBytes }) => {
          expect(totalBytes).to.equal(bytes.length);
          sent.push(sentBytes);
        },
      });
      expect(revision.label).to.equal('2.0');
      expect(api.requests[0]?.raw.equals(bytes)).to.equal(true);
      expect(api.requests[0]?.headers['content-length']).to.equal(String(bytes.length));
      expect(sent.at(-1)).to.equal(bytes.length);
      expect(sent.length).to.be.greaterThan(1);
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  describe('follow', () => {
    const id = 'd-8K1M2N3P4';
    const targetItem = (sequence: number, host: string) => ({
      kind: 'target' as const,
      sequence,
      at: T0 + sequence,
      target: aTarget(host, { status: 'InProgress' }),
    });
    const ended = (sequence: number) => ({
      kind: 'ended' as const,
      sequence,
      at: T0,
      deployment: aDeployment({ status: 'Succeeded' }),
    });
    const until = async (condition: () => boolean) => {
      const limit = Date.now() + 10_000;
      while (!condition()) {
        expect(Date.now()).to.be.lessThan(limit, 'waited too long');
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    };

    it('gives the items until the deployment has ended, and resumes after a cut without losing or repeating any', async () => {
      const feed = api.feed(id).push(targetItem(1, 'a'), targetItem(2, 'b'));
      const seen: FollowItem[] = [];
      const reading = (async () => {
        for await (const item of client.follow(id)) seen.push(item);
      })();
      await until(() => seen.length === 2);
      feed.refuse(true);
      feed.push(targetItem(3, 'c'));
      await until(() => feed.connections >= 3);
      feed.refuse(false);
      await until(() => seen.some((item) => item.kind === 'target' && item.sequence === 3));
      feed.push(ended(4));
      await reading;
      expect(seen.map((item) => (item.kind === 'connection' ? item.state : item.sequence))).to.deep.equal([
        1,
        2,
        'lost',
        'back',
        3,
        4,
      ]);
      const reconnects = api.requests.filter((request) => request.path.endsWith('/events')).slice(1);
      for (const request of reconnects) {
        expect(request.query['after']).to.equal('2');
        expect(request.headers['last-event-id']).to.equal('2');
      }
    });

    it('begins after the sequence it is given, and passes kinds over that it does not know', async () => {
      const unknown = { kind: 'weather', sequence: 6, at: T0 } as unknown as ReturnType<typeof ended>;
      api.feed(id).push(targetItem(4, 'a'), targetItem(5, 'b'), unknown, ended(7));
      const seen = [];
      for await (const item of client.follow(id, { after: 4 }))
        seen.push(item.kind === 'connection' ? 0 : item.sequence);
      expect(seen).to.deep.equal([5, 7]);
    });

    it('asks less and less often behind a proxy that answers and closes, and counts it as no contact', async () => {
      const feed = api.feed(id);
      feed.hangsUp = true;
      const waits: number[] = [];
      const patient = new DroverClient({
        url: api.url,
        token: 'secret',
        randomness: { ...systemRandomness, fraction: () => 1 },
        clock: {
          ...systemClock,
          setTimer(delayMs, fire) {
            // Time-outs of requests are longer.
            if (delayMs > 5_000) return systemClock.setTimer(delayMs, fire);
            waits.push(delayMs);
            if (waits.length === 4) {
              feed.hangsUp = false;
              feed.push(ended(1));
            }
            return systemClock.setTimer(0, fire);
          },
        },
      });
      const kinds = [];
      for await (const item of patient.follow(id)) kinds.push(item.kind === 'connection' ? item.state : item.kind);
      expect(waits).to.deep.equal([250, 500, 1_000, 2_000]);
      expect(kinds).to.deep.equal(['lost', 'back', 'ended']);
    });

    it('makes a connection anew that has been silent for too long', async () => {
      const feed = api.feed(id).push(targetItem(1, 'a'));
      const reading = (async () => {
        const kinds = [];
        for await (const item of client.follow(id, { silenceMs: 50 })) kinds.push(item.kind);
        return kinds;
      })();
      await until(() => feed.connections >= 2);
      feed.push(ended(2));
      expect(await reading).to.include('ended');
    });

    it('ends with the reason of its signal, and leaves no connection behind', async () => {
      const feed = api.feed(id).push(targetItem(1, 'a'));
      const leaving = new AbortController();
      const reading = (async () => {
        for await (const _ of client.follow(id, { signal: leaving.signal })) leaving.abort(new Error('enough'));
      })();
      const error = await reading.catch((reason: unknown) => reason);
      expect((error as Error).message).to.equal('enough');
      await until(() => feed.readers === 0);
    });

    it('fails at once when there is no such deployment', async () => {
      const reading = client.follow('d-NOPE').next();
      expect((await failureOf(reading)).code).to.equal('not_found');
    });

    it('waits for the end of a deployment', async () => {
      api.feed(id).push(targetItem(1, 'a'), ended(2));
      expect((await client.waitForDeployment(id)).status).to.equal('Succeeded');
    });
  });
});
