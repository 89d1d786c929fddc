import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, readdirSync, readlinkSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { createAccounts } from '../../agent/host/accounts.ts';
import type { Disk } from '../../agent/host/disk.ts';
import { withFailpoint } from '../../agent/host/failpoint-disk.ts';
import { createNodeDisk } from '../../agent/host/node-disk.ts';
import { type InstallOutcome, type InstallParts, install, recoverInstall } from '../../agent/install/installer.ts';
import { parseAppSpec } from '../../shared/appspec/parse.ts';
import { silentLogger } from '../../shared/core/logger.ts';
import { faultyDisk, systemError } from '../support/faulty-disk.ts';
import { readTree, type TreeSpec, temporaryDirectory, writeTree } from '../support/tree.ts';

const disk = createNodeDisk();
const nameOf = (letter: string) => letter.repeat(16);

describe('an install into a release directory', function () {
  this.timeout(120_000);
  let scratch: ReturnType<typeof temporaryDirectory>;
  let root: string;
  let installs: number;

  beforeEach(() => {
    scratch = temporaryDirectory(existsSync('/dev/shm') ? '/dev/shm' : undefined);
    root = scratch.path;
    installs = 0;
    writeTree(root, { 'now/host': null, 'now/state': null });
  });
  afterEach(() => scratch.remove());

  const host = (...names: string[]) => join(root, 'now/host', ...names);
  const group = () => ({ groupId: 'g-1', stateDirectory: join(root, 'now/state') });
  const partsWith = (on: Disk = disk): InstallParts => {
    const run = async () => ({ exitCode: 0, stdout: '', stderr: '' });
    return { disk: on, run, accounts: createAccounts({ disk, run }), logger: silentLogger };
  };

  const SPEC = `strategy: release-directory
release: {directory: HOST/app, shared: [log/, config/local.yaml], keep: 2}
files:
  - {source: app, destination: HOST/app/current}
  - {source: unit, destination: HOST/etc}
`;
  const IN_PLACE =
    'files:\n  - {source: app, destination: HOST/app/current}\n  - {source: unit, destination: HOST/etc}\n';

  /** `name` stands for the digest: the same letter is the same bundle. */
  function release(letter: string, bundle: TreeSpec, appSpec = SPEC) {
    const archiveRoot = join(root, `bundle-${++installs}`);
    writeTree(archiveRoot, bundle);
    const parsed = parseAppSpec(`version: 0.0\nos: linux\n${appSpec.replaceAll('HOST', host())}`);
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
    const { appSpec: read } = parsed;
    const deploymentId = `d-${installs}`;
    return {
      ...group(),
      deploymentId,
      appSpec: read,
      archiveRoot,
      fileExistsBehavior: 'DISALLOW' as const,
      releaseName: nameOf(letter),
    };
  }
  const bundleOf = (version: string): TreeSpec => ({
    'app/version': version,
    'app/lib/x': version,
    'app/l': { link: 'version' },
    'unit/app.service': version,
  });
  const succeeded = (outcome: InstallOutcome) => expect(outcome, JSON.stringify(outcome)).to.include({ ok: true });
  const put = async (letter: string, appSpec = SPEC) =>
    succeeded(await install(partsWith(), release(letter, bundleOf(letter), appSpec)));
  const releases = () => readdirSync(host('app/releases')).sort();

  it('writes the release beside the others and leads current to it, with links to what is shared', async () => {
    await put('a');
    writeFileSync(host('app/current/log/today'), 'A line');
    await put('b');
    expect(readTree(host('app'))).to.deep.equal([
      `current -> releases/${nameOf('b')}`,
      'releases/ 755',
      ...['a', 'b'].flatMap((letter) => [
        `releases/${nameOf(letter)}/ 755`,
        `releases/${nameOf(letter)}/config/ 755`,
        `releases/${nameOf(letter)}/config/local.yaml -> ../../../shared/config/local.yaml`,
        `releases/${nameOf(letter)}/l -> version`,
        `releases/${nameOf(letter)}/lib/ 755`,
        `releases/${nameOf(letter)}/lib/x 644 "${letter}"`,
        `releases/${nameOf(letter)}/log -> ../../shared/log`,
        `releases/${nameOf(letter)}/version 644 "${letter}"`,
      ]),
      'shared/ 755',
      'shared/config/ 755',
      'shared/log/ 755',
      'shared/log/today 644 "A line"',
    ]);
    expect(readTree(host('etc'))).to.deep.equal(['app.service 644 "b"']);
  });

  it('goes back to a release that is there by the link alone, and keeps as many as it is told', async () => {
    for (const letter of ['a', 'b']) await put(letter);
    const written: string[] = [];
    const watching = faultyDisk(disk, (_call, name) => {
      if (name === 'copyFile') written.push(name);
    });
    succeeded(await install(partsWith(watching), release('a', bundleOf('a'))));
    expect(readlinkSync(host('app/current'))).to.equal(`releases/${nameOf('a')}`);
    expect(written, 'only the file outside of the release').to.have.length(1);
    expect(readTree(host('etc'))).to.deep.equal(['app.service 644 "a"']);
    await put('c');
    expect(releases(), 'the current one and the one before').to.deep.equal([nameOf('a'), nameOf('c')]);
  });

  it('keeps the release before, the last one that is another, also when one is installed again', async () => {
    const keep = (count: number) => SPEC.replace('keep: 2', `keep: ${count}`);
    for (const letter of ['a', 'b', 'b', 'b']) {
      await put(letter, keep(1));
      expect(readlinkSync(host('app/current'))).to.equal(`releases/${nameOf(letter)}`);
    }
    expect(releases()).to.deep.equal([nameOf('a'), nameOf('b')]);
    // The one before is not the newest of the others.
    for (const letter of ['c', 'b', 'a', 'a']) await put(letter, keep(3));
    const newest = new Date(Date.now() + 60_000);
    utimesSync(host('app/releases', nameOf('c')), newest, newest);
    await put('a', keep(1));
    expect(releases()).to.deep.equal([nameOf('a'), nameOf('b')]);
    rmSync(host('app/current'));
    await put('a', keep(1));
    expect(releases()).to.deep.equal([nameOf('a'), nameOf('b')]);
  });

  it('goes back to a release that is there on a disk that is full, where nothing else is to be written', async () => {
    const only = SPEC.replace(/ +- {source: unit.*\n/, '');
    for (const letter of ['a', 'b']) await put(letter, only);
    const full: Disk = { ...disk, freeBytes: async () => 0 };
    const onFull = (letter: string, appSpec: string) =>
      install(partsWith(full), { ...release(letter, bundleOf(letter), appSpec), reserveBytes: 64 * 1_024 * 1_024 });
    succeeded(await onFull('a', only));
    expect(readlinkSync(host('app/current'))).to.equal(`releases/${nameOf('a')}`);
    for (const [letter, appSpec] of [['c', only] as const, ['b', SPEC] as const]) {
      const refused = await onFull(letter, appSpec);
      expect(!refused.ok && refused.message).to.contain('are to stay free');
    }
  });

  it('sets permissions, and refuses what cannot be before anything is changed', async () => {
    await put('a', `${SPEC}permissions:\n  - {object: HOST/app/current, mode: 600, type: [file], except: [l]}\n`);
    expect(readTree(host('app/current/')))
      .to.include('version 600 "a"')
      .and.to.include('lib/x 600 "a"');
    const before = readTree(host());
    const shared = await install(partsWith(), release('b', { ...bundleOf('b'), 'app/log/x': 'x' }));
    expect(shared).to.include({ ok: false, restored: true });
    expect(!shared.ok && shared.message).to.contain('log/ is shared between releases, but the bundle has files for it');
    const context = `${SPEC}permissions:\n  - {object: HOST/app/current, context: {type: t, range: s0}}\n`;
    const labelled = await install(partsWith(), release('b', bundleOf('b'), context));
    expect(!labelled.ok && labelled.message).to.contain('cannot have an SELinux context');
    expect(readTree(host())).to.deep.equal(before);
  });

  it('takes the place of an ordinary install, and the other way round', async () => {
    await put('a', IN_PLACE);
    await put('b');
    expect(readlinkSync(host('app/current'))).to.equal(`releases/${nameOf('b')}`);
    expect(readTree(host('app/current/'))).to.include('version 644 "b"');
    await put('c', IN_PLACE);
    expect(readTree(host('app')))
      .to.include('current/ 755')
      .and.to.include('current/version 644 "c"');
    const foreign = join(root, 'now/host/app/current/of-others');
    writeFileSync(foreign, '');
    const refused = await install(partsWith(), release('d', bundleOf('d')));
    expect(!refused.ok && refused.message).to.contain('must be a file, but it is a directory');
  });

  it('does not leave a link of others as current, whatever RETAIN says, and replaces it with OVERWRITE', async () => {
    writeTree(root, { 'now/host/elsewhere/version': 'foreign', 'now/host/etc/app.service': 'foreign' });
    for (const current of [{ link: '../elsewhere' }, 'a file'] as const) {
      rmSync(host('app'), { recursive: true, force: true });
      writeTree(root, { 'now/host/app/current': current });
      const before = readTree(host());
      const refused = await install(partsWith(), release('a', bundleOf('a'), `file_exists_behavior: RETAIN\n${SPEC}`));
      expect(refused).to.include({ ok: false, restored: true });
      expect(!refused.ok && refused.message)
        .to.contain(host('app/current'))
        .and.to.contain('remove or rename it');
      expect(readTree(host())).to.deep.equal(before);
    }
    rmSync(host('app/current'));
    for (const letter of ['a', 'b']) await put(letter, `file_exists_behavior: RETAIN\n${SPEC}`);
    expect(readlinkSync(host('app/current'))).to.equal(`releases/${nameOf('b')}`);
    expect(readTree(host('etc')), 'other files are retained').to.deep.equal(['app.service 644 "foreign"']);

    rmSync(host('app/current'));
    writeTree(root, { 'now/host/app/current': { link: '../elsewhere' } });
    await put('c', `file_exists_behavior: OVERWRITE\n${SPEC}`);
    expect(readlinkSync(host('app/current'))).to.equal(`releases/${nameOf('c')}`);
  });

  it('has the old release or the new one as current, wherever the agent died', async () => {
    const seen = { old: 0, new: 0 };
    await put('a');
    save();
    const request = release('b', bundleOf('b'));
    const view = () => JSON.stringify([readTree(host('app/current/')), readTree(host('etc'))]);
    const old = view();
    succeeded(await install(partsWith(), request));
    const wanted = { view: view(), tree: readTree(host()) };
    for (let change = 1, isOver = false; !isOver; change++)
      for (const moment of ['before', 'torn', 'after'] as const) {
        restore();
        isOver = true;
        const dying = withFailpoint(disk, { kind: 'disk', change, moment }, () => {
          isOver = false;
          throw new Error('the agent is dead');
        });
        await install(partsWith(dying), request);
        await recoverInstall(partsWith(), group());
        expect([old, wanted.view], `${moment} change ${change}`).to.include(view());
        seen[view() === old ? 'old' : 'new']++;
        succeeded(await install(partsWith(), request));
        expect(readTree(host()), `${moment} change ${change}`).to.deep.equal(wanted.tree);
      }
    expect(seen.old).to.be.above(40);
    expect(seen.new).to.be.above(3);
  });

  it('leaves no half release behind, neither on a disk that became full nor after a death', async () => {
    await put('a');
    const before = readTree(host());
    const big = { ...bundleOf('b'), 'app/large': 'x'.repeat(200_000) };
    for (const what of ['full', 'dead'] as const) {
      let copies = 0;
      const failing = faultyDisk(disk, (_call, name) => {
        if (name === 'copyFile') copies++;
        if (name === 'copyFile' && copies >= 3)
          throw what === 'dead' ? new Error('the agent is dead') : systemError('ENOSPC');
        // The dead do not tidy up.
        if (copies > 0 && what === 'dead' && name === 'removeTree') throw new Error('the agent is dead');
      });
      // What is free is what no release takes.
      const freeBytes = async () =>
        400_000 - Number(execFileSync('du', ['-sb', host('app')], { encoding: 'utf8' }).split('\t')[0]);
      const outcome = await install(partsWith({ ...failing, freeBytes }), release('b', big));
      expect(!outcome.ok && outcome.message).to.contain('the release could not be written');
      if (what === 'full') expect(readTree(host())).to.deep.equal(before);
      succeeded(await install(partsWith({ ...disk, freeBytes }), release('c', { ...big, 'app/version': 'c' })));
      expect(releases()).to.have.members([nameOf('a'), nameOf('c')]);
      await put('a');
      rmSync(host('app/releases', nameOf('c')), { recursive: true });
    }
  });

  function save(): void {
    cpSync(join(root, 'now'), join(root, 'saved'), { recursive: true, verbatimSymlinks: true });
  }
  function restore(): void {
    rmSync(join(root, 'now'), { recursive: true, force: true });
    cpSync(join(root, 'saved'), join(root, 'now'), { recursive: true, verbatimSymlinks: true });
  }
});
