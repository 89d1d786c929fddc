import type { History } from './history.ts';
import type { Operators } from './operators.ts';
import type { Action } from './plan.ts';
import { isRunningOn } from './stored.ts';
import { deploymentUnderWay, knowsInstalled, LAYOUT, spoilUnpacked } from './world/agent-state.ts';
import { assetNames } from './world/bundle.ts';
import { FileSystem } from './world/file-system.ts';
import type { Machine } from './world/machine.ts';

/** Somebody notices the copy and turns it off. */
const COPY_LIVES_MS = 200_000;
const TWIN_LIVES_MS = 20_000;
const DAY_MS = 86_400_000;

interface Stage {
  history: History;
  operators: Operators;
  say(what: string): void;
  /** By its number, counted round; a negative one is the machine that the item's signal was about. */
  machineOf(number: number): Machine | undefined;
}

type Actions = {
  [Kind in Action['kind']]: (stage: Stage, action: Extract<Action, { kind: Kind }>) => void;
};

/** Carries out one planned item. `about`: the machine that the item's signal was about. */
export function perform(history: History, operators: Operators, action: Action, about: Machine | undefined): void {
  const { world } = history;
  const stage: Stage = {
    history,
    operators,
    say: (what) => world.trace.say('fate', what),
    machineOf(number) {
      const present = world.machines.filter((machine) => machine.agentStarts > 0 && !history.clones.has(machine.name));
      const machine = number < 0 ? about : present[number % Math.max(1, present.length)];
      return machine?.isGone === true ? undefined : machine;
    },
  };
  // The table's type pairs every kind with its function; the compiler cannot follow that through an index.
  (ACTIONS[action.kind] as (stage: Stage, action: Action) => void)(stage, action);
}

function isDeploying(history: History, machine: Machine): boolean {
  return machine.hostId !== null && isRunningOn(history, machine.hostId);
}

/** What is done to one machine, when there is one. */
function onMachine<Act extends { machine: number }>(
  act: (stage: Stage, machine: Machine, action: Act) => void,
): (stage: Stage, action: Act) => void {
  return (stage, action) => {
    const machine = stage.machineOf(action.machine);
    if (machine !== undefined) act(stage, machine, action);
  };
}

