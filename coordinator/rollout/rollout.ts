import { invariant } from '../../shared/core/invariant.ts';
import { type ErrorInformation, isTerminal } from '../../shared/model/deployment.ts';
import { MAX_FRAME_BYTES } from '../../shared/protocol/messages.ts';
import { capacityForHealthy, capacityForUnhealthy, hasCapacityLeft, hostsLeft } from './capacity.ts';
import { overdueDecisions } from './deadlines.ts';
import type { Decided, Decision } from './decision.ts';
import {
  assignmentTooLarge,
  healthConstraints,
  healthConstraintsInvalid,
  manualStop,
  noInstances,
  timeout,
} from './health.ts';
import { rollbackDecisions } from './rollback.ts';
import type { PendingTarget, RolloutView } from './view.ts';

/** Agents that could not connect for a while try again every half minute; and the attempt takes its time. */
const RETURN_MS = 45_000;

/**
 * The whole rollout of one deployment as one pure function: all facts in, all changes out. The engine calls it again after
 * every commit until it has nothing more to say, so each call may take just the next step of the story.
 */
export function decide(view: RolloutView, now: number): Decided {
  const { deployment, counts } = view;
  if (isTerminal(deployment.status)) return nothingToDo;
  checkCounts(view);

  if (deployment.status === 'Created') return said(begin(view));

  const overdue = overdueDecisions(view);
  if (overdue.length > 0) return said(overdue);

  if (deployment.ending !== null)
    return counts.inProgress === 0
      ? said(end(view, deployment.ending.as, deployment.ending.error))
      : now >= deployment.deadlineAt
        ? said([failInProgress(view)])
        : wait(view);

  if (deployment.stopRequest !== null)
    return said([{ kind: 'begin-ending', as: 'Stopped', error: manualStop(deployment.stopRequest.by) }]);

  if (now >= deployment.deadlineAt) {
    const ending: Decision = { kind: 'begin-ending', as: 'Failed', error: timeout() };
    return said(counts.inProgress > 0 ? [failInProgress(view), ending] : [ending]);
  }

  if (counts.pending === 0) return counts.inProgress === 0 ? said(verdict(view)) : wait(view);

  if (!hasCapacityLeft(view)) return said([{ kind: 'begin-ending', as: 'Failed', error: healthConstraints(view) }]);

  const started = startNext(view, now);
  if (started.length > 0) return said(started);
  return holdForOfflineHosts(view, now);
}

function begin(view: RolloutView): Decision[] {
  const { deployment, counts } = view;
  if (deployment.totalHosts === 0) return end(view, 'Failed', noInstances());
  if (counts.pending > 0 && !hasCapacityLeft(view)) return endBeforeItBegins(view, healthConstraintsInvalid(view));
  if (counts.pending > 0 && deployment.assignmentBytes > MAX_FRAME_BYTES)
    return endBeforeItBegins(view, assignmentTooLarge(view));
  return [{ kind: 'begin' }];
}

function endBeforeItBegins(view: RolloutView, error: ErrorInformation): Decision[] {
  return [{ kind: 'begin-ending', as: 'Failed', error }, ...end(view, 'Failed', error)];
}

/** Nothing is pending or in progress any more. Source of the rule: AWS user guide, "Minimum healthy instances". */
function verdict(view: RolloutView): Decision[] {
  const { deployment, counts } = view;
  const runningIt = counts.succeeded + deployment.alreadyCurrentHosts - deployment.forgottenHosts;
  // All that are left is enough, also when so many were forgotten meanwhile that they are fewer than the minimum.
  const isEnough = runningIt === hostsLeft(view) || runningIt >= Math.max(1, deployment.minimumHealthyCount);
  // A rollback that leaves a reachable host on another revision has not brought the group back.
  const isHealed = deployment.creator !== 'codeDeployRollback' || !view.hasReachableFailures;
  return isEnough && isHealed ? end(view, 'Succeeded', null) : end(view, 'Failed', healthConstraints(view));
}

function end(
  view: RolloutView,
  status: 'Succeeded' | 'Failed' | 'Stopped',
  error: ReturnType<typeof noInstances> | null,
) {
  const decisions: Decision[] = [{ kind: 'end', status, error }];
  if (status !== 'Succeeded') decisions.push(...rollbackDecisions(view, status));
  return decisions;
}

/**
 * The targets whose turn it is, in the order of the plan. An unhealthy host is down already, so starting it costs no
 * service; a healthy one starts only while more than the minimum are in service. An offline host fails at its turn, at once
 * and by name; one that may still return is passed over until it is known. The turn of a healthy host does not come while one
 * before it waits: it may be back by then.
 */
