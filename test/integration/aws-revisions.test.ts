import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CodeDeploy, RevisionLocation } from '@aws-sdk/client-codedeploy';
import { expect } from 'chai';
import { sleep } from '../../shared/core/clock.ts';
import { foregroundClock } from '../../shared/core/system-clock.ts';
import { codeDeployClient, newAccessKey } from '../support/aws-tools.ts';
import { startTestCoordinator, type TestCoordinator } from '../support/coordinator.ts';
import { startS3, type TestS3 } from '../support/s3-server.ts';
import { watchConnections } from '../support/silent-connections.ts';

const ROLE = 'arn:aws:iam::123456789012:role/codedeploy';
const COMMIT = '0123456789abcdef0123456789abcdef01234567';

describe("revisions by CodeDeploy's locations", function () {
  this.timeout(20_000);
  let s3: TestS3;
  let gitHub: Server;
  /** Called before an archive is given. */
  let atArchive = () => {};
  const gitHubRequests: { url: string | undefined; authorization: string | undefined }[] = [];
  let coordinator: TestCoordinator;
  let directory: string;
  let aws: CodeDeploy;
  const gitHubPort = () => (gitHub.address() as AddressInfo).port;
  before(async () => {
    s3 = await startS3();
    gitHub = createServer((request, response) => {
      gitHubRequests.push({ url: request.url, authorization: request.headers.authorization });
      const isArchive = request.url?.startsWith('/archive/') === true;
      if (isArchive) {
        atArchive();
        response.end('an archive');
      } else if (request.url?.includes('/acme/shop/') === true)
        response.writeHead(302, { location: `http://localhost:${gitHubPort()}/archive/1` }).end();
      else response.writeHead(404).end();
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => gitHub.once('listening', resolve));
    directory = await mkdtemp(join(tmpdir(), 'drover-aws-'));
    await writeFile(join(directory, 'secret'), `${s3.secret}\n`);
    await writeFile(join(directory, 'token'), 'gh-token\n');
    coordinator = await startTestCoordinator({
      s3: { ...s3.settings, secretAccessKeyFile: join(directory, 'secret') },
      gitHub: {
        baseUrl: `http://127.0.0.1:${gitHubPort()}/api/v3`,
        tokenFile: join(directory, 'token'),
      },
    });
    aws = codeDeployClient(coordinator.url, await newAccessKey(coordinator));
    await aws.createApplication({ applicationName: 'web' });
    await aws.createDeploymentGroup({ applicationName: 'web', deploymentGroupName: 'all', serviceRoleArn: ROLE });
  });
  after(async () => {
    await coordinator.remove();
    await s3.stop();
    gitHub.close();
    await rm(directory, { recursive: true, force: true });
  });

  const at = (key: string, more: object = {}): RevisionLocation => ({
    revisionType: 'S3',
    s3Location: { bucket: s3.bucket, key, bundleType: 'tgz', ...more },
  });
  const register = (revision: RevisionLocation, description = '') =>
    aws.registerApplicationRevision({ applicationName: 'web', revision, description });
  /** Id of the native revision that a new deployment deploys. */
  const deployed = async (revision: RevisionLocation) => {
    const { deploymentId } = await aws.createDeployment({
      applicationName: 'web',
      deploymentGroupName: 'all',
      revision,
    });
    const { body } = await coordinator.call('GET', `/v1/deployments/${deploymentId}`);
    return body as { id: string; revisionId: string; revisionDigest: string };
  };
  const failure = (work: Promise<unknown>) =>
    work.then(
      () => 'no failure',
      (error: Error) => `${error.name}: ${error.message}`,
    );

  it('are fetched from S3 at registration, and found again by where they are', async () => {
    const eTag = await s3.put('app/1.tgz', Buffer.from('one'));
    await register(at('app/1.tgz', { eTag }), 'the first');
    const { revision, revisionInfo } = await aws.getApplicationRevision({
      applicationName: 'web',
      revision: at('app/1.tgz'),
    });
    expect(revision).to.deep.equal(at('app/1.tgz', { eTag }));
    expect(revisionInfo?.description).to.equal('the first');
    expect(revisionInfo?.registerTime).to.be.instanceOf(Date);
    const { items } = (await coordinator.call('GET', '/v1/applications/web/revisions')).body as {
      items: { sizeBytes: number }[];
    };
    expect(items.map((one) => one.sizeBytes)).to.deep.equal([3]);
  });

  it('stay what they were when the object is overwritten, while a new deployment without a version gets the new one', async () => {
    await s3.put('app/2.tgz', Buffer.from('old contents'));
    const first = await deployed(at('app/2.tgz'));
    expect(await deployed(at('app/2.tgz'))).to.have.property('revisionId', first.revisionId);
    await s3.put('app/2.tgz', Buffer.from('new contents'));
    const second = await deployed(at('app/2.tgz'));
    expect(second.revisionDigest).not.to.equal(first.revisionDigest);
    const { deploymentInfo } = await aws.getDeployment({ deploymentId: first.id });
    expect(deploymentInfo?.revision).to.deep.equal(at('app/2.tgz'));
    const store = await coordinator.call('GET', `/v1/applications/web/revisions/${first.revisionId}`);
    expect(store.status, 'the old bytes are still there for a rollback').to.equal(200);
  });

  it('with an ETag are deployed from what was kept, also when the store has them no more', async () => {
    const eTag = await s3.put('app/3.tgz', Buffer.from('three'));
    await register(at('app/3.tgz', { eTag }));
    await s3.put('app/3.tgz', Buffer.from('something else'));
    expect((await deployed(at('app/3.tgz', { eTag }))).revisionDigest).to.match(/^[0-9a-f]{64}$/);
    expect(await failure(register(at('app/3.tgz', { eTag: 'f'.repeat(32) })))).to.match(
      /^InvalidRevisionException: .*has the ETag/,
    );
  });

  it('that are not there, or that no Server deployment has, are refused by name', async () => {
    expect(await failure(register(at('no/such.tgz')))).to.match(
      /^InvalidRevisionException: there is no s3:\/\/bundles\/no/,
    );
    expect(await failure(register(at('a.tgz', { bundleType: 'YAML' })))).to.match(
      /^InvalidRevisionException: bundleType/,
    );
    expect(await failure(register({ revisionType: 'String', string: { content: 'x' } }))).to.match(
      /^InvalidRevisionException: revisionType String is for Lambda/,
    );
    expect(
      await failure(aws.getApplicationRevision({ applicationName: 'web', revision: at('never/registered.tgz') })),
    ).to.match(/^RevisionDoesNotExistException/);
    expect(await failure(register(at('x.tgz'), 'x'.repeat(257)))).to.match(/^DescriptionTooLongException/);
  });

  it('are fetched from GitHub by commit, with the token for its own host alone', async () => {
    const revision: RevisionLocation = {
      revisionType: 'GitHub',
      gitHubLocation: { repository: 'acme/shop', commitId: COMMIT },
    };
    // Nothing is heard meanwhile, for longer than a connection may be silent.
    const connections = watchConnections();
    const isOpen: boolean[] = [];
    atArchive = () => void isOpen.push(connections.pass('POST', '/'));
    await register(revision);
    connections.stop();
    atArchive = () => {};
    expect(isOpen).to.deep.equal([true]);
    expect(gitHubRequests).to.deep.equal([
      { url: `/api/v3/repos/acme/shop/tarball/${COMMIT}`, authorization: 'Bearer gh-token' },
      { url: '/archive/1', authorization: undefined },
    ]);
    expect((await aws.getApplicationRevision({ applicationName: 'web', revision })).revision).to.deep.equal(revision);
    const other = { ...revision, gitHubLocation: { repository: 'acme/other', commitId: COMMIT } };
    expect(await failure(register(other))).to.match(/^InvalidRevisionException: fetching acme\/other/);
    const short = { ...revision, gitHubLocation: { repository: 'acme/shop', commitId: 'abc' } };
    expect(await failure(register(short))).to.match(/^InvalidRevisionException: commitId: a full commit id/);
  });

  it('that were pushed to Drover appear in its own bucket, and are deployed from there', async () => {
    await aws.createApplication({ applicationName: 'own' });
    await aws.createDeploymentGroup({ applicationName: 'own', deploymentGroupName: 'all', serviceRoleArn: ROLE });
    const bytes = Buffer.from('pushed');
    const digest = '4d3d4b4ee9c8a83ec8a5b5a5eba9e4ba0f1a4b6a0f7a2c8f1d9ad2f8c4d7b6a1';
    const wrong = await coordinator.call(
      'POST',
      `/v1/applications/own/revisions/upload?digest=${digest}&bundleType=tgz`,
      {
        body: bytes,
      },
    );
    const actual = /SHA-256 is ([0-9a-f]{64})/.exec(JSON.stringify(wrong.body))?.[1] ?? '';
    await coordinator.call('POST', `/v1/applications/own/revisions/upload?digest=${actual}&bundleType=tgz`, {
      body: bytes,
    });
    const { revisions } = await aws.listApplicationRevisions({ applicationName: 'own' });
    expect(revisions).to.deep.equal([
      { revisionType: 'S3', s3Location: { bucket: 'drover', key: `own/${actual}.tgz`, bundleType: 'tgz' } },
    ]);
    const [revision] = revisions ?? [];
    const { deploymentId } = await aws.createDeployment({
      applicationName: 'own',
      deploymentGroupName: 'all',
      revision,
    });
    const { deploymentInfo } = await aws.getDeployment({ deploymentId });
    expect(deploymentInfo?.revision).to.deep.equal(revision);
    const missing = {
      revisionType: 'S3',
      s3Location: { bucket: 'drover', key: 'own/x.tgz', bundleType: 'tgz' },
    } as const;
    expect(
      await failure(aws.createDeployment({ applicationName: 'own', deploymentGroupName: 'all', revision: missing })),
    ).to.match(/^RevisionDoesNotExistException/);
    expect(await failure(aws.registerApplicationRevision({ applicationName: 'own', revision: missing }))).to.match(
      /^InvalidRevisionException/,
    );
  });

  it('are listed by bucket, prefix, time and whether they are deployed', async () => {
    const list = async (filter: object) => {
      const { revisions = [] } = await aws.listApplicationRevisions({ applicationName: 'web', ...filter });
      return revisions.map((one) => one.s3Location?.key ?? one.gitHubLocation?.repository);
    };
    expect(await list({ sortBy: 'registerTime', sortOrder: 'ascending' })).to.deep.equal([
      'app/1.tgz',
      'app/2.tgz',
      'app/2.tgz',
      'app/3.tgz',
      'acme/shop',
    ]);
    expect(await list({ s3Bucket: s3.bucket, s3KeyPrefix: 'app/3' })).to.deep.equal(['app/3.tgz']);
    expect(await list({ deployed: 'include' })).to.deep.equal([]);
    expect(await list({ deployed: 'exclude', s3Bucket: s3.bucket })).to.have.length(4);
    expect(await failure(list({ s3KeyPrefix: 'app' }))).to.match(/^BucketNameFilterRequiredException/);
    const batch = await aws.batchGetApplicationRevisions({
      applicationName: 'web',
      revisions: [at('app/1.tgz'), at('app/9.tgz')],
    });
    expect(batch.revisions).to.have.length(1);
    expect(batch.errorMessage).to.equal('1 of the revisions are not registered');
  });

  it('that were said to be an archive of another type are what they are once that is said right', async () => {
    const typeOf = async ({ revisionId }: { revisionId: string }) =>
      (await coordinator.call('GET', `/v1/applications/web/revisions/${revisionId}`)).body as { bundleType: string };
    await s3.put('app/archive', Buffer.from('PK\u0003\u0004 a zip, by its beginning'));
    expect(await typeOf(await deployed(at('app/archive')))).to.include({ bundleType: 'tgz' });
    const right = await deployed(at('app/archive', { bundleType: 'zip' }));
    expect(await typeOf(right), 'what hosts are told').to.include({ bundleType: 'zip' });
    const wrongAgain = await deployed(at('app/archive', { bundleType: 'tar' }));
    expect(wrongAgain.revisionId).to.equal(right.revisionId);
    expect(await typeOf(wrongAgain), 'it is known what it is').to.include({ bundleType: 'zip' });
  });

  it('are latest once they are registered again, also where nothing is fetched for that', async () => {
    const eTag = await s3.put('app/again.tgz', Buffer.from('again'));
    await register(at('app/again.tgz', { eTag }));
    const { digest } = (await coordinator.call('GET', '/v1/applications/web/revisions/latest')).body as {
      digest: string;
    };
    const own = {
      revisionType: 'S3',
      s3Location: { bucket: 'drover', key: `${digest}.tgz`, bundleType: 'tgz' },
    } as const;
    for (const known of [at('app/again.tgz', { eTag }), own]) {
      await sleep(foregroundClock, 2);
      await s3.put('app/later.tgz', Buffer.from(`later than ${known.s3Location?.bucket}`));
      await register(at('app/later.tgz'));
      await sleep(foregroundClock, 2);
      await register(known);
      const latest = await coordinator.call('GET', '/v1/applications/web/revisions/latest');
      expect(latest.body).to.have.property('digest', digest);
    }
  });
});
