import type { Deployment } from '../../../shared/model/deployment.ts';
import type { FeedItem } from '../../../shared/model/deployment-feed.ts';
import { LIFECYCLE_EVENTS } from '../../../shared/model/lifecycle-event.ts';
import type { Target, TargetStatus } from '../../../shared/model/target.ts';
import { FailureCauses } from './failure-causes.ts';

export type Change =
  | { kind: 'target'; at: number; from: TargetStatus | null; target: Target }
  | { kind: 'deployment'; at: number; from: Deployment; to: Deployment };

export type Counts = Record<TargetStatus, number>;

/**
 * One deployment as far as its watcher has heard. Items are states, may come twice and after the list that was read at the
 * start: a target never goes back, so order does not matter.
 */
export class WatchModel {
  deployment: Deployment;
  readonly causes = new FailureCauses();
  readonly #targets = new Map<string, Target>();
  readonly #counts: Counts = { Pending: 0, InProgress: 0, Succeeded: 0, Failed: 0, Skipped: 0 };
  readonly #durationsMs: number[] = [];

  /** @param targets in the order of the plan */
  constructor(deployment: Deployment, targets: readonly Target[]) {
    this.deployment = deployment;
    for (const target of targets) this.#put(target);
  }

  /** In the order of the plan. */
  get targets(): Iterable<Target> {
    return this.#targets.values();
  }

  get size(): number {
    return this.#targets.size;
  }

  /** By status; the coordinator's own counts as long as not all targets have been seen. */
  get counts(): Counts {
    const { overview } = this.deployment;
    const total = Object.values(overview).reduce((sum, one) => sum + one, 0);
    return this.#targets.size >= total ? this.#counts : overview;
  }

  /** How long hosts took that have ended well, ms; the middle one, or null before there is one. */
  get medianDurationMs(): number | null {
    const sorted = this.#durationsMs.toSorted((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)] ?? null;
  }

  get durationCount(): number {
    return this.#durationsMs.length;
  }

  apply(item: FeedItem): Change[] {
    if (item.kind === 'target') {
      const before = this.#targets.get(item.target.hostId);
      if (before !== undefined && !isAhead(item.target, before)) return [];
      this.#put(item.target);
      return [{ kind: 'target', at: item.at, from: before?.status ?? null, target: item.target }];
    }
    const from = this.deployment;
    this.deployment = item.deployment;
    return [{ kind: 'deployment', at: item.at, from, to: item.deployment }];
  }

  #put(target: Target): void {
    const before = this.#targets.get(target.hostId);
    if (before !== undefined) this.#counts[before.status]--;
    this.#counts[target.status]++;
    this.#targets.set(target.hostId, target);
    const hasEndedNow = before?.status !== target.status;
    if (hasEndedNow && target.status === 'Failed') this.causes.add(target);
    if (hasEndedNow && target.status === 'Succeeded' && target.startedAt !== null && target.completedAt !== null)
      this.#durationsMs.push(target.completedAt - target.startedAt);
  }
}

const RANK: Readonly<Record<TargetStatus, number>> = { Pending: 0, InProgress: 1, Succeeded: 2, Failed: 2, Skipped: 2 };

/** True when `next` tells something newer than `before`. */
function isAhead(next: Target, before: Target): boolean {
  const difference = RANK[next.status] - RANK[before.status];
  if (difference !== 0) return difference > 0;
  return next.status === 'InProgress' && eventIndex(next) > eventIndex(before);
}

function eventIndex(target: Target): number {
  const names: readonly string[] = LIFECYCLE_EVENTS;
  return names.indexOf(target.lifecycleEvent ?? '');
}
