import { playSeeds, type SeedRange } from './batch.ts';

// A process of `playInWorkers`: seeds come in, totals go out, and the end of the channel is the end.
process.on('message', (message) => {
  playSeeds(message as SeedRange).then(
    (totals) => process.send?.(totals),
    (error: unknown) => {
      console.error(error);
      process.exitCode = 1;
      process.disconnect();
    },
  );
});
