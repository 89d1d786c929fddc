import * as z from 'zod';

/** Paths told of each deployment group; the rest is counted. */
export const MAX_DRIFT_PATHS = 1_000;

/** How an installed file differs; newer agents may know more ways. */
export const fileChange = z.enum(['missing', 'kind', 'link', 'content', 'mode']);
export type FileChange = z.infer<typeof fileChange>;

/** What of a group's last install on one host is not as Install left it. */
export const groupDrift = z.object({
  groupId: z.string().max(128),
  /** Whose Install put the files there. */
  deploymentId: z.string().max(64),
  /** An install is under way or was interrupted, so nothing was looked at. */
  isInstalling: z.boolean(),
  checkedFiles: z.number().int().nonnegative(),
  /** Installed by an agent that recorded paths only. */
  unrecordedFiles: z.number().int().nonnegative(),
  /** All that differ. */
  changedFiles: z.number().int().nonnegative(),
  /** The first of them in the order of their paths. `change`: a {@link fileChange}, or one of a newer agent. */
  files: z.array(z.object({ path: z.string().max(4_096), change: z.string().max(32) })).max(MAX_DRIFT_PATHS),
  /** True when `files` does not name all. */
  isTruncated: z.boolean(),
});
export type GroupDrift = z.infer<typeof groupDrift>;

const WORDS: Readonly<Record<string, string>> = {
  missing: 'is missing',
  kind: 'is something else now',
  link: 'leads elsewhere',
  content: 'has other contents',
  mode: 'has another mode',
} satisfies Record<FileChange, string>;

/** A line for the group, and below it one for each file that is named. */
export function describeDrift(
  name: string,
  drift: Omit<GroupDrift, 'groupId' | 'isTruncated'>,
  shown = (path: string) => path,
): string[] {
  const head = `${name} (installed by ${drift.deploymentId}): `;
  if (drift.isInstalling) return [`${head}an install is under way`];
  const unrecorded =
    drift.unrecordedFiles === 0 ? '' : `; ${drift.unrecordedFiles} were installed before contents were recorded`;
  if (drift.changedFiles === 0) return [`${head}${drift.checkedFiles} files as installed${unrecorded}`];
  const more = drift.changedFiles - drift.files.length;
  return [
    `${head}${drift.changedFiles} of ${drift.checkedFiles} files were changed${unrecorded}`,
    ...drift.files.map(({ path, change }) => `  ${shown(path)} ${WORDS[change] ?? 'was changed'}`),
    ...(more > 0 ? [`  and ${more} more`] : []),
  ];
}
