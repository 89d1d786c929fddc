/** How many files are worked on at once: enough to hide a disk's latency, few enough to stay below any limit. */
const WIDTH = 8;

/** Calls `work` for each item, some at a time. After a failure no further item is begun, and those begun have ended. */
export async function forEachParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  let next = 0;
  const failures: unknown[] = [];
  const lane = async () => {
    while (next < items.length && failures.length === 0) {
      const item = items[next++];
      try {
        // In range, as checked above.
        await work(item as T);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(WIDTH, items.length) }, lane));
  if (failures.length > 0) throw failures[0];
}
