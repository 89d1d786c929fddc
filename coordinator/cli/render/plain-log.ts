import type { Pipeline } from '../terminal.ts';
import { budgetOf, remainingMs } from '../watch/budget.ts';
import type { Change, WatchModel } from '../watch/watch-model.ts';
import { causeSentence } from './cause-lines.ts';
import { reasonOf } from './history-line.ts';
import { duration, guess, plural, utcTimeOfDay } from './units.ts';

/** Above this many hosts a line tells of a tenth of them, or of a new cause. */
const FOLD_ABOVE = 20;

/** A deployment as a log: one line per change, folded for large ones. Times are UTC, as logs of pipelines are. */
export class PlainLog {
  #tenths = 0;
  #causes = 0;

  started(model: WatchModel, now: number): string[] {
    const d = model.deployment;
    const { endsAtFailure } = budgetOf(d);
    const isChange = d.previousRevisionLabel !== null && d.previousRevisionLabel !== d.revisionLabel;
    const from = isChange ? `${d.previousRevisionLabel}->` : '';
    const stops = endsAtFailure === null ? '' : `, stops at ${plural(endsAtFailure, 'failure')}`;
    const what = d.creator === 'codeDeployRollback' ? 'rollback' : 'started';
    const line = `${what} ${from}${d.revisionLabel} ${d.application}/${d.deploymentGroup} ${plural(d.totalHosts, 'host')}${stops}`;
    // Somebody who comes later wants to know where it is.
    const isUnderWay = model.counts.Pending < model.size && d.completedAt === null;
    return [this.#line(model, now, line), ...(isUnderWay ? [this.heartbeat(model, now)] : [])];
  }

  changed(model: WatchModel, changes: readonly Change[]): string[] {
    return changes.flatMap((change) => {
      if (change.kind === 'deployment') return this.#deploymentChanged(model, change);
      return model.size > FOLD_ABOVE ? this.#folded(model, change.at) : this.#targetChanged(model, change);
    });
  }

  heartbeat(model: WatchModel, now: number): string {
    const left = remainingMs(model);
    return this.#line(model, now, `running ${countsOf(model)}${left === null ? '' : `, ${guess(left)} left`}`);
  }

  ended(model: WatchModel, now: number): string {
    const d = model.deployment;
    const took = duration((d.completedAt ?? now) - (d.startedAt ?? d.createdAt));
    const { Succeeded, Failed } = model.counts;
    return this.#line(
      model,
      d.completedAt ?? now,
      `${d.status} ${Succeeded}/${model.size} failed ${Failed} in ${took}`,
    );
  }

  connection(model: WatchModel, now: number, lostSinceAt: number | null): string {
    if (lostSinceAt === null) return this.#line(model, now, 'in contact again');
    return this.#line(model, now, `no contact since ${utcTimeOfDay(lostSinceAt)}, hosts go on by themselves`);
  }

  #deploymentChanged(model: WatchModel, change: Extract<Change, { kind: 'deployment' }>): string[] {
    const { from, to, at } = change;
    if (from.endingAs !== null || to.endingAs === null) return [];
    const why = to.errorInformation === null ? '' : ` ${to.errorInformation.code}: ${to.errorInformation.message}`;
    return [
      this.#line(
        model,
        at,
        `ending as ${to.endingAs}, waiting for ${plural(model.counts.InProgress, 'host')} in progress${why}`,
      ),
    ];
  }

  #targetChanged(model: WatchModel, change: Extract<Change, { kind: 'target' }>): string[] {
    const { target, from, at } = change;
    if (from === target.status || target.status === 'Pending') return [];
    const isOver = target.startedAt !== null && target.completedAt !== null;
    // Both are numbers when it is over.
    const took = isOver ? ` in ${duration(target.completedAt! - target.startedAt!)}` : '';
    const more = target.status === 'Failed' || target.status === 'Skipped' ? ` ${reasonOf(target)}` : took;
    const when = target.status === 'InProgress' ? target.startedAt : target.completedAt;
    return [this.#line(model, when ?? at, `${target.hostName} ${target.status}${more}`)];
  }

  #folded(model: WatchModel, at: number): string[] {
    const lines: string[] = [];
    const { counts, causes, size } = model;
    if (causes.size > this.#causes) {
      // The list grew by the failure that was applied last.
      const newest = causes.inOrder.at(-1);
      if (newest !== undefined)
        lines.push(
          this.#line(
            model,
            at,
            `${this.#causes === 0 ? 'first failure' : 'another cause'} ${newest.hostNames[0]} ${causeSentence(newest)}`,
          ),
        );
      this.#causes = causes.size;
    }
    const tenths = Math.floor(((counts.Succeeded + counts.Failed + counts.Skipped) * 10) / Math.max(1, size));
    if (tenths > this.#tenths) {
      this.#tenths = tenths;
      lines.push(this.#line(model, at, `${tenths * 10} % ${countsOf(model)}`));
    }
    return lines;
  }

  #line(model: WatchModel, at: number, text: string): string {
    return `${utcTimeOfDay(at)} ${model.deployment.id} ${text}`;
  }
}

function countsOf(model: WatchModel): string {
  const { Succeeded, Failed, InProgress } = model.counts;
  const { endsAtFailure } = budgetOf(model.deployment);
  const limit = endsAtFailure === null ? '' : ` (stops at ${endsAtFailure})`;
  return `${Succeeded} of ${plural(model.size, 'host')} succeeded, ${InProgress} running, ${Failed} failed${limit}`;
}

/** Marks that fold the log of a deployment in a pipeline's web page. Sources: each system's documentation on log groups. */
export function foldingMarks(
  pipeline: Pipeline | undefined,
  title: string,
  atSeconds: number,
): { open: string[]; close: string[] } {
  switch (pipeline) {
    case 'github':
      return { open: [`::group::${title}`], close: ['::endgroup::'] };
    case 'gitlab':
      return {
        open: [`\u001b[0Ksection_start:${atSeconds}:drover\r\u001b[0K${title}`],
        close: [`\u001b[0Ksection_end:${atSeconds}:drover\r\u001b[0K`],
      };
    case 'buildkite':
      return { open: [`--- ${title}`], close: [] };
    case undefined:
      return { open: [], close: [] };
  }
}
