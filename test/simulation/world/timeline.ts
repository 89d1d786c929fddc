import type { Clock, Timer } from '../../../shared/core/clock.ts';

/** What will happen, by its instant; at one instant in the order in which it was asked for. Nothing else makes time pass. */
export interface Timeline {
  /** Virtual ms since the beginning. */
  readonly now: number;
  /** How many steps were taken. */
  readonly steps: number;
  after(delayMs: number, run: () => void): Timer;
  /** Runs the next event; whoever asked for it has to await `settled` next. False when nothing is left. */
  advance(): boolean;
  /** Everything that follows from it without time passing. */
  settled(): Promise<void>;
  /** Until the work is done, a step waits for streams as well: they go on by turns of Node's own loop. */
  streaming<Value>(work: Promise<Value>): Promise<Value>;
  /** The instant of the next event; Infinity when nothing is left. */
  peek(): number;
}

interface Entry {
  at: number;
  order: number;
  run: (() => void) | null;
}

export function createTimeline(): Timeline {
  const heap: Entry[] = [];
  let now = 0;
  let order = 0;
  let steps = 0;
  let streams = 0;

  function dropCancelled(): Entry | undefined {
    while (heap[0] !== undefined && heap[0].run === null) pop(heap);
    return heap[0];
  }

  return {
    get now() {
      return now;
    },
    get steps() {
      return steps;
    },
    after(delayMs, run) {
      const entry: Entry = { at: now + Math.max(0, delayMs), order: order++, run };
      push(heap, entry);
      return {
        cancel() {
          entry.run = null;
        },
      };
    },
    advance() {
      const entry = dropCancelled();
      if (entry === undefined) return false;
      pop(heap);
      now = Math.max(now, entry.at);
      steps++;
      entry.run?.();
      return true;
    },
    async settled() {
      await settle();
      if (streams > 0) await turn();
    },
    async streaming(work) {
      streams++;
      try {
        return await work;
      } finally {
        streams--;
      }
    },
    peek: () => dropCancelled()?.at ?? Number.POSITIVE_INFINITY,
  };
}

/**
 * Returns when every promise that waits for nothing but promises has gone on. Node runs the queue of `nextTick` only when the
 * microtasks have run out, and no real I/O is under way that could add some; it costs a twentieth of a turn of the event loop.
 */
export function settle(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve));
}

/** A turn of the event loop: whatever waits for ticks and microtasks alone has come to its end by then. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** The clock of one process: its own idea of the time, and timers that die with it. Timers do not follow a clock that jumps. */
export function processClock(timeline: Timeline, parts: { offsetMs(): number; isAlive(): boolean }): Clock {
  return {
    now: () => Math.round(EPOCH + timeline.now + parts.offsetMs()),
    setTimer: (delayMs, fire) =>
      timeline.after(delayMs, () => {
        if (parts.isAlive()) fire();
      }),
  };
}

/** When every history begins, for the clocks that are right. */
export const EPOCH = Date.UTC(2026, 10, 22, 3, 0, 0);

function isBefore(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

function push(heap: Entry[], entry: Entry): void {
  let index = heap.length;
  heap.push(entry);
  while (index > 0) {
    const parent = (index - 1) >> 1;
    const above = heap[parent] as Entry;
    if (!isBefore(entry, above)) break;
    heap[index] = above;
    index = parent;
  }
  heap[index] = entry;
}

function pop(heap: Entry[]): void {
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return;
  let index = 0;
  for (;;) {
    let child = 2 * index + 1;
    if (child >= heap.length) break;
    const right = heap[child + 1];
    if (right !== undefined && isBefore(right, heap[child] as Entry)) child++;
    const below = heap[child] as Entry;
    if (!isBefore(below, last)) break;
    heap[index] = below;
    index = child;
  }
  heap[index] = last;
}
