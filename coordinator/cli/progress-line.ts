import type { Cli } from './cli.ts';
import { bytes } from './render/units.ts';

const REDRAW_MS = 200;

/** One line on stderr that tells how far something is; nothing without a terminal. */
export class ProgressLine {
  readonly #cli: Cli;
  readonly #doing: string;
  #drawnAt = 0;
  #isDrawn = false;

  constructor(cli: Cli, doing: string) {
    this.#cli = cli;
    this.#doing = doing;
  }

  update(doneBytes: number, totalBytes: number): void {
    const now = this.#cli.world.clock.now();
    if (!this.#cli.isLive || now - this.#drawnAt < REDRAW_MS) return;
    this.#drawnAt = now;
    this.#isDrawn = true;
    const percent = totalBytes === 0 ? 100 : Math.min(100, Math.floor((doneBytes / totalBytes) * 100));
    this.#cli.world.stderr.write(
      `\r\u001b[2K${this.#doing}  ${bytes(doneBytes)} of ${bytes(totalBytes)}  ${percent} %`,
    );
  }

  close(): void {
    if (this.#isDrawn) this.#cli.world.stderr.write('\r\u001b[2K');
    this.#isDrawn = false;
  }
}
