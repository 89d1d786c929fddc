import { watchAvailability } from './availability.ts';
import { Herd, until } from './herd.ts';

/*
 * Drover's main job, visibly: one coordinator with SQLite in a temporary directory and real agents, five and one that scale-out
 * brings, each a process with directories, a port and tags of its own. Every step is verified by what the hosts really serve; the
 * first one that does not hold ends the demo with exit code 1. `--keep` leaves everything running.
 */
const KEEP = process.argv.includes('--keep');
const EXIT_FAILED_AND_ROLLED_BACK = 6;
const herd = new Herd();
const startedAt = Date.now();
let step = 0;

function tell(title: string, text: string): void {
  step++;
  process.stdout.write(`\n${'='.repeat(100)}\n${step}. ${title}\n   ${text}\n`);
}

function verify(holds: boolean, what: string): void {
  if (!holds) throw new Error(`not so: ${what}`);
  process.stdout.write(`   verified: ${what}\n`);
}

async function verifyVersions(version: string): Promise<void> {
  const versions = await herd.versions();
  const all = versions.every((served) => served === version);
  verify(
    all,
    `all ${versions.length} hosts answer over HTTP as ${version}${all ? '' : `, but: ${versions.join(', ')}`}`,
  );
}

/** Half at a time: of five hosts three have to stay in service. */
async function duringWhich(floor: number, work: () => Promise<void>): Promise<void> {
  const availability = watchAvailability(herd.hosts.map((host) => host.port));
  await work();
  const seen = await availability.stop();
  process.stdout.write(
    `   availability: ${seen.rounds} rounds of one request to each of ${seen.hosts} hosts; never fewer than ` +
      `${seen.fewestServing} in service; ${seen.requests - seen.failedRequests} of ${seen.requests} requests answered\n`,
  );
  verify(seen.fewestServing >= floor, `never fewer than ${floor} of ${seen.hosts} hosts were in service`);
}

async function deploy(version: string, expectedExit: number): Promise<void> {
  const exit = await herd.drover('deploy', 'hello/prod', version, '--yes');
  verify(
    exit === expectedExit,
    `drover deploy ended with exit code ${expectedExit}${exit === expectedExit ? '' : `, not ${exit}`}`,
  );
}

async function enrolment(): Promise<void> {
  tell('Enrolment', 'A join token fixes the tags; each host exchanges it for a key of its own.');
  await herd.startCoordinator();
  const joinToken = await herd.createJoinToken(5);
  for (let i = 1; i <= 5; i++) await herd.addHost(`web-${i}`, joinToken);
  await until('all hosts are online', 20_000, async () => {
    const { items } = await herd.client.listHosts({ presence: 'Online' });
    return items.length === 5;
  });
  await herd.drover('hosts', 'ls');
  const { items } = await herd.client.listHosts({ tag: 'role=web' });
  verify(items.length === 5, 'five hosts are online, with the tags of their join token');
}

async function firstDeployment(): Promise<void> {
  tell(
    'First deployment, half at a time',
    'An application, a group of all hosts with role=web, a bundle, a deployment.',
  );
  await herd.client.createApplication({ name: 'hello' });
  await herd.client.createDeploymentGroup({
    application: 'hello',
    name: 'prod',
    selection: { tagFilters: [{ type: 'KEY_AND_VALUE', key: 'role', value: 'web' }] },
    deploymentConfigName: 'CodeDeployDefault.HalfAtATime',
  });
  await push('1.0.0');
  await deploy('1.0.0', 0);
  await verifyVersions('1.0.0');
}

async function push(version: string, slowSeconds?: number): Promise<void> {
  const exit = await herd.drover('push', herd.makeBundle(version, slowSeconds), '--app', 'hello', '--label', version);
  verify(exit === 0, `bundle ${version} is registered, pinned by its digest`);
}

async function rollingUpgrade(): Promise<void> {
  tell('Rolling upgrade', 'While it runs, every host is asked for its page again and again.');
  await push('1.1.0');
  await duringWhich(3, () => deploy('1.1.0', 0));
  await verifyVersions('1.1.0');
}

async function badRevision(): Promise<void> {
  tell(
    'A bad revision',
    'It starts, but answers 500: ValidateService fails, the health rule stops it, Drover rolls back.',
  );
  await push('1.2.0-bad');
  await duringWhich(3, () => deploy('1.2.0-bad', EXIT_FAILED_AND_ROLLED_BACK));
  const { items } = await herd.client.listDeployments({ creator: 'user', limit: 1 });
  await herd.drover('why', items[0]?.id ?? 'last');
  await verifyVersions('1.1.0');
}

