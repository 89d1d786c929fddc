import { join, relative } from 'node:path';
import type { AppSpec } from '../shared/appspec/appspec.ts';
import { DETECT_BYTES, detectBundleType } from '../shared/bundle/detect.ts';
import { AppError, errorMessage } from '../shared/core/errors.ts';
import type { BundleType } from '../shared/model/revision.ts';
import { ARCHIVE_DIRECTORY, type BundleOutcome, type Bundles } from './bundle/bundles.ts';
import { loadAppSpec } from './deployment/app-spec-file.ts';
import type { Disk } from './host/disk.ts';

export interface LocalBundleParts {
  disk: Disk;
  bundles: Bundles;
  /** In the file system of the deployments, and of this process alone: what an earlier one has left there is removed. */
  workDirectory: string;
  stateDirectory: string;
  realPath(path: string): Promise<string>;
  signal: AbortSignal;
}

interface Wanted {
  bundlePath: string;
  bundleType: BundleType | 'directory';
  appSpecFilename: string;
  events: readonly string[];
}

/** A bundle that was looked at before the first step: it is there, is what it should be, and has an AppSpec. */
export interface LocalBundle {
  appSpec: AppSpec;
  /** Brings it into `<deploymentDirectory>/deployment-archive`. At most once. */
  bringInto(deploymentDirectory: string): Promise<BundleOutcome>;
  /** Removes what {@link bringInto} has not taken. */
  discard(): Promise<void>;
}

/**
 * An archive is unpacked here already, and moved later: what is wrong with it is known before ApplicationStop is run. Null when
 * the signal has aborted it.
 * @throws AppError `invalid`, or `internal` when the disk has no room for it; nothing is left behind then
 */
export async function openLocalBundle(parts: LocalBundleParts, wanted: Wanted): Promise<LocalBundle | null> {
  await checkKind(parts.disk, wanted);
  if (wanted.bundleType !== 'directory') return openArchive(parts, wanted);
  await checkApart(parts, wanted.bundlePath);
  return openDirectory(parts, wanted);
}

async function checkKind(disk: Disk, { bundlePath, bundleType }: Wanted): Promise<void> {
  let kind: string | undefined;
  try {
    kind = (await disk.status(bundlePath))?.kind;
  } catch (error) {
    throw new AppError('invalid', `read the bundle ${bundlePath}: ${errorMessage(error)}`, { cause: error });
  }
  if (kind === undefined)
    throw new AppError('invalid', `there is no bundle at ${bundlePath}`, {
      hint: 'Give --bundle a directory, or an archive together with --type tgz, tar or zip.',
    });
  // A link to an archive is fine; only what it leads to can tell what it is.
  const isFile = kind === 'file' || kind === 'symlink';
  if (bundleType === 'directory' ? kind === 'directory' : isFile) return;
  const found = bundleType === 'directory' && kind === 'file' ? await typeOf(disk, bundlePath) : null;
  throw new AppError('invalid', `${bundlePath} is a ${kind}, but --type is ${bundleType}`, {
    hint:
      found === null
        ? 'Give --bundle a directory, or an archive together with --type tgz, tar or zip.'
        : `It is an archive: give --type ${found}.`,
  });
}

/** The directory is copied into the state directory: one that contains it would be copied into itself. */
async function checkApart({ stateDirectory, realPath }: LocalBundleParts, bundlePath: string): Promise<void> {
  const [bundle, state] = await Promise.all([realPath(bundlePath), realPath(stateDirectory)]);
  if (isWithin(state, bundle))
    throw new AppError(
      'invalid',
      `${bundlePath} cannot be a bundle: it contains the state directory ${stateDirectory}`,
      {
        hint: 'Give --bundle the directory of the bundle; without --bundle it is the one where the command is run.',
      },
    );
  if (isWithin(bundle, state))
    throw new AppError(
      'invalid',
      `${bundlePath} cannot be a bundle: it lies in the state directory ${stateDirectory}`,
      {
        hint: 'Copy it to another place first: what is in the state directory belongs to the agent.',
      },
    );
}

