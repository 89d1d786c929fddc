import { dirname, join } from 'node:path';
import type { AppSpec } from '../../shared/appspec/appspec.ts';
import { errnoOf, errorMessage } from '../../shared/core/errors.ts';
import { InvariantViolation, invariant } from '../../shared/core/invariant.ts';
import type { Logger } from '../../shared/core/logger.ts';
import type { FileExistsBehavior } from '../../shared/model/deployment-group.ts';
import type { Accounts } from '../host/accounts.ts';
import type { Disk } from '../host/disk.ts';
import { forEachParallel } from '../host/parallel.ts';
import type { ProcessRunner } from '../host/process-runner.ts';
import { fingerprintOf } from './fingerprint.ts';
import { directoryFacts, type Instructions, planInstructions } from './instructions.ts';
import { applyContext, applyPermission, type PermissionPlan, planPermissions } from './permissions.ts';
import {
  type GroupState,
  type Journal,
  type Manifest,
  markUndone,
  readJournal,
  readManifest,
  removeJournal,
  writeJournal,
  writeManifest,
} from './records.ts';
import {
  buildRelease,
  linkText,
  planRelease,
  type ReleasePlan,
  removeOldReleases,
  removeUnfinished,
} from './releases.ts';
import { readSources, type WantedTree } from './sources.ts';
import { finish, switchFiles, syncDirectories, undo } from './transaction.ts';

export interface InstallParts {
  disk: Disk;
  accounts: Accounts;
  run: ProcessRunner['run'];
  logger: Logger;
}

export interface InstallRequest {
  groupId: string;
  deploymentId: string;
  appSpec: AppSpec;
  archiveRoot: string;
  /** The deployment's own; the AppSpec's comes first. */
  fileExistsBehavior: FileExistsBehavior;
  /** Where this group's manifest, journal and nothing else live. */
  stateDirectory: string;
  /** What the release is called where the AppSpec asks for a release directory: the same name, the same files. */
  releaseName?: string;
  /** Who else may have put a file here that stands in the way; none when absent. */
  otherGroups?: () => Promise<GroupState[]>;
  /** Of those the ones that nobody has installed over since; none when absent. */
  intactGroups?: () => Promise<GroupState[]>;
  /** Space that is left free, bytes; 0 when absent. */
  reserveBytes?: number;
}

export type InstallOutcome =
  | { ok: true; installedFiles: number; removedFiles: number }
  /** `restored`: the host's files are as they were before. */
  | { ok: false; message: string; restored: boolean };

/** Faults told in one message; the rest is counted. */
const MAX_FAULTS_TOLD = 10;

/**
 * Puts the revision's files in place of the previous install's. Everything that can be known to fail is checked first;
 * then all new files are written beside their destinations, and only then each is renamed into place, which takes
 * milliseconds. The manifest is the commit: until it is written every failure and every crash leads back to the old files.
 * Repeating a finished install finds it finished.
 */
export async function install(parts: InstallParts, request: InstallRequest): Promise<InstallOutcome> {
  const { disk, logger } = parts;
  let plan: Plan;
  let previous: Manifest | null;
  try {
    await recoverInstall(parts, request);
  } catch (error) {
    return failedBefore(error, 'an earlier install could not be brought to its end: ', false);
  }
  try {
    await disk.makeDirectory(request.stateDirectory, { recursive: true, mode: 0o700 });
    previous = await readManifest(disk, request);
    // Its end was written down here but not by the agent, which died in between. Done again it could fail, with the new files there.
    if (previous?.deploymentId === request.deploymentId)
      return { ok: true, installedFiles: previous.files.length, removedFiles: 0 };
    // Before the plan, which counts what is free.
    if (request.appSpec.release !== null) await removeUnfinished(disk, request.appSpec.release);
    plan = await planInstall(parts, request, previous);
  } catch (error) {
    return failedBefore(error, 'nothing was changed, because the host could not be examined: ', true);
  }
  if (plan.faults.length > 0) return { ok: false, message: faultMessage(plan.faults), restored: true };
  for (const object of plan.permissions.unused)
    logger.warn({ object }, 'permission is about nothing that this install put there');

  const { release } = plan;
  if (release !== null) {
    try {
      await buildRelease(parts, release, plan.permissions);
      await writeReleaseLink(disk, request, release);
      // Directories that the release stands in are there now.
      plan = await planInstall(parts, request, previous);
    } catch (error) {
      await giveUpRelease(parts, release);
      return failedBefore(error, 'the release could not be written: ', true);
    }
    if (plan.faults.length > 0) return { ok: false, message: faultMessage(plan.faults), restored: true };
  }
  let journal = plan.journal;
  try {
    await writeJournal(disk, request, journal);
    const contents = await stage(parts, plan);
    await syncDirectories(disk, journal);
    journal = { ...journal, phase: 'switching' };
    await writeJournal(disk, request, journal);
    await switchFiles(disk, journal, (path) => makeDirectory(parts, plan, path));
    await labelFiles(parts, plan, previous);
    await changeDirectories(parts, plan);
    await syncDirectories(disk, journal);
    await writeManifest(disk, request, { ...plan.manifest, contents: Object.fromEntries(contents) });
  } catch (error) {
    const fate = await giveUp(parts, request, { journal, previous });
    if (fate !== 'committed') {
      logger.error({ error: errorMessage(error), restored: fate === 'restored' }, 'install failed');
      return {
        ok: false,
        message: `${failureMessage(error)}${fate === 'restored' ? '' : '; the previous files could not be brought back completely'}`,
        restored: fate === 'restored',
      };
    }
  }
  await complete(parts, request, journal);
  if (release !== null) await tidyReleases(parts, release);
  return { ok: true, installedFiles: plan.manifest.files.length, removedFiles: journal.removes.length };
}

