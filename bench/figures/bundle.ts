import { createPrivateKey, randomFillSync, sign } from 'node:crypto';
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { signedText } from '../../shared/protocol/messages.ts';
import { type Bench, type Figure, lineOf } from '../figure.ts';
import { type Agent, startAgent } from '../support/agent.ts';
import { setUpApplication } from '../support/application.ts';
import { type Coordinator, startCoordinator } from '../support/coordinator.ts';
import { downloadEnded, ended, packAndUpload, runCommand, settleDisk } from '../support/large-bundle.ts';
import { memoryOf } from '../support/processes.ts';

const FILES = 5_000;
const FILE_BYTES = 40_000;
/** DER before the 32 bytes of an Ed25519 private key. Source: RFC 8410, section 7. */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');

/**
 * A large bundle of many files to one host: from the deployment's creation to the end of DownloadBundle (download, digest,
 * unpacking), taking turns with `curl | tar x` of the same archive from the same coordinator. Every round has an archive of
 * its own; a second deployment of the same digest must fetch no byte.
 */
export const bundle: Figure = {
  name: 'bundle',
  summary: '200 MB in 5,000 files to one host, against curl | tar x',
  async run(bench) {
    // Every round's bundle comes whole: what a delta saves is another figure.
    const coordinator = await startCoordinator(bench, 'coordinator', { deltaCacheBytes: 0 });
    const application = await setUpApplication(bench, coordinator.client);
    const agent = await startAgent(bench, coordinator, 'bundle-host');
    const files = bench.isQuick ? FILES / 10 : FILES;
    const tree = writeTree(bench, files);
    const drover: number[] = [];
    const events: number[] = [];
    const peer: number[] = [];
    const bytesAgain: number[] = [];
    for (let round = 0; round < (bench.isQuick ? 2 : 5); round++) {
      const { digest, label, bytes } = await packAndUpload(bench, coordinator, tree, round);
      const request = { ...application, revision: label };
      await settleDisk();
      const before = await coordinator.bundleBytesOut();
      const createdAt = Date.now();
      const { id } = await coordinator.client.createDeployment(request);
      const event = await downloadEnded(coordinator, id, agent);
      const fetched = (await coordinator.bundleBytesOut()) - before;
      if (fetched !== bytes) throw new Error(`the host fetched ${fetched} bytes of a bundle of ${bytes}`);
      drover.push((event.endedAt ?? Number.NaN) - createdAt);
      events.push(event.durationMs ?? Number.NaN);
      await settleDisk();
      peer.push(await curlAndTar(bench, coordinator, agent, digest));
      writeFileSync(gateOf(bench, label), '');
      await ended(coordinator, id);
      const beforeAgain = await coordinator.bundleBytesOut();
      await ended(coordinator, (await coordinator.client.createDeployment(request)).id);
      bytesAgain.push((await coordinator.bundleBytesOut()) - beforeAgain);
      bench.say(`round ${round + 1}: ${drover.at(-1)} ms, curl | tar ${Math.round(peer.at(-1) ?? 0)} ms`);
    }
    const size = `${Math.round((files * FILE_BYTES) / 1e6)} MB in ${files.toLocaleString('en')} files`;
    bench.line(lineOf({ what: `curl | tar x, ${size}`, unit: 'ms', values: peer }));
    bench.line(
      lineOf({
        what: `create to the end of DownloadBundle, ${size}`,
        unit: 'ms',
        values: drover,
        peer: { name: 'curl | tar x', values: peer },
        aims: [{ of: 'ratio', atMost: 1.3 }],
      }),
    );
    bench.line(
      lineOf({
        what: 'of these, DownloadBundle itself',
        unit: 'ms',
        values: events,
        peer: { name: 'curl | tar x', values: peer },
      }),
    );
    bench.line(
      lineOf({
        what: "the agent's RSS at its peak, over all rounds",
        unit: 'MiB',
        values: [memoryOf(agent.pid).peakRssBytes / (1_024 * 1_024)],
        aims: [{ of: 'median', atMost: 150 }],
      }),
    );
    bench.line(
      lineOf({
        what: 'the same digest again: bytes that left the coordinator',
        unit: 'bytes',
        values: bytesAgain,
        aims: [{ of: 'median', atMost: 0 }],
      }),
    );
  },
};

/** Bytes that do not compress, so that what is measured is moving and unpacking them. */
function writeTree(bench: Bench, files: number): string {
  const tree = join(bench.directory, 'tree');
  const content = Buffer.alloc(FILE_BYTES);
  for (let i = 0; i < files; i++) {
    const directory = join(tree, 'data', String(i % 50));
    if (i < 50) mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, `${i}.bin`), randomFillSync(content));
  }
  writeFileSync(
    join(tree, 'appspec.yml'),
    'version: 0.0\nos: linux\nhooks:\n  AfterInstall:\n    - location: hold.sh\n      timeout: 600\n',
  );
  // The coordinator gives a bundle to a host only while a deployment of it runs there: the hook holds it for the peer.
  writeFileSync(
    join(tree, 'hold.sh'),
    `#!/bin/sh\nuntil [ -e "${gateOf(bench, '')}$(cat ROUND)" ]; do sleep 0.05; done\n`,
  );
  chmodSync(join(tree, 'hold.sh'), 0o755);
  return tree;
}

function gateOf(bench: Bench, label: string): string {
  return join(bench.directory, `gate-${label}`);
}

/** As the same host: with its key, a session of its own. */
async function curlAndTar(bench: Bench, coordinator: Coordinator, agent: Agent, digest: string): Promise<number> {
  const token = await sessionToken(coordinator.url, agent);
  const directory = join(bench.directory, 'unpacked');
  mkdirSync(directory);
  const url = `${coordinator.url}/v1/hosts/self/bundles/${digest}`;
  const header = join(bench.directory, 'authorization');
  writeFileSync(header, `authorization: Bearer ${token}`);
  const before = performance.now();
  await runCommand(['bash', '-o', 'pipefail', '-c', `curl -sSf -H @"${header}" "${url}" | tar x -C "${directory}"`]);
  const ms = performance.now() - before;
  rmSync(directory, { recursive: true });
  return ms;
}

async function sessionToken(url: string, agent: Agent): Promise<string> {
  const post = async (path: string, body: object) => {
    const response = await fetch(`${url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`${path}: ${await response.text()}`);
    return (await response.json()) as Record<string, string>;
  };
  const { nonce = '', coordinatorId = '' } = await post('/v1/agents/challenges', {});
  const der = Buffer.concat([PKCS8_PREFIX, Buffer.from(agent.privateKey, 'base64')]);
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  const signature = sign(null, Buffer.from(signedText(nonce, coordinatorId, agent.hostId)), key).toString('base64');
  const session = await post('/v1/agents/sessions', { hostId: agent.hostId, nonce, signature });
  return session['sessionToken'] ?? '';
}
