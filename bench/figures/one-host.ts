import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { isTerminal } from '../../shared/model/deployment.ts';
import type { DroverClient } from '../../shared/sdk/drover-client.ts';
import { type Figure, lineOf } from '../figure.ts';
import { median } from '../statistics.ts';
import { startAgent } from '../support/agent.ts';
import { packBundle, setUpApplication, uploadRevision } from '../support/application.ts';
import { startCoordinator } from '../support/coordinator.ts';
import { memoryOf } from '../support/processes.ts';

/** Seven scripts: CodeDeploy lets five of the seven events have them. */
const HOOKS: Readonly<Record<string, readonly string[]>> = {
  ApplicationStop: ['stop'],
  BeforeInstall: ['before-install'],
  AfterInstall: ['configure', 'migrate'],
  ApplicationStart: ['start', 'warm-up'],
  ValidateService: ['validate'],
};
const POLL_MS = 2;
const RSS_DEPLOYMENTS = 30;

/**
 * One deployment of seven events with seven trivial scripts, the built programs as real processes, taking turns with a plain
 * shell script that does the same work from the same archive. Two revisions take turns, so that every deployment installs
 * other files; the host has both archives, as the script has.
 */
export const oneHost: Figure = {
  name: 'one-host',
  summary: 'seven events with seven scripts on one host, against a plain shell script',
  async run(bench) {
    const coordinator = await startCoordinator(bench, 'coordinator');
    const application = await setUpApplication(bench, coordinator.client);
    const agent = await startAgent(bench, coordinator, 'one-host');
    const installed = join(bench.directory, 'opt', 'drover');
    const copied = join(bench.directory, 'opt', 'script');
    const revisions = await Promise.all(
      ['one', 'two'].map(async (label) => {
        const archive = packBundle(bench, `${label}.tgz`, bundleFiles(label, installed));
        await uploadRevision(coordinator.client, archive, label);
        return { label, archive };
      }),
    );
    const script = join(bench.directory, 'deploy.sh');
    writeFileSync(script, shellScript());

    const drover: number[] = [];
    const byHistory: number[] = [];
    const shell: number[] = [];
    const times = bench.isQuick ? 32 : 60;
    const rssMib: number[] = [];
    // The first rounds fill the host's cache and warm the compilers up.
    for (let round = -8; round < times; round++) {
      const { label, archive } = revisions[round & 1] ?? { label: '', archive: '' };
      const deployed = await deploy(coordinator.client, { ...application, revision: label });
      checkFile(installed, label);
      const scriptMs = await runScript(script, { ARCHIVE: archive, WORK: join(bench.directory, 'work'), DEST: copied });
      checkFile(copied, label);
      // Once compilers and caches have settled, and so many deployments later.
      if (round === times - RSS_DEPLOYMENTS - 1 || round === times - 1)
        rssMib.push(memoryOf(agent.pid).rssBytes / (1_024 * 1_024));
      if (round < 0) continue;
      drover.push(deployed.seenMs);
      byHistory.push(deployed.historyMs);
      shell.push(scriptMs);
    }
    bench.line(lineOf({ what: 'plain shell script: unpack, copy, seven scripts', unit: 'ms', values: shell }));
    bench.line(
      lineOf({
        what: 'POST /v1/deployments to Succeeded, seen by the caller',
        unit: 'ms',
        values: drover,
        peer: { name: 'plain shell script', values: shell },
        aims: [
          { of: 'ratio', atMost: 2 },
          { of: 'median', atMost: 60 },
        ],
        note: `${median(byHistory)} ms by the instants in the history; the caller asks every ${POLL_MS} ms`,
      }),
    );
    const [before = Number.NaN, after = Number.NaN] = rssMib;
    bench.line(
      lineOf({
        what: `the agent's RSS after ${RSS_DEPLOYMENTS} more deployments`,
        unit: 'MiB',
        values: [after],
        peer: { name: 'before them', values: [before] },
        aims: [{ of: 'ratio', atMost: 1.05 }],
      }),
    );
  },
};

function bundleFiles(label: string, destination: string): Record<string, string> {
  const hooks = Object.entries(HOOKS)
    .map(([event, names]) => `  ${event}:\n${names.map((name) => `    - location: scripts/${name}.sh\n`).join('')}`)
    .join('');
  return {
    'appspec.yml': `version: 0.0\nos: linux\nfiles:\n  - source: app\n    destination: ${destination}\nhooks:\n${hooks}`,
    'app/VERSION': label,
    'app/server.js': `console.log('${label}');\n`.repeat(20),
    'app/config.json': JSON.stringify({ label, port: 8_080 }),
    ...Object.fromEntries(
      Object.values(HOOKS)
        .flat()
        .map((name) => [`scripts/${name}.sh`, '#!/bin/sh\nexit 0\n']),
    ),
  };
}

/** What somebody would write by hand: the old revision is stopped by its own script, as CodeDeploy does. */
function shellScript(): string {
  const run = (event: string) => (HOOKS[event] ?? []).map((name) => `"$WORK/scripts/${name}.sh"`).join('\n');
  return `#!/bin/sh
set -e
if [ -d "$WORK" ]; then ${run('ApplicationStop')}; fi
rm -rf "$WORK"
mkdir -p "$WORK" "$DEST"
tar xzf "$ARCHIVE" -C "$WORK"
cd "$WORK"
${run('BeforeInstall')}
cp -r "$WORK"/app/. "$DEST"/
${['AfterInstall', 'ApplicationStart', 'ValidateService'].map(run).join('\n')}
`;
}

async function deploy(
  client: DroverClient,
  request: { application: string; deploymentGroup: string; revision: string },
): Promise<{ seenMs: number; historyMs: number }> {
  const startedAt = Date.now();
  const before = performance.now();
  let deployment = await client.createDeployment(request);
  while (!isTerminal(deployment.status)) {
    await pause(POLL_MS);
    deployment = await client.getDeployment({ deployment: deployment.id });
  }
  const seenMs = performance.now() - before;
  if (deployment.status !== 'Succeeded')
    throw new Error(`${deployment.id} is ${deployment.status}: ${JSON.stringify(deployment.errorInformation)}`);
  return { seenMs, historyMs: (deployment.completedAt ?? Number.NaN) - startedAt };
}

async function runScript(script: string, environment: Record<string, string>): Promise<number> {
  const before = performance.now();
  const child = spawn('/bin/sh', [script], { env: { ...process.env, ...environment }, stdio: 'ignore' });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`the shell script ended with ${code}`);
  return performance.now() - before;
}

/** Both did the work: the files are those of the revision. */
function checkFile(directory: string, label: string): void {
  const found = readFileSync(join(directory, 'VERSION'), 'utf8');
  if (found !== label) throw new Error(`${directory} has revision ${found}, expected ${label}`);
}