/** At agent start, and before an install, which calls it itself: brings a group that died in the middle of an install to its old files or its new ones. */
export async function recoverInstall(
  parts: InstallParts,
  request: { groupId: string; stateDirectory: string },
): Promise<'nothing' | 'restored' | 'completed'> {
  const { disk } = parts;
  const journal = await readJournal(disk, request);
  if (journal === null) return 'nothing';
  const manifest = await readManifest(disk, request);
  if (manifest !== null && manifest.sequence >= journal.sequence) {
    await finish(parts, journal);
    await removeJournal(disk, request);
    return 'completed';
  }
  await undo({ ...parts, markUndone: () => markUndone(disk, request) }, journal);
  await removeJournal(disk, request);
  parts.logger.warn({ deploymentId: journal.deploymentId }, 'interrupted install undone');
  return 'restored';
}

/** The install copies the link from here, as it copies any other. */
function releaseLinkPath(request: InstallRequest): string {
  return join(request.stateDirectory, 'current');
}

async function writeReleaseLink(disk: Disk, request: InstallRequest, release: ReleasePlan): Promise<void> {
  await disk.removeTree(releaseLinkPath(request));
  await disk.createSymlink(linkText(release), releaseLinkPath(request));
}

/** A full disk must not stay full. */
async function giveUpRelease(parts: InstallParts, { config }: ReleasePlan): Promise<void> {
  try {
    await removeUnfinished(parts.disk, config);
  } catch (error) {
    parts.logger.warn({ error: errorMessage(error) }, 'an unfinished release could not be removed yet');
  }
}

async function tidyReleases(parts: InstallParts, release: ReleasePlan): Promise<void> {
  try {
    await removeOldReleases(parts.disk, release);
  } catch (error) {
    parts.logger.warn({ error: errorMessage(error) }, 'old releases could not be removed yet');
  }
}

interface Plan extends Instructions {
  release: ReleasePlan | null;
  permissions: PermissionPlan;
}

async function planInstall(parts: InstallParts, request: InstallRequest, previous: Manifest | null): Promise<Plan> {
  const { disk } = parts;
  const all = await readSources(disk, request.appSpec, request.archiveRoot);
  const { release, rest: wanted } = await separateRelease(disk, request, { wanted: all, previous });
  const instructions = await planInstructions(disk, {
    groupId: request.groupId,
    deploymentId: request.deploymentId,
    wanted,
    previous,
    fileExistsBehavior: request.appSpec.fileExistsBehavior ?? request.fileExistsBehavior,
    currentLink: release?.current ?? null,
    otherGroups: request.otherGroups ?? (async () => []),
    intactGroups: request.intactGroups ?? (async () => []),
  });
  const { manifest, journal } = instructions;
  // To the AppSpec `current` is the directory that it leads to.
  const ordinary = manifest.files.filter((path) => path !== release?.current);
  const files = new Set([...ordinary, ...(release?.files.keys() ?? [])]);
  const permissions = await planPermissions(parts, {
    permissions: request.appSpec.permissions,
    files,
    directories: [...manifest.directories, ...(release?.directories ?? [])],
  });
  const hasContext = (path: string) => (permissions.byPath.get(path)?.permission.context ?? null) !== null;
  const selinuxPaths = [...manifest.files, ...manifest.directories].filter(hasContext);
  const had = new Set(previous?.selinuxPaths);
  const created = new Set(journal.createdDirectories);
  const changed = manifest.directories.filter((path) => !created.has(path) && permissions.byPath.has(path));
  const space = await checkSpace(disk, sizesOf(instructions, release), request.reserveBytes ?? 0);
  return {
    ...instructions,
    release,
    permissions,
    faults: [
      ...wanted.faults,
      ...instructions.faults,
      ...permissions.faults,
      ...contextFaults(release, permissions),
      ...space,
    ],
    manifest: { ...manifest, selinuxPaths, releaseBefore: release?.before ?? null },
    journal: {
      ...journal,
      changedDirectories: await directoryFacts(disk, changed),
      newSelinuxPaths: selinuxPaths.filter((path) => !had.has(path)),
      unneededSelinuxPaths: journal.unneededSelinuxPaths.filter((path) => !selinuxPaths.includes(path)),
    },
  };
}

