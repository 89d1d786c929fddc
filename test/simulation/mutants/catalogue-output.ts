import { type Mutant, one } from './mutant.ts';

/** Bugs in what becomes of what scripts print. */
export const OUTPUT_MUTANTS: readonly Mutant[] = [
  one('output-stored-twice', 'what a host sends again is stored twice', 'coordinator/services/output-batch.ts', [
    'data.subarray(length - offset)',
    'data',
  ]),
  one(
    'output-sent-is-stored',
    'an agent forgets output that it has sent and that never arrived',
    'agent/connection/output-streamer.ts',
    ['if (isFinal && stream.acknowledged >= size)', 'if (isFinal && stream.sent >= size)'],
  ),
  one(
    'output-not-sent-again',
    'output that was under way when a connection ended is not sent again',
    'agent/connection/output-streamer.ts',
    ['  stream.sent = stream.acknowledged;\n}', '  stream.movedAt = 0;\n}'],
  ),
];
