import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { enrol } from '../../agent/connection/enrolment.ts';
import { createHttpClient, type HttpClient } from '../../agent/connection/http-client.ts';
import { loadIdentity } from '../../agent/connection/identity.ts';
import type { Disk } from '../../agent/host/disk.ts';
import { createNodeDisk } from '../../agent/host/node-disk.ts';
import { AppError } from '../../shared/core/errors.ts';
import { systemClock } from '../../shared/core/system-clock.ts';
import { systemRandomness } from '../../shared/core/system-randomness.ts';
import { startTestCoordinator, type TestCoordinator } from '../support/coordinator.ts';
import { faultyDisk, systemError } from '../support/faulty-disk.ts';
import { createJoinToken } from '../support/raw-agent.ts';

describe('enrol --force', () => {
  let coordinator: TestCoordinator;
  let directory: string;
  let http: HttpClient;
  before(async () => {
    coordinator = await startTestCoordinator();
    http = createHttpClient({ coordinatorUrl: coordinator.url, ca: null, clock: systemClock });
  });
  after(async () => {
    http.close();
    await coordinator.remove();
  });
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'drover-identity-'));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  const disk = createNodeDisk();
  const losingAnswers = (): HttpClient => ({
    ...http,
    json: async (request) => {
      await http.json(request);
      throw new AppError('unavailable', 'the answer ended early');
    },
  });
  const identity = () => loadIdentity(disk, join(directory, 'identity.json'));

  function run(joinToken: string, options: { name: string; force: boolean; http?: HttpClient; disk?: Disk }) {
    return enrol(
      { disk: options.disk ?? disk, http: options.http ?? http, clock: systemClock, randomness: systemRandomness },
      {
        identityPath: join(directory, 'identity.json'),
        coordinatorUrl: coordinator.url,
        joinToken,
        name: options.name,
        facts: {},
        force: options.force,
      },
    );
  }

  async function thrownBy(attempt: Promise<unknown>): Promise<unknown> {
    return attempt.then(
      () => null,
      (error: unknown) => error,
    );
  }

  it('is repeated when its answer was lost: the same host, with one use of the token', async () => {
    await run(await createJoinToken(coordinator), { name: 'web-1', force: false });
    const before = await identity();
    await coordinator.call('DELETE', '/v1/hosts/web-1');
    const joinToken = await createJoinToken(coordinator, { uses: 1 });

    const lost = await thrownBy(run(joinToken, { name: 'web-1', force: true, http: losingAnswers() }));
    expect(lost).to.include({ code: 'unavailable' });
    expect(await identity()).to.deep.equal(before);
    expect((await stat(join(directory, 'identity.json.next'))).mode & 0o777).to.equal(0o600);

    const { hostId } = await run(joinToken, { name: 'web-1', force: true });
    expect((await coordinator.call('GET', '/v1/hosts/web-1')).body).to.include({ id: hostId });
    expect((await identity())?.enrolment).to.include({ hostId });
    expect(await readdir(directory)).to.deep.equal(['identity.json']);
  });

  it('makes another key although the last one lies beside its identity still', async () => {
    await run(await createJoinToken(coordinator), { name: 'web-2', force: false });
    const full = faultyDisk(disk, (_call, name) => {
      if (name === 'removeTree') throw systemError('EIO');
    });
    const second = await createJoinToken(coordinator);
    expect(await thrownBy(run(second, { name: 'web-3', force: true, disk: full }))).to.include({ code: 'EIO' });
    const replaced = await identity();
    expect(replaced?.enrolment).to.include({ hostName: 'web-3' });

    await run(await createJoinToken(coordinator), { name: 'web-4', force: true });
    expect((await identity())?.enrolment).to.include({ hostName: 'web-4' });
    expect((await identity())?.privateKey).to.not.equal(replaced?.privateKey);
  });
});
