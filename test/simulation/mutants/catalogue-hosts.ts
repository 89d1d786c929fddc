import { type Mutant, one } from './mutant.ts';

/** Bugs in what hosts keep and tell, and in what is taken for true of them. */
export const HOST_MUTANTS: readonly Mutant[] = [
  one('bundle-not-synced', 'after a power cut half a bundle is taken for a whole one', 'agent/bundle/unpack.ts', [
    `      await disk.syncTree(directory);
      await disk.sync(dirname(directory));
`,
    '',
  ]),
  one(
    'rollback-trusts-the-plan',
    'a rollback takes hosts for broken that have told meanwhile that they serve',
    'coordinator/engine/rollback-deployment.ts',
    ["host.instance_health === null || host.instance_health === 'Unknown'\n", 'host.host_id !== null\n'],
  ),
  one(
    'given-up-not-told',
    'a host that is given up before it begins is not told to leave it',
    'coordinator/engine/commit.ts',
    ['effects.givenUp.push(...hosts.map((host) => host.host_id));', ''],
  ),
  one(
    'returned-not-told',
    'a host that returns with what it was given up in is not told to leave it',
    'coordinator/services/presence.ts',
    ['for (const id of held) sends.push({ hostId, message: cancelOf(id) });', ''],
  ),
  one(
    'broken-install-told-as-intact',
    'a host whose install was not put back is said to have the revision before',
    'agent/deployment/executors.ts',
    ["if ('restored' in outcome && !outcome.restored)", "if ('restored' in outcome && outcome.message === '')"],
  ),
  one(
    'ready-though-broken',
    'a host is ready on which the last deployment failed',
    'coordinator/services/readiness.ts',
    ["return row.health === 'Unhealthy' ? 'the last deployment to this host failed' : null;", 'return null;'],
  ),
  one('set-back-unseen', 'a host that was set back counts as current', 'coordinator/services/report-batch.ts', [
    'if (installed.length > 0) installedOf.set(hostId, installed);',
    '',
  ]),
  one('set-back-not-owed', 'a host that was set back stays as it is', 'coordinator/services/installed-revisions.ts', [
    'known.revisionId === group.last_good_revision_id &&',
    'known.revisionId !== group.last_good_revision_id &&',
  ]),
  one(
    'ends-for-a-directory',
    'an agent that cannot make the directory of a deployment ends, and tells nobody',
    'agent/deployment/deployment.ts',
    ['return `the directory of', 'throw error;\n    return `the directory of'],
  ),
  one(
    'failing-stops-never-mind',
    'a deployment goes on where what it replaces could not be stopped',
    'agent/deployment/recovery.ts',
    [
      'return deployment.assignment.ignoreApplicationStopFailures && IGNORABLE.has(event);',
      'return IGNORABLE.has(event);',
    ],
  ),
  one(
    'never-begun-is-unknown',
    'a script whose start an agent did not live to make fails the deployment',
    'agent/hooks/hook-runner.ts',
    [
      "case 'never':\n      return startAndFollow(parts, run, attempt + 1);",
      "case 'never':\n      return unknownOutcome(run);",
    ],
  ),
  one(
    'status-file-not-read',
    'a script that has ended well under another agent fails the deployment',
    'agent/hooks/hook-runner.ts',
    [
      'const status = end.status ?? (await readStatus(parts.disk, run.statusPathOf(following.attempt)));',
      'const status = end.status;',
    ],
  ),
];
