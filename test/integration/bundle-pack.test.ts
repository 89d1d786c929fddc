import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { createNodeDisk } from '../../agent/host/node-disk.ts';
import { lintBundle } from '../../shared/appspec/lint.ts';
import { detectBundleType } from '../../shared/bundle/detect.ts';
import { digestFile, packDirectory } from '../../shared/bundle/pack.ts';
import { readArchiveEntries } from '../../shared/bundle/read-entries.ts';
import { isAppError } from '../../shared/core/errors.ts';
import { readTree, temporaryDirectory, writeTree } from '../support/tree.ts';

describe('packDirectory', () => {
  let scratch: ReturnType<typeof temporaryDirectory>;
  let root: string;
  let from: string;
  let toPath: string;

  beforeEach(() => {
    scratch = temporaryDirectory();
    root = scratch.path;
    from = join(root, 'from');
    toPath = join(root, 'b.tgz');
    writeTree(from, {
      'appspec.yml': 'version: 0.0\nos: linux\nhooks:\n  AfterInstall:\n    - location: s/run.sh\n      timeout: 5\n',
      's/run.sh': { text: '#!/bin/sh\n', mode: 0o755 },
      '.dot': 'd',
      link: { link: 's/run.sh' },
      empty: null,
    });
  });
  afterEach(() => scratch.remove());
  const pack = (ignore: string[] = []) => packDirectory({ directory: from, toPath, ignore });
  const codeOf = (promise: Promise<unknown>) =>
    promise.then(
      () => 'ok',
      (error: unknown) => (isAppError(error) ? error.code : String(error)),
    );

  it('gives an archive that unpacks to the same tree, for agents and for tar', async () => {
    const packed = await pack();
    expect(packed).to.include({ entries: 6, bundleType: 'tgz', sizeBytes: readFileSync(toPath).length });
    expect(await digestFile(toPath)).to.deep.equal({ digest: packed.digest, sizeBytes: packed.sizeBytes });
    expect(detectBundleType(readFileSync(toPath))).to.equal('tgz');
    for (const name of ['agent', 'tar']) mkdirSync(join(root, name));
    const outcome = await createNodeDisk().unpack({
      archivePath: toPath,
      bundleType: 'tgz',
      directory: join(root, 'agent'),
      limits: { maxEntries: 100, maxTotalBytes: 1e6 },
    });
    expect(outcome.ok).to.equal(true);
    execFileSync('tar', ['xzf', toPath, '-C', join(root, 'tar')]);
    for (const name of ['agent', 'tar']) expect(readTree(join(root, name)), name).to.deep.equal(readTree(from));
  });

  it('gives the same digest for the same contents, whenever and in whatever order they were written', async () => {
    const first = await pack();
    utimesSync(join(from, '.dot'), 1, 1);
    unlinkSync(join(from, 'link'));
    symlinkSync('s/run.sh', join(from, 'link'));
    expect((await pack()).digest).to.equal(first.digest);
    chmodSync(join(from, '.dot'), 0o600);
    expect((await pack()).digest).not.to.equal(first.digest);
  });

  it('keeps long names, long links and names beyond ASCII', async () => {
    const long = `${'d'.repeat(150)}/${'ü'.repeat(110)}`;
    writeTree(from, { [long]: 'x', far: { link: `${'d'.repeat(150)}/${'y'.repeat(200)}` }, ['n'.repeat(100)]: 'y' });
    await pack();
    mkdirSync(join(root, 'tar'));
    execFileSync('tar', ['xzf', toPath, '-C', join(root, 'tar')]);
    expect(readTree(join(root, 'tar'))).to.deep.equal(readTree(from));
  });

  it('leaves out what .droverignore and the caller name, and its own archive', async () => {
    writeTree(from, {
      '.droverignore': '*.log\nbuild/\n',
      'x.log': 'l',
      'build/x': 'b',
      'keep/x': 'k',
      'tmp.txt': 't',
    });
    await packDirectory({ directory: from, toPath: join(from, 'out.tgz'), ignore: ['tmp.*'] });
    const { entries } = await readArchiveEntries(join(from, 'out.tgz'), 'tgz');
    expect([...entries.keys()].sort()).to.deep.equal([
      '.dot',
      '.droverignore',
      'appspec.yml',
      'empty',
      'keep',
      'keep/x',
      'link',
      's',
      's/run.sh',
    ]);
  });

  it('refuses pipes, and links that lead out', async () => {
    symlinkSync('../outside', join(from, 'out'));
    expect(await codeOf(pack())).to.equal('invalid');
    unlinkSync(join(from, 'out'));
    execFileSync('mkfifo', [join(from, 'pipe')]);
    expect(await codeOf(pack())).to.equal('invalid');
    expect(await codeOf(pack(['pipe']))).to.equal('ok');
  });

  it('refuses what agents would unpack under another name', async () => {
    writeTree(from, { 'line\nbreak': 'a short one is no trouble' });
    expect(await codeOf(pack())).to.equal('ok');
    for (const name of [`${'x'.repeat(120)}\ny`, 'é\ny']) {
      writeTree(from, { [name]: 'lost' });
      expect(await codeOf(pack()), name).to.equal('invalid');
      unlinkSync(join(from, name));
    }
    writeFileSync(Buffer.concat([Buffer.from(join(from, 'caf')), Buffer.from([0xe9])]), '');
    expect(await codeOf(pack())).to.equal('invalid');
  });

  it('ends with the reason of its signal', async () => {
    const leaving = new AbortController();
    const packing = packDirectory({
      directory: from,
      toPath,
      signal: leaving.signal,
      onProgress: () => leaving.abort('left'),
    });
    expect(await packing.catch((error: unknown) => error)).to.equal('left');
  });

  it('reports its progress to the end', async () => {
    const seen: { readBytes: number; totalBytes: number }[] = [];
    await packDirectory({ directory: from, toPath, onProgress: (progress) => seen.push(progress) });
    expect(seen.at(-1)?.readBytes).to.equal(seen.at(-1)?.totalBytes);
  });

  it('is linted from the archive as it would be from the directory', async () => {
    writeTree(from, { 's/crlf.sh': { text: '#!/bin/sh\r\n', mode: 0o755 } });
    writeFileSync(
      join(from, 'appspec.yml'),
      'version: 0.0\nos: linux\nhooks:\n  AfterInstall:\n    - {location: s/run.sh, timeout: 1}\n    - {location: s/crlf.sh, timeout: 1}\n    - {location: s/no.sh, timeout: 1}\n',
    );
    await pack();
    execFileSync('python3', [
      '-c',
      'import shutil,sys; shutil.make_archive(sys.argv[1],"zip",sys.argv[2])',
      join(root, 'z'),
      from,
    ]);
    execFileSync('tar', ['cf', join(root, 'nested.tar'), '-C', root, 'from']);
    for (const [path, type] of [
      [toPath, 'tgz'],
      [join(root, 'z.zip'), 'zip'],
      [join(root, 'nested.tar'), 'tar'],
    ] as const) {
      expect(existsSync(path)).to.equal(true);
      const { entries, appSpecName, appSpecText } = await readArchiveEntries(path, type);
      const problems = lintBundle({ appSpecText: appSpecText ?? '', appSpecName: appSpecName ?? '', entries });
      expect(
        problems.map(({ code, line }) => `${line} ${code}`),
        type,
      ).to.deep.equal(['6 hook-script-crlf', '7 hook-script-missing']);
    }
  });

  it('is linted with what its hard links name', async () => {
    linkSync(join(from, 'appspec.yml'), join(from, 'a'));
    linkSync(join(from, 's/run.sh'), join(from, 's/again.sh'));
    const tar = join(root, 'linked.tar');
    execFileSync('tar', ['cf', tar, '-C', from, './a', './s', 'appspec.yml']);
    const { entries, appSpecText } = await readArchiveEntries(tar, 'tar');
    expect(appSpecText).to.contain('location: s/run.sh');
    for (const name of ['s/run.sh', 's/again.sh'])
      expect(Buffer.from(entries.get(name)?.firstBytes ?? []).toString(), name).to.equal('#!/bin/sh\n');
  });

  it('is linted by the AppSpec that a link leads to', async () => {
    renameSync(join(from, 'appspec.yml'), join(from, 's/appspec-prod.yml'));
    symlinkSync('s/appspec-prod.yml', join(from, 'appspec.yml'));
    await pack();
    execFileSync('python3', [
      '-c',
      'import sys,zipfile\nz=zipfile.ZipFile(sys.argv[1],"w")\nl=zipfile.ZipInfo("appspec.yml")\nl.create_system=3\nl.external_attr=0o120777<<16\nz.writestr(l,"s/appspec-prod.yml")\nz.write(sys.argv[2],"s/appspec-prod.yml")\nz.close()',
      join(root, 'l.zip'),
      join(from, 's/appspec-prod.yml'),
    ]);
    for (const [path, type] of [
      [toPath, 'tgz'],
      [join(root, 'l.zip'), 'zip'],
    ] as const)
      expect((await readArchiveEntries(path, type)).appSpecText, type).to.contain('location: s/run.sh');
  });

  it('tells a damaged archive by AppError', async () => {
    await pack();
    const bytes = readFileSync(toPath);
    for (const length of [0, 10, 100, bytes.length - 4]) {
      writeFileSync(toPath, bytes.subarray(0, length));
      for (const type of ['tgz', 'tar', 'zip'] as const)
        expect(await codeOf(readArchiveEntries(toPath, type)), `${type} ${length}`).to.equal('invalid');
    }
  });
});
