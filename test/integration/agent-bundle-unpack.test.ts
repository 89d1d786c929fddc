import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { Header } from 'tar';
import type { UnpackOutcome } from '../../agent/host/disk.ts';
import { createNodeDisk } from '../../agent/host/node-disk.ts';
import { createManifestSink } from '../../coordinator/revision-stores/manifest-sink.ts';
import { packDirectory } from '../../shared/bundle/pack.ts';
import { readArchiveEntries } from '../../shared/bundle/read-entries.ts';
import { readArchive } from '../../shared/bundle/unpack/read-archive.ts';
import { readTree, temporaryDirectory, writeTree } from '../support/tree.ts';

type Type = 'File' | 'Directory' | 'SymbolicLink' | 'Link' | 'CharacterDevice' | 'BlockDevice' | 'FIFO';
interface TarEntry {
  path: string;
  type?: Type;
  linkpath?: string;
  text?: string;
  mode?: number;
  /** What the header says, when it lies. */
  size?: number;
}

function tarOf(entries: readonly TarEntry[], end = true): Buffer {
  const blocks: Buffer[] = [];
  for (const { path, type = 'File', linkpath, text = '', mode = 0o644, size } of entries) {
    const block = Buffer.alloc(512);
    const body = Buffer.from(text);
    new Header({
      path,
      type,
      mode,
      uid: 0,
      gid: 0,
      size: size ?? body.length,
      mtime: new Date(1e12),
      ...(linkpath === undefined ? {} : { linkpath }),
    }).encode(block);
    blocks.push(block, body, Buffer.alloc((512 - (body.length % 512)) % 512));
  }
  return Buffer.concat([...blocks, ...(end ? [Buffer.alloc(1_024)] : [])]);
}

