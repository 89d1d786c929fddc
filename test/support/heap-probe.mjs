// Preloaded into a program under test that was started with --expose-gc and a channel to its parent: answers every message with
// what is left in memory once all garbage is gone.
import { setImmediate as turn } from 'node:timers/promises';

process.on('message', async () => {
  // What finalizers let go of in the first round is collected in the second.
  for (let round = 0; round < 3; round++) {
    globalThis.gc?.();
    await turn();
  }
  const { heapUsed, external, rss } = process.memoryUsage();
  process.send?.({ heapBytes: heapUsed + external, residentBytes: rss });
});
