import { join } from 'node:path';
import type { AppSpecProblem } from '../../shared/appspec/appspec.ts';
import { lintBundle } from '../../shared/appspec/lint.ts';
import { DETECT_BYTES, detectBundleType } from '../../shared/bundle/detect.ts';
import { MAX_APPSPEC_BYTES } from '../../shared/bundle/limits.ts';
import { readArchiveEntries } from '../../shared/bundle/read-entries.ts';
import type { BundleType } from '../../shared/model/revision.ts';
import { beginningOf, readDirectoryEntries } from './bundle-directory.ts';
import { usageError } from './exit-codes.ts';
import type { CliFiles } from './world.ts';

export interface Linted {
  /** The AppSpec's path as it is printed. */
  fileName: string;
  source: string;
  problems: readonly AppSpecProblem[];
  /** Null for a directory. */
  bundleType: BundleType | null;
}

/** Checks the AppSpec of a directory or of an archive, with everything around it. */
export async function lintPath(files: CliFiles, path: string): Promise<Linted> {
  const kind = await files.kindOf(path);
  if (kind === 'absent') throw usageError(`there is no file or directory ${path}`);
  const bundleType = kind === 'directory' ? null : detectBundleType(await beginningOf(path, DETECT_BYTES));
  if (kind === 'file' && bundleType === null)
    throw usageError(
      `${path} is neither a directory nor a tar, tgz or zip archive`,
      'Give the directory that holds the AppSpec, or an archive of it.',
    );
  const contents = bundleType === null ? await readDirectoryEntries(path) : await readArchiveEntries(path, bundleType);
  const { appSpecName, appSpecText } = contents;
  if (appSpecName === null)
    throw usageError(
      `there is no appspec.yml in ${path}`,
      'It belongs at the root of the bundle. docs/appspec.md tells what goes into it.',
    );
  if (appSpecText === null && contents.entries.get(appSpecName)?.kind === 'symlink')
    throw usageError(
      `${appSpecName} in ${path} is a link that leads to no AppSpec`,
      'Pack the AppSpec itself, or link to a file whose name begins with appspec.',
    );
  if (appSpecText === null) throw usageError(`${appSpecName} in ${path} is larger than ${MAX_APPSPEC_BYTES} bytes`);
  return {
    fileName: bundleType === null ? join(path, appSpecName) : `${path}:${appSpecName}`,
    source: appSpecText,
    problems: lintBundle({ appSpecText, appSpecName, entries: contents.entries }),
    bundleType,
  };
}

export function errorsOf(linted: Linted): AppSpecProblem[] {
  return linted.problems.filter((problem) => problem.severity === 'error');
}
