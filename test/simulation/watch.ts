import type { History } from './history.ts';
import { checkTakenOut } from './invariants/in-service.ts';
import { checkRolledBack } from './invariants/rollback.ts';
import { checkScriptStart } from './invariants/scripts.ts';
import { checkBeginAfterStop, checkFrameAfterStop } from './invariants/stops.ts';
import type { ObserverEvents } from './observer.ts';
import type { WorldEvents } from './world/world.ts';

/** Listens to the world and to what is stored: writes down what is true, checks what must hold, counts what was visited. */
export function createWatch(history: History): { worldEvents: WorldEvents; observed: ObserverEvents } {
  const { world, truth, notice, violate } = history;
  const { trace, timeline, coordinator } = world;

  return {
    worldEvents: {
      scriptBegan(machine, run) {
        const wasInService = truth.isInService(machine, run.script.application);
        const isFirst = truth.began(machine.name, run);
        trace.say(
          machine.name,
          `runs ${run.event}-${run.script.index} of ${run.script.revision} for ${run.deploymentId}`,
        );
        checkScriptStart(history, machine, run);
        if (isFirst) {
          checkBeginAfterStop(history, machine, run.deploymentId);
          const taker = history.observer.deployments.get(run.deploymentId);
          if (wasInService && taker !== undefined) checkTakenOut(history, machine, taker);
          history.signal('host-began', machine);
        }
        history.signal('script-began', machine);
      },
      scriptEnded(machine, run, how) {
        truth.ended(machine, run, how);
        trace.say(machine.name, `${run.event}-${run.script.index} of ${run.deploymentId} ${how}`);
        history.signal('script-ended', machine);
      },
      frameSent(machine, direction, frame) {
        const kind = frame.slice(9, frame.indexOf('"', 9));
        if (kind === 'heartbeat') return;
        trace.say('network', `${direction === 'up' ? `${machine} says` : `${machine} is told`} ${kind}`);
        if (direction === 'up') return;
        checkFrameAfterStop(history, machine, frame);
        if (kind === 'welcome' && history.clones.has(machine)) violate('clones', `${machine} was let in`);
        if (kind === 'problem' && frame.includes('"host_cloned"')) notice('a copied host is refused');
        if (kind === 'assignment') history.signal('assignment-sent');
      },
      agentStarted: (machine) => trace.say(machine.name, 'agent starts'),
      agentEnded(machine, why) {
        trace.say(machine.name, `agent ends: ${why}`);
        if (machine.processes.running > 0) {
          notice('an agent dies inside a hook');
          if (coordinator.core === null) notice('an agent dies inside a hook while its coordinator is down');
        }
        if (why.startsWith('in the middle of a write')) notice('an agent dies in the middle of a journal write');
        if (why.includes('not synced')) notice('an agent loses what it had not synced');
        history.signal('agent-ended', machine);
      },
      agentFailed: (machine, error) => trace.say(machine.name, `agent fails: ${String(error)}`),
      coordinatorEnded(why) {
        trace.say('coordinator', `ends: ${why}`);
        if (why.startsWith('after "commit')) notice('a coordinator dies between commit and perform');
        if (why.startsWith('before "commit')) notice('a coordinator dies before a commit');
        if (why.includes('lifecycle_events') || why.includes('UPDATE targets SET'))
          notice('a coordinator dies in the middle of a group commit of reports');
        if (history.observer.active().some((deployment) => deployment.creator === 'codeDeployRollback'))
          notice('a rollback while the coordinator restarts');
        timeline.after(history.coordinatorDownMs, () => void coordinator.start());
        history.signal('coordinator-ended');
      },
      assertionFailed: (who, error) => violate('assertion', `${who}: ${error.message}`),
    },

    observed: {
      created(deployment) {
        const { id, creator, revision, total, minimum } = deployment;
        trace.say('stored', `${id} created by ${creator}: ${revision} to ${total} hosts, minimum ${minimum}`);
        history.signal('deployment-created');
        if (creator === 'codeDeployRollback') history.signal('rollback-created');
        if (creator === 'autoscaling') history.signal('scale-out-created');
        if (creator === 'CodeDeployAutoUpdate') notice('hosts follow on after a deployment');
        if (creator !== 'autoscaling') return;
        const others = history.observer
          .active()
          .filter((other) => other.groupId === deployment.groupId && other.occupiesGroup);
        if (others.length > 0) notice('a host joins while its group is deployed to');
        if (others.some((other) => other.creator === 'codeDeployRollback'))
          notice('a host joins while its group rolls back');
      },
      changed(deployment, before) {
        if (deployment.status === before.status && deployment.endingAs === before.endingAs) return;
        const { id, status, endingAs, errorCode, creator } = deployment;
        trace.say(
          'stored',
          `${id} is ${status}${endingAs === null ? '' : ` ending as ${endingAs}`} ${errorCode ?? ''}`,
        );
        if (deployment.isActive || !before.isActive) return;
        history.signal('deployment-ended');
        if (errorCode === 'TIMEOUT') notice('a deployment runs out of time');
        if (errorCode === 'HEALTH_CONSTRAINTS_INVALID') notice('a deployment that can never begin');
        if (creator !== 'codeDeployRollback') return;
        notice(status === 'Succeeded' ? 'a rollback succeeded' : 'a rollback failed');
        if (world.machines.some((machine) => world.network.isCut(machine.name)))
          notice('a rollback while a host is cut off');
        if (status === 'Succeeded') checkRolledBack(history, deployment);
      },
    },
  };
}
