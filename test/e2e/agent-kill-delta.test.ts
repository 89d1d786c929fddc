import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { AgentProcess } from '../support/agent-process.ts';
import { seededRandomness } from '../support/fake-randomness.ts';
import { PlayedHerd } from '../support/played-herd.ts';
import { readTree, temporaryDirectory, writeTree } from '../support/tree.ts';

const FILES = 30;
const FILE_BYTES = 50_000;
const MAX_CHANGES = 150;

/**
 * The real agent, ended by SIGKILL after every change that it makes to the disk while it puts a bundle together from the one that is
 * installed and the files that it fetches. The next agent goes on, and what it has unpacked is the bundle.
 */
describe('an agent that is killed while it fetches a part of a bundle', function () {
  this.timeout(600_000);
  const random = seededRandomness(11);
  let scratch: ReturnType<typeof temporaryDirectory>;
  let tree: string;
  let herd: PlayedHerd;
  let agent: AgentProcess;

  beforeEach(async () => {
    scratch = temporaryDirectory();
    tree = join(scratch.path, 'tree');
    writeTree(tree, {
      'appspec.yml': 'version: 0.0\nos: linux\nhooks:\n  AfterInstall:\n    - location: hook.sh\n',
      'hook.sh': { text: '#!/bin/sh\nexit 0\n', mode: 0o755 },
      'data/link': { link: '0.bin' },
    });
    for (let i = 0; i < FILES; i++) change(`data/${i}.bin`);
    herd = await PlayedHerd.start(0);
    const { url } = herd.coordinator;
    agent = new AgentProcess(
      { url, until: () => herd.online('web-1'), isConnected: () => true },
      { name: 'web-1', logLevel: 'warn' },
    );
    const { secret } = await herd.client.createJoinToken({ tags: { role: 'web' } });
    await agent.enrol(secret);
  });
  afterEach(async () => {
    await agent.remove();
    await herd.close();
    scratch.remove();
  });

  const change = (path: string) => writeFileSync(join(tree, path), random.bytes(FILE_BYTES), { mode: 0o644 });

  async function upload(label: string): Promise<void> {
    const path = join(scratch.path, label);
    execFileSync('tar', ['-C', tree, '-cf', path, '.']);
    const digest = createHash('sha256').update(readFileSync(path)).digest('hex');
    await herd.client.uploadBundle({ application: 'app', from: { path }, digest, bundleType: 'tar', label });
  }
  function unpacked(deploymentId: string): string[] {
    const groups = join(agent.directory, 'state/deployments');
    const [group = ''] = readdirSync(groups);
    return readTree(join(groups, group, deploymentId, 'deployment-archive'));
  }

  it('unpacks the same tree, whatever it was doing', async () => {
    agent.start();
    await agent.connected();
    await upload('first');
    expect((await herd.deploy('first')).status).to.equal('Succeeded');
    await agent.kill('SIGTERM');
    let [kills, deltas] = [0, 0];
    for (let number = 1; ; number++) {
      expect(number, 'a deployment ends without having come so far').to.be.below(MAX_CHANGES);
      change('data/7.bin');
      change(`data/${number % FILES}.bin`);
      const label = `next-${number}`;
      await upload(label);
      agent.start({ DROVER_FAILPOINT: `disk:${number}:${number % 2 === 0 ? 'torn' : 'after'}` });
      const isDead = agent.ended().then(() => true);
      let isKilled = await Promise.race([isDead, agent.connected().then(() => false)]);
      if (isKilled) {
        agent.start();
        await agent.connected();
      }
      const { id } = await herd.create(label);
      if (!isKilled) {
        isKilled = await Promise.race([isDead, herd.ended(id).then(() => false)]);
        if (isKilled) agent.start();
      }
      if (isKilled) kills++;
      const ended = await herd.ended(id);
      expect(ended.status, `${label}: ${JSON.stringify(ended.errorInformation)}`).to.equal('Succeeded');
      expect(unpacked(id), label).to.deep.equal(readTree(tree));
      const target = await herd.client.getTarget({ deployment: id, host: 'web-1' });
      const event = target.lifecycleEvents.find(({ name }) => name === 'DownloadBundle');
      if (event?.diagnostics?.message?.includes('on this host already') === true) deltas++;
      await agent.kill('SIGTERM');
      if (kills < number) break;
    }
    expect(kills).to.be.above(30);
    // One that died between unpacking and telling has found its bundle whole, and fetched nothing.
    expect(deltas).to.be.above(kills / 2);
  });
});
