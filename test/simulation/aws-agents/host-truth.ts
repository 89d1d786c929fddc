const LAST_EVENT = 'ValidateService';

/** One lifecycle event that a host has really executed, or is executing. */
export interface Execution {
  readonly commandId: string;
  readonly deploymentId: string;
  readonly event: string;
  readonly revisionId: string;
  /** Who has made the deployment. */
  readonly creator: string;
  /** When the host first said that it has the command: the coordinator counts from no earlier, the check from no later. */
  readonly takenAt: number;
  outcome: 'Succeeded' | 'Failed' | null;
  /** It was answered that the outcome is known. */
  isAnswered: boolean;
  /** False once it has ended, or an agent that came after its own has said that it has failed. */
  mayRun: boolean;
}

/** What one host really has and does, written down by its agent: never what anybody believes. */
export class HostTruth {
  readonly name: string;
  /** The revision whose Install has succeeded last; null where one has failed or broken off since. */
  installed: string | null = null;
  /** A deployment has gone through it, and nothing was executed since. */
  isServing = false;
  /** It serves, and whether the coordinator has heard the last word about that is not known here. */
  isInDoubt = false;
  /** The deployment that it counts as having begun, since it has said that there was nothing to do; it has executed nothing of it. */
  begunByNoop: string | null = null;
  readonly executions: Execution[] = [];
  readonly #noops = new Set<string>();

  constructor(name: string) {
    this.name = name;
  }

  executionOf(deploymentId: string, event: string): Execution | undefined {
    return this.executions.find((each) => each.deploymentId === deploymentId && each.event === event);
  }

  begin(execution: Execution): void {
    this.executions.push(execution);
    this.isServing = false;
    this.isInDoubt = false;
    this.begunByNoop = null;
    if (execution.event === 'Install') this.installed = null;
  }

  end(execution: Execution, outcome: 'Succeeded' | 'Failed'): void {
    execution.outcome = outcome;
    execution.mayRun = false;
    if (outcome === 'Failed') return;
    if (execution.event === 'Install') this.installed = execution.revisionId;
    if (execution.event === LAST_EVENT) this.#serve();
  }

  /** Another agent says that the command has failed, whatever became of its script. */
  spokenFor(commandId: string): void {
    const execution = this.executions.find((each) => each.commandId === commandId);
    if (execution !== undefined) execution.mayRun = false;
  }

  /** Where nothing is to be done for the last event, the host has got through. */
  saysNoop(deploymentId: string, event: string): void {
    this.#noops.add(`${deploymentId} ${event}`);
    if (event === LAST_EVENT) this.#serve();
    else this.begunByNoop ??= deploymentId;
  }

  /** What it has said of an event was answered. */
  isAnswered(event: string): void {
    if (event === LAST_EVENT) this.isInDoubt = false;
  }

  wasNoop(deploymentId: string, event: string): boolean {
    return this.#noops.has(`${deploymentId} ${event}`);
  }

  /** That the coordinator knows it has yet to be answered. */
  #serve(): void {
    this.isServing = true;
    this.isInDoubt = true;
    this.begunByNoop = null;
  }
}
