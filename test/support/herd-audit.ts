import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Deployment, TargetWithEvents } from '../../shared/sdk/drover-client.ts';
import { isTerminal } from '../../shared/sdk/drover-client.ts';
import { TARGET_GROUP } from './herd-operator.ts';
import { type RealHerd, type RealHost, until } from './real-herd.ts';
import { HOOKED, type HookRun, outputOf, runsOf, VERSION_FILE } from './traced-hooks.ts';

/** What the coordinator tells, and what the hosts' own files tell. */
export interface History {
  /** In the order of their creation. */
  deployments: Deployment[];
  targets: TargetWithEvents[];
  /** By the host's name, in the order in which they began. */
  runs: Map<string, HookRun[]>;
}

export interface Audit {
  /** What does not hold, in words; empty when all is well. */
  problems: string[];
  deployments: number;
  targets: Record<string, number>;
  hookRuns: number;
}

export async function readHistory(herd: RealHerd): Promise<History> {
  const deployments: Deployment[] = [];
  for await (const deployment of herd.client.all('listDeployments', {})) deployments.unshift(deployment);
  const targets: TargetWithEvents[] = [];
  for (const { id } of deployments)
    for await (const { hostName } of herd.client.all('listTargets', { deployment: id }))
      targets.push(await herd.client.getTarget({ deployment: id, host: hostName }));
  const runs = new Map(herd.hosts.map((host) => [host.name, runsOf(host.installRoot)]));
  return { deployments, targets, runs };
}

/**
 * Holds the history against what the hosts themselves have written.
 * @param isExplained whether the test itself has given a reason for this failure
 */
export async function audit(
  herd: RealHerd,
  { deployments, targets, runs }: History,
  isExplained: (target: TargetWithEvents, deployment: Deployment) => boolean,
): Promise<Audit> {
  const problems: string[] = [];
  for (const deployment of deployments)
    checkCounts(
      deployment,
      targets.filter((target) => target.deploymentId === deployment.id),
      problems,
    );
  checkOneActive(deployments, problems);
  let hookRuns = 0;
  for (const host of herd.hosts) {
    const ran = runs.get(host.name) ?? [];
    hookRuns += ran.length;
    const own = targets.filter((target) => target.hostName === host.name);
    checkHost({ host, runs: ran, targets: own, deployments, problems, isExplained });
    await checkFiles(herd, host, problems);
    for (const target of own) if (target.status === 'Succeeded') await checkOutput(herd, target, ran, problems);
  }
  const statuses = targets.map((target) => target.status);
  const count = (status: string) => statuses.filter((other) => other === status).length;
  return {
    problems,
    deployments: deployments.length,
    targets: Object.fromEntries([...new Set(statuses)].map((status) => [status, count(status)])),
    hookRuns,
  };
}

function checkCounts(deployment: Deployment, targets: readonly TargetWithEvents[], problems: string[]): void {
  if (!isTerminal(deployment.status)) problems.push(`${deployment.id} has not ended: ${deployment.status}`);
  const expected = deployment.totalHosts - deployment.alreadyCurrentHosts;
  if (targets.length !== expected) problems.push(`${deployment.id} has ${targets.length} targets, not ${expected}`);
  for (const target of targets)
    if (target.status === 'Pending' || target.status === 'InProgress')
      problems.push(`${deployment.id} ${target.hostName} has not ended: ${target.status}`);
  for (const [status, count] of Object.entries(deployment.overview)) {
    const found = targets.filter((target) => target.status === status).length;
    if (found !== count) problems.push(`${deployment.id} counts ${count} ${status}, its targets ${found}`);
  }
}

/** I2 of a group: one deployment at a time. One host that is brought in runs beside the group's deployment by design. */
function checkOneActive(deployments: readonly Deployment[], problems: string[]): void {
  const ofGroup = deployments
    .filter((deployment) => deployment.creator !== 'autoscaling')
    .sort((a, b) => a.createdAt - b.createdAt);
  for (const [index, deployment] of ofGroup.entries()) {
    const next = ofGroup[index + 1];
    if (next !== undefined && (deployment.completedAt ?? Number.POSITIVE_INFINITY) > next.createdAt)
      problems.push(`${next.id} was created while ${deployment.id} was active`);
  }
}

interface HostCheck {
  host: RealHost;
  runs: readonly HookRun[];
  targets: readonly TargetWithEvents[];
  deployments: readonly Deployment[];
  problems: string[];
  isExplained(target: TargetWithEvents, deployment: Deployment): boolean;
}

