import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { type BundleOutcome, createBundles } from '../../agent/bundle/bundles.ts';
import type { BundleDownload } from '../../agent/connection/transport.ts';
import type { Disk } from '../../agent/host/disk.ts';
import { createNodeDisk } from '../../agent/host/node-disk.ts';
import { createBundleDeltas } from '../../coordinator/revision-stores/bundle-deltas.ts';
import { packDirectory } from '../../shared/bundle/pack.ts';
import { AppError } from '../../shared/core/errors.ts';
import { silentLogger } from '../../shared/core/logger.ts';
import { createFakeClock } from '../support/fake-clock.ts';
import { seededRandomness } from '../support/fake-randomness.ts';
import { faultyDisk, systemError } from '../support/faulty-disk.ts';
import { readTree, temporaryDirectory, writeTree } from '../support/tree.ts';

describe('bundles', () => {
  const disk = createNodeDisk();
  let scratch: ReturnType<typeof temporaryDirectory>;
  let root: string;
  let bytes: Buffer;
  let digest: string;

  beforeEach(async () => {
    scratch = temporaryDirectory();
    root = scratch.path;
    const random = Buffer.from(seededRandomness(7).bytes(20_000)).toString('hex');
    writeTree(join(root, 'from'), { 'appspec.yml': 'version: 0.0\nos: linux\n', 'app/data': random });
    ({ digest } = await packDirectory({ directory: join(root, 'from'), toPath: join(root, 'b.tgz') }));
    bytes = readFileSync(join(root, 'b.tgz'));
  });
  afterEach(() => scratch.remove());

  type Open = (offset: number, attempt: number) => AsyncIterable<Uint8Array> | AppError;
  /** A source that counts what it was asked for. */
  function source(open: Open, options: { totalBytes?: number; ranges?: boolean } = {}) {
    const offsets: number[] = [];
    const nothing = async () => {
      throw new AppError('not_found', 'this source has whole bundles only');
    };
    const download: BundleDownload = {
      manifest: nothing,
      createDelta: nothing,
      async open({ offset }) {
        offsets.push(offset);
        const from = options.ranges === false ? 0 : offset;
        const chunks = open(from, offsets.length);
        if (chunks instanceof AppError) throw chunks;
        return { offset: from, totalBytes: options.totalBytes ?? bytes.length, chunks };
      },
    };
    return { download, offsets };
  }
  async function* pieces(from: number, to = bytes.length, failure?: Error): AsyncGenerator<Uint8Array> {
    for (let at = from; at < to; at += 1_000) yield bytes.subarray(at, Math.min(at + 1_000, to));
    if (failure !== undefined) throw failure;
  }

  function bundlesWith(
    download: BundleDownload,
    changes: { disk?: Disk; maxBundleBytes?: number; maxAttempts?: number } = {},
  ) {
    const clock = createFakeClock();
    const bundles = createBundles({
      disk: changes.disk ?? disk,
      download,
      clock,
      randomness: seededRandomness(3),
      logger: silentLogger,
      cacheDirectory: join(root, 'cache'),
      limits: {
        maxBundleBytes: changes.maxBundleBytes ?? 1e9,
        maxUnpackedBytes: 1e8,
        maxEntries: 1_000,
        maxAttempts: changes.maxAttempts ?? 4,
        reserveBytes: 0,
      },
    });
    const prepare = async (request: Partial<Parameters<typeof bundles.prepare>[0]> = {}): Promise<BundleOutcome> => {
      let done = false;
      const outcome = bundles.prepare({
        digest,
        bundleType: 'tgz',
        sizeBytes: bytes.length,
        deploymentDirectory: join(root, 'd-1'),
        signal: new AbortController().signal,
        ...request,
      });
      const ended = outcome.finally(() => {
        done = true;
      });
      ended.catch(() => {});
      // The delays between attempts pass as soon as they are asked for.
      while (!done) await clock.advance(60_000);
      return ended;
    };
    return { bundles, prepare };
  }
  const reasonOf = (outcome: BundleOutcome) => (outcome.ok ? 'ok' : outcome.reason);
  const cache = () => readdirSync(join(root, 'cache'));

  it('81. downloads from its coordinator, checks, caches and unpacks', async () => {
    const { download } = source((offset) => pieces(offset));
    const progress: number[] = [];
    const outcome = await bundlesWith(download).prepare({
      onProgress: ({ receivedBytes }) => progress.push(receivedBytes),
    });
    expect(outcome).to.deep.equal({
      ok: true,
      archiveRoot: join(root, 'd-1', 'deployment-archive'),
      downloadedBytes: bytes.length,
      reusedBytes: 0,
    });
    expect(readTree(join(root, 'd-1', 'deployment-archive'))).to.deep.equal(readTree(join(root, 'from')));
    expect(cache()).to.deep.equal([digest]);
    expect(progress.at(-1)).to.equal(bytes.length);
  });

  it('85. downloads nothing for a digest that is cached, and removes debris before it unpacks', async () => {
    const { download, offsets } = source((offset) => pieces(offset));
    const { prepare } = bundlesWith(download);
    await prepare();
    writeFileSync(join(root, 'd-1', 'deployment-archive', 'debris'), 'x');
    expect(await prepare()).to.include({ ok: true, downloadedBytes: 0 });
    expect(offsets).to.deep.equal([0]);
    expect(readTree(join(root, 'd-1', 'deployment-archive'))).to.deep.equal(readTree(join(root, 'from')));
  });

  it('downloads again when the cached archive is damaged', async () => {
    const { download, offsets } = source((offset) => pieces(offset));
    const { prepare } = bundlesWith(download);
    await prepare();
    const damaged = Buffer.from(bytes);
    damaged[500] = (damaged[500] ?? 0) ^ 1;
    writeFileSync(join(root, 'cache', digest), damaged);
    expect(await prepare()).to.include({ ok: true, downloadedBytes: bytes.length });
    expect(offsets).to.deep.equal([0, 0]);
  });

  it('downloads again when the cached archive cannot be read', async () => {
    const { download, offsets } = source((offset) => pieces(offset));
    await bundlesWith(download).prepare();
    let isBroken = true;
    const failing = faultyDisk(disk, (_call, name) => {
      if (isBroken && name === 'readPart') throw systemError('EIO');
      // What is written anew lies elsewhere on the disk.
      if (name === 'removeTree') isBroken = false;
    });
    const outcome = await bundlesWith(download, { disk: failing }).prepare();
    expect(outcome).to.include({ ok: true, downloadedBytes: bytes.length });
    expect(offsets).to.deep.equal([0, 0]);
  });

  it('resumes where a connection broke, and where an earlier agent stopped', async () => {
    const broken = new AppError('unavailable', 'connection lost');
    const { download, offsets } = source((offset, attempt) =>
      pieces(offset, attempt === 1 ? 7_000 : bytes.length, attempt === 1 ? broken : undefined),
    );
    expect(await bundlesWith(download).prepare()).to.include({ ok: true, downloadedBytes: bytes.length });
    expect(offsets).to.deep.equal([0, 7_000]);

    rmSync(join(root, 'cache', digest));
    writeFileSync(join(root, 'cache', `${digest}.part`), bytes.subarray(0, 12_345));
    const later = source((offset) => pieces(offset));
    expect(await bundlesWith(later.download).prepare()).to.include({
      ok: true,
      downloadedBytes: bytes.length - 12_345,
    });
    expect(later.offsets).to.deep.equal([12_345]);
  });

  it('begins again when the source does not do ranges', async () => {
    mkdirSync(join(root, 'cache'));
    writeFileSync(join(root, 'cache', `${digest}.part`), bytes.subarray(0, 5_000));
    const { download } = source((offset) => pieces(offset), { ranges: false });
    expect(await bundlesWith(download).prepare()).to.include({ ok: true, downloadedBytes: bytes.length });
  });

  it('throws a half download away once when the whole does not match', async () => {
    mkdirSync(join(root, 'cache'));
    writeFileSync(join(root, 'cache', `${digest}.part`), Buffer.alloc(5_000, 1));
    const { download, offsets } = source((offset) => pieces(offset));
    expect(reasonOf(await bundlesWith(download).prepare())).to.equal('ok');
    expect(offsets).to.deep.equal([5_000, 0]);
  });

  it('accepts a half download that is complete already without asking for more', async () => {
    mkdirSync(join(root, 'cache'));
    writeFileSync(join(root, 'cache', `${digest}.part`), bytes);
    const { download, offsets } = source((offset) => pieces(offset));
    expect(await bundlesWith(download).prepare()).to.include({ ok: true, downloadedBytes: 0 });
    expect(offsets).to.deep.equal([]);
  });

  it('80. refuses other contents than were registered, and keeps nothing of them', async () => {
    const other = createHash('sha256').update('other').digest('hex');
    const { download } = source((offset) => pieces(offset));
    const outcome = await bundlesWith(download).prepare({ digest: other });
    expect(reasonOf(outcome)).to.equal('digest_mismatch');
    expect(cache().filter((name) => statSync(join(root, 'cache', name)).size > 0)).to.deep.equal([]);
    expect(existsSync(join(root, 'd-1', 'deployment-archive'))).to.equal(false);
  });

  it('refuses a source with more bytes, or another total, than were registered', async () => {
    const more = source((offset) => pieces(offset), { totalBytes: 9_000 });
    expect(reasonOf(await bundlesWith(more.download).prepare({ sizeBytes: 9_000 }))).to.equal('digest_mismatch');
    const other = source((offset) => pieces(offset), { totalBytes: bytes.length + 1 });
    expect(reasonOf(await bundlesWith(other.download).prepare())).to.equal('digest_mismatch');
  });

  it('refuses a bundle above the limit without asking for it', async () => {
    const { download, offsets } = source((offset) => pieces(offset));
    expect(reasonOf(await bundlesWith(download, { maxBundleBytes: 100 }).prepare())).to.equal('too_large');
    expect(offsets).to.deep.equal([]);
  });

  it('82. tries again a bounded number of times when the source is away or the session ended', async () => {
    for (const code of ['unavailable', 'unauthorized'] as const) {
      const { download, offsets } = source(() => new AppError(code, 'not now'));
      const outcome = await bundlesWith(download, { maxAttempts: 5 }).prepare();
      expect(reasonOf(outcome)).to.equal('unavailable');
      expect(offsets).to.have.length(5);
    }
    const { download } = source((offset, attempt) =>
      attempt < 3 ? new AppError('unauthorized', 'session ended') : pieces(offset),
    );
    expect(reasonOf(await bundlesWith(download).prepare())).to.equal('ok');
  });

  it('does not try again what will not change', async () => {
    for (const code of ['not_found', 'forbidden'] as const) {
      const { download, offsets } = source(() => new AppError(code, 'no'));
      expect(reasonOf(await bundlesWith(download).prepare())).to.equal(code);
      expect(offsets).to.have.length(1);
    }
  });

  it('stops when cancelled, keeps what it has and goes on from there', async () => {
    const controller = new AbortController();
    const { download } = source((offset) => pieces(offset));
    const { prepare } = bundlesWith(download);
    const outcome = await prepare({
      signal: controller.signal,
      onProgress: ({ receivedBytes }) => receivedBytes >= 4_000 && controller.abort(),
    });
    expect(reasonOf(outcome)).to.equal('aborted');
    expect(statSync(join(root, 'cache', `${digest}.part`)).size).to.equal(4_000);
    expect(await prepare()).to.include({ ok: true, downloadedBytes: bytes.length - 4_000 });
  });

  it('refuses to begin on a disk that is too full', async () => {
    const { download, offsets } = source((offset) => pieces(offset));
    const full: Disk = { ...disk, freeBytes: async () => 1_000 };
    expect(reasonOf(await bundlesWith(download, { disk: full }).prepare())).to.equal('disk_full');
    expect(offsets).to.deep.equal([]);
  });

  it('refuses to unpack a cached bundle on a disk that is too full: others would find it so', async () => {
    const { download } = source((offset) => pieces(offset));
    await bundlesWith(download).prepare();
    const unpacked: string[] = [];
    const full: Disk = faultyDisk({ ...disk, freeBytes: async () => 1_000 }, (_call, name) => {
      if (name === 'unpack') unpacked.push(name);
    });
    const { prepare } = bundlesWith(download, { disk: full });
    expect(reasonOf(await prepare({ deploymentDirectory: join(root, 'd-2') }))).to.equal('disk_full');
    expect(unpacked).to.deep.equal([]);
  });

  it('lets cached bundles give way that nobody counts on, where there is no room, the oldest first', async () => {
    const [needed, old, older] = ['a', 'b', 'c'].map((letter) => letter.repeat(64));
    const { download } = source((offset) => pieces(offset));
    mkdirSync(join(root, 'cache'));
    for (const [at, name] of [older, old, needed].entries()) {
      writeFileSync(join(root, 'cache', name ?? ''), Buffer.alloc(50_000));
      utimesSync(join(root, 'cache', name ?? ''), 1_000 + at, 1_000 + at);
    }
    // Twice the bundle fits once one of the two is gone.
    const tight: Disk = {
      ...disk,
      freeBytes: async () => (existsSync(join(root, 'cache', older ?? '')) ? 30_000 : 80_000),
    };
    const { prepare } = bundlesWith(download, { disk: tight });
    expect(reasonOf(await prepare()), 'of which none may go').to.equal('disk_full');
    expect(reasonOf(await prepare({ neededDigests: () => [needed ?? ''] }))).to.equal('ok');
    expect(cache()).to.have.members([needed, old, digest]);
  });

  it('is not put together from what is here on a disk that is too full either', async () => {
    const large = (label: string) => {
      const random = Buffer.from(seededRandomness(8).bytes(1_200_000));
      writeTree(join(root, 'large'), { 'appspec.yml': `version: 0.0\nos: linux\n# ${label}\n` });
      writeFileSync(join(root, 'large/data'), random);
      return packDirectory({ directory: join(root, 'large'), toPath: join(root, 'large.tgz') });
    };
    await large('one');
    const before = join(root, 'before');
    mkdirSync(before);
    execFileSync('tar', ['-C', before, '-xzf', join(root, 'large.tgz')]);
    const packed = await large('two');
    bytes = readFileSync(join(root, 'large.tgz'));
    const deltas = await createBundleDeltas({ directory: join(root, 'deltas'), maxBytes: 1e9 });
    const stored = { digest: packed.digest, bundleType: 'tgz', path: join(root, 'large.tgz') } as const;
    const read = async (part: { digest: string; sizeBytes: number }, start = 0) =>
      Buffer.concat(await (await deltas.open(part, { start, end: part.sizeBytes - 1 })).toArray());
    const { download } = source((offset) => pieces(offset));
    const withDeltas: BundleDownload = {
      manifest: async () => read(await deltas.manifest(stored)),
      createDelta: async ({ files }) => deltas.delta(stored, files),
      async open(request) {
        const part = request.delta === undefined ? null : deltas.find(packed.digest, request.delta);
        if (part === null) return download.open(request);
        const rest = await read(part, request.offset);
        return {
          offset: request.offset,
          totalBytes: part.sizeBytes,
          chunks: (async function* () {
            yield rest;
          })(),
        };
      },
    };
    const request = { digest: packed.digest, sizeBytes: bytes.length, unpackedDirectories: async () => [before] };
    const written: string[] = [];
    const full: Disk = faultyDisk({ ...disk, freeBytes: async () => 1_000_000 }, (_call, name) => {
      if (name === 'assemble') written.push(name);
    });
    expect(reasonOf(await bundlesWith(withDeltas, { disk: full }).prepare(request))).to.equal('disk_full');
    expect(written).to.deep.equal([]);
    expect(await bundlesWith(withDeltas).prepare(request), 'with room').to.include({
      ok: true,
      reusedBytes: 1_200_000,
    });
  });

  it('87. gives the space back when the disk becomes full, at every write', async () => {
    for (let failAt = 1; failAt < 200; failAt++) {
      rmSync(join(root, 'cache'), { recursive: true, force: true });
      let writes = 0;
      const filling = faultyDisk(disk, (_call, name) => {
        if (['append', 'file.sync', 'unpack'].includes(name) && ++writes === failAt) throw systemError('ENOSPC');
      });
      const { download } = source((offset) => pieces(offset));
      const outcome = await bundlesWith(download, { disk: filling }).prepare();
      if (outcome.ok) {
        expect(failAt).to.be.above(20);
        return;
      }
      expect(outcome.reason).to.equal('disk_full');
      expect(cache().filter((name) => name.endsWith('.part'))).to.deep.equal([]);
      expect(existsSync(join(root, 'd-1', 'deployment-archive'))).to.equal(false);
    }
    throw new Error('it never succeeded');
  });

  it('gives the space back when a real disk becomes full', async function () {
    if (process.getuid?.() !== 0) this.skip();
    mkdirSync(join(root, 'cache'));
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16k', 'tmpfs', join(root, 'cache')], { stdio: 'pipe' });
    } catch {
      this.skip();
    }
    try {
      const { download } = source((offset) => pieces(offset));
      // Told that there is room, as when somebody else fills the disk meanwhile.
      const hopeful: Disk = { ...disk, freeBytes: async () => 1e12 };
      expect(reasonOf(await bundlesWith(download, { disk: hopeful }).prepare())).to.equal('disk_full');
      expect(cache()).to.deep.equal([]);
    } finally {
      execFileSync('umount', [join(root, 'cache')]);
    }
  });

  it('ends well when repeated after a death at any call of the disk', async function () {
    this.timeout(120_000);
    for (let dieAt = 1; dieAt < 500; dieAt++) {
      for (const name of ['cache', 'd-1']) rmSync(join(root, name), { recursive: true, force: true });
      let isDead = false;
      const dying = faultyDisk(disk, (call) => {
        if (call < dieAt) return;
        isDead = true;
        throw new Error('the agent is dead');
      });
      const { download } = source((offset) => pieces(offset));
      await bundlesWith(download, { disk: dying })
        .prepare()
        .catch(() => null);
      if (!isDead) {
        expect(dieAt).to.be.above(30);
        return;
      }
      expect(reasonOf(await bundlesWith(download).prepare()), `died at call ${dieAt}`).to.equal('ok');
      expect(cache()).to.deep.equal([digest]);
      expect(readTree(join(root, 'd-1', 'deployment-archive'))).to.deep.equal(readTree(join(root, 'from')));
    }
    throw new Error('it never ends');
  });

  it('reports a corrupt archive and leaves nothing half unpacked', async () => {
    bytes = bytes.subarray(0, bytes.length - 100);
    digest = createHash('sha256').update(bytes).digest('hex');
    const { download } = source((offset) => pieces(offset));
    expect(reasonOf(await bundlesWith(download).prepare())).to.equal('corrupt');
    expect(existsSync(join(root, 'd-1', 'deployment-archive'))).to.equal(false);
  });

  describe('prepared from this host', () => {
    const never = source(() => new AppError('internal', 'not to be asked')).download;
    const local = (path: string, bundleType: 'tgz' | 'directory') =>
      bundlesWith(never).bundles.prepareLocal({
        path,
        bundleType,
        deploymentDirectory: join(root, 'd-2'),
        signal: new AbortController().signal,
      });

    it('83. takes an archive or a directory, which it copies', async () => {
      for (const [path, type] of [
        ['b.tgz', 'tgz'],
        ['from', 'directory'],
      ] as const) {
        const outcome = await local(join(root, path), type);
        if (!outcome.ok) throw new Error(outcome.message);
        expect(readTree(outcome.archiveRoot)).to.deep.equal(readTree(join(root, 'from')));
      }
    });
    it('refuses a directory with a name that is not UTF-8, which it could not copy', async () => {
      writeTree(root, { 'latin/appspec.yml': 'version: 0.0' });
      writeFileSync(Buffer.concat([Buffer.from(join(root, 'latin/caf')), Buffer.from([0xe9])]), '');
      const outcome = await local(join(root, 'latin'), 'directory');
      expect(!outcome.ok && outcome.message).to.contain('not UTF-8');
    });
    it('tells what is missing or of another kind', async () => {
      expect(reasonOf(await local(join(root, 'nope'), 'tgz'))).to.equal('not_found');
      expect(reasonOf(await local(join(root, 'from'), 'tgz'))).to.equal('corrupt');
    });
    it('86. strips a single leading directory that holds an AppSpec, and no other', async () => {
      writeTree(root, { 'g/repo-abc/appspec.yml': 'x', 'g/repo-abc/a': 'A', 'h/only/a': 'A' });
      for (const [name, expected] of [
        ['g', ['a 644 "A"', 'appspec.yml 644 "x"']],
        ['h', ['only/ 755', 'only/a 644 "A"']],
      ] as const) {
        await packDirectory({ directory: join(root, name), toPath: join(root, `${name}.tgz`) });
        const outcome = await local(join(root, `${name}.tgz`), 'tgz');
        if (!outcome.ok) throw new Error(outcome.message);
        expect(readTree(outcome.archiveRoot)).to.deep.equal(expected);
      }
    });
  });

  it('removes old archives and forgotten half downloads from the cache', async () => {
    const { download } = source((offset) => pieces(offset));
    const { bundles, prepare } = bundlesWith(download);
    await prepare();
    writeFileSync(join(root, 'cache', `${'a'.repeat(64)}.part`), 'x');
    writeFileSync(join(root, 'cache', 'b'.repeat(64)), 'y');
    await bundles.retain({ digests: new Set([digest]), maxBytes: 0 });
    expect(cache()).to.deep.equal([digest]);
  });
});
