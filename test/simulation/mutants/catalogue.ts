import { AGENT_MUTANTS } from './catalogue-agents.ts';
import { ASKED_MUTANTS } from './catalogue-asked.ts';
import { BUNDLE_MUTANTS } from './catalogue-bundles.ts';
import { GROUP_MUTANTS } from './catalogue-groups.ts';
import { HOST_MUTANTS } from './catalogue-hosts.ts';
import { JUDGEMENT_MUTANTS } from './catalogue-judgement.ts';
import { OUTPUT_MUTANTS } from './catalogue-output.ts';
import { OWED_MUTANTS } from './catalogue-owed.ts';
import { STORAGE_MUTANTS } from './catalogue-storage.ts';
import { type Mutant, one } from './mutant.ts';

export const MUTANTS: readonly Mutant[] = [
  // The arithmetic of a rollout
  one('capacity-counts-zero', 'goes on when no further host may fail', 'coordinator/rollout/capacity.ts', [
    'hostsLeft(view) - deployment.minimumHealthyCount - counts.failed > 0',
    'hostsLeft(view) - deployment.minimumHealthyCount - counts.failed >= 0',
  ]),
  one('capacity-one-more', 'one more host leaves service than the minimum allows', 'coordinator/rollout/capacity.ts', [
    `    counts.pendingUnhealthy -
    offlineInService.count
  );`,
    `    counts.pendingUnhealthy -
    offlineInService.count +
    1
  );`,
  ]),
  one('forgotten-still-serve', 'hosts that were forgotten count as in service', 'coordinator/rollout/capacity.ts', [
    'return deployment.totalHosts - deployment.forgottenHosts;',
    'return deployment.totalHosts;',
  ]),
  one('capacity-forgets-failed', 'failed hosts do not count as out of service', 'coordinator/rollout/capacity.ts', [
    `    counts.failed -
    counts.inProgress -
    counts.pendingUnhealthy -`,
    `    counts.inProgress -
    counts.pendingUnhealthy -`,
  ]),
  one('capacity-forgets-unhealthy', 'hosts that are down already do not count', 'coordinator/rollout/capacity.ts', [
    `    counts.pendingUnhealthy -
    offlineInService.count`,
    '    offlineInService.count',
  ]),
  one('capacity-forgets-offline', 'hosts that went offline do not count', 'coordinator/rollout/capacity.ts', [
    `    counts.pendingUnhealthy -
    offlineInService.count`,
    '    counts.pendingUnhealthy',
  ]),
  one(
    'capacity-forgets-brought-in',
    'hosts that scale-out has taken out do not count',
    'coordinator/rollout/capacity.ts',
    ['    busyInService -\n', ''],
  ),
  one('minimum-rounded-down', 'a percentage is rounded down', 'coordinator/rollout/minimum-healthy.ts', [
    'Math.ceil((minimum.value * totalHosts) / 100)',
    'Math.floor((minimum.value * totalHosts) / 100)',
  ]),
  one('one-at-a-time-is-two', 'OneAtATime takes two at a time', 'coordinator/rollout/minimum-healthy.ts', [
    'return Math.max(0, totalHosts - 1);',
    'return Math.max(0, totalHosts - 2);',
  ]),
  one('batch-not-counted', 'healthy hosts that start in one decision do not count', 'coordinator/rollout/rollout.ts', [
    'if (target.wasHealthy) forHealthy--;',
    '',
  ]),
  one('starts-reconnecting-hosts', 'a host that is away just now is started', 'coordinator/rollout/rollout.ts', [
    "if (target.presence === 'Reconnecting') continue;",
    '',
  ]),

  // How a deployment ends
  one('success-in-spite-of-failures', 'too few hosts run it, and it has succeeded', 'coordinator/rollout/rollout.ts', [
    'runningIt === hostsLeft(view) || runningIt >= Math.max(1, deployment.minimumHealthyCount)',
    'runningIt >= 0',
  ]),
  one('rollback-done-too-early', 'a rollback succeeds that left a host broken', 'coordinator/rollout/rollout.ts', [
    "deployment.creator !== 'codeDeployRollback' || !view.hasReachableFailures",
    'true',
  ]),
  one(
    'deadlines-of-hosts-ignored',
    'a host that is lost holds its deployment for hours',
    'coordinator/rollout/deadlines.ts',
    [
      'return view.overdue.map((target) => overdueDecision(target, view));',
      'return view.overdue.slice(0, 0).map((target) => overdueDecision(target, view));',
    ],
  ),
  one('stop-ignored', 'a stop is answered, and the deployment goes on', 'coordinator/rollout/rollout.ts', [
    'if (deployment.stopRequest !== null)',
    'if (deployment.stopRequest !== null && counts.pending === 0)',
  ]),
  one('waits-for-offline-for-ever', 'it waits for hosts that never come back', 'coordinator/rollout/rollout.ts', [
    'counts.inProgress > 0 || !canStartNone || offlineInService.awaitedSince === null',
    'counts.inProgress >= 0 || !canStartNone || offlineInService.awaitedSince === null',
  ]),
  one('pending-not-skipped', 'an ended deployment has hosts that wait', 'coordinator/engine/commit.ts', [
    'if (row.count_pending === 0) return;',
    'if (row.count_pending >= 0) return;',
  ]),
  one('stop-tells-no-host', 'hosts that were sent a stopped deployment begin it', 'coordinator/engine/commit.ts', [
    "effects.cancelsInProgress = decision.as === 'Stopped';",
    '',
  ]),
  one(
    'assignment-after-stop',
    'a host is told to start after the stop was answered',
    'coordinator/engine/assignment.ts',
    ["if (options.evenIfStopped !== true) select = select.where('d.stop_requested_at', 'is', null);", ''],
  ),

  // Rollback
  one(
    'rollback-to-the-failed-revision',
    'a rollback brings the bad revision again',
    'coordinator/rollout/rollback.ts',
    [
      "return [{ kind: 'create-rollback', revisionId: lastGoodRevisionId }];",
      "return [{ kind: 'create-rollback', revisionId: deployment.revisionId }];",
    ],
  ),
  one('rollback-of-a-rollback', 'rollbacks follow rollbacks', 'coordinator/rollout/rollback.ts', [
    "if (deployment.creator === 'codeDeployRollback') return no('A rollback is not rolled back.');",
    `if (deployment.creator === 'codeDeployRollback')
    return [{ kind: 'create-rollback', revisionId: deployment.revisionId }];`,
  ]),
  one(
    'rollback-forgotten',
    'a failure is not rolled back although it was asked for',
    'coordinator/rollout/rollback.ts',
    [
      "const event = status === 'Failed' ? 'DEPLOYMENT_FAILURE' : 'DEPLOYMENT_STOP_ON_REQUEST';",
      "const event = status === 'Stopped' ? 'DEPLOYMENT_FAILURE' : 'DEPLOYMENT_STOP_ON_REQUEST';",
    ],
  ),
  one(
    'rollback-leaves-the-broken',
    'hosts that failed are not rolled back',
    'coordinator/engine/rollback-deployment.ts',
    [
      `      wasTouched(host) ||
      isBroken(host) ||
      isBroughtIn(host) ||
      (host.revision_id !== revisionId && !hasLeftUntouched(host)),
`,
      "      host.status === 'Succeeded',\n",
    ],
  ),
  one(
    'failure-is-the-last-good',
    'a failed revision becomes the one to go back to',
    'coordinator/engine/settle-group.ts',
    ["if (row.status !== 'Succeeded') return;", ''],
  ),

  // Hosts that come and go
  one(
    'newcomers-count-as-current',
    'a new host gets nothing and counts as in service',
    'coordinator/rollout/scale-out.ts',
    [
      '(host.revisionId === view.lastGoodRevisionId && !host.isUnhealthy)',
      '(host.revisionId === null || host.revisionId === view.lastGoodRevisionId)',
    ],
  ),
  one('nobody-follows-on', 'hosts that joined meanwhile stay on the old revision', 'coordinator/rollout/scale-out.ts', [
    'else behind.push(host.hostId);',
    '',
  ]),
  one('behind-not-noted', 'hosts that a success left behind are forgotten', 'coordinator/engine/settle-group.ts', [
    ".set({ converge: 'behind' })",
    '.set({ converge: null })',
  ]),
  one('unreached-are-forgotten', 'a host that was offline at its turn never gets it', 'coordinator/engine/commit.ts', [
    'if (isUnreachable(decision.errorCode)) await oweHost(commit, decision.targetId);',
    '',
  ]),
  one(
    'tries-for-ever',
    'a host on which scale-out fails is deployed to without end',
    'coordinator/engine/settle-group.ts',
    ["group_hosts.revision_id = ?) THEN 'failed'", "group_hosts.revision_id = ?) THEN 'entering'"],
  ),
  one('given-up-hosts-are-trusted', 'what a lost host ran last counts as known', 'coordinator/engine/commit.ts', [
    "if (decision.from === 'InProgress') await doubtHost(commit, decision.targetId);",
    '',
  ]),
  one('ready-too-early', 'a host says it is ready while a deployment runs on it', 'coordinator/services/readiness.ts', [
    'if (row.running !== null) return',
    'if (row.running === row.health) return',
  ]),

  // One at a time
  one('two-on-one-host', 'two deployments run on one host', 'coordinator/engine/view-loader.ts', [
    "busy.status = 'InProgress'",
    "busy.status = 'Created'",
  ]),
  one(
    'second-deployment-of-a-group',
    'an active deployment does not keep a second one out',
    'coordinator/services/deployments.ts',
    ['if (active === undefined) return;', 'if (active === undefined || active.id !== undefined) return;'],
  ),
  one(
    'timer-started-while-queued',
    'the time to accept runs while the host waits its turn',
    'coordinator/rollout/rollout.ts',
    [
      'acceptBy: now + view.settings.acceptTimeoutMs',
      'acceptBy: view.deployment.deadlineAt - view.settings.deploymentTimeoutMs + view.settings.acceptTimeoutMs',
    ],
  ),

  // From report to fact
  one('acknowledged-before-commit', 'a report is acknowledged and lost in a crash', 'coordinator/services/reports.ts', [
    '    const { refused, outcome, output } = await database.transaction(async (tx) => {',
    `    for (const delivery of current) {
      const last = delivery.items.at(-1);
      if (last !== undefined) parts.acknowledge(delivery.hostId, { kind: 'acknowledged', sequence: last.sequence });
    }
    const { refused, outcome, output } = await database.transaction(async (tx) => {`,
  ]),
  one(
    'reports-of-another-journal',
    'numbers of an older journal count in the newer',
    'coordinator/services/reports.ts',
    [
      'const acknowledged = row?.journal_id === journalId ? row.acknowledged_sequence : 0;',
      'const acknowledged = row?.acknowledged_sequence ?? 0;',
    ],
  ),
  one(
    'repeat-counted-twice',
    'the end of a host that is told again counts again',
    'coordinator/services/report-batch.ts',
    ["    if (target.status !== 'InProgress') {", "    if (target.status === 'Pending') {"],
  ),
  one('failure-told-as-success', 'a host that failed counts as succeeded', 'coordinator/services/report-batch.ts', [
    "else if (item.status === 'Failed') count.failed++;",
    "else if (item.status === 'Failed') count.succeeded++;",
  ]),
  one('revision-of-a-host-not-kept', 'what a host runs is not written down', 'coordinator/services/report-batch.ts', [
    'const UPDATE_GROUP_HOST = `UPDATE group_hosts SET revision_id = ?, ',
    'const UPDATE_GROUP_HOST = `UPDATE group_hosts SET revision_id = coalesce(revision_id, ?), ',
  ]),
  one('clone-let-in', 'two machines with one key are one host', 'coordinator/hub/admission.ts', [
    'if (rival !== null) {',
    "if (rival !== null && rival.state === 'closed') {",
  ]),

  // On the host
  one('journal-not-synced', 'what the journal promised is gone after a power cut', 'agent/journal/journal.ts', [
    `        await file.sync();
        bytes += line.length;`,
    '        bytes += line.length;',
  ]),
  one('not-cut-back', 'what a full disk took half of is followed by the rest', 'agent/journal/journal.ts', [
    '          await file.truncate(bytes);\n',
    '',
  ]),
  one('left-unsynced', 'what an agent that died had only written is told', 'agent/journal/journal.ts', [
    `  // An agent that died between a write and its sync has left what may be told, but not what is safe, before this.
  await file.sync();`,
    '',
  ]),
  one('torn-end-kept', 'the journal goes on after half a record', 'agent/journal/journal.ts', [
    'if (file.length > replayed.wholeBytes) {',
    'if (file.length < replayed.wholeBytes) {',
  ]),
  one('told-before-durable', 'a report leaves the host before it is on the disk', 'agent/connection/outbox.ts', [
    'report.sequence > sentSequence && report.sequence <= journal.durableSequence',
    'report.sequence > sentSequence',
  ]),
  one('assignment-run-again', 'an assignment that is repeated is run again', 'agent/deployment/deployments.ts', [
    `      if (reportAgain(assignment)) {
        await journal.commit();
        return 'repeated';
      }`,
    '',
  ]),
  one('begun-is-cancelled', 'a deployment that has begun is called skipped', 'agent/deployment/deployments.ts', [
    'if (deployment?.isBegun === true) return;',
    '',
  ]),
  one('start-not-journalled', 'a script is started before that is on the disk', 'agent/deployment/executors.ts', [
    `          ended: null,
        },
      });
      await journal.commit();`,
    `          ended: null,
        },
      });`,
  ]),
  one('unknown-outcome-run-again', 'a script whose end is unknown is run again', 'agent/hooks/hook-runner.ts', [
    `      await hideSecrets(parts, run, 0);
      return unknownOutcome(run);`,
    `      await hideSecrets(parts, run, 0);
      return startAndFollow(parts, run, attempt + 1);`,
  ]),
  one('running-hook-not-found', 'a restarted agent runs a hook that still runs', 'agent/hooks/hook-runner.ts', [
    'return follow(parts, run, { handle: found.handle, attempt, deadlineAt, isTimedOut, outputFrom: 0 });',
    'return startAndFollow(parts, run, attempt + 1);',
  ]),
  one('exit-code-ignored', 'a script that fails is a success', 'agent/hooks/exit-status.ts', [
    'return status.exitCode === 0;',
    'return status.exitCode !== null;',
  ]),
  one('goes-on-after-a-failure', 'events go on after one has failed', 'agent/deployment/recovery.ts', [
    "if (status === 'Failed' && mayFail(deployment, event)) continue;",
    "if (status === 'Failed') continue;",
  ]),
  one('install-not-recovered', 'a crash in Install leaves old and new files mixed', 'agent/install/installer.ts', [
    "  if (journal === null) return 'nothing';",
    "  if (journal === null || journal.phase === 'switching') return 'nothing';",
  ]),
  one('old-files-stay', 'files that the new revision does not have stay', 'agent/install/transaction.ts', [
    'for (const remove of journal.removes.filter((each) => !standsInTheWay(each))) await putAway(disk, remove);',
    '',
  ]),
  one('says-what-it-was-asked', 'a host reports the revision it was to install', 'agent/deployment/deployment.ts', [
    'installedRevisionId: installedRevisionId(journal.state, deploymentGroupId),',
    'installedRevisionId: deployment.assignment.revision.id,',
  ]),
  one('digest-not-checked', 'a bundle that was damaged on its way is installed', 'agent/bundle/fetch.ts', [
    'if (actual !== digest) {',
    'if (actual !== digest && file.length === 0) {',
  ]),
  ...JUDGEMENT_MUTANTS,
  ...OWED_MUTANTS,
  ...STORAGE_MUTANTS,
  ...HOST_MUTANTS,
  ...ASKED_MUTANTS,
  ...GROUP_MUTANTS,
  ...BUNDLE_MUTANTS,
  ...OUTPUT_MUTANTS,
  ...AGENT_MUTANTS,
];