function checkHost({ host, runs, targets, deployments, problems, isExplained }: HostCheck): void {
  // I2 of a host: what one deployment ran is never among what another ran.
  const order = runs.map((run) => run.deploymentId).filter((id, index, all) => id !== all[index - 1]);
  for (const id of new Set(order))
    if (order.filter((other) => other === id).length > 1)
      problems.push(`${id} ran in turns with others on ${host.name}`);
  const known = new Set(targets.map((target) => target.deploymentId));
  for (const id of new Set(order)) if (!known.has(id)) problems.push(`${id} ran on ${host.name}; its history says no`);
  for (const target of targets) {
    const deployment = deployments.find((candidate) => candidate.id === target.deploymentId);
    if (deployment === undefined) continue;
    const before = order[order.indexOf(target.deploymentId) - 1];
    const isAfterSuccess = targets.some((other) => other.deploymentId === before && other.status === 'Succeeded');
    const own = runs.filter((run) => run.deploymentId === target.deploymentId);
    const found = problemsOf(target, own, deployment, isAfterSuccess);
    if (target.status === 'Failed' && !isExplained(target, deployment))
      found.push(`${target.errorCode} ${target.message} ${JSON.stringify(target.diagnostics)}`);
    for (const problem of found)
      problems.push(`${target.deploymentId} (${deployment.revisionLabel}) ${host.name} ${target.status}: ${problem}`);
  }
}

/** I3 and I6 of one target. */
function problemsOf(
  target: TargetWithEvents,
  runs: readonly HookRun[],
  deployment: Deployment,
  isAfterSuccess: boolean,
): string[] {
  const problems: string[] = [];
  const times = (event: string) => runs.filter((run) => run.event === event).length;
  for (const event of HOOKED) if (times(event) > 1) problems.push(`${event} ran ${times(event)} times`);
  if (target.status === 'Skipped' && runs.length > 0) problems.push(`but ${runs.length} hooks ran`);
  for (const event of target.lifecycleEvents) {
    if (!HOOKED.includes(event.name)) continue;
    const ran = times(event.name);
    const mustRun = event.name !== 'ApplicationStop' || isAfterSuccess;
    if (event.status === 'Succeeded' && ran === 0 && mustRun) problems.push(`${event.name} Succeeded, but did not run`);
    const codes = runs.filter((run) => run.event === event.name).map((run) => run.ended?.exitCode ?? null);
    if (event.status === 'Succeeded' && codes.some((code) => code !== 0))
      problems.push(`${event.name} Succeeded, but its hook ended with ${codes.join(', ')}`);
    if (event.status === 'InProgress') problems.push(`${event.name} is InProgress for ever`);
    if ((event.status === 'Skipped' || event.status === 'Pending') && ran > 0)
      problems.push(`${event.name} ran, but is told to be ${event.status}`);
  }
  if (target.status === 'Succeeded') {
    for (const event of target.lifecycleEvents)
      if (event.status !== 'Succeeded' && !mayFail(deployment, event.name))
        problems.push(`${event.name} is ${event.status}`);
    for (const run of runs)
      if (
        ['AfterInstall', 'ApplicationStart', 'ValidateService'].includes(run.event) &&
        run.version !== deployment.revisionLabel
      )
        problems.push(`${run.event} saw the files of ${JSON.stringify(run.version)}`);
  }
  return problems;
}

/** What stops the old revision may fail where the deployment says so, and does when its host loses its power inside. */
function mayFail(deployment: Deployment, event: string): boolean {
  return deployment.ignoreApplicationStopFailures && event === 'ApplicationStop';
}

async function checkFiles(herd: RealHerd, host: RealHost, problems: string[]): Promise<void> {
  const { items } = await herd.client.listGroupHosts(TARGET_GROUP);
  const told = items.find((item) => item.hostName === host.name)?.revisionLabel;
  const path = join(host.installRoot, VERSION_FILE);
  const found = existsSync(path) ? readFileSync(path, 'utf8').trim() : null;
  if (told !== found) problems.push(`${host.name} has the files of ${found}, the history says ${told}`);
}

/** All of it, each byte once. */
async function checkOutput(
  herd: RealHerd,
  target: TargetWithEvents,
  runs: readonly HookRun[],
  problems: string[],
): Promise<void> {
  for (const { deploymentId, event, ended } of runs.filter((run) => run.deploymentId === target.deploymentId)) {
    // It has not printed all of it: its host lost its power, and what it stops may fail.
    if (ended === null) continue;
    const place = { deployment: deploymentId, host: target.hostName, event };
    const expected = outputOf(deploymentId, event);
    let text = '';
    try {
      await until('the output is there', 5_000, async () => {
        text = (await herd.client.getOutput(place)).text;
        return text.length >= expected.length;
      });
    } catch {
      // What is missing is told below.
    }
    if (text !== expected) problems.push(`${deploymentId} ${target.hostName} ${event}: output ${JSON.stringify(text)}`);
  }
}
