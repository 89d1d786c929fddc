import type { Core } from '../../coordinator/core.ts';
import { errorMessage, isAppError } from '../../shared/core/errors.ts';
import { createAgentOperators } from './agent-operators.ts';
import type { History } from './history.ts';
import { checkForgotten } from './invariants/agents.ts';
import { checkByHand, checkMade } from './invariants/asked.ts';
import { createMembersCheck } from './invariants/groups.ts';
import { checkKept } from './invariants/kept.ts';
import { noteLeaving } from './invariants/returns.ts';
import { createStopCheck, expectNoMore } from './invariants/stops.ts';
import { type Action, type PlannedGroup, roleOfNumber } from './plan.ts';
import { comesBack, goesOver, isLeftSmaller, isRunningOn, partOf } from './stored.ts';
import { isFull } from './world/full-database.ts';
import type { Machine } from './world/machine.ts';
import { OPERATOR } from './world/world.ts';

type Deploy = Extract<Action, { kind: 'deploy' }>;

/** What operators ask of the coordinator's services, at good and at bad moments. An answer may never come. */
export interface Operators {
  deploy(action: Deploy): void;
  stop(group: PlannedGroup, rollback: boolean | null): void;
  /** What brings hosts in to the group. */
  stopBringingIn(group: PlannedGroup): void;
  rollback(group: PlannedGroup): void;
  retag(machine: Machine, role: string): void;
  forget(machine: Machine): void;
  enrolAgain(machine: Machine): void;
  recreateGroup(group: PlannedGroup): void;
  changeConfig(group: PlannedGroup, configName: string): void;
  scaleOut(count: number, role: string): void;
  retention(): void;
  updateAgents(action: Extract<Action, { kind: 'update-agents' }>): void;
  stopAgentUpdate(): void;
  /** Of a group of the plan by its number, counted round. */
  group(number: number): PlannedGroup;
}

