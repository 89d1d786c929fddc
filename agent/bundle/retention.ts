export interface CachedFile {
  name: string;
  sizeBytes: number;
  modifiedAt: number;
}

/**
 * The files to remove so that the cache holds at most `maxBytes`: half downloads that nobody waits for, then the oldest
 * archives. What is in `digests` stays whatever its size, and what is not a bundle's file is not ours to touch.
 */
export function planRetention(
  files: readonly CachedFile[],
  keep: { digests: ReadonlySet<string>; maxBytes: number },
): string[] {
  const ours = files.filter((file) => /^[0-9a-f]{64}(\.part|\.manifest(\.tmp)?)?$/.test(file.name));
  const isKept = (file: CachedFile) => keep.digests.has(file.name.slice(0, 64));
  // Of a manifest, what an agent that was ended left of its writing.
  const isPart = (file: CachedFile) => /\.(part|tmp)$/.test(file.name);
  const removable = ours
    .filter((file) => !isKept(file))
    .sort((a, b) => Number(isPart(b)) - Number(isPart(a)) || a.modifiedAt - b.modifiedAt || (a.name < b.name ? -1 : 1));
  let bytes = ours.reduce((sum, file) => sum + file.sizeBytes, 0);
  const remove: string[] = [];
  for (const file of removable) {
    if (!isPart(file) && bytes <= keep.maxBytes) break;
    remove.push(file.name);
    bytes -= file.sizeBytes;
  }
  return remove;
}
