import { type Mutant, one } from './mutant.ts';

/** Bugs in what becomes of an operator's word, and in what an operator is told. */
export const ASKED_MUTANTS: readonly Mutant[] = [
  one(
    'back-behind-the-good-one',
    'a rollback by hand behind a failure goes one good revision too far',
    'coordinator/services/way-back.ts',
    [
      '(group.last_good_revision_id ?? newestGood(tx, group, null))',
      '((await newestGood(tx, group, group.last_good_revision_id)) ?? newestGood(tx, group, null))',
    ],
  ),
  one(
    'back-to-what-runs',
    'a rollback by hand behind a success brings what is there',
    'coordinator/services/way-back.ts',
    ["const runsGood = runs?.status === 'Succeeded' && isOnGood;", 'const runsGood = false;'],
  ),
  one(
    'back-to-what-failed',
    'a rollback by hand brings back what has never succeeded',
    'coordinator/services/way-back.ts',
    [".where('d.status', '=', 'Succeeded')\n    .where('d.is_partial', '=', 0)\n", ''],
  ),
  one(
    'part-is-the-whole',
    'a deployment to two hosts goes to all of the group',
    'coordinator/services/target-plan.ts',
    ['(wanted.onlyHostNames === undefined || wanted.onlyHostNames.includes(host.name)) &&', ''],
  ),
  one(
    'part-taken-for-the-whole',
    'what is tried out on a part becomes the good revision, and everybody gets it',
    'coordinator/services/target-plan.ts',
    ['isPartial: isRestricted && chosen.length < all.length', 'isPartial: isRestricted && chosen.length > all.length'],
  ),
  one(
    'up-to-date-taken-too',
    'a deployment to outdated hosts takes those that serve the revision as well',
    'coordinator/services/target-plan.ts',
    [
      "(!wanted.updateOutdatedInstancesOnly || host.revisionId !== revisionId || host.instanceHealth === 'Unhealthy'),",
      "(!wanted.updateOutdatedInstancesOnly || host.revisionId !== null || host.instanceHealth === 'Unhealthy'),",
    ],
  ),
  one(
    'stop-word-turned-round',
    'a stop that wants a rollback gets none, and the other way round',
    'coordinator/services/deployments.ts',
    ['body.rollback ? 1 : 0', 'body.rollback ? 0 : 1'],
  ),
  one(
    'stop-word-erased',
    'a second stop that says nothing of a rollback takes back what the first one has said',
    'coordinator/services/deployments.ts',
    [
      'stop_rollback: body.rollback === undefined ? current.stop_rollback : body.rollback ? 1 : 0',
      'stop_rollback: body.rollback === undefined ? null : body.rollback ? 1 : 0',
    ],
  ),
  one(
    'stop-said-done',
    'a stop is answered as done while hosts are in progress',
    'coordinator/services/deployments.ts',
    ['deployment.overview.InProgress > 0', 'deployment.overview.Pending > 0'],
  ),
  one('stop-not-audited', 'nobody can see who has stopped a deployment', 'coordinator/services/deployments.ts', [
    `      await insertAudit(tx.query, {
        at: now,
        caller,
        action: 'deployment.stop',
        subject: id,
        details: { reason: body.reason, rollback: body.rollback ?? null },
      });
`,
    '',
  ]),
  one(
    'idle-is-member',
    'a host that is of no group any more stays in its last one',
    'coordinator/services/membership.ts',
    [
      'const left = rows.map((row) => row.group_id).filter((groupId) => !stays.has(groupId));',
      'const left = rows.map((row) => row.group_id).filter((groupId) => stays.size > 0 && !stays.has(groupId));',
    ],
  ),
  one('forgotten-stays-connected', 'a host that was forgotten goes on speaking', 'coordinator/services/hosts.ts', [
    '      parts.disconnect(row.id);\n',
    '',
  ]),
  one('not-told-why-not', 'nobody is told why nothing is rolled back', 'coordinator/rollout/rollback.ts', [
    "return [{ kind: 'no-rollback', message }];",
    "return message === '' ? [{ kind: 'no-rollback', message }] : [];",
  ]),
];
