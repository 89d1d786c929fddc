import { databaseOn } from '../../../coordinator/storage/sqlite.ts';
import { errorMessage } from '../../../shared/core/errors.ts';
import { type Logger, silentLogger } from '../../../shared/core/logger.ts';
import { CommandWorld } from '../../support/command-world.ts';
import { createFakeClock, type FakeClock } from '../../support/fake-clock.ts';
import { chanceOf } from '../world/chance.ts';
import { openDurableDatabase } from '../world/durable-database.ts';
import { ProcessEnded } from '../world/process.ts';
import { AwsAgent } from './aws-agent.ts';
import { BeginningCheck, checkHosts, checkTold, type PlayedHost } from './checks.ts';
import { HostTruth } from './host-truth.ts';
import { MortalCoordinator } from './mortal-coordinator.ts';
import { type Action, type DeployAction, LAST_LABEL, type Plan } from './plan.ts';
import type { Notes, Witness } from './witness.ts';

export interface PlayedHistory {
  violations: string[];
  /** Simulated seconds, who, what. */
  story: string[];
  /** Lifecycle events that hosts have executed. */
  executed: number;
}

const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;
/** A host whose outcome was dropped gets nothing new for so long: deployments fail there, as they should. */
const HELD_MINUTES = 62;
/** Such an hour of each, one after the other, of some deployments and their rollbacks. */
const ENDS_WITHIN_MINUTES = 6 * 60;
/** What comes of an end by itself, a rollback or a host that is brought in, comes sooner. */
const RESTS_MINUTES = 5;

/** Plays a plan against the production coordinator. The same plan gives the same story. */
export async function playHistory(plan: Plan): Promise<PlayedHistory> {
  const clock = createFakeClock();
  const startedAt = clock.now();
  const violations: string[] = [];
  const story: string[] = [];
  const say = (line: string) => story.push(`${((clock.now() - startedAt) / SECOND_MS).toFixed(3)} ${line}`);
  const violate = (message: string) => {
    violations.push(message);
    say(`BROKEN: ${message}`);
  };
  const onRejection = (error: unknown) => {
    if (!(error instanceof ProcessEnded)) violate(`a rejection that nobody handles: ${errorMessage(error)}`);
  };
  process.on('unhandledRejection', onRejection);
  try {
    const history = await History.begin(plan, clock, { say, violate });
    for (const { action, thenMs } of plan.steps) {
      await history.perform(action);
      await clock.advance(thenMs);
    }
    const executed = await history.end();
    return { violations, story, executed };
  } finally {
    process.off('unhandledRejection', onRejection);
  }
}

class History {
  readonly #world: CommandWorld;
  readonly #coordinator: MortalCoordinator;
  readonly #agents: readonly AwsAgent[];
  readonly #fleet: readonly PlayedHost[];
  readonly #notes: Notes;
  readonly #isTimeTrue: boolean;
  /** The newest deployment that was answered. */
  #deploymentId: string | null = null;

  private constructor(parts: {
    world: CommandWorld;
    coordinator: MortalCoordinator;
    agents: readonly AwsAgent[];
    fleet: readonly PlayedHost[];
    notes: Notes;
    isTimeTrue: boolean;
  }) {
    this.#world = parts.world;
    this.#coordinator = parts.coordinator;
    this.#agents = parts.agents;
    this.#fleet = parts.fleet;
    this.#notes = parts.notes;
    this.#isTimeTrue = parts.isTimeTrue;
  }

  static async begin(plan: Plan, clock: FakeClock, notes: Notes): Promise<History> {
    const durable = await openDurableDatabase();
    const coordinator = new MortalCoordinator({ clock, durable, logger: errorsTo(notes.violate) });
    const world = await CommandWorld.start({
      clock,
      randomness: chanceOf(plan.seed, 'aws-agents coordinator'),
      database: databaseOn(durable.look),
      ground: () => coordinator.ground(),
      group: {
        deploymentConfigName: plan.isOneAtATime ? 'CodeDeployDefault.OneAtATime' : 'CodeDeployDefault.AllAtOnce',
        autoRollback: { enabled: plan.rollsBack, events: plan.rollsBack ? ['DEPLOYMENT_FAILURE'] : [] },
      },
    });
    // All of them now: no write but the coordinator's own may fall into a transaction of it.
    for (const label of labelsOf(plan)) await world.addRevision(label);
    const names = Array.from({ length: plan.hosts }, (_, number) => `web-${number + 1}`);
    const fleet: PlayedHost[] = [];
    for (const name of names) fleet.push({ host: await world.addHost(name), truth: new HostTruth(name) });
    const isTimeTrue = plan.steps.every(({ action }) => action.kind !== 'clock-leaps');
    const beginning = new BeginningCheck(
      fleet.map(({ truth }) => truth),
      { isOneAtATime: plan.isOneAtATime, isTimeTrue, now: clock.now, violate: notes.violate },
    );
    const witness: Witness = {
      ...notes,
      begins(host, execution) {
        notes.say(`${host.name}: ${execution.deploymentId} ${execution.event} is executed`);
        beginning.begins(host, execution);
      },
    };
    const rates = { loss: plan.lossRate, failure: plan.failureRate };
    const agents = fleet.map(({ host, truth }) => {
      const chance = chanceOf(plan.seed, `aws-agents ${host.name}`);
      return new AwsAgent({ world, coordinator, host, truth, witness, chance, rates });
    });
    for (const agent of agents) agent.start();
    await clock.advance(SECOND_MS);
    return new History({ world, coordinator, agents, fleet, notes, isTimeTrue });
  }

