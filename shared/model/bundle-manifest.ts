import * as z from 'zod';

/** Entries that a manifest may have: a bundle with more is always fetched whole. */
export const MAX_MANIFEST_ENTRIES = 200_000;
/** The largest manifest, as JSON, bytes. */
export const MAX_MANIFEST_BYTES = 64 * 1_024 * 1_024;

const path = z.string().min(1).max(4_096);
const mode = z.number().int().min(0).max(0o7777);

/** One entry of an unpacked bundle. Directories that no entry of the archive named are left out, as they are there. */
const manifestEntry = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('file'),
    path,
    mode,
    /** Epoch seconds; 0: none. */
    modifiedAt: z.number().int(),
    sizeBytes: z.number().int().min(0),
    /** SHA-256 of the contents, base64. */
    sha256: z.base64().length(44),
    /** Which of the archive's files holds the contents, from 0: a hard link has that of its target. */
    ordinal: z.number().int().min(0).max(MAX_MANIFEST_ENTRIES),
  }),
  z.strictObject({ kind: z.literal('directory'), path, mode }),
  z.strictObject({ kind: z.literal('symlink'), path, target: path }),
]);
export type ManifestEntry = z.infer<typeof manifestEntry>;
export type ManifestFile = Extract<ManifestEntry, { kind: 'file' }>;

/**
 * What a bundle unpacks to. Made by the coordinator from the archive, so that a host which has most of the files already
 * fetches the others alone. On the wire: gzip of this as JSON.
 */
export const bundleManifest = z.strictObject({
  /** Of the archive, lower-case hex SHA-256. */
  digest: z.string().length(64),
  entries: z.array(manifestEntry).max(MAX_MANIFEST_ENTRIES),
});
export type BundleManifest = z.infer<typeof bundleManifest>;

/** Files of an archive by their ordinals: the first and the last of each run, ascending. */
export const fileRuns = z
  .array(z.tuple([z.number().int().min(0), z.number().int().min(0)]))
  .min(1)
  .max(MAX_MANIFEST_ENTRIES / 2)
  .refine(areAscending, 'runs are [first, last], ascending, and do not touch');
export type FileRuns = z.infer<typeof fileRuns>;

export function runsOf(ordinals: ReadonlySet<number>): FileRuns {
  const runs: FileRuns = [];
  for (const ordinal of [...ordinals].sort((a, b) => a - b)) {
    const last = runs.at(-1);
    if (last !== undefined && last[1] === ordinal - 1) last[1] = ordinal;
    else runs.push([ordinal, ordinal]);
  }
  return runs;
}

export function ordinalsOf(runs: FileRuns): Set<number> {
  return new Set(
    runs.flatMap(([first, last]) => Array.from({ length: last - first + 1 }, (_, index) => first + index)),
  );
}

function areAscending(runs: readonly (readonly [number, number])[]): boolean {
  return runs.every(
    ([first, last], index) =>
      first <= last && last < MAX_MANIFEST_ENTRIES && (index === 0 || (runs[index - 1]?.[1] ?? 0) + 1 < first),
  );
}
