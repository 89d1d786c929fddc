import { randomFillSync } from 'node:crypto';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Bench, type Figure, lineOf } from '../figure.ts';
import { startAgent } from '../support/agent.ts';
import { setUpApplication } from '../support/application.ts';
import { startCoordinator } from '../support/coordinator.ts';
import { downloadEnded, ended, packAndUpload, runCommand, settleDisk } from '../support/large-bundle.ts';

const FILES = 5_000;
const FILE_BYTES = 40_000;
const CHANGED_SHARE = 0.01;

/**
 * The next revision of a large bundle, one file in a hundred changed, to a host that runs the one before: how many of its
 * bytes are sent, and how long until it is unpacked. Then the drift of the same host: how long it takes to tell which of its
 * installed files were changed by hand, against `sha256sum` of the same files.
 */
export const delta: Figure = {
  name: 'delta',
  summary: '200 MB of which 1 % has changed to a host with the revision before; its drift, against sha256sum',
  async run(bench) {
    const coordinator = await startCoordinator(bench, 'coordinator');
    const application = await setUpApplication(bench, coordinator.client);
    const agent = await startAgent(bench, coordinator, 'delta-host');
    const files = bench.isQuick ? FILES / 10 : FILES;
    const rounds = bench.isQuick ? 3 : 5;
    const tree = writeTree(bench, files);
    const shares: number[] = [];
    const times: number[] = [];
    const whole: number[] = [];
    for (let round = 0; round <= rounds; round++) {
      if (round > 0) for (let i = 0; i < files * CHANGED_SHARE; i++) writeFile(tree, (round * 997 + i * 100) % files);
      const { label, bytes } = await packAndUpload(bench, coordinator, tree, round);
      await settleDisk();
      const before = await coordinator.bundleBytesOut();
      const createdAt = Date.now();
      const { id } = await coordinator.client.createDeployment({ ...application, revision: label });
      const event = await downloadEnded(coordinator, id, agent);
      const ms = (event.endedAt ?? Number.NaN) - createdAt;
      const sent = (await coordinator.bundleBytesOut()) - before;
      await ended(coordinator, id);
      bench.say(`round ${round}: ${ms} ms, ${sent} of ${bytes} bytes`);
      if (round === 0) whole.push(ms);
      else {
        shares.push((100 * sent) / bytes);
        times.push(ms);
      }
    }
    const size = `${Math.round((files * FILE_BYTES) / 1e6)} MB in ${files.toLocaleString('en')} files, 1 % changed`;
    bench.line(lineOf({ what: `bytes sent, ${size}`, unit: '%', values: shares, aims: [{ of: 'median', atMost: 3 }] }));
    bench.line(
      lineOf({
        what: `create to the end of DownloadBundle, ${size}`,
        unit: 'ms',
        values: times,
        peer: { name: 'the whole bundle, from the same machine', values: whole },
      }),
    );

    const drift: number[] = [];
    const peer: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const startedAt = performance.now();
      const found = await coordinator.client.findHostDrift({ host: agent.hostName });
      drift.push(performance.now() - startedAt);
      if (found.groups.length !== 1) throw new Error(`drift: ${JSON.stringify(found)}`);
      const before = performance.now();
      await runCommand(['sh', '-c', `find "${installed(bench)}" -type f -print0 | xargs -0 sha256sum >/dev/null`]);
      peer.push(performance.now() - before);
    }
    bench.line(
      lineOf({
        what: `drift of ${files.toLocaleString('en')} installed files`,
        unit: 'ms',
        values: drift,
        peer: { name: 'sha256sum', values: peer },
      }),
    );
  },
};

function installed(bench: Bench): string {
  return join(bench.directory, 'installed');
}

function writeTree(bench: Bench, files: number): string {
  const tree = join(bench.directory, 'tree');
  for (let i = 0; i < 50; i++) mkdirSync(join(tree, 'data', String(i)), { recursive: true });
  for (let i = 0; i < files; i++) writeFile(tree, i);
  writeFileSync(
    join(tree, 'appspec.yml'),
    `version: 0.0\nos: linux\nfiles:\n  - source: /data\n    destination: ${installed(bench)}\nhooks:\n  AfterInstall:\n    - location: check.sh\n`,
  );
  writeFileSync(join(tree, 'check.sh'), '#!/bin/sh\ntest -e data\n');
  chmodSync(join(tree, 'check.sh'), 0o755);
  return tree;
}

/** Bytes that do not compress. */
function writeFile(tree: string, i: number): void {
  writeFileSync(join(tree, 'data', String(i % 50), `${i}.bin`), randomFillSync(Buffer.alloc(FILE_BYTES)));
}
