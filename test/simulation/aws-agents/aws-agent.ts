import { setMaxListeners } from 'node:events';
import type { CommandStatus, Contact, HostCommand } from '../../../coordinator/services/command-hosts/command.ts';
import { errorMessage } from '../../../shared/core/errors.ts';
import { type CommandHost, type CommandWorld, failed, SUCCEEDED } from '../../support/command-world.ts';
import type { Chance } from '../world/chance.ts';
import { createProcess, type SimulatedProcess } from '../world/process.ts';
import type { Execution, HostTruth } from './host-truth.ts';
import type { MortalCoordinator } from './mortal-coordinator.ts';
import type { Witness } from './witness.ts';

export interface AwsAgentParts {
  world: CommandWorld;
  coordinator: MortalCoordinator;
  host: CommandHost;
  truth: HostTruth;
  witness: Witness;
  chance: Chance;
  rates: { loss: number; failure: number };
}

/** Events that an agent never calls a noop. */
const NEVER_NOOP: ReadonlySet<string> = new Set(['DownloadBundle', 'Install']);
const ATTEMPTS = 3;
const BETWEEN_ATTEMPTS_MS = 300;
const BETWEEN_POLLS_MS = 1_000;

/**
 * A host and AWS's agent on it: one process after the other. An agent polls, and carries out what it gets without waiting for it: the
 * specification, the acknowledgement, the event, the completion. It tries each request a few times within a second and then
 * drops it. What survives it is the id of the command that was under way: the next agent says that this has failed.
 */
export class AwsAgent {
  readonly name: string;
  readonly truth: HostTruth;
  isCut = false;
  readonly #parts: AwsAgentParts;
  readonly #rates: { loss: number; failure: number };
  #process: SimulatedProcess | null = null;
  readonly #noops = new Map<string, boolean>();
  /** On the host's disk. */
  #tracked: string | null = null;

  constructor(parts: AwsAgentParts) {
    this.#parts = parts;
    this.name = parts.host.name;
    this.truth = parts.truth;
    this.#rates = { ...parts.rates };
  }

  start(): void {
    if (this.#process !== null) return;
    const hangUp = new AbortController();
    // Polls whose answers were lost go on listening.
    setMaxListeners(1_000, hangUp.signal);
    const process = createProcess(() => hangUp.abort());
    this.#process = process;
    void this.#run(process, hangUp.signal);
  }

  /** As `kill -9`. What a script of it would still do is nothing that anybody hears of. */
  kill(): void {
    if (this.#process === null) return;
    this.#parts.witness.say(`${this.name}: the agent dies`);
    this.#process.kill('killed');
    this.#process = null;
  }

  /** From here on all goes well. */
  mend(): void {
    this.isCut = false;
    this.#rates.loss = 0;
    this.#rates.failure = 0;
    this.start();
  }

  async #run(process: SimulatedProcess, hungUp: AbortSignal): Promise<void> {
    const { chance, world } = this.#parts;
    await this.#tellOfTheLast(process);
    while (process.isAlive)
      try {
        const command = await this.#request(process, 'poll', () => world.commandHosts.poll(this.#contact(), hungUp));
        if (command !== null) void this.#carryOut(process, command);
        await this.#sleep(process, BETWEEN_POLLS_MS);
      } catch {
        // Whatever it was: an agent waits, longer and longer, and asks again.
        await this.#sleep(process, chance.whole(10_000, 90_000));
      }
  }

  async #tellOfTheLast(process: SimulatedProcess): Promise<void> {
    const tracked = this.#tracked;
    this.#tracked = null;
    if (tracked === null) return;
    this.#parts.witness.say(`${this.name}: the new agent says that ${tracked} has failed`);
    this.truth.spokenFor(tracked);
    await this.#complete(process, tracked, 'Failed');
  }

