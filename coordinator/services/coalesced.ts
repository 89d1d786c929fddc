import type { Clock, Timer } from '../../shared/core/clock.ts';

/**
 * Gathers keyed values for a moment and hands them over together; of two values with one key the later wins. Handed over
 * one group at a time, in order; what could not be dealt with is handed over again, a moment later.
 */
export interface Coalesced<Value> {
  add(key: string, value: Value): void;
  /** Hands over what is there now, and resolves when all of it has been dealt with. */
  flush(): Promise<void>;
  /** Hands over what is there, once, and nothing more. */
  close(): Promise<void>;
}

/** After a failure. What waits is bounded by the number of keys. */
const RETRY_MS = 250;

export function createCoalesced<Value>(parts: {
  clock: Clock;
  windowMs: number;
  handle(values: ReadonlyMap<string, Value>): Promise<void>;
  onError(error: unknown): void;
}): Coalesced<Value> {
  let gathered = new Map<string, Value>();
  let timer: Timer | null = null;
  let running: Promise<void> = Promise.resolve();
  let isClosed = false;

  function flush(): Promise<void> {
    timer?.cancel();
    timer = null;
    // Taken only when it is their turn: what is given back before that must not come after what is later.
    running = running.then(handleGathered);
    return running;
  }

  async function handleGathered(): Promise<void> {
    if (gathered.size === 0) return;
    const values = gathered;
    gathered = new Map();
    try {
      await parts.handle(values);
    } catch (error) {
      parts.onError(error);
      retryLater(values);
    }
  }

  function retryLater(values: ReadonlyMap<string, Value>): void {
    if (isClosed) return;
    for (const [key, value] of values) if (!gathered.has(key)) gathered.set(key, value);
    timer ??= parts.clock.setTimer(RETRY_MS, () => void flush());
  }

  return {
    add(key, value) {
      gathered.set(key, value);
      timer ??= parts.clock.setTimer(parts.windowMs, () => void flush());
    },
    flush,
    close() {
      isClosed = true;
      return flush();
    },
  };
}
