import { type Mutant, one } from './mutant.ts';

/** Bugs in what is judged and owed: nobody is sent anything wrong at once, and the fleet is left where it should not be. */
export const JUDGEMENT_MUTANTS: readonly Mutant[] = [
  one('failed-in-spite-of-success', 'enough hosts run it, and it has failed', 'coordinator/rollout/rollout.ts', [
    'runningIt === hostsLeft(view) || runningIt >= Math.max(1, deployment.minimumHealthyCount)',
    'runningIt === hostsLeft(view)',
  ]),
  one(
    'ends-while-a-batch-is-out',
    'hosts in progress count as failed when it is asked whether to go on',
    'coordinator/rollout/capacity.ts',
    [
      'hostsLeft(view) - deployment.minimumHealthyCount - counts.failed > 0',
      'hostsLeft(view) - deployment.minimumHealthyCount - counts.failed - counts.inProgress > 0',
    ],
  ),
  one(
    'word-of-a-stop-ignored',
    'a stop that wants a rollback, or none, gets what the group says',
    'coordinator/rollout/rollback.ts',
    ['if (stopRequest !== null && stopRequest.rollback !== null) return stopRequest.rollback;', ''],
  ),
  one('rolled-back-unasked', 'a stop is rolled back where only failures are to be', 'coordinator/rollout/rollback.ts', [
    'return autoRollback.enabled && autoRollback.events.includes(event);',
    'return autoRollback.enabled && event !== undefined;',
  ]),
  one(
    'late-end-waited-for-again',
    'a host that has told its end is waited for all the same',
    'coordinator/services/report-batch.ts',
    ['late_end_until = NULL, late_end_told = 1 WHERE', 'late_end_told = 1 WHERE'],
  ),
  one(
    'late-end-not-waited-for',
    'a host that was given up is taken by the next deployment before it tells',
    'coordinator/engine/commit.ts',
    ["late_end_until: decision.from === 'InProgress' ? now + LATE_END_WAIT_MS : null,", 'late_end_until: null,'],
  ),
  one('lost-too-early', 'a host that is away for a moment counts as lost', 'coordinator/services/presence.ts', [
    '[[at + settings.hostLostAfterMs, hostId]]',
    '[[at + settings.offlineAfterMs, hostId]]',
  ]),
  one('own-absence-counts', 'hosts are offline since the coordinator was away', 'coordinator/rollout/rollout.ts', [
    'Math.max(settings.upSince, presenceSince) + RETURN_MS;',
    'Math.max(settings.upSince, presenceSince);',
  ]),
  one(
    'reconnecting-is-offline',
    'a host that is away for a moment fails at its turn',
    'coordinator/rollout/rollout.ts',
    [
      `if (target.presence === 'Reconnecting') continue;
    if (target.presence === 'Offline') {`,
      "if (target.presence !== 'Online') {",
    ],
  ),
  one(
    'unhealthy-count-kept',
    'a broken host that was offline at its turn goes on being counted',
    'coordinator/engine/commit.ts',
    ['if (!decision.wasHealthy) row.count_pending_unhealthy--;\n  } else', '} else'],
  ),
  one('part-makes-the-good-one', "a part's revision becomes the whole group's", 'coordinator/engine/settle-group.ts', [
    'if (row.is_partial === 1 && (await runsSomethingElse(tx, row))) return;',
    '',
  ]),
  {
    name: 'ignored-hosts-updated',
    harm: 'hosts follow on in a group that wants them left alone',
    // Asked when they are noted, and again when they would follow on.
    edits: [
      {
        file: 'coordinator/engine/settle-group.ts',
        find: "if (settingsOf(group).outdatedInstancesStrategy === 'IGNORE') return;",
        replace: '',
      },
      {
        file: 'coordinator/engine/converge-group.ts',
        find: "leavesOutdatedAlone: settingsOf(group).outdatedInstancesStrategy === 'IGNORE',",
        replace: 'leavesOutdatedAlone: false,',
      },
    ],
  },
  one(
    'brought-in-beside',
    'a host that serves is taken out beside a deployment that counts on it',
    'coordinator/engine/converge-group.ts',
    ['d.occupies_group = 1\n      AND (t.status', 'd.occupies_group = 2\n      AND (t.status'],
  ),
  one('end-not-told', 'a trigger is not told of a deployment that has ended', 'coordinator/engine/commit.ts', [
    'await commit.parts.triggers.deployment(commit.tx, END_EVENTS[decision.status], row, now);',
    '',
  ]),
  one(
    'refused-message-dropped',
    'a message that could not be delivered is gone',
    'coordinator/services/trigger-delivery.ts',
    ["if (answer.kind === 'delivered') return {", "if (answer.kind !== 'refused') return {"],
  ),
  // What is kept
  one(
    'last-success-removed',
    'retention removes the deployment that says how the good revision was deployed',
    'coordinator/services/retention.ts',
    [".where('deployment_groups.id', '=', group_id)", ".where('deployment_groups.id', '<>', group_id)"],
  ),
  one(
    'written-anew-without-reports',
    'a journal that is written anew forgets what is to be told',
    'agent/journal/journal.ts',
    [
      'checkpointBytes = await writeCheckpoint(disk, path, state);',
      'checkpointBytes = await writeCheckpoint(disk, path, { ...state, reports: [] });',
    ],
  ),
  one(
    'written-anew-and-beside',
    'what follows a journal that was written anew goes to the old file',
    'agent/journal/journal.ts',
    [
      `    await file.close();
    file = await disk.openAppend(path, 0o600);
    bytes = checkpointBytes;`,
      '    bytes = checkpointBytes;',
    ],
  ),
  one(
    'rollback-minds-failing-stops',
    'a rollback fails where what it replaces cannot be stopped',
    'coordinator/engine/rollback-deployment.ts',
    ['ignoreApplicationStopFailures: true,', 'ignoreApplicationStopFailures: false,'],
  ),
  one(
    'rollback-gives-up-on-the-broken',
    'a rollback that has failed on some hosts leaves others broken',
    'coordinator/rollout/capacity.ts',
    ['  if (isRollback(view) && counts.pendingUnhealthy > 0) return true;\n', ''],
  ),
  one(
    'rolled-back-untouched',
    'a deployment that has touched nobody is rolled back',
    'coordinator/rollout/rollback.ts',
    ["  if (!view.hasTouchedHosts) return no('No host was touched: there is nothing to roll back.');\n", ''],
  ),
];