export function createOperators(history: History): Operators {
  const { world, notice, stops, observer } = history;
  const { trace, plan, database } = world;
  const stopCheck = createStopCheck(history);
  const membersCheck = createMembersCheck(history);
  let keys = 0;

  /** Asks, and tells the answer when there is one: a coordinator that dies meanwhile never answers. */
  function ask<Answer>(
    what: string,
    perform: (core: Core) => Promise<Answer>,
    answered?: (answer: Answer) => void,
  ): void {
    const { core, process } = world.coordinator;
    if (core === null || process === null) {
      trace.say('operator', `${what}: no coordinator`);
      return;
    }
    trace.say('operator', what);
    perform(core).then(
      (answer) => {
        if (process.isAlive) answered?.(answer);
      },
      (error: unknown) => {
        if (!process.isAlive) return;
        trace.say('operator', `${what}: ${errorMessage(error)}`);
        if (isAppError(error) && error.details['reason'] === 'active_deployment')
          notice('a deployment is refused since another one runs');
        else if (isAppError(error) && error.details['reason'] === 'active_agent_update')
          notice('an agent update is refused since another one is under way');
        else if (isFull(error)) notice('an operator is refused since the disk of the coordinator is full');
        else if (!isAppError(error)) history.violate('assertion', `${what} failed: ${errorMessage(error)}`);
      },
    );
  }

  /** What occupies the group, or (0) brings a host in beside that. */
  function activeOf(group: PlannedGroup, occupies: 0 | 1 = 1): string | null {
    const row = database.look
      .prepare<[string, string, number], { id: string }>(
        `SELECT id FROM deployments WHERE application = ? AND group_name = ? AND is_active = 1 AND occupies_group = ?`,
      )
      .get(group.application, group.name, occupies);
    return row?.id ?? null;
  }

  function stop(id: string, rollback: boolean | null): void {
    const deployment = observer.deployments.get(id);
    const { process } = world.coordinator;
    if (history.isStarting) notice('a stop in the moment in which hosts are started');
    if (world.coordinator.core !== null) stopCheck.asked(id);
    ask(
      `stops ${id}${rollback === null ? '' : rollback ? ' and wants a rollback' : ' and wants no rollback'}`,
      (core) =>
        core.services.deployments.stop(id, { reason: '', ...(rollback === null ? {} : { rollback }) }, OPERATOR),
      ({ stopStatus }) => {
        const rows = expectNoMore(history, id);
        trace.say('operator', `stop of ${id} answered: ${stopStatus}`);
        stopCheck.answered(id, { rollback, stopStatus });
        if (rows.some((row) => row.status === 'InProgress' && row.acceptedAt === null))
          notice('a stop while assignments are under way');
        if (deployment?.creator === 'codeDeployRollback') notice('a stop during a rollback');
        if (rollback === true) notice('a stop that asks for a rollback');
        if (stopStatus === 'Succeeded') notice('a stop of a deployment that has begun nothing');
        history.signal('stop-answered');
      },
    );
    world.timeline.after(1, () => {
      if (process?.isAlive === false && !stops.has(id)) notice('a stop while the coordinator dies before it answers');
    });
  }

  const operators: Operators = {
    ...createAgentOperators(history, ask),

    group(number) {
      const group = plan.groups[number % plan.groups.length];
      if (group === undefined) throw new Error('the plan has no group');
      return group;
    },

    deploy(action) {
      const group = operators.group(action.group);
      const revisions = plan.revisions.filter((revision) => revision.application === group.application);
      const revision = revisions[action.revision % revisions.length];
      if (revision === undefined) return;
      const body = {
        application: group.application,
        deploymentGroup: group.name,
        revision: revision.label,
        description: '',
        ignoreApplicationStopFailures: false,
        updateOutdatedInstancesOnly: action.onlyOutdated,
        fileExistsBehavior: action.overwrite ? ('OVERWRITE' as const) : ('DISALLOW' as const),
        ...(action.configName === null ? {} : { deploymentConfigName: action.configName }),
        ...(action.part ? { onlyHostNames: partOf(history, group) } : {}),
        ...(action.key ? { idempotencyKey: `key-${++keys}` } : {}),
      };
      const what = `deploys ${revision.label} (${revision.flaw}) to ${group.application}/${group.name}`;
      const create = (core: Core) => core.services.deployments.create(body, OPERATOR);
      ask(what, create, (first) => {
        checkMade(history, first.id, {
          revision: body.revision,
          configName: action.configName,
          fileExistsBehavior: body.fileExistsBehavior,
          onlyOutdated: action.onlyOutdated,
          hostNames: body.onlyHostNames ?? null,
        });
        if (action.part) notice('a part of a group is deployed to');
        if (!action.key) return;
        // The client believes that the answer got lost.
        ask(`${what} again, by its key`, create, (second) => {
          notice('the same deployment is asked for twice');
          if (second.id !== first.id)
            history.violate('I2', `one key made two deployments, ${first.id} and ${second.id}`);
        });
      });
    },

    stop(group, rollback) {
      const id = activeOf(group);
      if (id !== null) stop(id, rollback);
    },

    stopBringingIn(group) {
      const id = activeOf(group, 0);
      if (id === null) return;
      notice('bringing a host in is stopped');
      stop(id, null);
    },

    rollback(group) {
      ask(
        `rolls ${group.application}/${group.name} back by hand`,
        (core) =>
          core.services.deployments.rollbackGroup(
            { application: group.application, group: group.name },
            { description: '' },
            OPERATOR,
          ),
        ({ id }) => {
          notice('a rollback by hand');
          // Retention may have removed what succeeded.
          if (!plan.keepsLittle) checkByHand(history, id);
        },
      );
    },

    retag(machine, role) {
      const { hostId } = machine;
      if (hostId === null) return;
      if (observer.active().some((deployment) => deployment.fleet.includes(hostId)))
        notice('a host leaves its group while it is deployed to');
      if (comesBack(history, hostId))
        notice('a host that has the revision leaves its group and comes back before the deployment has ended');
      if (isRunningOn(history, hostId) && goesOver(history, hostId, role))
        notice('a host goes over to another group in the middle of its deployment');
      history.retagged.add(hostId);
      noteLeaving(history, machine);
      if (world.coordinator.core !== null) membersCheck.asked(hostId);
      ask(
        `gives ${machine.name} the role ${role}`,
        (core) => core.services.hosts.update(hostId, { tags: { role } }, OPERATOR),
        () => membersCheck.answered(hostId),
      );
    },

    forget(machine) {
      const { hostId } = machine;
      if (hostId === null) return;
      const isInProgress = isRunningOn(history, hostId);
      const fleets = observer.active().filter((deployment) => deployment.fleet.includes(hostId));
      ask(
        `forgets ${machine.name}`,
        (core) => core.services.hosts.forget(hostId, OPERATOR),
        () => {
          checkForgotten(history, hostId);
          if (machine.updater.isAtWork) notice('a host is forgotten while its agent is replaced');
          if (isInProgress) notice('a host is forgotten in the middle of its deployment');
          if (fleets.some(({ id }) => isLeftSmaller(history, id)))
            notice('a host that has the revision is forgotten before the deployment has ended');
          if (machine.hostId === hostId) machine.hostId = null;
        },
      );
    },

    enrolAgain(machine) {
      if (machine.hostId !== null || !machine.isOn) return;
      ask(`enrols ${machine.name} again`, async () => {
        machine.killAgent('stopped for another enrolment');
        await world.enrol(machine, roleOfNumber(plan, machine.name.length), { force: true });
        machine.killAgent('restarted with its new identity');
        notice('a host is forgotten and enrols again');
      });
    },

    recreateGroup(group) {
      ask(`deletes ${group.application}/${group.name} and makes it again`, async (core) => {
        await core.services.deploymentGroups.delete({ application: group.application, group: group.name }, OPERATOR);
        await world.createGroup(core, group);
        notice('a group is deleted and made again');
      });
    },

    changeConfig(group, configName) {
      if (activeOf(group) !== null) notice('the config changes during a deployment');
      ask(`gives ${group.application}/${group.name} the config ${configName}`, (core) =>
        core.services.deploymentGroups.update(
          { application: group.application, group: group.name },
          { deploymentConfigName: configName },
          OPERATOR,
        ),
      );
    },

    scaleOut(count, role) {
      const spare = world.machines.filter((machine) => machine.agentStarts === 0 && !history.clones.has(machine.name));
      for (const machine of spare.slice(0, count))
        ask(`adds ${machine.name}`, async () => {
          await world.enrol(machine, role);
          machine.startAgent();
        });
    },

    retention: () =>
      ask(
        'runs the retention',
        (core) => core.services.retention.run(),
        ({ revisions }) => {
          if (revisions > 0) notice('retention removes revisions');
          checkKept(history);
        },
      ),
  };
  return operators;
}