  async perform(action: Action): Promise<void> {
    const { clock } = this.#world;
    switch (action.kind) {
      case 'deploy':
        return this.#deploy(action);
      case 'stop':
        return this.#stop();
      case 'cut': {
        const agent = this.#agent(action.host);
        agent.isCut = !agent.isCut;
        this.#notes.say(`${agent.name}: the line is ${agent.isCut ? 'cut' : 'there again'}`);
        return;
      }
      case 'agent-dies': {
        const agent = this.#agent(action.host);
        agent.kill();
        clock.setTimer(action.awayMs, () => agent.start());
        return;
      }
      case 'coordinator-restarts':
        this.#notes.say('the coordinator restarts');
        return this.#world.restart();
      case 'coordinator-dies':
        this.#coordinator.dieAt(action.death);
        if (action.deploy !== null) await this.#deploy(action.deploy);
        await clock.advance(action.withinMs);
        this.#coordinator.kill();
        this.#notes.say('the coordinator is dead');
        await clock.advance(action.awayMs);
        this.#notes.say('the coordinator starts');
        return this.#world.startAnew();
      case 'clock-leaps':
        this.#coordinator.clockOffsetMs += action.byMs;
        this.#notes.say(`the clock of the coordinator leaps by ${action.byMs} ms`);
        return;
      case 'nothing':
        return;
      default:
        return action satisfies never;
    }
  }

  /** All is mended, everything comes to its end, and a last deployment has to succeed. @returns the events that were executed */
  async end(): Promise<number> {
    this.#notes.say('all is mended');
    for (const agent of this.#agents) agent.mend();
    await this.#world.clock.advance(HELD_MINUTES * MINUTE_MS);
    await this.#untilAtRest();
    await this.#check();
    await this.#deploy({ kind: 'deploy', label: LAST_LABEL, ignoresStopFailures: false });
    const last = this.#deploymentId;
    await this.#untilAtRest();
    if (last === null || (await this.#world.get(last)).status !== 'Succeeded')
      this.#notes.violate(`the last deployment (${last}) does not succeed`);
    await this.#check();
    for (const { truth } of this.#fleet)
      if (!truth.isServing || truth.installed !== `r-${LAST_LABEL}`)
        this.#notes.violate(`${truth.name} does not serve the last revision, but has ${truth.installed}`);
    for (const agent of this.#agents) agent.kill();
    await this.#world.close();
    return this.#fleet.reduce((sum, { truth }) => sum + truth.executions.length, 0);
  }

  async #check(): Promise<void> {
    const { violate } = this.#notes;
    await checkTold(this.#world, this.#fleet, { isTimeTrue: this.#isTimeTrue, violate });
    await checkHosts(this.#world, this.#fleet, violate);
  }

  /** Until no deployment is active, and none has come of that, or the time in which that has to be is over. */
  async #untilAtRest(): Promise<void> {
    let restedMinutes = 0;
    for (let minutes = 0; minutes < ENDS_WITHIN_MINUTES && restedMinutes < RESTS_MINUTES; minutes++) {
      await this.#world.clock.advance(MINUTE_MS);
      const active = await this.#world.database.query
        .selectFrom('deployments')
        .select('id')
        .where('is_active', '=', 1)
        .execute();
      restedMinutes = active.length === 0 ? restedMinutes + 1 : 0;
    }
  }

  /** The answer may be lost with the coordinator. */
  async #deploy({ label, ignoresStopFailures }: DeployAction): Promise<void> {
    try {
      this.#deploymentId = await this.#world.deploy(label, { ignoreApplicationStopFailures: ignoresStopFailures });
      this.#notes.say(`${this.#deploymentId} deploys ${label}`);
    } catch (error) {
      this.#notes.say(`${label} is not deployed: ${errorMessage(error)}`);
    }
  }

  async #stop(): Promise<void> {
    if (this.#deploymentId === null) return;
    try {
      await this.#world.stop(this.#deploymentId);
      this.#notes.say(`${this.#deploymentId} is stopped`);
    } catch (error) {
      this.#notes.say(`${this.#deploymentId} is not stopped: ${errorMessage(error)}`);
    }
  }

  #agent(number: number): AwsAgent {
    const agent = this.#agents[number];
    if (agent === undefined) throw new Error(`the plan has no host ${number}`);
    return agent;
  }
}

function labelsOf({ steps }: Plan): Set<string> {
  const labels = steps.flatMap(({ action }) => {
    if (action.kind === 'deploy') return [action.label];
    return action.kind === 'coordinator-dies' && action.deploy !== null ? [action.deploy.label] : [];
  });
  return new Set([...labels, LAST_LABEL]);
}

/** Nothing that is played may come to an error of the coordinator's own. */
function errorsTo(violate: Notes['violate']): Logger {
  return {
    ...silentLogger,
    error: (fields, phrase) =>
      violate(`the coordinator logs an error: ${phrase} ${JSON.stringify(fields).slice(0, 300)}`),
    child: () => errorsTo(violate),
  };
}
