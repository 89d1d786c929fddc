import { randomBytes } from 'node:crypto';
import { AppError, isAppError } from '../../../shared/core/errors.ts';
import type { Randomness } from '../../../shared/core/randomness.ts';
import { type Deployment, isTerminal } from '../../../shared/sdk/drover-client.ts';
import { answered, ended, idle, pushRevision, TARGET_GROUP } from '../../support/herd-operator.ts';
import type { RealHerd } from '../../support/real-herd.ts';
import { BUNDLE_BYTES } from './plan.ts';

export const PAYLOAD_FILE = 'payload';
const HOOK_SECONDS = 0.2;
const OWN_CONFIGS = [
  { name: 'seven-stay', minimumHealthyHosts: { type: 'HOST_COUNT', value: 7 } },
  { name: 'eighty-percent-stay', minimumHealthyHosts: { type: 'FLEET_PERCENT', value: 80 } },
] as const;
const CONFIGS = [
  'CodeDeployDefault.OneAtATime',
  'CodeDeployDefault.HalfAtATime',
  'CodeDeployDefault.AllAtOnce',
  ...OWN_CONFIGS.map(({ name }) => name),
];
const BAD_EVENTS = ['AfterInstall', 'ApplicationStart', 'ValidateService'];
/** Everywhere, or on some of web-1 to web-10. */
const BAD_PLACES = ['*', '*[37]', '*[1-4]'];
/** What a deployment may take while there are faults; a run of faults ends earlier, and its deadline is below this. */
export const ENDS_WITHIN_MS = 300_000;

/** An operator stops what has not ended by then, mostly. */
const PATIENCE_MS = 20_000;

export interface PushedRevision {
  payload: string;
  bad: { event: string; on: string } | null;
}

export interface Operated {
  revisions: Map<string, PushedRevision>;
  /** Stops that were acknowledged, and when; epoch ms. */
  stops: { deploymentId: string; acknowledgedAt: number }[];
  /** Refused because another deployment runs, there is nothing to do, or it had ended already. */
  conflicts: number;
}

export class Operators {
  readonly operated: Operated = { revisions: new Map(), stops: [], conflicts: 0 };
  readonly #herd: RealHerd;
  readonly #randomness: Randomness;
  readonly #hostNames: readonly string[];
  #requests = 0;

  constructor(herd: RealHerd, randomness: Randomness, hostNames: readonly string[]) {
    this.#herd = herd;
    this.#randomness = randomness;
    this.#hostNames = hostNames;
  }

  async createConfigs(): Promise<void> {
    for (const config of OWN_CONFIGS) await this.#herd.client.createDeploymentConfig(config);
  }

  /** One thing after another until it is told to stop; the last one may still run then. */
  async work(isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      const deployment = await this.#attempt(() => this.#act());
      if (deployment === null) {
        await idle(this.#herd, ENDS_WITHIN_MS);
        continue;
      }
      if (this.#chance(0.3)) await this.#stopAfter(deployment.id, 2_000);
      else if (this.#chance(0.6)) await this.#stopAfter(deployment.id, PATIENCE_MS);
      await ended(this.#herd, deployment.id, ENDS_WITHIN_MS);
      // An operator who does not wait is refused while the rollback runs.
      if (this.#chance(0.7)) await idle(this.#herd, ENDS_WITHIN_MS);
    }
  }

  async push(bad: PushedRevision['bad'] = null): Promise<string> {
    const label = `v${this.operated.revisions.size + 1}${bad === null ? '' : '-bad'}`;
    // Not from the seed: nothing depends on what it is, only on its size, and that it is different each time.
    const payload = randomBytes(BUNDLE_BYTES / 2).toString('hex');
    this.operated.revisions.set(label, { payload, bad });
    await pushRevision(this.#herd, {
      label,
      hookSeconds: HOOK_SECONDS,
      payload: { [PAYLOAD_FILE]: payload },
      ...(bad === null ? {} : { bad }),
    });
    return label;
  }

  create(
    revision: string,
    options: { config?: string; onlyHostNames?: string[]; onlyFailedOf?: string } = {},
  ): Promise<Deployment> {
    const { config = this.#pick(CONFIGS), ...restriction } = options;
    const key = this.#key();
    return answered(() =>
      this.#herd.client.createDeployment({
        application: TARGET_GROUP.application,
        deploymentGroup: TARGET_GROUP.group,
        revision,
        deploymentConfigName: config,
        idempotencyKey: key,
        description: key,
        ...restriction,
      }),
    );
  }

  async #act(): Promise<Deployment> {
    const choice = this.#randomness.fraction();
    if (choice < 0.4) return this.create(await this.push());
    if (choice < 0.62)
      return this.create(await this.push({ event: this.#pick(BAD_EVENTS), on: this.#pick(BAD_PLACES) }));
    if (choice < 0.72) {
      const key = this.#key();
      return answered(() =>
        this.#herd.client.rollbackGroup({ ...TARGET_GROUP, idempotencyKey: key, description: key }),
      );
    }
    if (choice < 0.84) return this.create(this.#goodRevision());
    if (choice < 0.92) {
      const onlyHostNames = this.#hostNames.filter(() => this.#chance(0.3));
      return this.create(this.#goodRevision(), onlyHostNames.length === 0 ? {} : { onlyHostNames });
    }
    const { items } = await answered(() => this.#herd.client.listDeployments({ status: 'Failed', creator: 'user' }));
    const failed = items[0];
    if (failed === undefined) return this.create(await this.push());
    return this.create(failed.revisionLabel, { onlyFailedOf: failed.id });
  }

  /** Stops it at any moment of this time, unless it has ended by then. */
  async #stopAfter(deployment: string, withinMs: number): Promise<void> {
    const stopAt = performance.now() + this.#randomness.fraction() * withinMs;
    while (performance.now() < stopAt) {
      const { status } = await answered(() => this.#herd.client.getDeployment({ deployment }));
      if (isTerminal(status)) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const rollback = this.#pick([undefined, true, false]);
    await this.#attempt(async () => {
      await answered(() =>
        this.#herd.client.stopDeployment({ deployment, ...(rollback === undefined ? {} : { rollback }) }),
      );
      this.operated.stops.push({ deploymentId: deployment, acknowledgedAt: Date.now() });
    });
  }

  async #attempt<Result>(act: () => Promise<Result>): Promise<Result | null> {
    try {
      return await act();
    } catch (error) {
      if (!isAppError(error, 'conflict')) throw error;
      this.operated.conflicts++;
      return null;
    }
  }

  #goodRevision(): string {
    const good = [...this.operated.revisions].filter(([, { bad }]) => bad === null).map(([label]) => label);
    return this.#pick(good);
  }

  #key(): string {
    return `request-${++this.#requests}`;
  }

  #chance(probability: number): boolean {
    return this.#randomness.fraction() < probability;
  }

  #pick<Value>(values: readonly Value[]): Value {
    const value = values[Math.floor(this.#randomness.fraction() * values.length)];
    if (value === undefined && values.length === 0) throw new AppError('internal', 'nothing to choose from');
    // Only the list's own values come here, undefined included.
    return value as Value;
  }
}
