import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { expect } from 'chai';
import { createNodeDisk } from '../../agent/host/node-disk.ts';
import { type BundleDeltas, createBundleDeltas } from '../../coordinator/revision-stores/bundle-deltas.ts';
import { isAppError } from '../../shared/core/errors.ts';
import { bundleManifest, type ManifestEntry, type ManifestFile } from '../../shared/model/bundle-manifest.ts';
import { readTree, temporaryDirectory, writeTree } from '../support/tree.ts';

const LIMITS = { maxTotalBytes: 1e6, maxEntries: 1_000 };
const sha256 = (text: string) => createHash('sha256').update(text).digest('base64');

describe('parts of bundles', () => {
  const disk = createNodeDisk();
  let scratch: ReturnType<typeof temporaryDirectory>;
  let root: string;
  beforeEach(() => {
    scratch = temporaryDirectory();
    root = scratch.path;
  });
  afterEach(() => scratch.remove());

  function archive(...args: string[]) {
    const path = join(root, 'bundle.tgz');
    execFileSync('tar', ['-C', join(root, 'tree'), '-czf', path, ...args]);
    return { digest: 'a'.repeat(64), bundleType: 'tgz' as const, path };
  }
  const open = (maxBytes = 1e6) => createBundleDeltas({ directory: join(root, 'deltas'), maxBytes });
  const bytesOf = (digest: string) => readFileSync(join(root, 'deltas', digest));
  async function entriesOf(deltas: BundleDeltas, bundle: ReturnType<typeof archive>): Promise<ManifestEntry[]> {
    const { digest } = await deltas.manifest(bundle);
    return bundleManifest.parse(JSON.parse(gunzipSync(bytesOf(digest)).toString('utf8'))).entries;
  }
  const codeOf = (work: Promise<unknown>) =>
    work.then(
      () => 'done',
      (error: unknown) => (isAppError(error) ? error.code : String(error)),
    );

  describe('made by the coordinator', () => {
    it('say what the archive unpacks to, hard links as files with the same contents', async () => {
      writeTree(join(root, 'tree'), { a: 'alpha', b: { text: 'beta', mode: 0o755 }, c: { link: 'a' }, d: null });
      linkSync(join(root, 'tree/a'), join(root, 'tree/e'));
      const entries = await entriesOf(await open(), archive('a', 'b', 'c', 'd', 'e'));
      const file = { kind: 'file', sizeBytes: 5, sha256: sha256('alpha'), ordinal: 0, mode: 0o644 };
      expect(entries.map(({ path }) => path)).to.deep.equal(['a', 'b', 'c', 'd', 'e']);
      expect(entries[0]).to.include({ ...file, path: 'a' });
      expect(entries[1]).to.include({ sizeBytes: 4, sha256: sha256('beta'), ordinal: 1, mode: 0o755 });
      expect(entries[2]).to.deep.equal({ kind: 'symlink', path: 'c', target: 'a' });
      expect(entries[3]).to.include({ kind: 'directory', path: 'd' });
      expect(entries[4]).to.include({ ...file, path: 'e' });
    });

    it('count of a name that comes twice the last one, and keep the contents apart', async () => {
      writeTree(join(root, 'tree'), { a: 'old' });
      linkSync(join(root, 'tree/a'), join(root, 'tree/b'));
      const path = join(root, 'bundle.tar');
      execFileSync('tar', ['-C', join(root, 'tree'), '-cf', path, 'a', 'b']);
      mkdirSync(join(root, 'later'));
      writeFileSync(join(root, 'later/a'), 'newer');
      execFileSync('tar', ['-C', join(root, 'later'), '-rf', path, 'a']);
      const bundle = { digest: 'b'.repeat(64), bundleType: 'tar' as const, path };
      const deltas = await open();
      const { digest } = await deltas.manifest(bundle);
      const { entries } = bundleManifest.parse(JSON.parse(gunzipSync(bytesOf(digest)).toString('utf8')));
      expect(entries.map((entry) => [entry.path, (entry as ManifestFile).sha256])).to.deep.equal([
        ['b', sha256('old')],
        ['a', sha256('newer')],
      ]);
      const delta = await deltas.delta(bundle, [[0, 1]]);
      mkdirSync(join(root, 'out'));
      execFileSync('tar', ['-C', join(root, 'out'), '-xzf', join(root, 'deltas', delta.digest)]);
      expect(readTree(join(root, 'out'))).to.deep.equal(['0 600 "old"', '1 600 "newer"']);
    });

    it('are made once for all who ask for the same', async () => {
      writeTree(join(root, 'tree'), { a: 'alpha', b: 'beta' });
      const bundle = archive('a', 'b');
      const deltas = await open();
      const all = await Promise.all(Array.from({ length: 200 }, () => deltas.delta(bundle, [[1, 1]])));
      expect(new Set(all.map(({ digest }) => digest)).size).to.equal(1);
    });

    it('are refused when too many different ones are asked for at once', async () => {
      writeTree(join(root, 'tree'), Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`f${i}`, `${i}`])));
      const bundle = archive('.');
      const deltas = await open();
      const codes = await Promise.all(Array.from({ length: 100 }, (_, i) => codeOf(deltas.delta(bundle, [[i, i]]))));
      expect(codes.filter((code) => code === 'done')).to.have.lengthOf(64);
      expect(codes.filter((code) => code === 'not_found')).to.have.lengthOf(36);
    });

    it('are kept up to their bound, the least recently used go first', async () => {
      writeTree(join(root, 'tree'), { a: 'alpha', b: 'beta', c: 'gamma' });
      const bundle = archive('a', 'b', 'c');
      const deltas = await open(200);
      const first = await deltas.delta(bundle, [[0, 0]]);
      const second = await deltas.delta(bundle, [[1, 1]]);
      await deltas.delta(bundle, [[0, 0]]);
      await deltas.delta(bundle, [[2, 2]]);
      expect(deltas.find(bundle.digest, second.digest)).to.equal(null);
      expect(await codeOf(deltas.open(second, { start: 0, end: 1 }))).to.equal('not_found');
      expect(deltas.find(bundle.digest, first.digest)).to.deep.equal(first);
      expect(await codeOf((await open(30)).delta(bundle, [[0, 0]]))).to.equal('too_large');
    });

    it('are never larger than what may be kept, also while they are made: zeros do not fill the disk', async () => {
      writeTree(join(root, 'tree'), { small: 'a', zeros: '\0'.repeat(2_000_000) });
      const bundle = archive('small', 'zeros');
      const deltas = await open(1_000_000);
      expect(await codeOf(deltas.delta(bundle, [[0, 1]]))).to.equal('too_large');
      expect(await codeOf(deltas.delta(bundle, [[0, 0]]))).to.equal('done');
    });

    it('belong to their bundle: under another digest there is no such delta', async () => {
      writeTree(join(root, 'tree'), { a: 'alpha' });
      const deltas = await open();
      const { digest } = await deltas.delta(archive('a'), [[0, 0]]);
      expect(deltas.find('c'.repeat(64), digest)).to.equal(null);
    });

    it('are refused of files that the bundle does not have, and of archives that no host would unpack', async () => {
      writeTree(join(root, 'tree'), { a: 'alpha' });
      const bundle = archive('a');
      const deltas = await open();
      expect(await codeOf(deltas.delta(bundle, [[0, 7]]))).to.equal('invalid');
      writeFileSync(bundle.path, readFileSync(bundle.path).subarray(0, 40));
      expect(await codeOf(deltas.manifest({ ...bundle, digest: 'd'.repeat(64) }))).to.equal('invalid');
      // What went wrong leaves nothing behind and nobody waiting.
      expect(readTree(join(root, 'deltas'))).to.deep.equal([]);
    });
  });

  describe('that cannot be made', () => {
    const hostile = () => {
      writeTree(join(root, 'tree'), { a: 'alpha', out: { link: '/etc/passwd' } });
      return archive('a', 'out');
    };

    it('are refused without reading the archive again', async () => {
      const bundle = hostile();
      const deltas = await open();
      expect(await codeOf(deltas.manifest(bundle))).to.equal('invalid');
      expect(await codeOf(deltas.delta(bundle, [[0, 0]]))).to.equal('invalid');
      // Whoever reads it now would find it good.
      archive('a');
      expect(await codeOf(deltas.manifest(bundle))).to.equal('invalid');
      expect(await codeOf(deltas.delta(bundle, [[0, 0]]))).to.equal('invalid');
      expect(await codeOf(deltas.manifest({ ...bundle, digest: 'e'.repeat(64) }))).to.equal('done');
    });

    it('are refused so, too, when they are larger than what may be kept; others of that bundle are made', async () => {
      writeTree(join(root, 'tree'), { small: 'a', zeros: '\0'.repeat(2_000_000) });
      const bundle = archive('small', 'zeros');
      const deltas = await open(1_000_000);
      expect(await codeOf(deltas.delta(bundle, [[1, 1]]))).to.equal('too_large');
      writeTree(join(root, 'tree'), { small: 'a', zeros: '' });
      archive('small', 'zeros');
      expect(await codeOf(deltas.delta(bundle, [[1, 1]]))).to.equal('too_large');
      expect(await codeOf(deltas.delta(bundle, [[0, 0]]))).to.equal('done');
    });

    it('are made when the archive is there, or its type is known better', async () => {
      writeTree(join(root, 'tree'), { a: 'alpha' });
      const bundle = archive('a');
      const deltas = await open();
      expect(await codeOf(deltas.manifest({ ...bundle, path: join(root, 'nowhere') }))).to.contain('ENOENT');
      expect(await codeOf(deltas.manifest({ ...bundle, bundleType: 'zip' }))).to.equal('invalid');
      expect(await codeOf(deltas.manifest(bundle))).to.equal('done');
    });
  });

  describe('put together on the host', () => {
    const file = (path: string, text: string, ordinal: number): ManifestFile => ({
      kind: 'file',
      path,
      mode: 0o640,
      modifiedAt: 0,
      sizeBytes: text.length,
      sha256: sha256(text),
      ordinal,
    });
    const here = (name: string) => join(root, 'here', name);
    async function assemble(entries: ManifestEntry[], contents: [number, string][]) {
      const directory = join(root, 'made');
      await disk.removeTree(directory);
      await disk.makeDirectory(directory, { recursive: true });
      const outcome = await disk.assemble({ entries, contents: new Map(contents), directory, limits: LIMITS });
      return outcome.ok ? readTree(directory) : outcome.message;
    }

    it('find files by path, then by name, and only with the same contents', async () => {
      writeTree(join(root, 'here'), {
        'lib/a.js': 'alpha',
        'lib/b.js': 'BETA',
        'old/c.js': 'gamma',
        d: { link: 'lib/a.js' },
      });
      const files = [
        file('lib/a.js', 'alpha', 0),
        file('lib/b.js', 'beta', 1),
        file('new/c.js', 'gamma', 2),
        file('d', 'alpha', 3),
      ];
      const found = await disk.findFiles({ files, directories: [join(root, 'nowhere'), join(root, 'here')] });
      // Never through a link: what it leads to may be anything by the time it is copied.
      expect([...found]).to.deep.equal([
        [0, here('lib/a.js')],
        [2, here('old/c.js')],
      ]);
    });

    it('are looked for among thousands of one name while the agent does other things', async () => {
      const packages = Array.from({ length: 2_000 }, (_, i) => `${i % 40}/${i}/index.js`);
      writeTree(join(root, 'here'), Object.fromEntries(packages.map((path) => [path, 'beta'])));
      let turns = 0;
      const turn = () => {
        turns++;
        next = setImmediate(turn);
      };
      let next = setImmediate(turn);
      const found = await disk.findFiles({
        files: [file('gone/index.js', 'beta', 0), file('new/index.js', 'other', 1)],
        directories: [join(root, 'here')],
      });
      clearImmediate(next);
      expect([...found.keys()]).to.deep.equal([0]);
      expect(turns, 'one for 32 directories at least').to.be.above(40);
    });

    it('have the modes and links of the manifest', async () => {
      writeTree(join(root, 'here'), { x: { text: 'alpha', mode: 0o777 } });
      const entries: ManifestEntry[] = [
        { kind: 'directory', path: 'dir', mode: 0o750 },
        file('dir/sub/a', 'alpha', 0),
        { kind: 'symlink', path: 'link', target: 'dir/sub/a' },
      ];
      expect(await assemble(entries, [[0, here('x')]])).to.deep.equal([
        'dir/ 750',
        'dir/sub/ 755',
        'dir/sub/a 640 "alpha"',
        'link -> dir/sub/a',
      ]);
    });

    it('are not made of a file that has changed since, is gone, or was never told', async () => {
      writeTree(join(root, 'here'), { changed: 'alphA', longer: 'alpha and more' });
      for (const contents of [[[0, here('changed')]], [[0, here('longer')]], [[0, here('gone')]], []] as [
        number,
        string,
      ][][])
        expect(await assemble([file('a', 'alpha', 0)], contents)).to.equal(
          'a is not here with the contents that the manifest says',
        );
    });

    for (const [what, entries] of [
      ['a name that leads out', [file('../a', 'alpha', 0)]],
      ['an absolute name', [file('/a', 'alpha', 0)]],
      ['a file below a link', [{ kind: 'symlink', path: 'l', target: '.' }, file('l/a', 'alpha', 0)]],
      ['a link that leads out', [{ kind: 'symlink', path: 'l', target: '../../etc' }]],
      ['more bytes than are allowed', [{ ...file('a', 'alpha', 0), sizeBytes: 2e6 }]],
    ] as [string, ManifestEntry[]][])
      it(`refuse a manifest with ${what}`, async () => {
        writeTree(join(root, 'here'), { x: 'alpha' });
        expect(await assemble(entries, [[0, here('x')]])).to.match(/leads out|absolute|through the link|more than/);
      });
  });
});