describe('unpacking an archive', () => {
  const disk = createNodeDisk();
  let scratch: ReturnType<typeof temporaryDirectory>;
  let root: string;
  let count: number;

  beforeEach(() => {
    scratch = temporaryDirectory();
    root = scratch.path;
    count = 0;
  });
  afterEach(() => scratch.remove());

  const limits = { maxTotalBytes: 10_000_000, maxEntries: 1_000 };
  async function unpackFile(archivePath: string, bundleType: 'tar' | 'tgz' | 'zip', bounds = limits) {
    const directory = join(root, `out-${++count}`);
    mkdirSync(directory);
    const outcome = await disk.unpack({ archivePath, bundleType, directory, limits: bounds });
    return { outcome, tree: readTree(directory) };
  }
  function unpackBytes(bytes: Uint8Array, bundleType: 'tar' | 'tgz' | 'zip', bounds = limits) {
    const path = join(root, `archive-${++count}`);
    writeFileSync(path, bytes);
    return unpackFile(path, bundleType, bounds);
  }
  const unpackTar = (entries: readonly TarEntry[], bounds = limits) => unpackBytes(tarOf(entries), 'tar', bounds);

  /** Archives, each made by its system, with a file of one letter under each of its names. */
  function zipsOf(archives: readonly { system: number; names: readonly string[] }[]): string[] {
    const paths = archives.map(() => join(root, `made-${++count}.zip`));
    const code = `import zipfile,sys,json
for path,archive in zip(json.loads(sys.argv[1]),json.loads(sys.argv[2])):
  z=zipfile.ZipFile(path,'w')
  for name in archive['names']:
    i=zipfile.ZipInfo('x')
    i.filename=name
    i.create_system=archive['system']
    z.writestr(i,'x')
  z.close()`;
    execFileSync('python3', ['-c', code, JSON.stringify(paths), JSON.stringify(archives)]);
    return paths;
  }
  const zipOf = (system: number, names: readonly string[]) => zipsOf([{ system, names }])[0] ?? '';

  function refusal(outcome: UnpackOutcome): { reason: string; message: string } {
    if (outcome.ok) throw new Error('it was unpacked');
    return outcome;
  }
  /** Of what lies in the test's directory: the process has others, which come and go. */
  const openFiles = () =>
    readdirSync('/proc/self/fd')
      .map((descriptor) => {
        try {
          return readlinkSync(join('/proc/self/fd', descriptor));
        } catch {
          return '';
        }
      })
      .filter((path) => path.startsWith(root));

  const GOOD = {
    'appspec.yml': 'version: 0.0',
    'bin/run': { text: '#!/bin/sh\n', mode: 0o755 },
    '.hidden': 'h',
    'a b/ü': 'u',
    empty: null,
    'bin/link': { link: '../appspec.yml' },
    big: 'x'.repeat(300_000),
  };

  for (const [bundleType, command] of [
    ['tar', ['tar', 'cf', 'OUT', '.']],
    ['tgz', ['tar', 'czf', 'OUT', '.']],
    ['zip', ['zip', '-qry', 'OUT', '.']],
  ] as const)
    it(`84. gives the tree that ${command[0]} packed as ${bundleType}`, async function () {
      const from = join(root, 'from');
      writeTree(from, { ...GOOD, large: 'some text, '.repeat(200_000) });
      const archive = join(root, 'a');
      try {
        execFileSync(
          command[0],
          command.slice(1).map((arg) => arg.replace('OUT', archive)),
          { cwd: from },
        );
      } catch {
        this.skip();
      }
      const { outcome, tree } = await unpackFile(existsSync(archive) ? archive : `${archive}.zip`, bundleType);
      expect(outcome.ok).to.equal(true);
      expect(tree).to.deep.equal(readTree(from));
      expect(openFiles()).to.deep.equal([]);
    });

  it('reads long names, pax headers and hard links', async () => {
    const from = join(root, 'from');
    const long = `${'d'.repeat(120)}/${'f'.repeat(200)}`;
    writeTree(from, { [long]: 'long', a: 'A' });
    execFileSync('ln', ['a', 'b'], { cwd: from });
    for (const format of ['gnu', 'pax', 'ustar']) {
      const archive = join(root, `${format}.tar`);
      execFileSync('tar', [`--format=${format}`, '-cf', archive, ...(format === 'ustar' ? ['a', 'b'] : ['.'])], {
        cwd: from,
      });
      const { outcome, tree } = await unpackFile(archive, 'tar');
      expect(outcome.ok, format).to.equal(true);
      expect(tree).to.include('a 644 "A"').and.to.include('b 644 "A"');
      if (format !== 'ustar') expect(tree).to.include(`${long} 644 "long"`);
    }
  });

  it('refuses a sparse file, of which it would write the map and not the contents', async function () {
    const from = join(root, 'from');
    writeTree(from, { 'a/disk.img': '' });
    truncateSync(join(from, 'a/disk.img'), 1_000_000);
    appendFileSync(join(from, 'a/disk.img'), 'the end');
    for (const version of ['0.0', '0.1', '1.0']) {
      const archive = join(root, `sparse-${version}.tar`);
      try {
        const sparse = ['--format=pax', '-S', `--sparse-version=${version}`];
        execFileSync('tar', [...sparse, '-cf', archive, '.'], { cwd: from, stdio: 'pipe' });
      } catch {
        this.skip();
      }
      const { outcome } = await unpackFile(archive, 'tar');
      const { reason, message } = refusal(outcome);
      expect(reason, version).to.equal('corrupt');
      expect(message, version).to.contain('"./a/disk.img" is a sparse file');
    }
  });

  it('keeps every letter of long names, wherever the archive is cut for reading', async () => {
    const from = join(root, 'from');
    const name = (i: number) => `${'長い名前のフォルダー/'.repeat(20)}${i}`;
    const files = Object.fromEntries(Array.from({ length: 200 }, (_, i) => [name(i), 'x'.repeat((i * 37) % 5_001)]));
    writeTree(from, files);
    for (const format of ['gnu', 'pax']) {
      const archive = join(root, `${format}.tgz`);
      execFileSync('tar', [`--format=${format}`, '-czf', archive, '.'], { cwd: from });
      expect((await unpackFile(archive, 'tgz')).tree, format).to.deep.equal(readTree(from));
    }
  });

  it('refuses names that are not UTF-8, two of which would be one file', async () => {
    const latin1 = Buffer.from(tarOf([{ path: 'caf#', text: '1' }]));
    latin1[3] = 0xe9;
    // The sum of the header's bytes, with spaces in its own place.
    latin1.fill(0x20, 148, 156);
    const sum = latin1.subarray(0, 512).reduce((total, byte) => total + byte, 0);
    latin1.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
    const { reason, message } = refusal((await unpackBytes(latin1, 'tar')).outcome);
    expect(reason).to.equal('corrupt');
    expect(message).to.contain('not UTF-8');
  });

  it('takes setuid, setgid and sticky away, and keeps the rest of the mode', async () => {
    const { tree } = await unpackTar([
      { path: 'x', mode: 0o6751 },
      { path: 'd', type: 'Directory', mode: 0o1777 },
      { path: 'w', mode: 0o666 },
    ]);
    expect(tree).to.deep.equal(['d/ 777', 'w 666 ""', 'x 751 ""']);
  });

  it('lets a later entry of the same name replace an earlier one', async () => {
    const { outcome, tree } = await unpackTar([
      { path: 'x', text: '1' },
      { path: 'x', text: '2' },
      { path: './d/', type: 'Directory' },
      { path: 'd', type: 'Directory' },
    ]);
    expect(outcome.ok).to.equal(true);
    expect(tree).to.include('x 644 "2"');
  });

  describe('that is hostile', () => {
    const cases: [string, readonly TarEntry[]][] = [
      ['a name with ..', [{ path: '../evil', text: 'x' }]],
      ['a name with .. inside', [{ path: 'a/../../evil', text: 'x' }]],
      ['an absolute name', [{ path: '/evil', text: 'x' }]],
      ['a link to an absolute path', [{ path: 'l', type: 'SymbolicLink', linkpath: '/etc/passwd' }]],
      ['a link that leads out', [{ path: 'd/l', type: 'SymbolicLink', linkpath: '../../x' }]],
      [
        'a link that leads out through a later link',
        [
          { path: 'l', type: 'SymbolicLink', linkpath: 'a/b/up/../x' },
          { path: 'a/b/up', type: 'SymbolicLink', linkpath: '../..' },
          { path: 'a/b/x', text: '' },
        ],
      ],
      [
        'a file through a link',
        [
          { path: 'l', type: 'SymbolicLink', linkpath: '.' },
          { path: 'l/x', text: 'x' },
        ],
      ],
      [
        'a directory through a link',
        [
          { path: 'l', type: 'SymbolicLink', linkpath: '.' },
          { path: 'l/d', type: 'Directory' },
        ],
      ],
      ['a hard link to a file outside', [{ path: 'l', type: 'Link', linkpath: '/etc/passwd' }]],
      ['a hard link with ..', [{ path: 'l', type: 'Link', linkpath: '../x' }]],
      [
        'a hard link through a link',
        [
          { path: 's', type: 'SymbolicLink', linkpath: '.' },
          { path: 'x', text: '' },
          { path: 'l', type: 'Link', linkpath: 's/x' },
        ],
      ],
      ['a character device', [{ path: 'null', type: 'CharacterDevice' }]],
      ['a block device', [{ path: 'sda', type: 'BlockDevice' }]],
      ['a named pipe', [{ path: 'p', type: 'FIFO' }]],
      [
        'a file that is the bundle itself',
        [
          { path: './', text: 'x', type: 'File' },
          { path: '.', text: 'x' },
        ],
      ],
    ];
    for (const [what, entries] of cases)
      it(`is refused for ${what}`, async () => {
        writeFileSync(join(root, 'x'), 'outside');
        const { outcome } = await unpackTar(entries);
        expect(refusal(outcome).reason).to.equal(what.includes('itself') ? refusal(outcome).reason : 'hostile');
        expect(readFileSync(join(root, 'x'), 'utf8')).to.equal('outside');
        expect(existsSync(join(root, 'evil'))).to.equal(false);
        expect(existsSync('/evil')).to.equal(false);
      });

    it('cannot write through a link that an entry of the same name replaced a directory with', async () => {
      const { outcome } = await unpackTar([
        { path: 'd', type: 'Directory' },
        { path: 'd', type: 'SymbolicLink', linkpath: '.' },
        { path: 'd/x', text: 'x' },
      ]);
      expect(refusal(outcome).reason).to.equal('corrupt');
    });

    it('may hold links in a circle, and links that lead nowhere', async () => {
      const { outcome } = await unpackTar([
        { path: 'a', type: 'SymbolicLink', linkpath: 'b' },
        { path: 'b', type: 'SymbolicLink', linkpath: 'a' },
        { path: 'c', type: 'SymbolicLink', linkpath: 'nowhere' },
      ]);
      expect(outcome.ok).to.equal(true);
    });

    it('is refused as zip for names that lead out, or have a NUL, by the slashes of the system that made it', async () => {
      // The last two: a backslash hides no `..` that is between slashes.
      const everywhere = ['../x', 'a/../../x', '/x', '..', 'a\0b', '..\\../../x', 'a\\b/../../../x'];
      const onWindows = ['..\\..\\x', 'a\\..\\..\\x', '\\x', '..\\x', '..\\'];
      const archives = [0, 3, 10, 19].flatMap((system) =>
        [...everywhere, ...onWindows].map((name) => ({ system, names: [name] })),
      );
      for (const [at, path] of zipsOf(archives).entries()) {
        const { system = 0, names: [name = ''] = [] } = archives[at] ?? {};
        const { outcome, tree } = await unpackFile(path, 'zip');
        const found = outcome.ok ? tree : outcome.reason;
        const said = `${JSON.stringify(name)} made by ${system}`;
        if (name.includes('\0')) expect(found, said).to.equal('corrupt');
        else if (everywhere.includes(name) || system === 0 || system === 10) expect(found, said).to.equal('hostile');
        else expect(found, said).to.deep.equal([`${name} 600 "x"`]);
      }
    });

    it('is refused as zip for names with .. and links that lead out', async () => {
      const python = (code: string) =>
        execFileSync('python3', [
          '-c',
          `import zipfile,sys\nz=zipfile.ZipFile(sys.argv[1],'w')\n${code}\nz.close()`,
          join(root, 'h.zip'),
        ]);
      const link = (name: string, target: string) =>
        `i=zipfile.ZipInfo('${name}')\ni.create_system=3\ni.external_attr=0o120777<<16\nz.writestr(i,'${target}')`;
      for (const code of [
        "z.writestr('../evil','x')",
        "z.writestr('/evil','x')",
        link('l', '/etc/passwd'),
        link('l', '../x'),
        `${link('l', '.')}\nz.writestr('l/x','x')`,
        "i=zipfile.ZipInfo('dev')\ni.create_system=3\ni.external_attr=0o020666<<16\nz.writestr(i,'')",
      ]) {
        python(code);
        const { outcome } = await unpackFile(join(root, 'h.zip'), 'zip');
        expect(refusal(outcome).reason, code).to.equal('hostile');
        expect(existsSync(join(root, 'evil'))).to.equal(false);
      }
    });
  });

  describe('that is too large', () => {
    it('is refused by its entries, before they are written', async () => {
      const { outcome, tree } = await unpackTar([{ path: 'x', size: 20_000_000 }]);
      expect(refusal(outcome).reason).to.equal('too_large');
      expect(tree).to.deep.equal([]);
      const many = Array.from({ length: 1_001 }, (_, i) => ({ path: `f${i}` }));
      expect(refusal((await unpackTar(many)).outcome).reason).to.equal('too_large');
      const deep = Array.from({ length: 30 }, (_, i) => ({ path: `${i}/${'d/'.repeat(40)}x` }));
      expect(refusal((await unpackTar(deep, { ...limits, maxEntries: 1_000 })).outcome).reason).to.equal('too_large');
    });

    it('is refused as a bomb of a thousand to one', async () => {
      const bomb = tarOf([{ path: 'zeros', text: '\0'.repeat(12_000_000) }]);
      expect(refusal((await unpackBytes(gzipSync(bomb), 'tgz')).outcome).reason).to.equal('too_large');
    });

    it('is refused when it hides behind the end mark', async () => {
      const bomb = gzipSync(Buffer.concat([tarOf([{ path: 'x' }]), Buffer.alloc(20_000_000)]));
      expect(refusal((await unpackBytes(bomb, 'tgz')).outcome).reason).to.equal('too_large');
    });

    it('is refused as zip, also when its header lies about the size', async () => {
      const from = join(root, 'from');
      writeTree(from, { zeros: '\0'.repeat(12_000_000) });
      execFileSync('python3', [
        '-c',
        'import zipfile,sys\nz=zipfile.ZipFile(sys.argv[1],"w",zipfile.ZIP_DEFLATED)\nz.write(sys.argv[2],"zeros")\nz.close()',
        join(root, 'b.zip'),
        join(from, 'zeros'),
      ]);
      expect(refusal((await unpackFile(join(root, 'b.zip'), 'zip')).outcome).reason).to.equal('too_large');
      const lying = readFileSync(join(root, 'b.zip'));
      const central = lying.indexOf(Buffer.from('PK\x01\x02', 'latin1'));
      lying.writeUInt32LE(1_000, central + 24);
      expect(refusal((await unpackBytes(lying, 'zip')).outcome).reason).to.equal('corrupt');
      lying.writeUInt32LE(2_000_000, central + 24);
      expect(refusal((await unpackBytes(lying, 'zip')).outcome).reason).to.equal('corrupt');
    });
  });

  describe('that is damaged', () => {
    let packed: { tar: Buffer; tgz: Buffer; zip: Buffer };
    let whole: string[];
    beforeEach(async () => {
      const from = join(root, 'from');
      writeTree(from, { 'appspec.yml': 'version: 0.0', 'a/b': 'x'.repeat(3_000), 'a/c': 'y'.repeat(700), z: 'end' });
      whole = readTree(from);
      await packDirectory({ directory: from, toPath: join(root, 'p.tgz') });
      execFileSync('python3', [
        '-c',
        'import zipfile,sys,os\nz=zipfile.ZipFile(sys.argv[1],"w",zipfile.ZIP_DEFLATED)\nos.chdir(sys.argv[2])\nfor n in ["appspec.yml","a/b","a/c","z"]: z.write(n)\nz.close()',
        join(root, 'p.zip'),
        from,
      ]);
      const tgz = readFileSync(join(root, 'p.tgz'));
      packed = { tgz, tar: gunzipSync(tgz), zip: readFileSync(join(root, 'p.zip')) };
    });

    for (const bundleType of ['tar', 'tgz', 'zip'] as const)
      it(`is refused when a ${bundleType} ends early, wherever`, async function () {
        this.timeout(60_000);
        const bytes = packed[bundleType];
        expect((await unpackBytes(bytes, bundleType)).tree).to.deep.equal(whole);
        // A tar's last block of zeros may be missing: the end mark is two, and readers are content with one.
        const last = bundleType === 'tar' ? bytes.length - 1_024 : bytes.length - 1;
        for (let length = 0; length <= last; length += Math.max(1, Math.floor(last / 150))) {
          const { outcome } = await unpackBytes(bytes.subarray(0, length), bundleType);
          expect(refusal(outcome).reason, `${length} of ${bytes.length}`).to.equal('corrupt');
        }
        expect(openFiles()).to.deep.equal([]);
      });

    for (const bundleType of ['tar', 'tgz', 'zip'] as const)
      it(`never throws or gives wrong contents for a ${bundleType} with flipped bits`, async function () {
        this.timeout(60_000);
        const bytes = packed[bundleType];
        for (let at = 0; at < bytes.length; at += Math.max(1, Math.floor(bytes.length / 200))) {
          const broken = Buffer.from(bytes);
          broken[at] = (broken[at] ?? 0) ^ (1 << (at % 8));
          const { outcome, tree } = await unpackBytes(broken, bundleType);
          // A tar has no checksum over contents; the bundle's digest is what protects them.
          if (!outcome.ok || bundleType === 'tar') continue;
          const contents = tree.map((line) => line.replace(/ [0-7]+ /, ' ').replace(/\/ [0-7]+$/, '/'));
          for (const line of contents)
            if (bundleType === 'tgz')
              expect(whole.map((each) => each.replace(/ [0-7]+ /, ' ').replace(/\/ [0-7]+$/, '/'))).to.include(line);
        }
      });

    it('is refused when it is something else', async () => {
      for (const bundleType of ['tar', 'tgz', 'zip'] as const)
        for (const bytes of [
          Buffer.from('<html>not found</html>'),
          Buffer.alloc(0),
          Buffer.alloc(2_000, 7),
          packed[bundleType === 'zip' ? 'tar' : 'zip'],
        ])
          expect(refusal((await unpackBytes(bytes, bundleType)).outcome).reason).to.equal('corrupt');
    });

    it('is refused when a link of a zip leads to a name that is not UTF-8', async () => {
      execFileSync('python3', [
        '-c',
        'import zipfile,sys\nz=zipfile.ZipFile(sys.argv[1],"w")\ni=zipfile.ZipInfo("link")\ni.create_system=3\ni.external_attr=0o120777<<16\nz.writestr(i,b"caf\\xe9")\nz.close()',
        join(root, 'l.zip'),
      ]);
      const { reason, message } = refusal((await unpackFile(join(root, 'l.zip'), 'zip')).outcome);
      expect(reason).to.equal('corrupt');
      expect(message).to.contain('link');
    });

    it('is refused when contents of a zip do not match their CRC', async () => {
      const broken = Buffer.from(packed.zip);
      const central = broken.indexOf(Buffer.from('PK\x01\x02', 'latin1'));
      broken.writeUInt32LE(0x12345678, central + 16);
      expect(refusal((await unpackBytes(broken, 'zip')).outcome).message).to.contain('appspec.yml');
    });

    it('tells the disk being full from the archive being bad', async function () {
      if (process.getuid?.() !== 0) this.skip();
      const small = join(root, 'small');
      mkdirSync(small);
      try {
        execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', small], { stdio: 'pipe' });
      } catch {
        this.skip();
      }
      try {
        const path = join(root, 'full.tar');
        writeFileSync(path, tarOf([{ path: 'x', text: 'x'.repeat(200_000) }]));
        const error = await disk.unpack({ archivePath: path, bundleType: 'tar', directory: small, limits }).then(
          () => null,
          (thrown: unknown) => thrown,
        );
        expect(error).to.have.property('code', 'ENOSPC');
        expect(openFiles()).to.deep.equal([]);
      } finally {
        execFileSync('umount', [small]);
      }
    });
  });

  describe('of names with backslashes in a zip', () => {
    const names = ['appspec.yml', 'units/var-lib-my\\x2dapp.mount'];
    const listed = async (archivePath: string) => {
      const { entries } = await readArchiveEntries(archivePath, 'zip');
      const manifest = createManifestSink();
      await readArchive({ archivePath, bundleType: 'zip', limits }, manifest);
      const { tree } = await unpackFile(archivePath, 'zip');
      return {
        linted: [...entries.keys()],
        inManifest: manifest.entries().map(({ path }) => path),
        unpacked: tree.filter((line) => line.includes('"')).map((line) => line.split(' ')[0]),
      };
    };

    for (const [made, system] of [
      ['Unix', 3],
      ['macOS', 19],
    ] as const)
      it(`keeps them when it was made on ${made}, as linting and manifests do`, async () => {
        expect(await listed(zipOf(system, names))).to.deep.equal({ linted: names, inManifest: names, unpacked: names });
      });

    for (const [made, system] of [
      ['DOS', 0],
      ['Windows', 10],
    ] as const)
      it(`takes them for slashes when it was made on ${made}, as linting and manifests do`, async () => {
        const slashed = ['appspec.yml', 'units/var-lib-my/x2dapp.mount'];
        expect(await listed(zipOf(system, names))).to.deep.equal({
          linted: slashed,
          inManifest: slashed,
          unpacked: slashed,
        });
      });

    it('gives of a directory what its pack gives', async () => {
      writeTree(join(root, 'tree'), { 'my\\x2dapp.mount': '[Mount]', 'appspec.yml': 'x' });
      await packDirectory({ directory: join(root, 'tree'), toPath: join(root, 'packed.tgz') });
      execFileSync('python3', [
        '-c',
        "import shutil,sys\nshutil.make_archive(sys.argv[1],'zip',sys.argv[2])",
        join(root, 'zipped'),
        join(root, 'tree'),
      ]);
      const packed = await unpackFile(join(root, 'packed.tgz'), 'tgz');
      expect(packed.tree.map((line) => line.split(' ')[0])).to.include('my\\x2dapp.mount');
      expect((await unpackFile(join(root, 'zipped.zip'), 'zip')).tree).to.deep.equal(packed.tree);
    });
  });

  it('lets the event loop run while it unpacks thousands of files', async function () {
    this.timeout(60_000);
    const entries = Array.from({ length: 3_000 }, (_, i) => ({ path: `d${i % 10}/f${i}`, text: `${i}` }));
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    const { outcome } = await unpackTar(entries, { ...limits, maxEntries: 10_000 });
    clearInterval(timer);
    expect(outcome.ok).to.equal(true);
    expect(turns).to.be.above(2);
  });

  it('unpacks what follows a gzip member, as gunzip does', async () => {
    const bytes = tarOf([{ path: 'x', text: 'x'.repeat(5_000) }]);
    const path = join(root, 'two.tgz');
    writeFileSync(path, gzipSync(bytes.subarray(0, 1_000)));
    appendFileSync(path, gzipSync(bytes.subarray(1_000)));
    expect((await unpackFile(path, 'tgz')).outcome.ok).to.equal(true);
  });
});
