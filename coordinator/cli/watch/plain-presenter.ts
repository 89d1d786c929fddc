import type { Clock } from '../../../shared/core/clock.ts';
import type { ExitName } from '../exit-codes.ts';
import type { Output } from '../output.ts';
import { whyLines } from '../render/cause-lines.ts';
import { foldingMarks, PlainLog } from '../render/plain-log.ts';
import { type Outcome, verdictLines } from '../render/verdict.ts';
import type { Pipeline } from '../terminal.ts';
import type { FailureCauses } from './failure-causes.ts';
import type { Presenter } from './presenter.ts';
import type { Change, WatchModel } from './watch-model.ts';

/** Silence is broken after this long, so that a pipeline does not think that nothing happens. */
const HEARTBEAT_MS = 30_000;

/** Plain lines on stdout: they are what a log of a watch is for. No cursor is moved. */
export class PlainPresenter implements Presenter {
  readonly #output: Output;
  readonly #clock: Clock;
  readonly #pipeline: Pipeline | undefined;
  #log = new PlainLog();
  #lastLineAt: number;
  #close: readonly string[] = [];
  #causes: FailureCauses | undefined;

  constructor(output: Output, clock: Clock, pipeline: Pipeline | undefined) {
    this.#output = output;
    this.#clock = clock;
    this.#pipeline = pipeline;
    this.#lastLineAt = clock.now();
  }

  started(model: WatchModel): void {
    const d = model.deployment;
    this.#log = new PlainLog();
    const title = `drover ${d.id} ${d.application}/${d.deploymentGroup} ${d.revisionLabel}`;
    const marks = foldingMarks(this.#pipeline, title, Math.floor(this.#clock.now() / 1_000));
    this.#say([...marks.open, ...this.#log.started(model, d.startedAt ?? d.createdAt)]);
    this.#close = marks.close;
  }

  changed(model: WatchModel, changes: readonly Change[]): void {
    this.#say(this.#log.changed(model, changes));
    const now = this.#clock.now();
    if (now - this.#lastLineAt >= HEARTBEAT_MS) this.#say([this.#log.heartbeat(model, now)]);
  }

  ended(model: WatchModel): void {
    this.#causes ??= model.causes;
    this.#say([this.#log.ended(model, this.#clock.now()), ...this.#close]);
  }

  connection(model: WatchModel, lostSinceAt: number | null): void {
    this.#say([this.#log.connection(model, this.#clock.now(), lostSinceAt)]);
  }

  finished(outcome: Outcome, _exit: ExitName): void {
    const { style, width } = this.#output;
    if (this.#causes !== undefined && this.#causes.size > 0) this.#say(whyLines(this.#causes.list, width, style));
    this.#say(verdictLines(outcome, width, style));
  }

  close(): void {}

  #say(lines: readonly string[]): void {
    if (lines.length > 0) this.#lastLineAt = this.#clock.now();
    for (const text of lines) this.#output.data(text);
  }
}
