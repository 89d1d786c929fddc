import { type Mutant, one } from './mutant.ts';

/** Bugs in what becomes of what the database refuses. */
export const STORAGE_MUTANTS: readonly Mutant[] = [
  one(
    'refused-reports-dropped',
    'what could not be committed is forgotten here, and its host waits for its word',
    'coordinator/services/reports.ts',
    ['        queue.refused({ ...batch, deliveries: withoutGone(deliveries) }, clock.now());\n', ''],
  ),
  one(
    'presence-not-written-again',
    'who has come and gone while nothing could be written stays what it was',
    'coordinator/services/coalesced.ts',
    ['      parts.onError(error);\n      retryLater(values);', '      parts.onError(error);'],
  ),
];
