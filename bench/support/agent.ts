import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Bench } from '../figure.ts';
import type { Coordinator } from './coordinator.ts';
import { type Running, startProcess, until } from './processes.ts';

/** As the package's launcher starts it. */
const NODE_OPTIONS = ['--max-semi-space-size=1'];

export interface Agent extends Running {
  hostName: string;
  hostId: string;
  /** The raw secret of its key, base64, as its identity file has it. */
  privateKey: string;
}

/** The built program, enrolled with a token for role=web, as a process of its own that is online. */
export async function startAgent(bench: Bench, coordinator: Coordinator, hostName: string): Promise<Agent> {
  const directory = join(bench.directory, hostName);
  const stateDirectory = join(directory, 'state');
  mkdirSync(directory);
  const configPath = join(directory, 'agent.yaml');
  writeFileSync(configPath, JSON.stringify({ stateDirectory }));
  const token = await coordinator.client.createJoinToken({ tags: { role: 'web' } });
  const program = join(bench.programs, 'drover-agent.js');
  const enrolment = ['enrol', '--coordinator', coordinator.url, '--token', token.secret, '--name', hostName];
  const enrolled = spawnSync(process.execPath, [program, '--config', configPath, ...enrolment], { encoding: 'utf8' });
  if (enrolled.status !== 0) throw new Error(`enrol: ${enrolled.stdout}${enrolled.stderr}`);
  const running = startProcess(bench, process.execPath, [...NODE_OPTIONS, program, '--config', configPath, 'run']);
  let hostId = '';
  await until(`${hostName} is online`, async () => {
    if (running.isOver()) throw new Error(`the agent ended:\n${running.log()}`);
    const host = await coordinator.client.getHost({ host: hostName });
    hostId = host.id;
    return host.presence === 'Online';
  });
  const identity = JSON.parse(readFileSync(join(stateDirectory, 'identity.json'), 'utf8'));
  return { ...running, hostName, hostId, privateKey: identity.privateKey };
}
