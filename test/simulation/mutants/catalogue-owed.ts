import { type Mutant, one } from './mutant.ts';

/** Bugs in what is owed to hosts that joined, were stopped, fell silent or were forgotten: each needs a story of its own to show. */
export const OWED_MUTANTS: readonly Mutant[] = [
  one('passed-over', 'hosts whose turn to follow on did not come are given up', 'coordinator/engine/settle-group.ts', [
    "WHEN t.status = 'Skipped' AND ? = 'Failed' THEN",
    "WHEN t.status = 'Skipped' AND ? IS NULL THEN",
  ]),
  one(
    'stopped-is-owed-still',
    'what was stopped for a host that had not begun it is begun again',
    'coordinator/engine/settle-group.ts',
    ["WHEN t.status = 'Skipped' AND ? = 'Failed' THEN", "WHEN t.status = 'Skipped' AND ? <> 'Succeeded' THEN"],
  ),
  one(
    'late-end-waited-for-hours',
    'a host that never tells its end holds the next deployment for hours',
    'coordinator/engine/commit.ts',
    ['LATE_END_WAIT_MS = 300_000;', 'LATE_END_WAIT_MS = 7_200_000;'],
  ),
  one(
    'skipped-and-brought-in',
    'a host that serves is brought in beside a stopped deployment that has skipped it',
    'coordinator/engine/converge-group.ts',
    ["t.status = 'Skipped' AND t.was_healthy = 1", "t.status = 'Skipped' AND t.was_healthy > 1"],
  ),
  one(
    'left-alone-still-serve',
    'hosts that a rollback has left alone count as in service though they were forgotten',
    'coordinator/services/forgotten-host.ts',
    ['own.id IS NULL AND d.already_current_hosts > 0', 'own.id IS NULL AND d.already_current_hosts < 0'],
  ),
];