function startNext(view: RolloutView, now: number): Decision[] {
  let forUnhealthy = capacityForUnhealthy(view);
  let forHealthy = capacityForHealthy(view);
  let healthyWait = false;
  const decisions: Decision[] = [];
  for (const target of view.next) {
    if (forUnhealthy <= 0) break;
    if (target.wasHealthy && healthyWait) continue;
    if (isOnItsWay(target, view, now)) continue;
    if (target.presence === 'Reconnecting') continue;
    if (target.presence === 'Offline') {
      // Its failure changes what else may start: the next round decides on the new counts.
      if (decisions.length === 0) decisions.push(failOffline(target));
      break;
    }
    if (target.wasHealthy && forHealthy <= 0) {
      healthyWait = true;
      continue;
    }
    decisions.push({
      kind: 'start-target',
      targetId: target.targetId,
      hostId: target.hostId,
      wasHealthy: target.wasHealthy,
      acceptBy: now + view.settings.acceptTimeoutMs,
    });
    forUnhealthy--;
    // An unhealthy host that starts was out of service before: it moves from pending to in progress.
    if (target.wasHealthy) forHealthy--;
  }
  return decisions;
}

/** Only hosts that would cost too much service are left to start, since others are down: wait for those, then give up. */
function holdForOfflineHosts(view: RolloutView, now: number): Decided {
  const { offlineInService, counts, settings, next } = view;
  const onTheirWay = next.filter((target) => isOnItsWay(target, view, now));
  if (onTheirWay.length > 0) {
    const lookAt = Math.min(...onTheirWay.map((target) => returnBy(target, view)));
    return { decisions: [], wakeAt: Math.min(lookAt, wait(view).wakeAt ?? lookAt) };
  }
  const canStartNone = next.every((target) => target.presence !== 'Reconnecting') && next.length > 0;
  if (counts.inProgress > 0 || !canStartNone || offlineInService.awaitedSince === null) return wait(view);
  const giveUpAt = Math.max(settings.upSince + RETURN_MS, offlineInService.awaitedSince + settings.hostLostAfterMs);
  if (now >= giveUpAt) return said([{ kind: 'begin-ending', as: 'Failed', error: healthConstraints(view) }]);
  return { decisions: [], wakeAt: Math.min(giveUpAt, wait(view).wakeAt ?? giveUpAt) };
}

/** The coordinator's own absence is nobody's failure: who was away by then, or was lost by it, has a while to be here. */
function isOnItsWay(target: PendingTarget, view: RolloutView, now: number): boolean {
  const isMissed = target.presence === 'Offline' && target.presenceSince <= view.settings.missedUntil;
  return isMissed && now < returnBy(target, view);
}

function returnBy({ presenceSince }: PendingTarget, { settings }: RolloutView): number {
  return Math.max(settings.upSince, presenceSince) + RETURN_MS;
}

function failOffline(target: PendingTarget): Decision {
  return {
    kind: 'fail-target',
    targetId: target.targetId,
    from: 'Pending',
    wasHealthy: target.wasHealthy,
    errorCode: 'HOST_OFFLINE',
    message: `${target.hostName} is offline since ${new Date(target.presenceSince).toISOString()}: nothing was sent to it.`,
  };
}

function failInProgress(view: RolloutView): Decision {
  return {
    kind: 'fail-in-progress',
    errorCode: 'DEPLOYMENT_TIMEOUT',
    message: `The deployment's time was over at ${new Date(view.deployment.deadlineAt).toISOString()}.`,
  };
}

function wait(view: RolloutView): Decided {
  const { deadlineAt } = view.deployment;
  return { decisions: [], wakeAt: Math.min(deadlineAt, view.nextDeadlineAt ?? deadlineAt) };
}

function said(decisions: Decision[]): Decided {
  return { decisions, wakeAt: null };
}
const nothingToDo: Decided = { decisions: [], wakeAt: null };

function checkCounts({ deployment, counts }: RolloutView): void {
  const sum = counts.pending + counts.inProgress + counts.succeeded + counts.failed + counts.skipped;
  invariant(
    sum + deployment.alreadyCurrentHosts === deployment.totalHosts,
    `${deployment.id}: ${sum} targets and ${deployment.alreadyCurrentHosts} current hosts are not ${deployment.totalHosts}`,
  );
  invariant(
    counts.pendingUnhealthy >= 0 && counts.pendingUnhealthy <= counts.pending,
    `${deployment.id}: ${counts.pendingUnhealthy} unhealthy of ${counts.pending} pending`,
  );
  const runningIt = counts.succeeded + deployment.alreadyCurrentHosts;
  invariant(
    deployment.forgottenHosts >= 0 && deployment.forgottenHosts <= runningIt,
    `${deployment.id}: ${deployment.forgottenHosts} forgotten of ${runningIt} that had the revision`,
  );
}
