import { AGENT_APPLICATION } from '../../shared/model/agent-update.ts';
import type { History } from './history.ts';
import { isAnothers } from './invariants/groups.ts';
import type { SeenDeployment } from './observer.ts';
import { hasGoneOver, isBetweenWaves, refusedForAnothers } from './stored.ts';
import { journalText } from './world/agent-state.ts';
import type { Machine } from './world/machine.ts';

interface Target {
  hostId: string;
  status: string;
  errorCode: string | null;
  acceptedAt: number | null;
  startedAt: number | null;
  completedAt: number | null;
  position: number;
}

/** Recognises the named situations that one look at the world is not enough for. */
export function createNotices(history: History) {
  const { world, notice } = history;
  const targetsOf = (deploymentId: string): Target[] =>
    world.database.look
      .prepare<[string], Target>(
        `SELECT host_id AS hostId, status, error_code AS errorCode, accepted_at AS acceptedAt, started_at AS startedAt,
           completed_at AS completedAt, position FROM targets
         WHERE deployment_id = ? ORDER BY position`,
      )
      .all(deploymentId);
  const isRolledBack = (id: string): boolean =>
    world.database.look.prepare('SELECT 1 FROM deployments WHERE rollback_triggering_deployment_id = ?').get(id) !==
    undefined;
  /** Machine and deployment of the assignments that this coordinator has sent. */
  let sent = new Set<string>();
  /** The highest report of each machine, by its journal's agent. */
  const highest = new Map<string, number>();
  const lost = new Set<string>();

  return {
    created(deployment: SeenDeployment): void {
      const others = history.observer.active().filter((other) => other.id !== deployment.id);
      if (deployment.application === AGENT_APPLICATION) {
        if (others.some((other) => other.fleet.some((hostId) => deployment.fleet.includes(hostId))))
          notice('an agent update takes hosts that are deployed to');
        return;
      }
      const sameGroup = others.filter((other) => other.groupId === deployment.groupId && other.occupiesGroup);
      if (deployment.creator === 'CodeDeployAutoUpdate') notice('hosts follow on after a deployment');
      if (deployment.creator === 'autoscaling') {
        if (sameGroup.length > 0) notice('a host joins while its group is deployed to');
        if (sameGroup.some((other) => other.creator === 'codeDeployRollback'))
          notice('a host joins while its group rolls back');
        if (deployment.fleet.some((hostId) => lost.has(hostId))) notice('a host is brought in after it was lost');
      }
      const broughtIn = others.filter(
        (other) => other.creator === 'autoscaling' && other.groupId === deployment.groupId,
      );
      if (broughtIn.some((other) => deployment.fleet.includes(other.fleet[0] ?? '')))
        notice('a deployment begins while a host is brought in');
      if (deployment.creator === 'codeDeployRollback')
        if (broughtIn.some((other) => deployment.fleet.includes(other.fleet[0] ?? '')))
          notice('a rollback begins while a host of it is brought in');
      const elsewhere = others.filter((other) => other.groupId !== deployment.groupId);
      if (elsewhere.some((other) => other.fleet.some((hostId) => deployment.fleet.includes(hostId))))
        notice('two groups want one host');
      const sameApplication = elsewhere.filter((other) => other.application === deployment.application);
      if (sameApplication.some((other) => other.fleet.some((hostId) => deployment.fleet.includes(hostId))))
        notice('two groups of one application want one host');
      if (deployment.creator === 'codeDeployRollback')
        for (const { creator } of sameApplication)
          if (creator === 'codeDeployRollback') notice('two groups of one application roll back at the same time');
      const [entering] = deployment.creator === 'autoscaling' ? deployment.fleet : [];
      const machine = entering === undefined ? undefined : world.machineOfHost(entering);
      if (machine !== undefined && isAnothers(history, machine, deployment))
        notice('a host is brought in that has the revision of another group');
    },

    ended(deployment: SeenDeployment): void {
      const { status, errorCode, creator } = deployment;
      if (errorCode === 'TIMEOUT') notice('a deployment runs out of time');
      if (errorCode === 'HEALTH_CONSTRAINTS_INVALID') notice('a deployment that can never begin');
      const targets = targetsOf(deployment.id);
      const failed = targets.filter((target) => target.status === 'Failed');
      for (let refused = refusedForAnothers(history, deployment.id); refused > 0; refused--)
        notice('an install is refused since the files of another group are there');
      for (const target of failed) {
        if (target.errorCode === 'HOST_OFFLINE') notice('a host is offline at its turn');
        if (target.errorCode === 'HOST_LOST') notice('a host is lost in the middle of its deployment');
        if (target.errorCode === 'NOT_ACCEPTED') notice('a host does not accept in time');
        if (target.errorCode === 'EVENT_TIMEOUT') notice('a host tells nothing in time');
        if (target.errorCode === 'HOST_LOST' || target.errorCode === 'HOST_OFFLINE') lost.add(target.hostId);
      }
      if (targets.length > 1 && failed.length === targets.length) notice('every host of a deployment fails');
      if (targets.length > 1 && failed.length === 1 && failed[0] === targets.at(-1)) notice('only the last host fails');
      if (
        status === 'Failed' &&
        failed.some((target) => target.errorCode === 'HOST_LOST') &&
        !isRolledBack(deployment.id)
      )
        notice('a host is lost in a deployment that fails and is not rolled back');
      if (creator !== 'codeDeployRollback') return;
      const failedAt = failed.flatMap((target) =>
        target.errorCode === 'HOOK_FAILED' ? (target.completedAt ?? []) : [],
      );
      if (targets.some(({ startedAt }) => startedAt !== null && startedAt >= Math.min(...failedAt)))
        notice('a host fails in a rollback that has more to take out');
      notice(status === 'Succeeded' ? 'a rollback succeeded' : 'a rollback failed');
      if (world.machines.some((machine) => !machine.isGone && world.network.isCut(machine.name)))
        notice('a rollback while a host is cut off');
    },

    scriptBegan(machine: Machine): void {
      if (machine.refusesWebSockets) notice('a host works through a long poll');
    },

    hostBegan({ hostId }: Machine, deploymentId: string): void {
      if (hostId !== null && hasGoneOver(history, hostId, deploymentId))
        notice('a deployment reaches a host that has gone over to another group');
    },

    assignmentSent(machine: string, frame: string): void {
      sent.add(`${machine} ${/"deploymentId":"([^"]+)"/.exec(frame)?.[1] ?? ''}`);
    },

    reportsSaid(machine: string, frame: string): void {
      const first = Number(/"sequence":(\d+)/.exec(frame)?.[1] ?? 0);
      if (first > 0 && first <= (highest.get(machine) ?? 0)) notice('reports are repeated');
      highest.set(machine, Math.max(first, highest.get(machine) ?? 0));
    },

    agentStarted(machine: Machine): void {
      if (machine.processes.running > 0) notice('an agent finds its hook again');
      if (isWrittenAnew(machine)) notice('an agent reads a journal that was written anew');
    },

    agentEnded(machine: Machine, why: string): void {
      if (machine.processes.running > 0) {
        notice('an agent dies inside a hook');
        if (world.coordinator.core === null) notice('an agent dies inside a hook while its coordinator is down');
      } else if (hasDecidedToStart(machine)) notice('an agent dies between deciding and starting a hook');
      if (why.startsWith('after it has named')) notice('an agent dies in the middle of an install');
      if (why.startsWith('in the middle of putting')) notice('an agent dies while it puts a bundle together');
      if (why.startsWith('in the middle of a write')) notice('an agent dies in the middle of a journal write');
      if (why.includes('not synced')) notice('an agent dies before it has synced');
    },

    coordinatorEnded(why: string): void {
      if (isBetweenWaves(history)) notice('a coordinator dies between two waves of an agent update');
      if (why.startsWith('after "commit')) notice('a coordinator dies between commit and perform');
      if (why.startsWith('before "commit')) notice('a coordinator dies before a commit');
      if (why.includes('lifecycle_events') || why.includes('UPDATE targets SET'))
        notice('a coordinator dies in the middle of a group commit of reports');
      for (const deployment of history.observer.active()) {
        if (deployment.creator === 'codeDeployRollback') notice('a rollback while the coordinator restarts');
        const waiting = targetsOf(deployment.id).filter((t) => t.status === 'InProgress' && t.acceptedAt === null);
        const isSent = ({ hostId }: Target) => sent.has(`${world.machineOfHost(hostId)?.name} ${deployment.id}`);
        if (waiting.some(isSent) && !waiting.every(isSent)) notice('a coordinator dies with assignments half sent');
      }
      sent = new Set();
    },
  };
}

/** Its first record is of what had happened by then; a new journal's is of nothing. */
function isWrittenAnew({ files }: Machine): boolean {
  const [first = ''] = journalText(files).split('\n', 1);
  return /"lastSequence":[1-9]/.test(first);
}

/** The journal's last word is that a script starts. */
function hasDecidedToStart({ files }: Machine): boolean {
  const lines = journalText(files).trimEnd().split('\n');
  return lines.at(-1)?.includes('"kind":"script-starting"') === true;
}
