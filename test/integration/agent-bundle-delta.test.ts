import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { linkSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import type { BundleType } from '../../shared/model/revision.ts';
import { AgentProcess } from '../support/agent-process.ts';
import { seededRandomness } from '../support/fake-randomness.ts';
import { PlayedHerd } from '../support/played-herd.ts';
import { readTree, temporaryDirectory, writeTree } from '../support/tree.ts';

const FILES = 50;
const FILE_BYTES = 40_000;

describe('a bundle of which most is on the host already', function () {
  this.timeout(60_000);
  const random = seededRandomness(5);
  let scratch: ReturnType<typeof temporaryDirectory>;
  let tree: string;
  let herd: PlayedHerd;
  let agent: AgentProcess;
  let lastId: string;

  async function start(settings: object = {}): Promise<void> {
    herd = await PlayedHerd.start(0, { ...settings });
    const { url } = herd.coordinator;
    agent = new AgentProcess({ url, until: () => herd.online('web-1'), isConnected: () => true }, { name: 'web-1' });
    const { secret } = await herd.client.createJoinToken({ tags: { role: 'web' } });
    await agent.enrol(secret);
    agent.start();
    await agent.connected();
  }
  beforeEach(() => {
    scratch = temporaryDirectory();
    tree = join(scratch.path, 'tree');
    writeTree(tree, {
      'appspec.yml': 'version: 0.0\nos: linux\nhooks:\n  AfterInstall:\n    - location: hook.sh\n',
      'hook.sh': { text: '#!/bin/sh\nexit 0\n', mode: 0o755 },
      'data/current': { link: '0.bin' },
      empty: null,
    });
    for (let i = 0; i < FILES; i++) change(`data/${i}.bin`);
    mkdirSync(join(tree, 'private'), { mode: 0o700 });
    writeFileSync(join(tree, 'private/secret'), 'secret', { mode: 0o600 });
    linkSync(join(tree, 'data/1.bin'), join(tree, 'data/one-again.bin'));
  });
  afterEach(async () => {
    await agent.remove();
    await herd.close();
    scratch.remove();
  });

  const change = (path: string) => writeFileSync(join(tree, path), random.bytes(FILE_BYTES), { mode: 0o644 });

  /** Packs the tree as it is now, deploys it, and tells how many bytes of bundles went to the host. */
  async function deploy(
    label: string,
    bundleType: BundleType = 'tgz',
  ): Promise<{ sentBytes: number; sizeBytes: number }> {
    const path = join(scratch.path, label);
    if (bundleType === 'zip') execFileSync('python3', ['-c', ZIP, tree, path]);
    else execFileSync('tar', ['-C', tree, bundleType === 'tgz' ? '-czf' : '-cf', path, '.']);
    const bytes = readFileSync(path);
    const digest = createHash('sha256').update(bytes).digest('hex');
    await herd.client.uploadBundle({ application: 'app', from: { path }, digest, bundleType, label });
    return { sentBytes: await deployAgain(label), sizeBytes: bytes.length };
  }
  async function deployAgain(label: string): Promise<number> {
    const before = await bytesOut();
    const ended = await herd.deploy(label);
    lastId = ended.id;
    expect(ended.status, JSON.stringify(ended.errorInformation)).to.equal('Succeeded');
    return (await bytesOut()) - before;
  }
  async function bytesOut(): Promise<number> {
    const text = await (
      await fetch(`${herd.coordinator.url}/metrics`, {
        headers: { authorization: `Bearer ${herd.coordinator.adminToken}` },
      })
    ).text();
    const found = /^drover_bundle_bytes_total\{direction="out"\} (\d+)/m.exec(text);
    return Number(found?.[1] ?? 0);
  }
  /** The unpacked bundle of the last deployment, the installed one: names, modes, contents. */
  function unpacked(): string[] {
    const groups = join(agent.directory, 'state/deployments');
    const [group = ''] = readdirSync(groups);
    return readTree(join(groups, group, lastId, 'deployment-archive'));
  }
  const labelled = (label: string) => writeFileSync(join(tree, 'LABEL'), label);

  for (const bundleType of ['tgz', 'tar', 'zip'] as const)
    it(`comes as the files that are not, and unpacks to the same tree (${bundleType})`, async () => {
      await start();
      labelled('v-one');
      const whole = await deploy('v-one', bundleType);
      expect(whole.sentBytes).to.equal(whole.sizeBytes);

      labelled('v-two');
      change('data/7.bin');
      renameSync(join(tree, 'data/8.bin'), join(tree, 'empty/8.bin'));
      rmSync(join(tree, 'data/9.bin'));
      const delta = await deploy('v-two', bundleType);
      expect(delta.sentBytes)
        .to.be.above(FILE_BYTES)
        .and.below(FILE_BYTES + 20_000);
      expect(unpacked()).to.deep.equal(readTree(tree));
    });

  it('is told in the history: what was fetched and what was here', async () => {
    await start();
    labelled('v-one');
    await deploy('v-one');
    labelled('v-two');
    change('data/7.bin');
    await deploy('v-two');
    const [latest] = (await herd.client.listDeployments({ application: 'app' })).items;
    const target = await herd.client.getTarget({ deployment: latest?.id ?? '', host: 'web-1' });
    const event = target.lifecycleEvents.find(({ name }) => name === 'DownloadBundle');
    expect(event?.diagnostics?.message).to.match(
      /^\d+ bytes were fetched; files of \d+ bytes were on this host already$/,
    );
  });

  it('needs no byte when it is deployed once more, or gone back to', async () => {
    await start();
    labelled('v-one');
    await deploy('v-one');
    for (const label of ['v-two', 'v-three']) {
      labelled(label);
      change('data/7.bin');
      await deploy(label);
    }
    expect(await deployAgain('v-three')).to.equal(0);
    expect(await deployAgain('v-two')).to.equal(0);
    expect(unpacked().length).to.be.above(FILES);
  });

  it('has a file fetched anew that a hook has changed where it was unpacked', async () => {
    await start();
    writeFileSync(join(tree, 'hook.sh'), '#!/bin/sh\necho spoiled > data/3.bin\n');
    labelled('v-one');
    await deploy('v-one');
    writeFileSync(join(tree, 'hook.sh'), '#!/bin/sh\nexit 0\n');
    labelled('v-two');
    const { sentBytes } = await deploy('v-two');
    expect(sentBytes)
      .to.be.above(FILE_BYTES)
      .and.below(FILE_BYTES + 20_000);
    expect(unpacked()).to.deep.equal(readTree(tree));
  });

  it('is fetched whole when more than half of it is not, or the coordinator keeps no deltas', async () => {
    await start();
    labelled('v-one');
    await deploy('v-one');
    for (let i = 0; i < FILES * 0.6; i++) change(`data/${i}.bin`);
    const changed = await deploy('v-two');
    expect(changed.sentBytes).to.be.above(changed.sizeBytes);
    await agent.remove();
    await herd.close();

    await start({ limits: { deltaCacheBytes: 0 } });
    await deploy('v-three');
    change('data/7.bin');
    const whole = await deploy('v-four');
    expect(whole.sentBytes).to.equal(whole.sizeBytes);
  });
});

/** Python's library, since it is on every machine that builds SQLite; modes and links as Info-ZIP writes them. */
const ZIP = `
import os, stat, sys, zipfile
tree, path = sys.argv[1:]
with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
    for folder, folders, files in os.walk(tree):
        for name in folders + files:
            full = os.path.join(folder, name)
            status = os.lstat(full)
            entry = zipfile.ZipInfo(os.path.relpath(full, tree) + ('/' if stat.S_ISDIR(status.st_mode) else ''))
            entry.create_system = 3
            entry.external_attr = status.st_mode << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            if stat.S_ISLNK(status.st_mode): archive.writestr(entry, os.readlink(full))
            elif stat.S_ISDIR(status.st_mode): archive.writestr(entry, '')
            else: archive.writestr(entry, open(full, 'rb').read())
`;
