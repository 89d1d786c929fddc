import { readFileSync, writeFileSync } from 'node:fs';

/** By the name of a planted bug: the first seed, counted from 1, whose history has shown it, and the promise that it broke. */
export type CaughtBy = Record<string, { seed: number; invariant: string }>;

const FILE = new URL('./caught-by.json', import.meta.url);

/** What `--count` has found last: the same code plays these seeds the same way, so that each needs to be played once only. */
export function readCaughtBy(): CaughtBy {
  return JSON.parse(readFileSync(FILE, 'utf8'));
}

export function writeCaughtBy(caughtBy: CaughtBy): void {
  const sorted = Object.entries(caughtBy).sort(([a], [b]) => a.localeCompare(b));
  writeFileSync(FILE, `${JSON.stringify(Object.fromEntries(sorted), null, 2)}\n`);
}
