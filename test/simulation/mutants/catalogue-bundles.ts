import { type Mutant, one } from './mutant.ts';

/** Bugs in what hosts keep of bundles, and in how they put one together. */
export const BUNDLE_MUTANTS: readonly Mutant[] = [
  one(
    'delta-trouble-fails',
    'a deployment fails on a host since what it lacks could not be fetched alone',
    'agent/bundle/delta.ts',
    ['return { instead: errorMessage(error) };', 'throw error;'],
  ),
  one(
    'way-back-removed',
    'what a rollback goes back to is removed when it lies unpacked alone',
    'agent/deployment/deployments.ts',
    ['&& !current.has(digest)) needed.add(deploymentId);', '&& current.has(digest)) needed.add(deploymentId);'],
  ),
  one('digest-not-noted', 'an agent does not know again which bundle it has put together', 'agent/bundle/delta.ts', [
    'await disk.writeFileDurably(join(request.deploymentDirectory, DIGEST_FILE),',
    'String(',
  ]),
  one(
    'way-back-gives-way',
    'where there is no room, the bundle gives way that a rollback goes back to',
    'agent/bundle/room.ts',
    ['new Set([...neededDigests(), digest])', 'new Set([digest])'],
  ),
  one(
    'half-assembled-is-whole',
    'a bundle that could not be put together whole is installed',
    'agent/bundle/unpack.ts',
    ["if (!outcome.ok) return { ok: false, reason: 'corrupt', message: outcome.message };", ''],
  ),
];
