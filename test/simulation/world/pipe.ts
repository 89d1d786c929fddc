import type { Timeline } from './timeline.ts';

/** One direction of a way between two machines. */
export interface Lane {
  /** Nothing arrives: what was sent waits, as TCP waits. */
  isCut: boolean;
}

/** One direction of one connection: in order, and held while its lane is cut. */
export class Pipe {
  readonly #timeline: Timeline;
  readonly #lane: Lane;
  readonly #latency: () => number;
  readonly #queue: { at: number; bytes: number; arrive: () => void }[] = [];
  #isWaiting = false;
  /** A half-open connection: everything disappears and nobody is told. */
  isBlackHole = false;
  queuedBytes = 0;

  constructor(timeline: Timeline, lane: Lane, latency: () => number) {
    this.#timeline = timeline;
    this.#lane = lane;
    this.#latency = latency;
  }

  send(bytes: number, arrive: () => void): void {
    if (this.isBlackHole) return;
    const last = this.#queue.at(-1)?.at ?? 0;
    this.#queue.push({ at: Math.max(last, this.#timeline.now + this.#latency()), bytes, arrive });
    this.queuedBytes += bytes;
    this.#wait();
  }

  /** After the lane was healed. */
  resume(): void {
    this.#wait();
  }

  clear(): void {
    this.#queue.length = 0;
    this.queuedBytes = 0;
  }

  #wait(): void {
    const head = this.#queue[0];
    if (this.#isWaiting || head === undefined || this.#lane.isCut) return;
    this.#isWaiting = true;
    this.#timeline.after(head.at - this.#timeline.now, () => {
      this.#isWaiting = false;
      if (this.#lane.isCut) return;
      const next = this.#queue[0];
      if (next === undefined) return;
      if (next.at > this.#timeline.now) return this.#wait();
      this.#queue.shift();
      this.queuedBytes -= next.bytes;
      if (!this.isBlackHole) next.arrive();
      this.#wait();
    });
  }
}
