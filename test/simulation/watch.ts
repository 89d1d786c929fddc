import { AGENT_APPLICATION } from '../../shared/model/agent-update.ts';
import type { History } from './history.ts';
import { checkMayFail } from './invariants/agents.ts';
import { checkKeepsWayBack } from './invariants/bundles.ts';
import { checkBeginsToFail, checkFailure } from './invariants/failures.ts';
import { checkLeftAlone, checkStopsItsOwn, noteShared } from './invariants/groups.ts';
import { checkTakenOut } from './invariants/in-service.ts';
import { checkMinimum } from './invariants/minimum.ts';
import { checkRolledBack } from './invariants/rollback.ts';
import { checkGoesOn, checkInstalledFiles, checkScriptStart, noteUnstopped } from './invariants/scripts.ts';
import {
  checkBeginAfterStop,
  checkBeginGivenUp,
  checkFrameAfterStop,
  noteCancel,
  noteLetIn,
} from './invariants/stops.ts';
import { checkIsDurable } from './invariants/told.ts';
import { checkHasTold, checkNoLoop, checkStoppedStays } from './invariants/unreached.ts';
import { createPatienceCheck } from './invariants/untimely.ts';
import {
  checkGoodOfPart,
  checkMayFollowOn,
  checkRollbackCreated,
  checkRollbackOf,
  checkSuccess,
} from './invariants/verdict.ts';
import { createNotices } from './notices.ts';
import type { ObserverEvents } from './observer.ts';
import type { SceneSignal } from './plan.ts';
import type { UpdaterNews } from './world/agent-updater.ts';
import { DISK_IS_FULL } from './world/full-database.ts';
import type { WorldEvents } from './world/world.ts';

const UPDATER_SIGNALS = {
  begins: 'updater-begins',
  'goes on': null,
  replaced: 'agent-replaced',
  'putting back': 'agent-put-back',
  ended: 'updater-ended',
} as const satisfies Record<UpdaterNews['what'], SceneSignal | null>;

