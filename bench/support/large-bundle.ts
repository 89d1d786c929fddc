import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { isTerminal } from '../../shared/model/deployment.ts';
import type { Bench } from '../figure.ts';
import type { Agent } from './agent.ts';
import { APPLICATION } from './application.ts';
import type { Coordinator } from './coordinator.ts';
import { until } from './processes.ts';

/** The tree as it is now, with its round in the file ROUND, as a revision of its own. */
export async function packAndUpload(bench: Bench, coordinator: Coordinator, tree: string, round: number) {
  const label = `round-${round}`;
  writeFileSync(join(tree, 'ROUND'), label);
  const archive = join(bench.directory, `${label}.tar`);
  await runCommand(['tar', 'cf', archive, '-C', tree, '.']);
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of createReadStream(archive, { highWaterMark: 1_024 * 1_024 })) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  const digest = hash.digest('hex');
  const from = { path: archive };
  await coordinator.client.uploadBundle({ application: APPLICATION, from, digest, bundleType: 'tar', label });
  rmSync(archive);
  return { digest, label, bytes };
}

/** The event DownloadBundle, once it has succeeded. */
export async function downloadEnded({ client }: Coordinator, deployment: string, agent: Agent) {
  for (;;) {
    const target = await client.getTarget({ deployment, host: agent.hostName });
    const event = target.lifecycleEvents.find((one) => one.name === 'DownloadBundle');
    if (event?.status === 'Succeeded') return event;
    if (event?.status === 'Failed') throw new Error(`DownloadBundle: ${JSON.stringify(event.diagnostics)}`);
    await pause(20);
  }
}

export async function ended({ client }: Coordinator, id: string): Promise<void> {
  await until(
    `${id} has ended`,
    async () => {
      const deployment = await client.getDeployment({ deployment: id });
      if (isTerminal(deployment.status) && deployment.status !== 'Succeeded')
        throw new Error(`${id} is ${deployment.status}: ${JSON.stringify(deployment.errorInformation)}`);
      return deployment.status === 'Succeeded';
    },
    { timeoutMs: 120_000 },
  );
}

/** What was written before is not written at the cost of what is measured next. */
export async function settleDisk(): Promise<void> {
  await runCommand(['sync']);
}

export async function runCommand([command = '', ...args]: string[]): Promise<void> {
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let problem = '';
  child.stderr.on('data', (text) => {
    problem = (problem + text).slice(-2_000);
  });
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`${command} ended with ${code}: ${problem}`);
}
