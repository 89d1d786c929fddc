import type { Clock, Timer } from '../../../shared/core/clock.ts';
import { historyLine } from '../render/history-line.ts';
import { livePicture } from '../render/live-picture.ts';
import { HIDE_CURSOR, repaint, SHOW_CURSOR } from '../render/repaint.ts';
import type { Style } from '../render/style.ts';
import { steadyText, widthOf } from '../render/text.ts';
import { type Outcome, verdictLines } from '../render/verdict.ts';
import type { World } from '../world.ts';
import type { Presenter } from './presenter.ts';
import type { Change, WatchModel } from './watch-model.ts';

/** At most five pictures a second. */
const REDRAW_MS = 200;
/** Time passes in the picture too. */
const TICK_MS = 1_000;
/** Lines of hosts that ended scroll up one by one only for a fleet that one can read. */
const MAX_HISTORY_HOSTS = 50;

/** A picture redrawn in place at the bottom of the terminal (stderr), with what is over scrolling up above it. */
export class LivePresenter implements Presenter {
  readonly #world: World;
  readonly #clock: Clock;
  readonly #style: Style;
  readonly #hasKeys: boolean;
  #model: WatchModel | undefined;
  #shown: readonly string[] = [];
  #scrolled: string[] = [];
  #panel: readonly string[] = [];
  #lostSinceAt: number | null = null;
  #lastDrawnAt = 0;
  #timer: Timer | undefined;
  #isClosed = false;
  /** The deployment has ended: its last picture has no keys. */
  #isOver = false;
  readonly #stopResize: () => void;
  readonly #stopExit: () => void;

  constructor(world: World, style: Style, options: { hasKeys: boolean }) {
    this.#world = world;
    this.#clock = world.clock;
    this.#style = style;
    this.#hasKeys = options.hasKeys;
    // However the process ends, the cursor is there again.
    this.#stopExit = world.onExit(() => this.close());
    this.#stopResize = world.onResize(() => this.#resized());
    world.stderr.write(HIDE_CURSOR);
  }

  get model(): WatchModel | undefined {
    return this.#model;
  }

  started(model: WatchModel): void {
    this.#model = model;
    this.#draw();
  }

  changed(model: WatchModel, changes: readonly Change[]): void {
    this.#model = model;
    if (model.size <= MAX_HISTORY_HOSTS) this.#scroll(model, changes);
    this.#drawSoon();
  }

  ended(_model: WatchModel): void {
    this.#panel = [];
    this.#isOver = true;
    this.#draw();
    this.#isOver = false;
    // What stood last stays as it is; the next picture begins below.
    this.#shown = [];
    this.#timer?.cancel();
    this.#model = undefined;
  }

  connection(_model: WatchModel, lostSinceAt: number | null): void {
    this.#lostSinceAt = lostSinceAt;
    this.#drawSoon();
  }

  /** Lines below the picture: a log, causes, a question; none takes them away. */
  panel(lines: readonly string[]): void {
    this.#panel = lines;
    this.#draw();
  }

  finished(outcome: Outcome): void {
    this.close();
    for (const text of verdictLines(outcome, this.#world.stderr.columns(), this.#style))
      this.#world.stderr.write(`${steadyText(text)}\n`);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#stopResize();
    this.#stopExit();
    this.#world.stderr.write(SHOW_CURSOR);
  }

  #scroll(model: WatchModel, changes: readonly Change[]): void {
    const nameWidth = Math.min(32, Math.max(0, ...[...model.targets].map((target) => widthOf(target.hostName))));
    for (const change of changes) {
      const isNew = change.kind === 'target' && change.from !== change.target.status;
      const text = isNew ? historyLine(change, nameWidth, this.#world.stderr.columns(), this.#style) : undefined;
      if (text !== undefined) this.#scrolled.push(steadyText(text));
    }
  }

  #drawSoon(): void {
    const waitMs = Math.max(0, this.#lastDrawnAt + REDRAW_MS - this.#clock.now());
    if (waitMs === 0) this.#draw();
    else this.#wake(waitMs);
  }

  #wake(delayMs: number): void {
    this.#timer?.cancel();
    this.#timer = this.#clock.setTimer(delayMs, () => this.#draw());
  }

  #draw(): void {
    if (this.#isClosed || this.#model === undefined) return;
    const { stderr } = this.#world;
    const next = livePicture(
      {
        model: this.#model,
        now: this.#clock.now(),
        width: stderr.columns(),
        height: stderr.rows(),
        lostSinceAt: this.#lostSinceAt,
        panel: this.#panel,
        hasKeys: this.#hasKeys && !this.#isOver,
      },
      this.#style,
    ).map(steadyText);
    const painted = repaint(this.#shown, next, this.#scrolled);
    if (painted !== '') stderr.write(painted);
    this.#shown = next;
    this.#scrolled = [];
    this.#lastDrawnAt = this.#clock.now();
    this.#wake(TICK_MS);
  }

  /** Lines may have been broken anew by the terminal: nothing on it can be trusted, so the picture begins afresh. */
  #resized(): void {
    this.#world.stderr.write('\u001b[2J\u001b[H');
    this.#shown = [];
    this.#draw();
  }
}