const ACTIONS: Actions = {
  deploy: ({ operators }, action) => operators.deploy(action),
  stop: ({ operators }, action) => operators.stop(operators.group(action.group), action.rollback),
  'stop-bringing-in': ({ operators }, action) => operators.stopBringingIn(operators.group(action.group)),
  rollback: ({ operators }, action) => operators.rollback(operators.group(action.group)),
  retag: onMachine(({ operators }, machine, { role }: { machine: number; role: string }) =>
    operators.retag(machine, role),
  ),
  forget: onMachine(({ operators }, machine) => operators.forget(machine)),
  'enrol-again'({ history, operators }) {
    for (const machine of history.world.machines)
      if (machine.hostId === null && machine.agentStarts > 0 && !history.clones.has(machine.name) && !machine.isGone)
        operators.enrolAgain(machine);
  },
  'recreate-group': ({ operators }, action) => operators.recreateGroup(operators.group(action.group)),
  'change-config': ({ operators }, action) => operators.changeConfig(operators.group(action.group), action.configName),
  'scale-out': ({ operators }, action) => operators.scaleOut(action.count, action.role),
  'scale-in'({ history, operators, say }, action) {
    const present = history.world.machines.filter((machine) => machine.isAgentRunning && machine.hostId !== null);
    for (const machine of present.slice(-action.count)) {
      say(`${machine.name} is taken away`);
      operators.forget(machine);
      machine.powerOff('shutdown');
      machine.isGone = true;
    }
  },
  retention: ({ operators }) => operators.retention(),
  'update-agents': ({ operators }, action) => operators.updateAgents(action),
  'stop-agent-update': ({ operators }) => operators.stopAgentUpdate(),

  partition({ history, say, machineOf }, action) {
    const { network, timeline } = history.world;
    const names = new Set(action.machines.map(machineOf).flatMap((machine) => machine?.name ?? []));
    say(`cuts ${[...names].join(', ')} off (${action.direction}) for ${action.ms} ms`);
    const cut = { up: action.direction !== 'down', down: action.direction !== 'up' };
    for (const name of names) {
      if (action.isNoticed) network.cutOpenly(name);
      else network.setCut(name, cut);
      timeline.after(action.ms, () => {
        if (history.isHealing) return;
        say(`${name} is reached again`);
        network.setCut(name, { up: false, down: false });
      });
    }
  },
  'disk-hangs': onMachine(({ history, say }, machine, action: Extract<Action, { kind: 'disk-hangs' }>) => {
    say(`the disk of ${machine.name} hangs for ${action.ms} ms`);
    machine.syncHangsUntil = history.world.timeline.now + action.ms;
  }),
  reset: onMachine(({ history, say }, machine) => {
    if (isDeploying(history, machine)) history.notice('a host reconnects in the middle of its deployment');
    say(`breaks the connection of ${machine.name}`);
    for (const wire of history.world.network.wiresOf(machine.name)) wire.reset();
  }),
  'half-open': onMachine(({ history, say }, machine) => {
    const wires = history.world.network.wiresOf(machine.name).filter((wire) => wire.isOpen);
    if (wires.length > 0) history.notice('a connection is half open');
    say(`lets the connection of ${machine.name} die without a word`);
    for (const wire of wires) wire.blackHole();
  }),
  'kill-agent': onMachine((_stage, machine) => machine.killAgent('SIGKILL')),
  'stop-agent': onMachine(({ say }, machine) => {
    say(`stops the agent of ${machine.name}`);
    void machine.stopAgent();
  }),
  'agent-failpoint': onMachine((_stage, machine, action: Extract<Action, { kind: 'agent-failpoint' }>) => {
    machine.failpoint = { countdown: action.countdown, moment: action.moment };
  }),
  'kill-hook': onMachine(({ history, say }, machine) => {
    if (!machine.processes.killOne(history.world.chance)) return;
    history.notice('a hook is killed with its wrapper');
    say(`kills a hook of ${machine.name}`);
  }),
  'kill-updater': onMachine(({ say }, machine) => {
    if (machine.updater.kill()) say(`kills the updater of ${machine.name}`);
  }),
  power: onMachine(({ history, say }, machine, action: Extract<Action, { kind: 'power' }>) => {
    if (!machine.isOn) return;
    say(`${machine.name}: ${action.how}, back in ${action.ms} ms`);
    if (machine.processes.running > 0) history.notice('a host loses its power inside a hook');
    if (hasInstallJournal(machine)) history.notice('a host loses its power during an install');
    if (machine.updater.isAtWork) history.notice('a host reboots while its agent is replaced');
    machine.powerOff(action.how);
    history.world.timeline.after(action.ms, () => {
      if (machine.isOn || machine.isGone) return;
      history.truth.booted(machine, history.world.applications);
      machine.powerOn();
    });
  }),
  gone: onMachine(({ say }, machine) => {
    say(`${machine.name} is gone for good`);
    machine.powerOff('power-cut');
    machine.isGone = true;
  }),
  clone: onMachine(({ history, say }, machine, action: Extract<Action, { kind: 'clone' }>) => {
    const { world } = history;
    const name = `${machine.name}-copy`;
    if (!machine.isAgentRunning || machine.hostId === null || world.machines.some((other) => other.name === name))
      return;
    const wire = world.network.wiresOf(machine.name).find((each) => each.answers);
    const isKnown = world.coordinator.core?.hub.isConnected(machine.hostId) === true;
    if (!action.hasOwnMachineId && (wire === undefined || !isKnown)) return;
    say(`copies the disk of ${machine.name}`);
    const copy = world.addMachine(name, action.hasOwnMachineId ? `m-${name}` : machine.machineId);
    history.clones.set(name, {
      isTwin: !action.hasOwnMachineId,
      // Answers that are late may be too late.
      mustBeRefused: () =>
        action.hasOwnMachineId ||
        (wire?.answers === true && !world.network.isCut(machine.name) && world.network.profile.spikes === 0),
    });
    machine.files.copyTo(copy.files);
    copy.startAgent();
    world.timeline.after(action.hasOwnMachineId ? COPY_LIVES_MS : TWIN_LIVES_MS, () => {
      copy.powerOff('shutdown');
      copy.isGone = true;
    });
  }),
  'remove-journal': onMachine(({ history, say }, machine) => {
    if (!machine.isAgentRunning || hasToDo(history, machine)) return;
    say(`removes the journal of ${machine.name}`);
    history.notice('a journal is taken away');
    machine.removeJournal();
  }),
  snapshot: onMachine(({ history, say }, machine) => {
    const { truth, world, snapshots } = history;
    if (!machine.isAgentRunning || hasToDo(history, machine)) return;
    if (!world.applications.every((application) => truth.isInService(machine, application))) return;
    // Set back to what it was without its journal it could not tell what it serves, and nobody would know (decision 11).
    if (!knowsInstalled(machine.files)) return;
    say(`makes a snapshot of ${machine.name}`);
    const files = new FileSystem(() => world.timeline.now);
    machine.files.copyTo(files);
    snapshots.set(machine.name, { hostId: machine.hostId, files, services: truth.servicesOf(machine.name) });
  }),
  'set-back': onMachine(({ history, say }, machine, action: Extract<Action, { kind: 'set-back' }>) => {
    const { truth, world } = history;
    const snapshot = history.snapshots.get(machine.name);
    // One that has enrolled anew since would be another host.
    if (snapshot === undefined || snapshot.hostId !== machine.hostId || hasToDo(history, machine)) return;
    say(`sets ${machine.name} back to its snapshot`);
    history.notice('a host is set back to a snapshot');
    history.setBack.add(machine.name);
    machine.powerOff('shutdown');
    snapshot.files.copyTo(machine.files);
    truth.setBack(machine.name, snapshot.services);
    world.timeline.after(action.ms, () => machine.powerOn());
  }),
  'spoil-unpacked': onMachine(({ history, say }, machine) => {
    // What is being deployed may be changed by its own hooks, and is installed so: that one is left as it is.
    const deploymentId = deploymentUnderWay(machine.files);
    if (!machine.isOn || (deploymentId === null && hasToDo(history, machine))) return;
    const changed = spoilUnpacked(machine.files, assetNames(1)[0] ?? '', deploymentId);
    if (changed === 0) return;
    say(`a file of ${changed} bundles that are unpacked on ${machine.name} is changed`);
    history.notice('what is unpacked on a host is changed');
  }),
  'disk-full': onMachine(({ history, say }, machine, action: Extract<Action, { kind: 'disk-full' }>) => {
    if (isDeploying(history, machine)) history.notice('a disk is full in the middle of a deployment');
    say(`the disk of ${machine.name} is full`);
    machine.files.isFull = true;
    history.world.timeline.after(action.ms, () => {
      machine.files.isFull = false;
    });
  }),
  'no-inodes': onMachine(({ history, say }, machine, action: Extract<Action, { kind: 'no-inodes' }>) => {
    if (isDeploying(history, machine)) history.notice('no inode is left in the middle of a deployment');
    say(`no inode is left on ${machine.name}`);
    machine.files.isOutOfInodes = true;
    history.world.timeline.after(action.ms, () => {
      machine.files.isOutOfInodes = false;
    });
  }),
  'read-only': onMachine(({ history, say }, machine, action: Extract<Action, { kind: 'read-only' }>) => {
    say(`what is installed on ${machine.name} is read-only after ${action.names} more names`);
    machine.namesUntilReadOnly = action.names;
    history.world.timeline.after(action.ms, () => {
      machine.namesUntilReadOnly = null;
    });
  }),
  'clock-jump': onMachine(({ history, say }, machine, action: Extract<Action, { kind: 'clock-jump' }>) => {
    if (isDeploying(history, machine)) history.notice('a clock jumps during a deployment');
    say(`the clock of ${machine.name} jumps by ${action.ms} ms`);
    machine.clockOffsetMs += action.ms;
  }),
  'coordinator-clock'({ history, say }, action) {
    say(`the coordinator's clock jumps by ${action.ms} ms`);
    history.world.coordinator.clockOffsetMs += action.ms;
  },
  'days-pass'({ history, say }, { days }) {
    say(`the coordinator is turned off for ${days} days`);
    history.notice('days pass');
    history.coordinatorDownMs = 1_000;
    history.world.coordinator.kill('turned off');
    history.world.coordinator.clockOffsetMs += days * DAY_MS;
  },
  'kill-coordinator'({ history }, action) {
    history.coordinatorDownMs = action.ms;
    history.world.coordinator.kill('SIGKILL');
  },
  'full-database'({ history, say }, action) {
    const { coordinator, timeline } = history.world;
    if (coordinator.full.at !== null) return;
    say(`the disk of the coordinator is full (${action.at})`);
    coordinator.full.at = action.at;
    const refused = coordinator.full.refusals;
    timeline.after(action.ms, () => {
      coordinator.full.at = null;
      if (coordinator.full.refusals > refused && history.observer.active().length > 0)
        history.notice('the disk of the coordinator is full during a deployment');
      say(`the disk of the coordinator has room again: it has refused ${coordinator.full.refusals - refused} times`);
    });
  },
  'restart-coordinator'({ history }, action) {
    const { coordinator } = history.world;
    if (history.observer.active().length > 0 && coordinator.core !== null)
      history.notice('a coordinator stops in good order during a deployment');
    history.coordinatorDownMs = action.ms;
    void coordinator.stop();
  },
  'coordinator-failpoint'({ history }, action) {
    history.coordinatorDownMs = action.ms;
    history.world.coordinator.failpoint = { moment: action.moment, countdown: action.countdown };
  },
};

/** A script that runs, a deployment, or the end of one that was given up. */
function hasToDo({ world }: History, machine: Machine): boolean {
  if (machine.processes.running > 0 || machine.updater.isAtWork) return true;
  const waits = world.database.look.prepare<[string | null], { one: number }>(
    `SELECT 1 AS one FROM targets WHERE host_id = ? AND (status = 'InProgress' OR late_end_until IS NOT NULL)`,
  );
  return waits.get(machine.hostId) !== undefined;
}

function hasInstallJournal(machine: Machine): boolean {
  const groups = machine.files.find(LAYOUT.groups) === null ? [] : machine.files.list(LAYOUT.groups);
  return groups.some((id) => machine.files.list(LAYOUT.groupState(id)).some((name) => name.endsWith('-install.json')));
}