  async #carryOut(process: SimulatedProcess, command: HostCommand): Promise<void> {
    const isNoop = this.#isNoop(command);
    const taken = await this.#take(process, command, isNoop);
    if (taken === null) {
      // Whether the event counts as failed, as done or as never begun, only the coordinator knows.
      this.truth.isInDoubt = true;
      await this.#complete(process, command.id, 'Failed');
      return;
    }
    if (taken.status === 'InProgress') return this.#execute(process, taken.execution);
    if (taken.status === 'Succeeded') return this.truth.isAnswered(command.event);
    // Left alone, as an older offer; of a noop the agent says even so that it has succeeded.
    if (isNoop) await this.#complete(process, command.id, 'Succeeded');
  }

  /** Decided once: what a bundle has for an event is the same at each offer. */
  #isNoop({ deploymentId, event }: HostCommand): boolean {
    const key = `${deploymentId} ${event}`;
    const isNoop = this.#noops.get(key) ?? (!NEVER_NOOP.has(event) && this.#parts.chance.is(0.3));
    this.#noops.set(key, isNoop);
    return isNoop;
  }

  /** The specification and the acknowledgement. Null when one of them cannot be had. */
  async #take(
    process: SimulatedProcess,
    { id, deploymentId, event }: HostCommand,
    isNoop: boolean,
  ): Promise<{ status: CommandStatus; execution: Execution } | null> {
    const { witness, world } = this.#parts;
    const label = `${this.name}: ${deploymentId} ${event} (${id})`;
    try {
      const { revision, creator } = await this.#tried(process, 'specification', () =>
        world.commandHosts.assignmentOf(this.#contact(), deploymentId),
      );
      const takenAt = world.clock.now();
      if (isNoop) this.truth.saysNoop(deploymentId, event);
      const status = await this.#tried(process, 'acknowledgement', () =>
        world.commandHosts.acknowledge(this.#contact(), id, isNoop),
      );
      witness.say(`${label} is acknowledged${isNoop ? ' as a noop' : ''}: ${status}`);
      const command = { commandId: id, deploymentId, event, revisionId: revision.id, creator, takenAt };
      return { status, execution: { ...command, outcome: null, isAnswered: false, mayRun: true } };
    } catch (error) {
      witness.say(`${label} is left: ${errorMessage(error)}`);
      return null;
    }
  }

  async #execute(process: SimulatedProcess, execution: Execution): Promise<void> {
    const { witness, chance } = this.#parts;
    const { commandId, deploymentId, event } = execution;
    witness.begins(this.truth, execution);
    this.truth.begin(execution);
    this.#tracked = commandId;
    await this.#sleep(process, chance.is(0.9) ? chance.whole(50, 2_000) : chance.whole(2_000, 10 * 60_000));
    const outcome = chance.is(this.#rates.failure) ? 'Failed' : 'Succeeded';
    this.truth.end(execution, outcome);
    witness.say(`${this.name}: ${deploymentId} ${event} has ${outcome}`);
    execution.isAnswered = await this.#complete(process, commandId, outcome);
    if (execution.isAnswered && outcome === 'Succeeded') this.truth.isAnswered(event);
    if (this.#tracked === commandId) this.#tracked = null;
    // Version 1 tells each failure twice.
    if (outcome === 'Failed') await this.#complete(process, commandId, outcome);
  }

  /** True when it was answered. */
  async #complete(process: SimulatedProcess, id: string, outcome: 'Succeeded' | 'Failed'): Promise<boolean> {
    const { world, witness } = this.#parts;
    const told = outcome === 'Succeeded' ? SUCCEEDED : failed();
    try {
      await this.#tried(process, 'completion', () => world.commandHosts.complete(this.#contact(), id, told));
      return true;
    } catch (error) {
      witness.say(`${this.name}: drops that ${id} has ${outcome}: ${errorMessage(error)}`);
      return false;
    }
  }

  async #tried<Answer>(process: SimulatedProcess, what: string, ask: () => Promise<Answer>): Promise<Answer> {
    for (let attempt = 1; ; attempt++)
      try {
        return await this.#request(process, what, ask);
      } catch (error) {
        if (attempt >= ATTEMPTS) throw error;
        await this.#sleep(process, BETWEEN_ATTEMPTS_MS);
      }
  }

  async #request<Answer>(process: SimulatedProcess, what: string, ask: () => Promise<Answer>): Promise<Answer> {
    const { coordinator, witness, chance } = this.#parts;
    if (this.isCut) throw new Error('there is no line');
    const answer = await this.#whileAlive(process, Promise.race([ask(), coordinator.lost()]));
    if (!this.isCut && !chance.is(this.#rates.loss)) return answer;
    witness.say(`${this.name}: the reply to the ${what} is lost`);
    throw new Error('the reply is lost');
  }

  #contact(): Contact {
    return { ...this.#parts.host.contact, clockOffsetMs: -this.#parts.coordinator.clockOffsetMs };
  }

  #sleep(process: SimulatedProcess, ms: number): Promise<void> {
    const { clock } = this.#parts.world;
    return this.#whileAlive(process, new Promise<void>((resolve) => clock.setTimer(ms, resolve)));
  }

  /** What the process waits for. Nothing comes any more once it has ended, so that it goes no further. */
  async #whileAlive<Value>(process: SimulatedProcess, waitedFor: Promise<Value>): Promise<Value> {
    try {
      const value = await waitedFor;
      return await process.answer(() => value);
    } catch (error) {
      return process.answer(() => {
        throw error;
      });
    }
  }
}
