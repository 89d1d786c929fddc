import type { Clock } from '../../shared/core/clock.ts';
import { sleep } from '../../shared/core/clock.ts';
import { isTerminal } from '../../shared/model/deployment.ts';
import type { FeedItem } from '../../shared/model/deployment-feed.ts';
import type { Database } from '../storage/database.ts';
import { deploymentRow, toDeployment } from '../storage/rows/deployments.ts';
import { toTarget } from '../storage/rows/targets.ts';

export interface Feed {
  /**
   * The state of a deployment and of its targets as far as it changed after the sequence given, then every change, until
   * the deployment has ended or the signal aborts. Resumes without losing the last state of anything.
   * @throws AppError `not_found`
   */
  follow(deploymentId: string, after: number, signal: AbortSignal): AsyncIterable<FeedItem>;
  /** Watchers of this deployment should look again. */
  changed(deploymentId: string): void;
}

/** Rows of one look. */
const PAGE = 500;
/** Looks follow each other at this distance at least: what changed meanwhile is seen once. */
const PACE_MS = 50;

/** Level, not edge: the feed stores nothing, it reads rows by their change sequence. */
export function createFeed(parts: { database: Database; clock: Clock }): Feed {
  const { database, clock } = parts;
  const watchers = new Map<string, Set<() => void>>();

  async function* follow(deploymentId: string, after: number, signal: AbortSignal): AsyncIterable<FeedItem> {
    let sequence = after;
    let isFirst = true;
    while (!signal.aborted) {
      // Asked for before looking, so that a change during the look is not missed.
      const change = nextChange(deploymentId, signal);
      try {
        const { items, isLast } = await look(deploymentId, sequence, isFirst);
        isFirst = false;
        for (const item of items) {
          sequence = item.sequence;
          yield item;
        }
        if (isLast) return;
        if (items.length >= PAGE) continue;
        await change.happened;
      } finally {
        change.cancel();
      }
      if (!signal.aborted) await sleep(clock, PACE_MS, signal).catch(() => {});
    }
  }

  async function look(
    deploymentId: string,
    after: number,
    isFirst: boolean,
  ): Promise<{ items: FeedItem[]; isLast: boolean }> {
    const row = await deploymentRow(database.query, deploymentId);
    const targets = await database.query
      .selectFrom('targets')
      .selectAll()
      .where('deployment_id', '=', deploymentId)
      .where('change_sequence', '>', after)
      .orderBy('change_sequence')
      .limit(PAGE)
      .execute();
    const at = clock.now();
    const items: FeedItem[] = targets.map((target) => ({
      kind: 'target',
      sequence: target.change_sequence,
      at,
      target: toTarget(target),
    }));
    const isWhole = targets.length < PAGE;
    const highest = targets.at(-1)?.change_sequence ?? after;
    // The deployment as it is now follows the page: it is never older than the targets before it. A watcher that resumes may
    // have left between the two, with a sequence beyond the deployment's own: it gets the deployment in any case.
    if (isFirst || row.change_sequence > after || targets.length > 0)
      items.push({
        kind: 'deployment',
        sequence: isWhole ? Math.max(row.change_sequence, highest) : highest,
        at,
        deployment: toDeployment(row),
      });
    const isLast = isWhole && isTerminal(toDeployment(row).status);
    if (isLast)
      items.push({
        kind: 'ended',
        sequence: Math.max(row.change_sequence, highest),
        at,
        deployment: toDeployment(row),
      });
    return { items, isLast };
  }

  function nextChange(deploymentId: string, signal: AbortSignal): { happened: Promise<void>; cancel(): void } {
    let done = () => {};
    const happened = new Promise<void>((resolve) => {
      const set = watchers.get(deploymentId) ?? new Set();
      watchers.set(deploymentId, set);
      done = () => {
        set.delete(done);
        if (set.size === 0 && watchers.get(deploymentId) === set) watchers.delete(deploymentId);
        signal.removeEventListener('abort', done);
        resolve();
      };
      set.add(done);
      signal.addEventListener('abort', done, { once: true });
    });
    return { happened, cancel: () => done() };
  }

  return {
    follow,
    changed(deploymentId) {
      for (const wake of [...(watchers.get(deploymentId) ?? [])]) wake();
    },
  };
}
