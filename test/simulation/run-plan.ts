import { errorMessage } from '../../shared/core/errors.ts';
import { createDirector } from './director.ts';
import { perform } from './faults.ts';
import { healAndFinish } from './heal.ts';
import type { History, Violation } from './history.ts';
import { createAgentUpdateCheck } from './invariants/agent-updates.ts';
import { checkNotReady } from './invariants/converged.ts';
import { checkDecisions } from './invariants/decisions.ts';
import { checkEnd } from './invariants/end.ts';
import { createProgressCheck } from './invariants/progress.ts';
import { createStartCheck } from './invariants/starts.ts';
import { checkTold } from './invariants/told.ts';
import { checkTriggersTold } from './invariants/triggers.ts';
import { Observer } from './observer.ts';
import { createOperators } from './operators.ts';
import { type Plan, roleOfNumber } from './plan.ts';
import { noSituations, type SituationCounts } from './situations.ts';
import { Truth } from './truth.ts';
import { createWatch } from './watch.ts';
import type { CoordinatorParts } from './world/coordinator.ts';
import { ProcessEnded } from './world/process.ts';
import { createTrace } from './world/trace.ts';
import { createWorld, type WorldEvents } from './world/world.ts';

export interface Outcome {
  seed: number;
  /** SHA-256 of the story. */
  hash: string;
  violations: Violation[];
  situations: SituationCounts;
  deployments: number;
  steps: number;
  simulatedMs: number;
  lines: readonly string[];
}

export interface RunOptions {
  keepsLines: boolean;
  show?(line: string): void;
  /** Looks on at every decision of the coordinator. */
  decided?: CoordinatorParts['decided'];
}

/** More than any history takes; one that takes more goes in circles. */
const MAX_STEPS = 400_000;
/** So many within a simulated second are steps that only bring about each other; a busy second has some thousand. */
const MAX_STEPS_A_SECOND = 20_000;

