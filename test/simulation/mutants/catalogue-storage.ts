import { type Mutant, one } from './mutant.ts';

/** Bugs in what becomes of what the database refuses. */
export const STORAGE_MUTANTS: readonly Mutant[] = [
  one(
    'refused-reports-dropped',
    'what could not be committed is forgotten here, and its host waits for its word',
    'coordinator/services/reports.ts',
    ['        queue.refused(batch, clock.now());\n', ''],
  ),
  one(
    'presence-not-written-again',
    'who has come and gone while nothing could be written stays what it was',
    'coordinator/services/coalesced.ts',
    ['      parts.onError(error);\n      retryLater(values);', '      parts.onError(error);'],
  ),
  one(
    'undone-twice',
    'a transaction that a full disk has undone is undone again, and that this fails is told instead',
    'coordinator/storage/sqlite.ts',
    [
      'if (this.#isInTransaction()) await super.rollbackTransaction(connection);',
      'await super.rollbackTransaction(connection);',
    ],
  ),
];
