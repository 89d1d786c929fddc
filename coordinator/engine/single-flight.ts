/**
 * Runs one kind of work per key, one at a time, and once more when it was asked for meanwhile: a thousand wakes while a
 * decision is under way are one more decision.
 */
export interface SingleFlight {
  request(key: string): void;
  /** Resolves when nothing runs and nothing is asked for. */
  idle(): Promise<void>;
}

export function createSingleFlight(
  work: (key: string) => Promise<void>,
  onError: (key: string, error: unknown) => void,
) {
  const again = new Map<string, boolean>();
  let waiting: (() => void)[] = [];

  async function run(key: string): Promise<void> {
    do {
      again.set(key, false);
      try {
        await work(key);
      } catch (error) {
        onError(key, error);
      }
    } while (again.get(key) === true);
    again.delete(key);
    if (again.size > 0) return;
    for (const resolve of waiting) resolve();
    waiting = [];
  }

  return {
    request(key: string) {
      if (again.has(key)) again.set(key, true);
      else void run(key);
    },
    idle: () => (again.size === 0 ? Promise.resolve() : new Promise<void>((resolve) => waiting.push(resolve))),
  } satisfies SingleFlight;
}
