import type { CommandHost, CommandWorld } from '../../support/command-world.ts';
import type { Execution, HostTruth } from './host-truth.ts';
import type { Notes } from './witness.ts';

/** An event that was taken has an hour, and its report a minute more (`docs/aws-agents.md`). */
const MAY_RUN_MS = 61 * 60_000;
const ENDED: ReadonlySet<string> = new Set(['Succeeded', 'Failed', 'Stopped']);

type Violate = Notes['violate'];

export interface PlayedHost {
  host: CommandHost;
  truth: HostTruth;
}

interface BeginningParts {
  isOneAtATime: boolean;
  /** The coordinator's clock goes as the hosts' do: else what may still run has had its hour by that clock. */
  isTimeTrue: boolean;
  now(): number;
  violate: Violate;
}

/** What has to hold whenever a host begins to execute a command. */
export class BeginningCheck {
  readonly #fleet: readonly HostTruth[];
  readonly #parts: BeginningParts;
  /** By rollback: the hosts that were down when it began. */
  readonly #brokenBefore = new Map<string, ReadonlySet<HostTruth>>();

  constructor(fleet: readonly HostTruth[], parts: BeginningParts) {
    this.#fleet = fleet;
    this.#parts = parts;
  }

  begins(host: HostTruth, execution: Execution): void {
    const { deploymentId, event } = execution;
    this.#noteBroken(execution);
    if (host.executionOf(deploymentId, event) !== undefined)
      this.#parts.violate(`${host.name} executes ${event} of ${deploymentId} a second time`);
    this.#checkAlone(host, execution);
    // A host in doubt, or one that counts as having got stuck, is down as far as the coordinator knows: to take it out costs nothing.
    const isStuck = host.begunByNoop !== null && host.begunByNoop !== deploymentId;
    if (host.isServing && !host.isInDoubt && !isStuck) this.#checkTakenOut(host, execution);
  }

  #checkAlone(host: HostTruth, { deploymentId, event }: Execution): void {
    if (!this.#parts.isTimeTrue) return;
    const now = this.#parts.now();
    for (const other of host.executions)
      if (other.mayRun && now < other.takenAt + MAY_RUN_MS)
        this.#parts.violate(
          `${host.name} begins ${event} of ${deploymentId} while ${other.event} of ${other.deploymentId} may run`,
        );
  }

  #checkTakenOut(host: HostTruth, { deploymentId, revisionId, creator }: Execution): void {
    if (creator !== 'user' && revisionId === host.installed)
      this.#parts.violate(
        `${host.name} is taken out of service by ${deploymentId} (${creator}) for ${revisionId}, which it serves`,
      );
    if (!this.#parts.isOneAtATime) return;
    const forgiven = this.#brokenBefore.get(deploymentId);
    const down = this.#fleet.filter((other) => other !== host && !other.isServing && forgiven?.has(other) !== true);
    if (down.length > 0)
      this.#parts.violate(
        `${host.name} is taken out of service by ${deploymentId} (${creator}) while ${down.map(({ name }) => name).join(', ')} is down`,
      );
  }

  /** What a rollback counts as broken costs it nothing: a host that cannot be healed does not keep the others from it (`docs/rollout.md`). */
  #noteBroken({ deploymentId, creator }: Execution): void {
    if (creator !== 'codeDeployRollback' || this.#brokenBefore.has(deploymentId)) return;
    this.#brokenBefore.set(deploymentId, new Set(this.#fleet.filter(({ isServing }) => !isServing)));
  }
}

/**
 * When nothing is under way: what the history tells of each deployment against what the hosts did.
 * @param isTimeTrue the coordinator's clock went as the hosts' did: else it may have given up what had not taken long
 */
export async function checkTold(
  world: CommandWorld,
  fleet: readonly PlayedHost[],
  { isTimeTrue, violate }: { isTimeTrue: boolean; violate: Violate },
): Promise<void> {
  const deployments = await world.database.query.selectFrom('deployments').select(['id', 'status']).execute();
  for (const { id, status } of deployments) {
    if (!ENDED.has(status)) violate(`${id} is ${status} for ever`);
    const targets = await world.database.query
      .selectFrom('targets as t')
      .innerJoin('lifecycle_events as e', 'e.target_id', 't.id')
      .select(['t.host_id', 'e.name', 'e.status'])
      .where('t.deployment_id', '=', id)
      .execute();
    for (const { host_id, name, status: told } of targets) {
      const found = fleet.find(({ host }) => host.id === host_id);
      if (found !== undefined) checkEvent(found.truth, { deploymentId: id, event: name, told, isTimeTrue }, violate);
    }
  }
}

function checkEvent(
  truth: HostTruth,
  { deploymentId, event, told, isTimeTrue }: { deploymentId: string; event: string; told: string; isTimeTrue: boolean },
  violate: Violate,
): void {
  const execution = truth.executionOf(deploymentId, event);
  const really = execution === undefined ? 'was not executed' : `was executed (${execution.outcome ?? 'broken off'})`;
  const isTrue =
    (told !== 'Succeeded' ||
      (execution?.outcome ?? (truth.wasNoop(deploymentId, event) && 'Succeeded')) === 'Succeeded') &&
    (told !== 'Skipped' || execution === undefined) &&
    // No answer is given before what it answers is kept.
    (execution?.isAnswered !== true || !isTimeTrue || told === execution.outcome);
  if (!isTrue) violate(`${event} of ${deploymentId} on ${truth.name} is told as ${told}, and ${really}`);
}

/** When nothing is under way: what the group says of its hosts against what they are. */
export async function checkHosts(world: CommandWorld, fleet: readonly PlayedHost[], violate: Violate): Promise<void> {
  for (const { host, truth } of fleet) {
    const { installed, isServing, isInDoubt, begunByNoop, name } = truth;
    const known = await world.installed(host);
    const isHealthy = (await world.health(host)) === 'Healthy';
    // Null is a word that is always true: nothing is known.
    if (known !== null && known !== installed) violate(`${name} is said to have ${known}, and has ${installed}`);
    if (isHealthy && !isServing) violate(`${name} is said to be healthy, and does not serve`);
    if (!isHealthy && isServing && !isInDoubt && begunByNoop === null)
      violate(`${name} serves ${installed}, and is not said to be healthy`);
  }
}
