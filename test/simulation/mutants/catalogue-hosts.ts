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
    ['host.instance_health === null\n', 'host.host_id !== null\n'],
  ),
  one(
    'ready-though-broken',
    'a host is ready on which the last deployment failed',
    'coordinator/services/readiness.ts',
    ["return row.health === 'Unhealthy' ? 'the last deployment to this host failed' : null;", 'return null;'],
  ),
];