async function scaleOut(): Promise<void> {
  tell(
    'A sixth host joins',
    'It gets the good revision by itself, and says itself when it may be put behind a load balancer.',
  );
  const host = await herd.addHost('web-6', await herd.createJoinToken(1));
  await herd.waitReady(host, 30);
  const { items } = await herd.client.listDeployments({ creator: 'autoscaling', limit: 1 });
  verify(items[0]?.status === 'Succeeded', `${items[0]?.id} brought it in, and drover-agent wait-ready returned`);
  await verifyVersions('1.1.0');
}

async function agentKilled(): Promise<void> {
  tell(
    'An agent is killed with SIGKILL in the middle of a hook',
    'The hook goes on; the restarted agent finds it again.',
  );
  await push('1.3.0', 2);
  const running = herd.drover('deploy', 'hello/prod', '1.3.0', '--yes');
  const { host, deploymentId } = await hostInsideHook('AfterInstall');
  await host.agent.end('SIGKILL');
  process.stdout.write(`   killed the agent of ${host.name} inside AfterInstall\n`);
  herd.restartAgent(host);
  verify((await running) === 0, 'the deployment succeeded all the same');
  verify(herd.hookRuns(host, deploymentId, 'AfterInstall') === 1, `AfterInstall ran once on ${host.name}`);
  await verifyVersions('1.3.0');
}

async function coordinatorKilled(): Promise<void> {
  tell(
    'The coordinator is killed with SIGKILL in the middle of a deployment',
    'Hosts go on; the next coordinator takes it up.',
  );
  await push('1.4.0', 1);
  const running = herd.drover('deploy', 'hello/prod', '1.4.0', '--yes');
  const { deploymentId } = await hostInsideHook('AfterInstall');
  await herd.killCoordinator();
  process.stdout.write('   killed the coordinator; starting it again on the same data\n');
  await herd.startCoordinator();
  verify((await running) === 0, 'the deployment succeeded, and the watching command saw it through');
  for (const host of herd.hosts)
    verify(herd.hookRuns(host, deploymentId, 'AfterInstall') === 1, `AfterInstall ran once on ${host.name}`);
  await verifyVersions('1.4.0');
}

async function hostInsideHook(event: string) {
  let found: { host: (typeof herd.hosts)[number]; deploymentId: string } | undefined;
  await until(`a host is inside ${event}`, 30_000, async () => {
    const { items: active } = await herd.client.listDeployments({ active: true, creator: 'user', limit: 1 });
    const deploymentId = active[0]?.id;
    if (deploymentId === undefined) return false;
    const { items } = await herd.client.listTargets({ deployment: deploymentId, status: 'InProgress' });
    const inside = items.find((target) => target.lifecycleEvent === event);
    const host = herd.hosts.find((candidate) => candidate.name === inside?.hostName);
    if (host === undefined || herd.hookRuns(host, deploymentId, event) === 0) return false;
    found = { host, deploymentId };
    return true;
  });
  if (found === undefined) throw new Error('no host was inside a hook');
  return found;
}

async function history(): Promise<void> {
  tell('The history', 'What the coordinator says happened.');
  await herd.drover('history');
  const { items } = await herd.client.listDeployments({ limit: 20 });
  const told = items.map((deployment) => `${deployment.revisionLabel} ${deployment.status}`).reverse();
  const expected = [
    '1.0.0 Succeeded',
    '1.1.0 Succeeded',
    '1.2.0-bad Failed',
    '1.1.0 Succeeded',
    '1.1.0 Succeeded',
    '1.3.0 Succeeded',
    '1.4.0 Succeeded',
  ];
  verify(
    told.join() === expected.join(),
    'it is what happened here: seven deployments, one of them failed and rolled back',
  );
}

let exitCode = 1;
try {
  for (const act of [
    enrolment,
    firstDeployment,
    rollingUpgrade,
    badRevision,
    scaleOut,
    agentKilled,
    coordinatorKilled,
    history,
  ])
    await act();
  exitCode = 0;
  process.stdout.write(
    `\nThe demo is over: every step was verified. It took ${Math.round((Date.now() - startedAt) / 1000)} s.\n`,
  );
} catch (error) {
  process.stdout.write(`\nThe demo failed: ${error instanceof Error ? error.message : String(error)}\n`);
  for (const name of ['coordinator', ...herd.hosts.map((host) => host.name)])
    process.stdout.write(`\n-- the end of ${name}'s log\n${herd.logsOf(name)}\n`);
}
if (KEEP) process.stdout.write(`\nLeft running, as you asked. To look around:\n${herd.lookAround()}\n`);
else await herd.close();
process.exit(exitCode);
