import type { ExitName } from '../exit-codes.ts';
import type { Outcome } from '../render/verdict.ts';
import type { Change, WatchModel } from './watch-model.ts';

/** One way to show deployments while they run: a live picture, a log, JSON, or nothing. */
export interface Presenter {
  /** A deployment begins to be watched: the one that was asked for, then perhaps its rollback. */
  started(model: WatchModel): void;
  /** Called with every change, and without any when only time has passed. */
  changed(model: WatchModel, changes: readonly Change[]): void;
  /** The deployment of the model has ended. */
  ended(model: WatchModel): void;
  /** Contact has been lost for some seconds (`lostSinceAt`), or is there again (null). */
  connection(model: WatchModel, lostSinceAt: number | null): void;
  /** All is over; the last words. */
  finished(outcome: Outcome, exit: ExitName): void;
  /** Gives the terminal back. Called once, however the watching ends. */
  close(): void;
}
