import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createNodeDisk } from '../../../agent/host/node-disk.ts';
import { readJournal } from '../../../agent/journal/journal.ts';
import type { Deployment, TargetWithEvents } from '../../../shared/sdk/drover-client.ts';
import { type History, readHistory } from '../../support/herd-audit.ts';
import { answered, TARGET_GROUP } from '../../support/herd-operator.ts';
import { type RealHerd, type RealHost, until } from '../../support/real-herd.ts';
import { PAYLOAD_FILE, type PushedRevision } from './operators.ts';
import { isUnreachable } from './promises.ts';

/** An agent that was refused again and again waits half a minute, one that was taken for a copy a minute. */
const CONNECTED_WITHIN_MS = 150_000;
/** One deployment at a time to the hosts that are owed one, each with the bounds of its own. */
const SETTLED_WITHIN_MS = 300_000;

/** Resolves with the instant at which every host was seen Online, epoch ms. */
export async function allOnline(herd: RealHerd): Promise<number> {
  let missing: string[] = [];
  await until('every host is connected again', CONNECTED_WITHIN_MS, async () => {
    const { items } = await answered(() => herd.client.listHosts({}));
    missing = items.filter((host) => host.presence !== 'Online').map((host) => host.name);
    return missing.length === 0 && items.length === herd.hosts.length;
  }).catch((error: unknown) => {
    throw new Error(`${missing.join(', ')} did not come back`, { cause: error });
  });
  return Date.now();
}

/**
 * What heals without an operator: a host that was offline or lost at its turn gets the group's good revision once it is back.
 * Resolves when every such host has it, or when a later deployment to it has told something else.
 */
export async function settled(herd: RealHerd): Promise<void> {
  let owed: string[] = [];
  await until('hosts that were out of reach have the good revision', SETTLED_WITHIN_MS, async () => {
    const [history, good] = [await readHistory(herd), await lastGoodLabel(herd)];
    const active = history.deployments.filter((deployment) => deployment.completedAt === null);
    owed = herd.hosts
      .filter((host) => {
        const last = lastTargetOf(host, history);
        return last !== undefined && isUnreachable(last) && installedVersion(host) !== good;
      })
      .map((host) => host.name);
    return active.length === 0 && owed.length === 0;
  }).catch((error: unknown) => {
    throw new Error(`${owed.join(', ')}: out of reach at their turn, back, and not brought to the good revision`, {
      cause: error,
    });
  });
}

/**
 * Hosts that run something else than the last good revision although nothing that an operator must look at has happened on
 * them: no deployment to them failed, and none that reached them was a part, was stopped or failed without being rolled back.
 */
export async function unexplainedHosts(herd: RealHerd, history: History): Promise<string[]> {
  const good = await lastGoodLabel(herd);
  const problems: string[] = [];
  for (const host of herd.hosts) {
    const installed = installedVersion(host);
    const last = lastTargetOf(host, history);
    const deployment = history.deployments.find(({ id }) => id === last?.deploymentId);
    if (installed === good || last === undefined || deployment === undefined) continue;
    if (last.status === 'Failed' && !isUnreachable(last)) continue;
    if (isPartial(deployment, history) || isLeftAsItIs(deployment, history)) continue;
    problems.push(
      `convergence: ${host.name} runs ${installed}, the last good revision is ${good}; the last that reached it was ` +
        `${deployment.id} (${deployment.creator}, ${deployment.status}), there ${last.status}`,
    );
  }
  return problems;
}

function isPartial(deployment: Deployment, history: History): boolean {
  const answersTo = deployment.rollbackInfo.rollbackTriggeringDeploymentId;
  const counted = history.deployments.find(({ id }) => id === answersTo)?.totalHosts ?? deployment.totalHosts;
  return deployment.creator === 'user' && counted < history.runs.size;
}

function isLeftAsItIs(deployment: Deployment, history: History): boolean {
  if (deployment.status === 'Succeeded') return false;
  const { rollbackDeploymentId } = deployment.rollbackInfo;
  const rollback = history.deployments.find(({ id }) => id === rollbackDeploymentId);
  return rollback === undefined || rollback.status !== 'Succeeded';
}

function lastTargetOf(host: RealHost, { deployments, targets }: History): TargetWithEvents | undefined {
  const own = targets.filter((target) => target.hostName === host.name && target.status !== 'Skipped');
  const order = new Map(deployments.map(({ id }, index) => [id, index]));
  return own.sort((a, b) => (order.get(a.deploymentId) ?? 0) - (order.get(b.deploymentId) ?? 0)).at(-1);
}

export async function lastGoodLabel(herd: RealHerd): Promise<string> {
  const group = await answered(() => herd.client.getDeploymentGroup(TARGET_GROUP));
  return group.lastGoodRevisionLabel ?? '';
}

/** Each host's own files against what was pushed under that name: problems in words. */
export function foreignFiles(
  hosts: readonly RealHost[],
  label: string,
  revisions: ReadonlyMap<string, PushedRevision>,
): string[] {
  const expected = revisions.get(label)?.payload ?? '';
  return hosts.flatMap((host) => {
    const version = installedVersion(host);
    if (version !== label) return [`${host.name} has the files of ${version}, not of ${label}`];
    return hashOf(installedFile(host, PAYLOAD_FILE)) === hashOf(expected)
      ? []
      : [`${host.name} has other bytes than were pushed as ${label}`];
  });
}

/** Ends the agents in order, and holds each host's own journal against the history: problems in words. */
export async function untoldJournals(herd: RealHerd, history: History): Promise<string[]> {
  const problems: string[] = [];
  // An acknowledgement is written with the next commit, or at the end.
  await Promise.all(herd.hosts.map((host) => herd.endAgent(host, 'SIGTERM')));
  for (const host of herd.hosts) {
    const journal = await readJournal(createNodeDisk(), join(host.directory, 'state', 'journal'));
    if (journal === null || journal.deployments.length + journal.reports.length > 0)
      problems.push(`I6: ${host.name} has something left to do or to tell: ${JSON.stringify(journal)?.slice(0, 500)}`);
    for (const finished of journal?.finished ?? []) {
      const target = history.targets.find(
        ({ hostName, deploymentId }) => hostName === host.name && deploymentId === finished.deploymentId,
      );
      // What was given up before it was told is Failed in the history, which says what was reported afterwards.
      const isTold = target?.status === finished.status || target?.message?.includes(`reported ${finished.status}`);
      if (isTold !== true)
        problems.push(
          `I6: ${host.name} has ${finished.deploymentId} as ${finished.status}, the history as ${target?.status} ` +
            `${target?.errorCode} ${target?.message}`,
        );
    }
  }
  return problems;
}

function installedVersion(host: RealHost): string {
  return installedFile(host, 'VERSION').trim();
}

function installedFile(host: RealHost, name: string): string {
  const path = join(host.installRoot, 'opt/app', name);
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