async function separateRelease(
  disk: Disk,
  request: InstallRequest,
  { wanted, previous }: { wanted: WantedTree; previous: Manifest | null },
): Promise<{ release: ReleasePlan | null; rest: WantedTree }> {
  const config = request.appSpec.release;
  if (config === null) return { release: null, rest: wanted };
  invariant(request.releaseName !== undefined, 'a release has a name');
  return planRelease(disk, {
    wanted,
    config,
    name: request.releaseName,
    linkPath: releaseLinkPath(request),
    previousBefore: previous?.releaseBefore ?? null,
  });
}

/** Rules of SELinux go by path, and a release's path is another each time. */
function contextFaults(release: ReleasePlan | null, permissions: PermissionPlan): string[] {
  const paths = release === null ? [] : [...release.files.keys(), ...release.directories];
  const path = paths.find((each) => (permissions.byPath.get(each)?.permission.context ?? null) !== null);
  return path === undefined ? [] : [`${path} is in a release directory, which cannot have an SELinux context`];
}

function sizesOf({ sources }: Instructions, release: ReleasePlan | null): { home: string; sizeBytes: number }[] {
  const ordinary = [...sources].map(([staged, { sizeBytes }]) => ({ home: dirname(staged), sizeBytes }));
  if (release === null || release.isThere) return ordinary;
  const home = dirname(release.path);
  return [...ordinary, ...[...release.files.values()].map(({ sizeBytes }) => ({ home, sizeBytes }))];
}

async function nearestDirectory(disk: Disk, path: string): Promise<string> {
  return path === '/' || (await disk.status(path)) !== null ? path : nearestDirectory(disk, dirname(path));
}

/**
 * New files stand beside the old ones until the switch. Directories with equally many free bytes are taken for one file system.
 * Where nothing is written, as in going back to a release, there is nothing to keep the reserve from.
 */
async function checkSpace(
  disk: Disk,
  sizes: readonly { home: string; sizeBytes: number }[],
  reserveBytes: number,
): Promise<string[]> {
  const bytesByHome = new Map<string, number>();
  // A block is the least that a file takes.
  for (const { home, sizeBytes } of sizes)
    bytesByHome.set(home, (bytesByHome.get(home) ?? 0) + Math.ceil(sizeBytes / 4_096) * 4_096);
  const neededBytes = new Map<string, number>();
  for (const [wanted, bytes] of bytesByHome) {
    const home = await nearestDirectory(disk, wanted);
    neededBytes.set(home, (neededBytes.get(home) ?? 0) + bytes);
  }
  const byFreeBytes = new Map<number, { home: string; bytes: number }>();
  for (const [home, bytes] of neededBytes) {
    const freeBytes = await disk.freeBytes(home);
    const entry = byFreeBytes.get(freeBytes) ?? { home, bytes: 0 };
    byFreeBytes.set(freeBytes, { home: entry.home, bytes: entry.bytes + bytes });
  }
  return [...byFreeBytes]
    .filter(([freeBytes, { bytes }]) => bytes > 0 && bytes + reserveBytes > freeBytes)
    .map(
      ([freeBytes, { home, bytes }]) =>
        `the disk of ${home} has ${freeBytes} bytes free, but the new files need ${bytes}${reserveBytes === 0 ? '' : ` and ${reserveBytes} are to stay free (limits.reserveBytes)`}`,
    );
}

