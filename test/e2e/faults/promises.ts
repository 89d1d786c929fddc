import type { Deployment, TargetWithEvents } from '../../../shared/sdk/drover-client.ts';
import type { History } from '../../support/herd-audit.ts';
import type { HookRun } from '../../support/traced-hooks.ts';

/*
 * The invariants that need more than one host's own story, as functions of what was read. Each answers with what does not
 * hold, in words. Host and coordinator share this machine's clock here.
 */

/**
 * I1: in-service hosts never fall below the minimum by our doing.
 *
 * A host is in service from the end of a ValidateService that succeeded to the beginning of the next deployment's first
 * hook, by its own file: what faults do to agents and links leaves the service up, and a hook that was killed leaves it down
 * until a later deployment has mended it. A hook is the only thing here that takes a host out of service. So whenever one
 * does, the deployment it belongs to must have left its minimum in service among its hosts, as they truly were, whatever the
 * coordinator could know. The one-host deployment of a host that enters is free to: such a host does not count as in service.
 */
export function brokenMinimums(history: History): string[] {
  const problems: string[] = [];
  const inService = new Set<string>();
  for (const { at, host, run, isUp } of turns(history)) {
    if (isUp) {
      inService.add(host);
      continue;
    }
    inService.delete(host);
    const deployment = history.deployments.find(({ id }) => id === run.deploymentId);
    if (deployment === undefined || deployment.creator === 'autoscaling') continue;
    const hosts = hostsOf(deployment, history);
    const left = hosts.filter((name) => inService.has(name)).length;
    const minimum = deployment.minimumHealthyCount ?? Math.max(0, deployment.totalHosts - 1);
    if (left < minimum)
      problems.push(
        `I1: ${deployment.id} (${deployment.revisionLabel}, ${deployment.creator}) took ${host} out of service at ` +
          `${new Date(at).toISOString()} and left ${left} of ${hosts.length}; ${minimum} must stay. In service: ` +
          `${[...inService].join(' ')}`,
      );
  }
  return problems;
}

interface Turn {
  at: number;
  host: string;
  run: HookRun;
  isUp: boolean;
}

function turns({ runs }: History): Turn[] {
  const all: Turn[] = [];
  for (const [host, own] of runs) {
    let isUp = false;
    for (const run of own) {
      if (isUp) all.push({ at: run.beganAt, host, run, isUp: false });
      isUp = run.event === 'ValidateService' && run.ended?.exitCode === 0;
      if (isUp && run.ended !== null) all.push({ at: run.ended.at, host, run, isUp: true });
    }
  }
  return all.sort((a, b) => a.at - b.at);
}

/** Those that the arithmetic counts: a rollback counts the hosts of the deployment that it answers. */
function hostsOf(deployment: Deployment, history: History): string[] {
  const answersTo = deployment.rollbackInfo.rollbackTriggeringDeploymentId;
  const id = answersTo ?? deployment.id;
  return history.targets.filter((target) => target.deploymentId === id).map((target) => target.hostName);
}

/** I5: after a rollback succeeded, every reachable host runs the revision that it brought back. */
export function brokenRollbacks(history: History): string[] {
  const problems: string[] = [];
  for (const rollback of history.deployments) {
    if (rollback.creator !== 'codeDeployRollback' || rollback.status !== 'Succeeded') continue;
    const unreachable = history.targets
      .filter((target) => target.deploymentId === rollback.id && isUnreachable(target))
      .map((target) => target.hostName);
    for (const host of hostsOf(rollback, history)) {
      if (unreachable.includes(host)) continue;
      const version = versionAt(history.runs.get(host) ?? [], rollback.completedAt ?? 0);
      if (version !== rollback.revisionLabel)
        problems.push(`I5: ${rollback.id} brought back ${rollback.revisionLabel}, but ${host} ran ${version}`);
    }
  }
  return problems;
}

/** What lay installed at an instant, as the hooks saw it. */
function versionAt(runs: readonly HookRun[], at: number): string {
  return runs.findLast((run) => run.beganAt <= at)?.version ?? '';
}

export function isUnreachable({ errorCode }: Pick<TargetWithEvents, 'errorCode'>): boolean {
  return errorCode === 'HOST_OFFLINE' || errorCode === 'HOST_LOST';
}

/** I7: after a stop is acknowledged no further host starts. A host without a start in the history has run no hook (I6). */
export function brokenStops(
  history: History,
  stops: readonly { deploymentId: string; acknowledgedAt: number }[],
): string[] {
  return stops.flatMap(({ deploymentId, acknowledgedAt }) =>
    history.targets
      .filter((target) => target.deploymentId === deploymentId && (target.startedAt ?? 0) > acknowledgedAt)
      .map(
        ({ hostName, startedAt }) =>
          `I7: ${deploymentId} was stopped at ${acknowledgedAt}, but ${hostName} started at ${startedAt}`,
      ),
  );
}

/** I8, as far as it shows from outside: one request made one deployment, one failure one rollback, linked both ways. */
export function repeatedDecisions({ deployments }: History): string[] {
  const problems: string[] = [];
  const seen = new Set<string>();
  for (const { id, creator, description, rollbackInfo } of deployments) {
    const answersTo = rollbackInfo.rollbackTriggeringDeploymentId;
    if (creator !== 'user' && answersTo === null) continue;
    const origin = answersTo === null ? `the request ${description}` : `the failure of ${answersTo}`;
    if (seen.has(origin)) problems.push(`I8: ${id} is the second deployment for ${origin}`);
    seen.add(origin);
    if (answersTo === null) continue;
    const answered = deployments.find((other) => other.id === answersTo);
    if (answered?.rollbackInfo.rollbackDeploymentId !== id)
      problems.push(
        `I8: ${id} is the rollback of ${answersTo}, which names ${answered?.rollbackInfo.rollbackDeploymentId}`,
      );
  }
  return problems;
}