/** Plays one history from its beginning to its end, or to the first broken promise. */
export async function runPlan(plan: Plan, options: RunOptions = { keepsLines: false }): Promise<Outcome> {
  // The watch is made of the history, which is made of the world: events come only later.
  let watch: WorldEvents | null = null;
  const events = (): WorldEvents => {
    if (watch === null) throw new Error('nothing happens before the history begins');
    return watch;
  };
  const world = await createWorld(plan, {
    events: {
      scriptBegan: (machine, run) => events().scriptBegan(machine, run),
      scriptEnded: (machine, run, how) => events().scriptEnded(machine, run, how),
      frameSent: (machine, direction, frame) => events().frameSent(machine, direction, frame),
      agentStarted: (machine) => events().agentStarted(machine),
      agentEnded: (machine, why) => events().agentEnded(machine, why),
      bundleAssembled: (machine) => events().bundleAssembled(machine),
      agentFailed: (machine, error) => events().agentFailed(machine, error),
      updaterSaid: (machine, news) => events().updaterSaid(machine, news),
      coordinatorEnded: (why) => events().coordinatorEnded(why),
      assertionFailed: (who, error) => events().assertionFailed(who, error),
    },
    makeTrace: (timeline) => createTrace(timeline, options),
    decided: options.decided,
  });
  const { timeline, trace, database, coordinator } = world;
  const history: History = {
    world,
    truth: new Truth(),
    observer: new Observer(database, {
      created: (deployment) => observed.created(deployment),
      changed: (deployment, before) => observed.changed(deployment, before),
    }),
    situations: noSituations(),
    violations: [],
    stops: new Map(),
    agentStops: { asked: new Set(), answered: new Set() },
    agentsBefore: new Map(),
    cancels: new Set(),
    retagged: new Set(),
    leftInService: new Map(),
    shared: new Map(),
    unstopped: new Set(),
    letInAt: new Map(),
    clones: new Map(),
    snapshots: new Map(),
    setBack: new Set(),
    isStarting: false,
    coordinatorDownMs: 2_000,
    begun: [],
    isHealing: false,
    violate(invariant, message) {
      history.violations.push({ invariant, message, at: timeline.now });
      trace.say('BROKEN', `${invariant}: ${message}`);
    },
    notice(situation) {
      history.situations[situation]++;
    },
    signal: (signal, machine) => director?.signal(signal, machine),
  };
  let director: ReturnType<typeof createDirector> | null = null;
  const { worldEvents, observed, stepped } = createWatch(history);
  watch = worldEvents;
  const checkStarts = createStartCheck(history);
  const checkAgentUpdates = plan.agentUpdates === undefined ? null : createAgentUpdateCheck(history, plan.agentUpdates);
  database.committed = () => {
    checkStarts();
    checkAgentUpdates?.();
  };
  const checkProgress = createProgressCheck(history);

  const onRejection = (error: unknown) => {
    if (error instanceof ProcessEnded) return;
    history.violate('assertion', `a rejection that nobody handles: ${errorMessage(error)}`);
  };
  process.on('unhandledRejection', onRejection);
  let hasSeenEnd = false;
  const outcome = (): Outcome => ({
    seed: plan.seed,
    hash: trace.hash(),
    violations: history.violations,
    situations: history.situations,
    deployments: history.observer.deployments.size,
    steps: timeline.steps,
    simulatedMs: timeline.now,
    lines: trace.lines,
  });

  /** One step, and the checks after it. False when the history is over. */
  async function step(): Promise<boolean> {
    if (history.violations.length > 0 || timeline.steps > MAX_STEPS) return false;
    if (!timeline.advance()) return false;
    await timeline.settled();
    if (timeline.now - second.at >= 1_000) second = { at: timeline.now, steps: timeline.steps };
    else if (timeline.steps - second.steps > MAX_STEPS_A_SECOND)
      history.violate('I4', `it goes in circles: ${MAX_STEPS_A_SECOND} steps in less than a second`);
    stepped();
    history.observer.look();
    checkProgress();
    if (history.begun.length > 0) for (const machine of history.begun.splice(0)) await checkNotReady(history, machine);
    if (coordinator.starts !== startsSeen) {
      startsSeen = coordinator.starts;
      await checkDecisions(history);
    }
    return true;
  }
  let startsSeen = 1;
  let second = { at: 0, steps: 0 };

  /** Steps until the condition holds. False when it does not within the time. */
  async function until(isIt: () => boolean, limitMs: number): Promise<boolean> {
    const deadline = timeline.now + limitMs;
    while (!isIt()) if (timeline.peek() > deadline || !(await step())) return false;
    return true;
  }

  try {
    await begin();
    const operators = createOperators(history);
    director = createDirector(plan, timeline, ({ action }, about) => perform(history, operators, action, about));
    const horizon = timeline.now + plan.horizonMs;
    while (timeline.peek() <= horizon && (await step()));
    director.stop();
    if (history.violations.length === 0) await healAndFinish(history, until);
    if (history.violations.length === 0) await checkEnd(history);
    if (history.violations.length === 0) checkTold(history);
    // What retention has removed is not there to be compared.
    if (history.violations.length === 0 && plan.hasTriggers && !plan.keepsLittle) checkTriggersTold(history);
    if (timeline.steps > MAX_STEPS) history.violate('I4', `the history does not end within ${MAX_STEPS} steps`);
    hasSeenEnd = true;
    return outcome();
  } catch (error) {
    history.violate('assertion', `the simulation failed: ${error instanceof Error ? error.stack : String(error)}`);
    return outcome();
  } finally {
    process.off('unhandledRejection', onRejection);
    trace.say('world', hasSeenEnd ? 'the end' : 'broken off');
    coordinator.kill('the history is over');
    world.close();
  }

  async function begin(): Promise<void> {
    world.network.profile = { ...plan.network, spikes: 0 };
    await coordinator.start();
    const { core } = coordinator;
    if (core === null) throw new Error('the coordinator did not start');
    await world.setUp(core);
    const first = world.machines.slice(0, plan.machines);
    for (const [number, machine] of first.entries()) {
      const enrolled = world.enrol(machine, roleOfNumber(plan, number));
      let isDone = false;
      enrolled.then(() => {
        isDone = true;
      });
      if (!(await until(() => isDone, 60_000))) throw new Error(`${machine.name} did not enrol`);
      machine.startAgent();
    }
    if (!(await until(() => core.hub.connectedHostIds().length === first.length, 120_000)))
      throw new Error('the hosts did not connect');
    world.network.profile = plan.network;
  }
}
