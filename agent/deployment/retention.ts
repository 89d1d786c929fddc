/** The bundles of what is installed, and of what was before: what a rollback goes back to. */
export function countedOn(installed: Iterable<{ digest: string; previousDigest?: string | undefined }>): {
  current: Set<string>;
  previous: Set<string>;
} {
  const all = [...installed];
  return {
    current: new Set(all.map(({ digest }) => digest)),
    previous: new Set(all.flatMap(({ previousDigest }) => previousDigest ?? [])),
  };
}

/**
 * Deployment directories of a group that may be removed. Kept: the `maxRevisions` newest, and whatever is `needed` (installed, running
 * or waiting).
 * @param maxRevisions 1 or more
 */
export function outdatedDeployments(
  directories: readonly { deploymentId: string; modifiedAt: number }[],
  keep: { needed: ReadonlySet<string>; maxRevisions: number },
): string[] {
  return directories
    .toSorted((a, b) => b.modifiedAt - a.modifiedAt || b.deploymentId.localeCompare(a.deploymentId))
    .slice(keep.maxRevisions)
    .map((directory) => directory.deploymentId)
    .filter((deploymentId) => !keep.needed.has(deploymentId));
}
