import { createHash, type Hash } from 'node:crypto';
import type { ArchiveSink } from '../../shared/bundle/unpack/archive-sink.ts';
import type { Placement } from '../../shared/bundle/unpack/archive-tree.ts';
import type { ManifestEntry } from '../../shared/model/bundle-manifest.ts';

/** Learns what an archive unpacks to, and keeps none of its contents. */
export function createManifestSink(): ArchiveSink & { entries(): ManifestEntry[] } {
  // By path: of a name that comes twice the last one counts, as it does on a disk.
  const entries = new Map<string, ManifestEntry>();
  const put = (placement: Placement, entry: ManifestEntry) => {
    if (placement.replaces === 'file' || placement.replaces === 'symlink') entries.delete(placement.path);
    entries.set(placement.path, entry);
  };
  let open: { placement: Placement; mode: number; sizeBytes: number; hash: Hash } | null = null;
  let files = 0;

  return {
    directory(placement, mode) {
      put(placement, { kind: 'directory', path: placement.path, mode: mode & 0o777 });
    },
    symlink(placement, target) {
      put(placement, { kind: 'symlink', path: placement.path, target });
    },
    hardLink(placement) {
      // A file of its own with the same contents: what it was linked to may be replaced by a later entry.
      const linked = entries.get(placement.target);
      if (linked !== undefined) put(placement, { ...linked, path: placement.path });
    },
    beginFile(placement, mode, sizeBytes) {
      open = { placement, mode: mode & 0o777, sizeBytes, hash: createHash('sha256') };
    },
    write(bytes) {
      open?.hash.update(bytes);
    },
    endFile(modifiedAt) {
      if (open === null) return;
      const { placement, mode, hash, sizeBytes } = open;
      put(placement, {
        kind: 'file',
        path: placement.path,
        mode,
        modifiedAt,
        sizeBytes,
        sha256: hash.digest('base64'),
        ordinal: files++,
      });
      open = null;
    },
    entries: () => [...entries.values()],
  };
}