/** Listens to the world and to what is stored: writes down what is true, checks what must hold, counts what was visited. */
export function createWatch(history: History): {
  worldEvents: WorldEvents;
  observed: ObserverEvents;
  /** After every step, before it is looked at what is stored. */
  stepped(): void;
} {
  const { world, truth, notice, violate } = history;
  const { trace, timeline, coordinator } = world;
  const notices = createNotices(history);
  const patience = createPatienceCheck(history);

  function copyWelcomed(name: string): void {
    const copy = history.clones.get(name);
    if (copy === undefined) return;
    if (copy.mustBeRefused()) violate('clones', `${name} was let in`);
    // The original did not answer: nobody can know, and the story of two machines that are one is not told here.
    const machine = world.machines.find((each) => each.name === name);
    timeline.after(0, () => machine?.powerOff('power-cut'));
  }

  return {
    stepped: patience.look,

    worldEvents: {
      scriptBegan(machine, run) {
        const { event, script, deploymentId } = run;
        const wasInService = truth.isInService(machine, script.application);
        const lastDeploymentId = truth.serviceOf(machine.name, script.application).deploymentId;
        const isFirst = truth.began(machine.name, run);
        trace.say(machine.name, `runs ${event}-${script.index} of ${script.revision} for ${deploymentId}`);
        notices.scriptBegan(machine);
        checkScriptStart(history, machine, run);
        checkGoesOn(history, machine, run);
        checkInstalledFiles(history, machine, run);
        checkStopsItsOwn(history, machine, run);
        checkLeftAlone(history, machine, run);
        if (isFirst) {
          checkKeepsWayBack(history, machine);
          history.begun.push(machine);
          notices.hostBegan(machine, deploymentId);
          noteShared(history, machine, deploymentId);
          checkBeginAfterStop(history, machine, deploymentId);
          checkBeginGivenUp(history, machine, deploymentId);
          if (wasInService) noteUnstopped(history, machine, run, lastDeploymentId);
          const taker = history.observer.deployments.get(deploymentId);
          if (wasInService && taker !== undefined) checkTakenOut(history, machine, taker, lastDeploymentId);
          history.signal('host-began', machine);
        }
        history.signal('script-began', machine);
      },
      scriptEnded(machine, run, how) {
        truth.ended(machine, run, how);
        trace.say(machine.name, `${run.event}-${run.script.index} of ${run.deploymentId} ${how}`);
        if (how === 'killed') notice('a hook hangs until its time is over');
        if (how === 'overdue') notice('a hook does not care about TERM');
        history.signal('script-ended', machine);
      },
      frameSent(machine, direction, frame) {
        const kind = frame.slice(9, frame.indexOf('"', 9));
        if (kind === 'heartbeat') return;
        if (kind === 'assignment' && direction === 'down') coordinator.sending();
        trace.say('network', `${direction === 'up' ? `${machine} says` : `${machine} is told`} ${kind}`);
        if (direction === 'up') {
          if (kind !== 'reports') return;
          notices.reportsSaid(machine, frame);
          const speaker = world.machines.find((each) => each.name === machine);
          if (speaker !== undefined) checkIsDurable(history, speaker, frame);
          return;
        }
        checkFrameAfterStop(history, machine, frame);
        noteLetIn(history, machine, kind);
        if (kind === 'cancel') noteCancel(history, machine, frame);
        if (kind === 'welcome') copyWelcomed(machine);
        if (kind === 'problem' && frame.includes('"host_cloned"')) {
          notice('a copied host is refused');
          if (history.clones.get(machine)?.isTwin === true) notice('a copy with the same machine id is refused');
        }
        if (kind !== 'assignment') return;
        notices.assignmentSent(machine, frame);
        history.signal('assignment-sent');
      },
      agentStarted(machine) {
        trace.say(machine.name, 'agent starts');
        // What its last agent was let in on counts for nothing any more.
        history.letInAt.set(machine.name, null);
        notices.agentStarted(machine);
      },
      agentEnded(machine, why) {
        trace.say(machine.name, `agent ends: ${why}`);
        notices.agentEnded(machine, why);
        history.signal('agent-ended', machine);
      },
      bundleAssembled(machine) {
        trace.say(machine.name, 'has put a bundle together');
        notice('a bundle is put together from what is on its host');
      },
      agentFailed(machine, error) {
        trace.say(machine.name, `agent fails: ${String(error)}`);
        checkMayFail(history, machine, error);
      },
      updaterSaid(machine, { what, job }) {
        const { version, previous, verdict } = job;
        trace.say(
          machine.name,
          `updater ${what}: ${version} instead of ${previous}${verdict === null ? '' : `, ${verdict}`}`,
        );
        if (what === 'ended' && verdict === 'put-back') notice('an agent that does not connect is put back');
        const signal = UPDATER_SIGNALS[what];
        if (signal !== null) history.signal(signal, machine);
      },
      coordinatorEnded(why) {
        trace.say('coordinator', `ends: ${why}`);
        notices.coordinatorEnded(why);
        if (why === DISK_IS_FULL) notice('the coordinator cannot start since its disk is full');
        timeline.after(history.coordinatorDownMs, () => void coordinator.start());
        history.signal('coordinator-ended');
      },
      assertionFailed: (who, error) => violate('assertion', `${who}: ${error.message}`),
    },

    observed: {
      created(deployment) {
        const { id, creator, revision, total, minimum } = deployment;
        trace.say('stored', `${id} created by ${creator}: ${revision} to ${total} hosts, minimum ${minimum}`);
        notices.created(deployment);
        checkMinimum(history, deployment);
        if (creator === 'codeDeployRollback') checkRollbackCreated(history, deployment);
        if (creator === 'autoscaling') checkNoLoop(history, deployment);
        if (creator === 'autoscaling') checkHasTold(history, deployment);
        if (creator === 'CodeDeployAutoUpdate') checkMayFollowOn(history, deployment);
        if (creator === 'autoscaling' || creator === 'CodeDeployAutoUpdate') checkStoppedStays(history, deployment);
        history.signal('deployment-created');
        if (deployment.application === AGENT_APPLICATION) history.signal('wave-created');
        if (creator === 'codeDeployRollback') history.signal('rollback-created');
        if (creator === 'autoscaling') history.signal('scale-out-created');
        if (creator === 'CodeDeployAutoUpdate') history.signal('follow-on-created');
      },
      changed(deployment, before) {
        patience.changed(deployment);
        if (deployment.status === before.status && deployment.endingAs === before.endingAs) return;
        const { id, status, endingAs, errorCode, creator } = deployment;
        trace.say(
          'stored',
          `${id} is ${status}${endingAs === null ? '' : ` ending as ${endingAs}`} ${errorCode ?? ''}`,
        );
        const isGivenUp = errorCode?.startsWith('HEALTH_CONSTRAINTS') === true && before.endingAs === null;
        if (isGivenUp && (endingAs !== null || status === 'Failed')) checkBeginsToFail(history, deployment);
        if (deployment.isActive || !before.isActive) return;
        notices.ended(deployment);
        history.signal('deployment-ended');
        if (status === 'Succeeded') checkSuccess(history, deployment);
        if (status === 'Succeeded') checkGoodOfPart(history, deployment);
        else checkRollbackOf(history, deployment);
        if (status === 'Failed') checkFailure(history, deployment);
        if (creator === 'codeDeployRollback' && status === 'Succeeded') checkRolledBack(history, deployment);
      },
    },
  };
}
