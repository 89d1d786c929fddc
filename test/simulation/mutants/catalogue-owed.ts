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
    'left-and-unknown',
    'hosts that come back to their group are all taken out of service at once',
    'coordinator/services/membership.ts',
    ["AND m.instance_health = 'Healthy'", "AND m.instance_health = 'Known'"],
  ),
  one(
    'left-and-as-before',
    'what was begun on a host while it was out of its group is not seen when it comes back',
    'coordinator/services/membership.ts',
    ['t.change_sequence > l.change_sequence', 't.change_sequence < 0'],
  ),
  one(
    'left-still-owed',
    'a host that left its group gets what was good then, and not what is good when it comes back',
    'coordinator/services/membership.ts',
    [
      'AND (l.last_good_revision_id IS NOT DISTINCT FROM g.last_good_revision_id OR',
      'AND (g.last_good_revision_id IS NOT NULL OR',
    ],
  ),
  one(
    'leap-is-absence',
    'a coordinator whose clock leaps ahead takes that for the absence of hosts',
    'coordinator/engine/standstill.ts',
    ['if (lostMs <= parts.toleratedMs && ', 'if ('],
  ),
  one(
    'left-alone-still-serve',
    'hosts that a rollback has left alone count as in service though they were forgotten',
    'coordinator/services/forgotten-host.ts',
    ['own.id IS NULL AND d.already_current_hosts > 0', 'own.id IS NULL AND d.already_current_hosts < 0'],
  ),
  one(
    'given-up-twice-as-planned',
    'a host that was given up twice, and never began the second, is what it was known as before it told of the first',
    'coordinator/services/report-batch.ts',
    [
      "      item.status !== 'Skipped' &&\n      target.status !== 'InProgress' &&\n      (await",
      "      item.status === 'Skipped' &&\n      target.status === 'Pending' &&\n      (await",
    ],
  ),
  one(
    'brought-in-is-left-alone',
    'hosts that run the good revision count as in service in a rollback while they are brought in',
    'coordinator/engine/rollback-deployment.ts',
    ['      isBroughtIn(host) ||\n', ''],
  ),
  one(
    'brought-in-before-it-tells',
    'hosts that were cut off in a deployment, and ended it well, are all taken out of service when they are back',
    'coordinator/engine/converge-group.ts',
    ['t.late_end_until > ? AND d.group_id = g.group_id', 't.late_end_until < ? AND d.group_id = g.group_id'],
  ),
];