/** Answers with the fingerprints by path. */
async function stage(parts: InstallParts, plan: Plan): Promise<ReadonlyMap<string, string>> {
  const { disk } = parts;
  const contents = new Map<string, string>();
  const record = async (path: string, staged: string) => {
    const fingerprint = await fingerprintOf(disk, staged);
    invariant(fingerprint !== null, `${staged} was written`);
    contents.set(path, fingerprint);
  };
  await forEachParallel(plan.journal.places, async ({ path, staged }) => {
    const source = plan.sources.get(staged);
    invariant(source !== undefined, `no source for ${path}`);
    const resolved = plan.permissions.byPath.get(path);
    if (source.kind === 'symlink') {
      await disk.createSymlink(await disk.readSymlink(source.source), staged);
      // A link has an owner of its own, but its mode and ACL would be those of what it leads to.
      if (resolved !== undefined && (resolved.uid !== -1 || resolved.gid !== -1))
        await disk.setOwner(staged, resolved.uid, resolved.gid);
      await record(path, staged);
      return;
    }
    await disk.copyFile(source.source, staged);
    if (resolved !== undefined) await applyPermission(parts, staged, resolved, source.mode);
    await disk.sync(staged);
    await record(path, staged);
  });
  return contents;
}

async function makeDirectory(parts: InstallParts, plan: Plan, path: string): Promise<void> {
  await parts.disk.makeDirectory(path, { recursive: false });
  const resolved = plan.permissions.byPath.get(path);
  if (resolved === undefined) return;
  const mode = (await parts.disk.status(path))?.mode ?? 0o755;
  await applyPermission(parts, path, resolved, mode);
}

async function labelFiles(parts: InstallParts, plan: Plan, previous: Manifest | null): Promise<void> {
  const had = new Set(previous?.selinuxPaths);
  for (const path of plan.manifest.selinuxPaths) {
    const resolved = plan.permissions.byPath.get(path);
    if (resolved !== undefined) await applyContext(parts.run, path, resolved.permission, had.has(path));
  }
}

async function changeDirectories(parts: InstallParts, plan: Plan): Promise<void> {
  for (const { path, mode } of plan.journal.changedDirectories) {
    const resolved = plan.permissions.byPath.get(path);
    if (resolved !== undefined) await applyPermission(parts, path, resolved, mode);
  }
}

/**
 * After a failure: back to the old files. When the failure was in writing the manifest, the manifest may be there all the
 * same; then the install either stands or is left to recoverInstall, for undoing it under a new manifest would be worse.
 */
async function giveUp(
  parts: InstallParts,
  request: InstallRequest,
  { journal, previous }: { journal: Journal; previous: Manifest | null },
): Promise<'restored' | 'committed' | 'unknown'> {
  const { disk, logger } = parts;
  try {
    const manifest = await readManifest(disk, request);
    if (manifest !== null && manifest.sequence > (previous?.sequence ?? 0)) {
      await disk.sync(request.stateDirectory);
      return 'committed';
    }
    await undo({ ...parts, markUndone: () => markUndone(disk, request) }, journal);
    // Nothing was changed when not even the journal could be written.
    if ((await readJournal(disk, request)) !== null) await removeJournal(disk, request);
    return 'restored';
  } catch (error) {
    logger.error({ error: errorMessage(error) }, 'install could not be undone');
    return 'unknown';
  }
}

/** The new files are in place and that is written down; what is left is tidying, and the next start can do it too. */
async function complete(parts: InstallParts, request: InstallRequest, journal: Journal): Promise<void> {
  try {
    await finish(parts, journal);
    await removeJournal(parts.disk, request);
  } catch (error) {
    parts.logger.warn({ error: errorMessage(error) }, 'install is done, but its leftovers could not be removed yet');
  }
}

function failedBefore(error: unknown, doing: string, restored: boolean): InstallOutcome {
  if (error instanceof InvariantViolation) throw error;
  return { ok: false, message: `${doing}${errorMessage(error)}`, restored };
}

function faultMessage(faults: readonly string[]): string {
  const told = faults.slice(0, MAX_FAULTS_TOLD).join('; ');
  const more = faults.length - MAX_FAULTS_TOLD;
  return `nothing was changed, because ${told}${more > 0 ? `; and ${more} more` : ''}`;
}

function failureMessage(error: unknown): string {
  const errno = errnoOf(error);
  const isFull = errno === 'ENOSPC' || errno === 'EDQUOT';
  return isFull ? `the disk became full during the install: ${errorMessage(error)}` : errorMessage(error);
}