function isWithin(path: string, directory: string): boolean {
  const way = relative(directory, path);
  return way !== '..' && !way.startsWith('../');
}

async function openDirectory({ disk, bundles, signal }: LocalBundleParts, wanted: Wanted): Promise<LocalBundle> {
  const { bundlePath, bundleType } = wanted;
  return {
    appSpec: await readAppSpec(disk, bundlePath, wanted),
    // Not before its event: ApplicationStop of the installed revision may still write into the directory.
    bringInto: (deploymentDirectory) =>
      bundles.prepareLocal({ path: bundlePath, bundleType, deploymentDirectory, signal }),
    discard: async () => {},
  };
}

async function openArchive(parts: LocalBundleParts, wanted: Wanted): Promise<LocalBundle | null> {
  const { disk, workDirectory, signal } = parts;
  const { bundlePath, bundleType } = wanted;
  const discard = () => disk.removeTree(workDirectory);
  try {
    await disk.removeTree(workDirectory);
    await disk.makeDirectory(workDirectory, { recursive: true, mode: 0o700 });
    const request = { path: bundlePath, bundleType, deploymentDirectory: workDirectory, signal };
    const outcome = await parts.bundles.prepareLocal(request);
    if (signal.aborted) {
      await discard();
      return null;
    }
    if (!outcome.ok) throw await unpackError(disk, wanted, outcome);
    const appSpec = await readAppSpec(disk, outcome.archiveRoot, wanted);
    return {
      appSpec,
      bringInto: (deploymentDirectory) => moveUnpacked(parts, outcome, deploymentDirectory),
      discard,
    };
  } catch (error) {
    await discard();
    throw error;
  }
}

async function moveUnpacked(
  { disk, workDirectory }: LocalBundleParts,
  unpacked: BundleOutcome & { ok: true },
  deploymentDirectory: string,
): Promise<BundleOutcome> {
  const target = join(deploymentDirectory, ARCHIVE_DIRECTORY);
  await disk.rename(join(workDirectory, ARCHIVE_DIRECTORY), target);
  await disk.sync(deploymentDirectory);
  const root = relative(join(workDirectory, ARCHIVE_DIRECTORY), unpacked.archiveRoot);
  return { ...unpacked, archiveRoot: join(target, root) };
}

async function readAppSpec(disk: Disk, archiveRoot: string, wanted: Wanted): Promise<AppSpec> {
  const lookup = { wanted: wanted.appSpecFilename, lifecycleEvents: wanted.events };
  const loaded = await loadAppSpec(disk, archiveRoot, lookup);
  if (loaded.ok) return loaded.appSpec;
  throw new AppError('invalid', `${wanted.bundlePath}: ${loaded.message}`, {
    hint: 'Nothing was changed. --bundle names the root of the bundle, --appspec the AppSpec file in it.',
  });
}

async function unpackError(
  disk: Disk,
  { bundlePath, bundleType }: Wanted,
  { reason, message }: BundleOutcome & { ok: false },
): Promise<AppError> {
  if (reason === 'disk_full') return new AppError('internal', message, { hint: 'Nothing was changed. Make room.' });
  const found = reason === 'corrupt' ? await typeOf(disk, bundlePath) : null;
  return new AppError('invalid', `unpack ${bundlePath}: ${message}`, {
    hint:
      found === null || found === bundleType
        ? 'Nothing was changed.'
        : `Nothing was changed. The archive begins like a ${found}: give --type ${found}.`,
  });
}

/** What kind of archive a file is, by its first bytes. */
async function typeOf(disk: Disk, path: string): Promise<string | null> {
  try {
    return detectBundleType(await disk.readPart(path, 0, DETECT_BYTES));
  } catch {
    // It only makes a better hint.
    return null;
  }
}
