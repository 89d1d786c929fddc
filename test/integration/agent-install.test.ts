import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  linkSync,
  lstatSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { createAccounts } from '../../agent/host/accounts.ts';
import type { Disk } from '../../agent/host/disk.ts';
import { createNodeDisk } from '../../agent/host/node-disk.ts';
import type { ToolResult } from '../../agent/host/process-runner.ts';
import { type InstallOutcome, type InstallParts, install, recoverInstall } from '../../agent/install/installer.ts';
import { parseAppSpec } from '../../shared/appspec/parse.ts';
import { silentLogger } from '../../shared/core/logger.ts';
import { faultyDisk, systemError } from '../support/faulty-disk.ts';
import { readTree, type TreeSpec, temporaryDirectory, writeTree } from '../support/tree.ts';

const disk = createNodeDisk();
const noTools = async (file: string): Promise<ToolResult> => ({
  exitCode: 127,
  stdout: '',
  stderr: `${file}: not found`,
});

describe('install', () => {
  let scratch: ReturnType<typeof temporaryDirectory>;
  let root: string;
  let releases: number;

  beforeEach(() => {
    scratch = temporaryDirectory();
    root = scratch.path;
    releases = 0;
    writeTree(root, { host: null, state: null });
  });
  afterEach(() => scratch.remove());

  const host = (...names: string[]) => join(root, 'host', ...names);
  const hostTree = () => readTree(host());
  const state = () => ({ groupId: 'g-1', stateDirectory: join(root, 'state') });

  function partsWith(changes: Partial<InstallParts> = {}): InstallParts {
    const run = changes.run ?? noTools;
    return { disk, run, accounts: createAccounts({ disk, run }), logger: silentLogger, ...changes };
  }

  /** `appSpec` may say HOST for the directory that plays the host. */
  function release(bundle: TreeSpec, appSpec: string, behavior: 'DISALLOW' | 'OVERWRITE' | 'RETAIN' = 'DISALLOW') {
    const archiveRoot = join(root, `release-${++releases}`);
    writeTree(archiveRoot, bundle);
    const parsed = parseAppSpec(`version: 0.0\nos: linux\n${appSpec.replaceAll('HOST', host())}`);
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
    return {
      ...state(),
      deploymentId: `d-${releases}`,
      appSpec: parsed.appSpec,
      archiveRoot,
      fileExistsBehavior: behavior,
    };
  }
  const ALL = 'files:\n  - {source: app, destination: HOST/srv}\n';
  const installAll = (bundle: TreeSpec, appSpec = ALL) => install(partsWith(), release(bundle, appSpec));

  function succeeded(outcome: InstallOutcome): { installedFiles: number; removedFiles: number } {
    if (!outcome.ok) throw new Error(outcome.message);
    return outcome;
  }
  function refused(outcome: InstallOutcome): string {
    if (outcome.ok) throw new Error('it was installed');
    expect(outcome.restored).to.equal(true);
    return outcome.message;
  }

  it('96. copies the contents of a directory, dot files included, and a file to destination/name', async () => {
    const bundle = { 'app/a': 'A', 'app/.dot': 'D', 'app/sub/deep/b': 'B', 'app/empty': null, 'conf/c.conf': 'C' };
    const outcome = await installAll(bundle, `${ALL}  - {source: conf/c.conf, destination: HOST/etc/x.conf}\n`);
    expect(succeeded(outcome)).to.include({ installedFiles: 4, removedFiles: 0 });
    expect(hostTree()).to.deep.equal([
      'etc/ 755',
      'etc/x.conf/ 755',
      'etc/x.conf/c.conf 644 "C"',
      'srv/ 755',
      'srv/.dot 644 "D"',
      'srv/a 644 "A"',
      'srv/empty/ 755',
      'srv/sub/ 755',
      'srv/sub/deep/ 755',
      'srv/sub/deep/b 644 "B"',
    ]);
    expect(readdirSync(join(root, 'state'))).to.deep.equal(['g-1-manifest.json']);
  });

  it('91. makes the directory of its state, and changes nothing when the archive is not there', async () => {
    rmSync(join(root, 'state'), { recursive: true });
    const request = release({ 'app/a': '1' }, ALL);
    rmSync(request.archiveRoot, { recursive: true });
    expect(refused(await install(partsWith(), request))).to.contain('nothing was changed');
    expect(hostTree()).to.deep.equal([]);
    succeeded(await installAll({ 'app/a': '1' }));
    expect(readdirSync(join(root, 'state'))).to.deep.equal(['g-1-manifest.json']);
  });

  it('93. refuses to go on from a list of files that it cannot read, and loses none of them', async () => {
    succeeded(await installAll({ 'app/a': '1', 'app/b': '1' }));
    const path = join(root, 'state', 'g-1-manifest.json');
    const whole = readFileSync(path);
    writeFileSync(path, whole.subarray(0, whole.length - 10));
    expect(refused(await installAll({ 'app/a': '2' }))).to.contain(`${path} is not a record of an install`);
    writeFileSync(path, whole);
    expect(succeeded(await installAll({ 'app/a': '2' })).removedFiles).to.equal(1);
    expect(hostTree()).to.deep.equal(['srv/ 755', 'srv/a 644 "2"']);
  });

  it('100. 101. writes down what it is about to do before the first change', async () => {
    succeeded(await installAll({ 'app/a': '1', 'app/gone': '1' }));
    const before = hostTree();
    const changes = new Set(['copyFile', 'createSymlink', 'rename', 'link', 'removeFile', 'setMode', 'setOwner']);
    let written: { phase: string; places: { path: string }[]; removes: { path: string }[] } | null = null;
    const watching = faultyDisk(disk, (_call, name) => {
      if (!changes.has(name) || written !== null) return;
      expect(hostTree()).to.deep.equal(before);
      written = JSON.parse(readFileSync(join(root, 'state', 'g-1-install.json'), 'utf8'));
    });
    succeeded(await install(partsWith({ disk: watching }), release({ 'app/a': '2', 'app/new': '2' }, ALL)));
    expect(written).to.deep.include({ phase: 'staging' });
    const { places, removes } = written as unknown as { places: { path: string }[]; removes: { path: string }[] };
    expect(places.map((place) => place.path)).to.deep.equal([host('srv/a'), host('srv/new')]);
    expect(removes.map((remove) => remove.path)).to.deep.equal([host('srv/gone')]);
  });

  it('92. keeps a file that the new install has under another name, through a link', async () => {
    writeTree(root, { 'host/usr/lib': null, 'host/lib': { link: 'usr/lib' } });
    const unit = (directory: string) => `files:\n  - {source: app, destination: HOST/${directory}/units}\n`;
    const deploy = async (version: string, directory: string, behavior: 'DISALLOW' | 'OVERWRITE' | 'RETAIN') =>
      succeeded(await install(partsWith(), release({ 'app/x.service': version }, unit(directory), behavior)));
    await deploy('0', 'lib', 'DISALLOW');
    for (const behavior of ['DISALLOW', 'OVERWRITE', 'RETAIN'] as const)
      for (const directory of ['usr/lib', 'lib']) {
        const version = `${behavior} ${directory}`;
        await deploy(version, directory, behavior);
        expect(readFileSync(host('usr/lib/units/x.service'), 'utf8')).to.equal(version);
      }
    const none = 'files:\n  - {source: app, destination: HOST/srv}\n';
    expect(succeeded(await installAll({ 'app/a': '1' }, none)).removedFiles).to.equal(1);
  });

  it('92. keeps the files of a directory that was moved, when the destination follows', async () => {
    const to = (directory: string) => `files:\n  - {source: app, destination: HOST/${directory}}\n`;
    succeeded(await installAll({ 'app/a': '1', 'app/sub/b': '1', 'app/gone': '1', 'app/logs': null }, to('opt/app')));
    writeTree(root, { 'host/data': null });
    renameSync(host('opt/app'), host('data/app'));
    symlinkSync('../data/app', host('opt/app'));
    // Another entry of the same file is not the same entry.
    linkSync(host('data/app/gone'), host('data/app/spare'));
    succeeded(await installAll({ 'app/a': '2', 'app/sub/b': '2', 'app/logs': null }, to('data/app')));
    expect(hostTree()).to.deep.equal([
      'data/ 755',
      'data/app/ 755',
      'data/app/a 644 "2"',
      'data/app/logs/ 755',
      'data/app/spare 644 "1"',
      'data/app/sub/ 755',
      'data/app/sub/b 644 "2"',
      'opt/ 755',
      'opt/app -> ../data/app',
    ]);
  });

  it('copies the whole bundle for source /', async () => {
    succeeded(await installAll({ 'appspec.yml': 'x', 'a/b': 'B' }, 'files:\n  - {source: /, destination: HOST/all}\n'));
    expect(hostTree()).to.deep.equal(['all/ 755', 'all/a/ 755', 'all/a/b 644 "B"', 'all/appspec.yml 644 "x"']);
  });

  it('refuses a missing source before it changes anything (AWS finds out half way)', async () => {
    succeeded(await installAll({ 'app/a': '1' }));
    const before = hostTree();
    const message = refused(await installAll({ 'app/a': '2' }, `${ALL}  - {source: nope, destination: HOST/srv}\n`));
    expect(message).to.contain('nope').and.to.contain('not in the bundle');
    expect(hostTree()).to.deep.equal(before);
  });

  it('92. removes the files of the previous install that this one lacks, and only those', async () => {
    succeeded(await installAll({ 'app/keep': '1', 'app/gone': '1', 'app/old/gone': '1' }));
    writeFileSync(host('srv', 'made-by-a-script'), 'S');
    expect(succeeded(await installAll({ 'app/keep': '2', 'app/new': '2' }))).to.include({ removedFiles: 2 });
    expect(hostTree()).to.deep.equal([
      'srv/ 755',
      'srv/keep 644 "2"',
      'srv/made-by-a-script 644 "S"',
      'srv/new 644 "2"',
    ]);
  });

  it('94. leaves a directory that is no longer needed but not empty, and minds nothing that is missing already', async () => {
    succeeded(await installAll({ 'app/old/a': '1', 'app/old/b': '1', 'app/x': '1' }));
    writeFileSync(host('srv/old/foreign'), 'F');
    rmSync(host('srv/old/b'));
    succeeded(await installAll({ 'app/x': '2' }));
    expect(hostTree()).to.deep.equal(['srv/ 755', 'srv/old/ 755', 'srv/old/foreign 644 "F"', 'srv/x 644 "2"']);
  });

  it('97. never removes a directory that was there before', async () => {
    writeTree(host(), { srv: null });
    succeeded(await installAll({ 'app/sub/a': '1' }));
    succeeded(await installAll({}, 'hooks: {}\n'));
    expect(hostTree()).to.deep.equal(['srv/ 755']);
  });

  it('98. DISALLOW refuses a file that somebody else put there and names it and the rule', async () => {
    writeTree(host(), { 'srv/a': 'foreign', 'srv/b': 'foreign' });
    const message = refused(await installAll({ 'app/a': '1', 'app/b': '1' }));
    expect(message)
      .to.contain(host('srv/a'))
      .and.to.contain(host('srv/b'))
      .and.to.contain('DISALLOW')
      .and.to.contain('already exists at this location');
    expect(hostTree()).to.include('srv/a 644 "foreign"');
  });

  it('98. OVERWRITE replaces it, and the next install removes it', async () => {
    writeTree(host(), { 'srv/a': 'foreign' });
    succeeded(await install(partsWith(), release({ 'app/a': '1' }, ALL, 'OVERWRITE')));
    expect(hostTree()).to.include('srv/a 644 "1"');
    succeeded(await installAll({}, ''));
    expect(hostTree()).to.deep.equal(['srv/ 755']);
  });

  it('98. 107. RETAIN leaves it, and so does the next install', async () => {
    writeTree(host(), { 'srv/a': 'foreign' });
    succeeded(await install(partsWith(), release({ 'app/a': '1', 'app/b': '1' }, ALL, 'RETAIN')));
    expect(hostTree()).to.deep.equal(['srv/ 755', 'srv/a 644 "foreign"', 'srv/b 644 "1"']);
    succeeded(await installAll({}, ''));
    expect(hostTree()).to.deep.equal(['srv/ 755', 'srv/a 644 "foreign"']);
  });

  it("98. takes the AppSpec's behaviour before the deployment's", async () => {
    writeTree(host(), { 'srv/a': 'foreign' });
    succeeded(
      await install(partsWith(), release({ 'app/a': '1' }, `file_exists_behavior: OVERWRITE\n${ALL}`, 'DISALLOW')),
    );
    expect(hostTree()).to.include('srv/a 644 "1"');
  });

  it('108. keeps the previous files when DISALLOW refuses (AWS has deleted them by then)', async () => {
    succeeded(await installAll({ 'app/a': '1' }));
    writeFileSync(host('srv/b'), 'foreign');
    const before = hostTree();
    refused(await installAll({ 'app/a': '2', 'app/b': '2' }));
    expect(hostTree()).to.deep.equal(before);
    rmSync(host('srv/b'));
    succeeded(await installAll({ 'app/a': '2', 'app/b': '2' }));
  });

  it('99. refuses two sources for one destination, and files where directories must be', async () => {
    const twice = `${ALL}  - {source: two, destination: HOST/srv}\n`;
    expect(refused(await installAll({ 'app/a': '1', 'two/a': '2' }, twice)))
      .to.contain('same destination')
      .and.to.contain('two/a');
    const clash = `${ALL}  - {source: two, destination: HOST/srv/a}\n`;
    expect(refused(await installAll({ 'app/a': '1', 'two/x': '2' }, clash))).to.contain('both a file and a directory');
    expect(hostTree()).to.deep.equal([]);
    succeeded(await installAll({ 'app/a': '1', 'two/b': '2' }, twice));
  });

  it('refuses a destination below a file that is not its own', async () => {
    writeTree(host(), { srv: 'a file' });
    expect(refused(await installAll({ 'app/a': '1' }))).to.contain('must be a directory');
  });

  it('refuses to put a file where a directory is that is not its own', async () => {
    writeTree(host(), { 'srv/a/foreign': 'F' });
    expect(refused(await install(partsWith(), release({ 'app/a': '1' }, ALL, 'OVERWRITE')))).to.contain(
      'must be a file',
    );
  });

  it('turns a file of the previous install into a directory, and back', async () => {
    succeeded(await installAll({ 'app/x': 'file' }));
    succeeded(await installAll({ 'app/x/y/z': 'inner' }));
    expect(hostTree()).to.deep.equal(['srv/ 755', 'srv/x/ 755', 'srv/x/y/ 755', 'srv/x/y/z 644 "inner"']);
    succeeded(await installAll({ 'app/x': 'file again' }));
    expect(hostTree()).to.deep.equal(['srv/ 755', 'srv/x 644 "file again"']);
  });

  it('does not turn a directory into a file while somebody else has a file in it', async () => {
    succeeded(await installAll({ 'app/x/y': '1' }));
    writeFileSync(host('srv/x/foreign'), 'F');
    expect(refused(await installAll({ 'app/x': '2' }))).to.contain(host('srv/x/foreign'));
  });

  it('102. keeps symlinks as symlinks, also to directories, and replaces them in one step', async () => {
    const bundle = { 'app/current': { link: 'v1' }, 'app/v1/a': 'A', 'app/dangling': { link: 'nowhere' } };
    succeeded(await installAll(bundle));
    expect(hostTree()).to.deep.equal([
      'srv/ 755',
      'srv/current -> v1',
      'srv/dangling -> nowhere',
      'srv/v1/ 755',
      'srv/v1/a 644 "A"',
    ]);
    succeeded(await installAll({ 'app/current': { link: 'v2' }, 'app/v2/a': 'A', 'app/dangling': 'a file now' }));
    expect(hostTree()).to.deep.equal([
      'srv/ 755',
      'srv/current -> v2',
      'srv/dangling 644 "a file now"',
      'srv/v2/ 755',
      'srv/v2/a 644 "A"',
    ]);
  });

  it('turns a link to a directory into a directory', async () => {
    succeeded(await installAll({ 'app/current': { link: 'v1' }, 'app/v1/a': '1' }));
    succeeded(await installAll({ 'app/current/a': '2', 'app/v1/a': '1' }));
    expect(hostTree()).to.deep.equal([
      'srv/ 755',
      'srv/current/ 755',
      'srv/current/a 644 "2"',
      'srv/v1/ 755',
      'srv/v1/a 644 "1"',
    ]);
  });

  it('102. keeps modes and modification times', async () => {
    const request = release({ 'app/run': { text: 'x', mode: 0o750 } }, ALL);
    utimesSync(join(request.archiveRoot, 'app/run'), 1_000_000, 1_000_000);
    succeeded(await install(partsWith(), request));
    const status = lstatSync(host('srv/run'));
    expect([status.mode & 0o7777, status.mtimeMs]).to.deep.equal([0o750, 1_000_000_000]);
  });

  it('installs through a link that leads to a directory', async () => {
    writeTree(host(), { real: null });
    symlinkSync('real', host('srv'));
    succeeded(await installAll({ 'app/sub/a': '1' }));
    expect(hostTree()).to.deep.equal(['real/ 755', 'real/sub/ 755', 'real/sub/a 644 "1"', 'srv -> real']);
    succeeded(await installAll({}, ''));
    expect(hostTree()).to.deep.equal(['real/ 755', 'srv -> real']);
  });

  it('repeats a finished install without harm', async () => {
    const request = release({ 'app/a': '1', 'app/d/b': '1' }, ALL);
    succeeded(await install(partsWith(), request));
    const before = hostTree();
    succeeded(await install(partsWith(), request));
    expect(hostTree()).to.deep.equal(before);
  });

  it('keeps groups apart', async () => {
    succeeded(await installAll({ 'app/a': '1' }));
    const other = { ...release({ 'app/b': '2' }, ALL), groupId: 'g-2' };
    succeeded(await install(partsWith(), other));
    expect(hostTree()).to.deep.equal(['srv/ 755', 'srv/a 644 "1"', 'srv/b 644 "2"']);
    succeeded(await installAll({}, ''));
    expect(hostTree()).to.deep.equal(['srv/ 755', 'srv/b 644 "2"']);
    expect(refused(await install(partsWith(), { ...release({ 'app/b': '3' }, ALL), groupId: 'g-3' }))).to.contain(
      'already exists',
    );
  });

  describe('permissions', () => {
    const perms = (lines: string) =>
      `${ALL}permissions:\n  - object: HOST/srv\n    ${lines.replaceAll('\n', '\n    ')}\n`;

    it('103. 106. sets modes of copied files and of created directories, and of nothing else', async () => {
      writeTree(host(), { 'srv/foreign': { text: 'F', mode: 0o600 } });
      const spec = perms("mode: '0640'\ntype: [file]").replace(
        /\n$/,
        '\n  - object: HOST/srv\n    mode: 700\n    type: [directory]\n',
      );
      succeeded(await installAll({ 'app/a': '1', 'app/d/b': '1' }, spec));
      expect(hostTree()).to.deep.equal([
        'srv/ 755',
        'srv/a 640 "1"',
        'srv/d/ 700',
        'srv/d/b 640 "1"',
        'srv/foreign 600 "F"',
      ]);
    });

    it('sets setuid after the owner, so that it stays', async function () {
      if (process.getuid?.() !== 0) this.skip();
      succeeded(await installAll({ 'app/a': '1' }, perms('owner: nobody\nmode: 4755\ntype: [file]')));
      const status = lstatSync(host('srv/a'));
      expect(status.mode & 0o7777).to.equal(0o4755);
      expect(status.uid).not.to.equal(0);
    });

    it('104. sets the owner only or the group only', async function () {
      if (process.getuid?.() !== 0) this.skip();
      const id = (flag: string) => Number(execFileSync('id', [flag, 'daemon'], { encoding: 'utf8' }));
      succeeded(await installAll({ 'app/a': '1' }, perms('owner: daemon')));
      expect(lstatSync(host('srv/a'))).to.include({ uid: id('-u'), gid: 0 });
      succeeded(await installAll({ 'app/a': '1' }, perms('group: daemon')));
      expect(lstatSync(host('srv/a'))).to.include({ uid: 0, gid: id('-g') });
    });

    it('leaves a directory alone that was moved elsewhere, with a link in its place', async () => {
      const withMode = `${ALL}permissions:\n  - {object: HOST/srv, mode: 750, type: [directory]}\n`;
      succeeded(await installAll({ 'app/data/a': '1', 'app/b': '1' }, withMode));
      renameSync(host('srv/data'), host('disk'));
      symlinkSync('../disk', host('srv/data'));
      chmodSync(host('disk'), 0o700);
      const failing = faultyDisk(disk, (_call, name) => {
        // The switch has been made by then.
        if (name === 'writeFileDurably' && hostTree().includes('srv/b 644 "2"')) throw systemError('EIO');
      });
      const next = release({ 'app/data/a': '2', 'app/b': '2' }, withMode);
      expect(refused(await install(partsWith({ disk: failing }), next))).to.contain('EIO');
      expect(hostTree()).to.include('disk/ 700').and.to.include('disk/a 644 "1"').and.to.include('srv/b 644 "1"');
      succeeded(await install(partsWith(), next));
      expect(hostTree()).to.include('disk/ 700').and.to.include('disk/a 644 "2"').and.to.include('srv/data -> ../disk');
    });

    it('refuses unknown owners and groups before it changes anything', async () => {
      const message = refused(await installAll({ 'app/a': '1' }, perms('owner: no-such-user\ngroup: no-such-group')));
      expect(message).to.contain('no-such-user').and.to.contain('no-such-group');
      expect(hostTree()).to.deep.equal([]);
    });

    it('23. 105. refuses a pattern on a file, and two permissions for one path', async () => {
      const file = `${ALL}permissions:\n  - {object: HOST/srv/a, pattern: "*.x", mode: 600}\n`;
      expect(refused(await installAll({ 'app/a': '1' }, file))).to.contain('cannot have a pattern');
      const twice = `${ALL}permissions:\n  - {object: HOST/srv/a, mode: 600}\n  - {object: HOST/srv, mode: 600}\n`;
      expect(refused(await installAll({ 'app/a': '1' }, twice))).to.contain('more than once');
    });

    it('29. refuses a default ACL on a file, and ACLs without setfacl', async () => {
      const onFile = `${ALL}permissions:\n  - {object: HOST/srv/a, acls: ["d:u:bob:rw"]}\n`;
      expect(refused(await installAll({ 'app/a': '1' }, onFile))).to.contain('default ACL');
      expect(refused(await installAll({ 'app/a': '1' }, perms('acls: ["u:bob:rw"]')))).to.contain('setfacl');
      expect(refused(await installAll({ 'app/a': '1' }, perms('context: {type: t}')))).to.contain('semanage');
    });

    it('103. 95. calls setfacl, semanage and restorecon with the right arguments, and takes the rule back later', async () => {
      const calls: string[][] = [];
      const run = async (file: string, args: readonly string[]): Promise<ToolResult> => {
        if (args[0] !== '--help' && file !== 'getent') calls.push([file, ...args]);
        return { exitCode: 0, stdout: '', stderr: '' };
      };
      const spec = perms(
        'mode: 640\nacls: ["u:bob:rw"]\ntype: [file]\ncontext: {name: system_u, type: httpd_t, range: s0}',
      );
      succeeded(await install(partsWith({ run }), release({ 'app/a.b': '1' }, spec)));
      const path = host('srv/a.b');
      const pattern = path.replace(/[.]/g, '\\.');
      expect(calls[0]?.slice(0, 4)).to.deep.equal([
        'setfacl',
        '--set',
        'user::rw-,group::r--,other::---,user:bob:rw-',
        '--',
      ]);
      expect(calls.slice(1)).to.deep.equal([
        ['semanage', 'fcontext', '-a', '-t', 'httpd_t', '-s', 'system_u', '-r', 's0', pattern],
        ['restorecon', '-v', path],
      ]);
      calls.length = 0;
      succeeded(await install(partsWith({ run }), release({ 'app/a.b': '2' }, ALL)));
      expect(calls).to.deep.equal([['semanage', 'fcontext', '-d', pattern]]);
    });

    it('103. brings the old files back when a tool fails, naming the command', async () => {
      succeeded(await installAll({ 'app/a': '1' }));
      const before = hostTree();
      const run = async (file: string, args: readonly string[]): Promise<ToolResult> => ({
        exitCode: args[0] === '--help' ? 0 : 3,
        stdout: '',
        stderr: `${file} says no`,
      });
      const outcome = await install(partsWith({ run }), release({ 'app/a': '2' }, perms('context: {type: t}')));
      expect(refused(outcome)).to.contain('semanage fcontext').and.to.contain('says no');
      expect(hostTree()).to.deep.equal(before);
    });
  });

  describe('when the disk fails', () => {
    const OLD: TreeSpec = {
      'app/same': 'old',
      'app/gone': 'old',
      'app/d/gone': 'old',
      'app/file-to-dir': 'old',
      'app/dir-to-file/x': 'old',
      'app/link': { link: 'same' },
    };
    const NEW: TreeSpec = {
      'app/same': 'new',
      'app/fresh': 'new',
      'app/n/m/fresh': 'new',
      'app/file-to-dir/x': 'new',
      'app/dir-to-file': 'new',
      'app/link': { link: 'fresh' },
    };
    const SPEC = `file_exists_behavior: OVERWRITE\n${ALL}permissions:\n  - {object: HOST/srv, mode: 600, type: [file]}\n`;

    /** The host with the old install and foreign files, then again for each call of the disk. */
    async function eachCall(visit: (failAt: number, reset: () => Promise<void>) => Promise<boolean>) {
      const archiveOld = release(OLD, SPEC);
      const reset = async () => {
        chmodSync(host(), 0o755);
        for (const directory of ['host', 'state']) rmSync(join(root, directory), { recursive: true, force: true });
        writeTree(root, { host: null, state: null, 'host/srv/foreign': 'F', 'host/srv/fresh': 'foreign' });
        succeeded(await install(partsWith(), archiveOld));
      };
      for (let failAt = 1; ; failAt++) {
        await reset();
        if (await visit(failAt, reset)) return failAt;
        if (failAt > 2_000) throw new Error('the install never ends');
      }
    }

    async function expectedTrees(request: ReturnType<typeof release>) {
      const old = hostTree();
      const copy = await install(partsWith(), request);
      succeeded(copy);
      return { old, new: hostTree() };
    }

    it('restores the old files at every step, whichever call fails once', async function () {
      this.timeout(120_000);
      const request = release(NEW, SPEC);
      let trees: { old: string[]; new: string[] } | null = null;
      let failures = 0;
      const calls = await eachCall(async (failAt, reset) => {
        if (trees === null) {
          trees = await expectedTrees(request);
          await reset();
        }
        let wasHit = false;
        const failing = faultyDisk(disk, (call) => {
          if (call !== failAt) return;
          wasHit = true;
          throw systemError('ENOSPC');
        });
        const outcome = await install(partsWith({ disk: failing }), request);
        if (!wasHit) {
          expect(outcome.ok).to.equal(true);
          return true;
        }
        if (!outcome.ok) failures++;
        const recovery = await recoverInstall(partsWith(), state());
        expect(hostTree(), `call ${failAt}: ${JSON.stringify(outcome)} ${recovery}`).to.deep.equal(
          outcome.ok ? trees.new : trees.old,
        );
        expect(readdirSync(join(root, 'state')).filter((name) => !name.endsWith('.tmp'))).to.deep.equal([
          'g-1-manifest.json',
        ]);
        // Whether an earlier install was whole is not known when its journal cannot be read.
        if (!outcome.ok && !outcome.message.startsWith('an earlier install'))
          expect(outcome.restored, `call ${failAt}: ${outcome.message}`).to.equal(true);
        return false;
      });
      expect(calls).to.be.above(100);
      expect(failures).to.be.above(60);
    });

    it('ends with the old files or the new ones, wherever the agent died', async function () {
      this.timeout(120_000);
      const request = release(NEW, SPEC);
      let trees: { old: string[]; new: string[] } | null = null;
      const ends = { nothing: 0, restored: 0, completed: 0 };
      await eachCall(async (failAt, reset) => {
        if (trees === null) {
          trees = await expectedTrees(request);
          await reset();
        }
        let isDead = false;
        const dying = faultyDisk(disk, (call) => {
          if (call < failAt) return;
          isDead = true;
          throw new Error('the agent is dead');
        });
        await install(partsWith({ disk: dying }), request);
        if (!isDead) return true;
        const end = await recoverInstall(partsWith(), state());
        ends[end]++;
        const tree = hostTree();
        const isOld = JSON.stringify(tree) === JSON.stringify(trees.old);
        const isNew = JSON.stringify(tree) === JSON.stringify(trees.new);
        expect(isOld || isNew, `died at call ${failAt}, ${end}: ${JSON.stringify(tree, null, 1)}`).to.equal(true);
        if (end === 'restored') expect(isOld).to.equal(true);
        if (end === 'completed') expect(isNew).to.equal(true);
        succeeded(await install(partsWith(), request));
        expect(hostTree()).to.deep.equal(trees.new);
        return false;
      });
      expect(ends.restored).to.be.above(50);
      expect(ends.completed).to.be.above(2);
    });

    it('ends with the old files also when the agent dies again in the middle of its recovery', async function () {
      this.timeout(120_000);
      const request = release(NEW, SPEC);
      const archiveOld = release(OLD, SPEC);
      const reset = async () => {
        for (const directory of ['host', 'state']) rmSync(join(root, directory), { recursive: true, force: true });
        writeTree(root, { host: null, state: null });
        succeeded(await install(partsWith(), archiveOld));
        const old = hostTree();
        // Dies at the commit: everything is switched and nothing is decided.
        let writes = 0;
        const dying = faultyDisk(disk, (_call, name) => {
          if (name === 'writeFileDurably') writes++;
          // The third is the manifest.
          if (writes >= 3) throw new Error('the agent is dead');
        });
        await install(partsWith({ disk: dying }), request);
        expect(hostTree()).not.to.deep.equal(old);
        return old;
      };
      for (let dieAt = 1; dieAt < 1_000; dieAt++) {
        const old = await reset();
        let isDead = false;
        const dying = faultyDisk(disk, (call) => {
          if (call < dieAt) return;
          isDead = true;
          throw new Error('the agent is dead');
        });
        await recoverInstall(partsWith({ disk: dying }), state()).catch(() => null);
        if (!isDead) {
          expect(dieAt).to.be.above(40);
          return;
        }
        await recoverInstall(partsWith(), state());
        expect(hostTree(), `died again at call ${dieAt}`).to.deep.equal(old);
      }
      throw new Error('recovery never ends');
    });

    it('works on a file system without hard links', async () => {
      const linkless: Disk = { ...disk, link: async () => Promise.reject(systemError('EPERM')) };
      succeeded(await install(partsWith({ disk: linkless }), release(OLD, SPEC)));
      succeeded(await install(partsWith({ disk: linkless }), release(NEW, SPEC)));
      expect(hostTree()).to.include('srv/same 600 "new"').and.to.include('srv/link -> fresh');
      expect(hostTree().some((line) => line.includes('.drover-'))).to.equal(false);
    });

    it('refuses before it begins when there is too little space', async () => {
      const full: Disk = { ...disk, freeBytes: async () => 4_096 };
      expect(
        refused(await install(partsWith({ disk: full }), release({ 'app/a': '1', 'app/b': '2' }, ALL))),
      ).to.contain('bytes free');
      const request = release({ 'app/a': '1' }, ALL);
      const message = refused(await install(partsWith({ disk: full }), { ...request, reserveBytes: 4_096 }));
      expect(message).to.contain('need 4096 and 4096 are to stay free');
      expect(await install(partsWith({ disk: full }), request)).to.include({ ok: true });
    });

    it('keeps the old files when a real disk becomes full in the middle', async function () {
      if (process.getuid?.() !== 0) this.skip();
      try {
        execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', host()], { stdio: 'pipe' });
      } catch {
        this.skip();
      }
      try {
        succeeded(await installAll({ 'app/a': 'a'.repeat(50_000) }));
        const before = hostTree();
        // The plan is told that there is room, as when somebody else fills the disk meanwhile.
        const hopeful: Disk = { ...disk, freeBytes: async () => 1e12 };
        const big = release(
          { 'app/a': 'b'.repeat(50_000), 'app/b': 'b'.repeat(150_000), 'app/c': 'c'.repeat(90_000) },
          ALL,
        );
        expect(refused(await install(partsWith({ disk: hopeful }), big))).to.contain('became full');
        expect(hostTree()).to.deep.equal(before);
        expect(refused(await install(partsWith(), big))).to.contain('bytes free');
        expect(hostTree()).to.deep.equal(before);
      } finally {
        execFileSync('umount', [host()]);
      }
    });

    it('ends with the old files also where one of them cannot be replaced, and the next install is not barred', async () => {
      succeeded(await installAll({ 'app/a': '1', 'app/held': '1' }));
      const before = hostTree();
      // A file that is a mount point or immutable can be read, but neither linked nor replaced.
      const held: Disk = {
        ...disk,
        link: async (from, to) =>
          from === host('srv/held') ? Promise.reject(systemError('EXDEV')) : disk.link(from, to),
        rename: async (from, to) =>
          to === host('srv/held') ? Promise.reject(systemError('EBUSY')) : disk.rename(from, to),
      };
      const parts = partsWith({ disk: held });
      expect(refused(await install(parts, release({ 'app/a': '2', 'app/held': '2' }, ALL)))).to.contain('EBUSY');
      expect(hostTree()).to.deep.equal(before);
      expect(readdirSync(join(root, 'state'))).to.deep.equal(['g-1-manifest.json']);
      expect(refused(await install(parts, release({ 'app/a': '3', 'app/held': '1' }, ALL)))).to.contain('EBUSY');
    });

    it('brings back what it can when directories were removed by hand since the agent died', async () => {
      const withMode = `${ALL}permissions:\n  - {object: HOST/srv, mode: 750, type: [directory]}\n`;
      succeeded(await installAll({ 'app/d/a': '1', 'app/b': '1' }, withMode));
      let isDead = false;
      const dying = faultyDisk(disk, (_call, name) => {
        isDead ||= name === 'setMode';
        if (isDead) throw new Error('the agent is dead');
      });
      await install(partsWith({ disk: dying }), release({ 'app/d/a': '2', 'app/b': '2' }, withMode));
      rmSync(host('srv/d'), { recursive: true });
      expect(await recoverInstall(partsWith(), state())).to.equal('restored');
      expect(hostTree()).to.deep.equal(['srv/ 755', 'srv/b 644 "1"']);
      succeeded(await installAll({ 'app/d/a': '3' }, withMode));
      expect(hostTree()).to.deep.equal(['srv/ 755', 'srv/d/ 750', 'srv/d/a 644 "3"']);
    });

    it('does not overwrite a file that somebody made between the plan and the switch', async () => {
      const racing: Disk = {
        ...disk,
        link: async (from, to) => {
          if (to === host('srv/b')) writeFileSync(to, 'foreign');
          return disk.link(from, to);
        },
      };
      expect(
        refused(await install(partsWith({ disk: racing }), release({ 'app/a': '1', 'app/b': '1' }, ALL))),
      ).to.contain('EEXIST');
      expect(readFileSync(host('srv/b'), 'utf8')).to.equal('foreign');
      expect(hostTree().filter((line) => !line.startsWith('srv/b'))).to.deep.equal(['srv/ 755']);
    });

    describe('and an undo is repeated, since its journal stayed', () => {
      const isOfJournal = (path: string) => /g-1-(install|undone)\.json$/.test(path);
      /** The directory of the state became read-only once the switch had begun; or the journal alone cannot be removed. */
      const stuck = (what: 'state' | 'journal', changes: Partial<Disk> = {}): Disk => ({
        ...disk,
        removeFile: async (path) =>
          isOfJournal(path) ? Promise.reject(systemError('EROFS')) : (changes.removeFile ?? disk.removeFile)(path),
        rename: async (from, to) =>
          what === 'state' && isOfJournal(from)
            ? Promise.reject(systemError('EROFS'))
            : (changes.rename ?? disk.rename)(from, to),
        link: changes.link ?? disk.link,
        setMode: async (path, mode) =>
          path.startsWith(host()) ? Promise.reject(systemError('EIO')) : disk.setMode(path, mode),
      });
      const FAILING = `${ALL}permissions:\n  - {object: HOST, mode: 700, type: [directory]}\n`;
      const isClean = () => {
        expect(readdirSync(join(root, 'state')).filter(isOfJournal)).to.deep.equal([]);
        expect(hostTree().filter((line) => line.includes('.drover-'))).to.deep.equal([]);
      };

      for (const what of ['state', 'journal'] as const) {
        it(`leaves a file that somebody made between plan and switch (${what})`, async () => {
          const link: Disk['link'] = async (from, to) => {
            if (to === host('srv/b')) writeFileSync(to, 'foreign');
            return disk.link(from, to);
          };
          writeTree(root, { 'host/srv': null });
          const parts = partsWith({ disk: stuck(what, { link }) });
          expect(await install(parts, release({ 'app/a': '1', 'app/b': '1' }, ALL))).to.include({ ok: false });
          await recoverInstall(parts, state()).catch(() => null);
          expect(await recoverInstall(partsWith(), state())).to.equal('restored');
          expect(hostTree()).to.deep.equal(['srv/ 755', 'srv/b 644 "foreign"']);
          isClean();
        });

        it(`leaves a file that somebody made since (${what})`, async () => {
          for (const linkless of [{}, { link: async () => Promise.reject(systemError('EPERM')) }]) {
            const withDirectory = release({ 'app/a': '1', 'app/d': null }, FAILING);
            const parts = partsWith({ disk: stuck(what, linkless) });
            writeTree(root, { 'host/srv': null });
            expect(await install(parts, withDirectory)).to.include({ ok: false });
            expect(hostTree().filter((line) => !line.includes('.drover-'))).to.deep.equal(['srv/ 755']);
            writeFileSync(host('srv/a'), 'foreign');
            await recoverInstall(parts, state()).catch(() => null);
            expect(await recoverInstall(partsWith(), state())).to.equal('restored');
            expect(hostTree()).to.deep.equal(['srv/ 755', 'srv/a 644 "foreign"']);
            isClean();
            rmSync(host('srv/a'));
          }
        });

        it(`leaves what is seen through a link that came back (${what})`, async () => {
          succeeded(await installAll({ 'app/l': { link: '../data' }, 'app/a': '1' }));
          writeTree(root, { 'host/data/z': 'data', 'host/data/empty': null });
          const before = hostTree();
          const parts = partsWith({ disk: stuck(what) });
          const next = release({ 'app/l/z': '2', 'app/l/empty/y': '2', 'app/a': '2' }, FAILING);
          expect(await install(parts, next)).to.include({ ok: false });
          await recoverInstall(parts, state()).catch(() => null);
          expect(await recoverInstall(partsWith(), state())).to.equal('restored');
          expect(hostTree()).to.deep.equal(before);
          isClean();
        });
      }
    });
  });
});
