import { basename, dirname, join } from 'node:path';
import { errnoOf } from '../../shared/core/errors.ts';
import type { AssembleRequest, Disk, UnpackLimits, UnpackRequest } from '../host/disk.ts';

export type UnpackedBundle =
  | { ok: true; archiveRoot: string }
  | { ok: false; reason: 'corrupt' | 'hostile' | 'too_large' | 'disk_full'; message: string };

export function unpackLimits(limits: { maxUnpackedBytes: number; maxEntries: number }): UnpackLimits {
  return { maxTotalBytes: limits.maxUnpackedBytes, maxEntries: limits.maxEntries };
}

/** Unpacks into `directory`, which is removed first, and finds the bundle's root in it. */
export async function unpackInto(disk: Disk, request: UnpackRequest): Promise<UnpackedBundle> {
  return filling(disk, request.directory, async () => {
    const outcome = await disk.unpack(request);
    if (!outcome.ok) return outcome;
    return { ok: true, archiveRoot: await findRoot(disk, request.directory) };
  });
}

/** The same from files that are here, see {@link Disk.assemble}. */
export async function assembleInto(disk: Disk, request: AssembleRequest): Promise<UnpackedBundle> {
  return filling(disk, request.directory, async () => {
    const outcome = await disk.assemble(request);
    if (!outcome.ok) return { ok: false, reason: 'corrupt', message: outcome.message };
    return { ok: true, archiveRoot: await findRoot(disk, request.directory) };
  });
}

/** Copies a directory, for `drover-agent local`: hooks may write into their bundle, and the original is the user's. */
export async function adoptDirectory(
  disk: Disk,
  request: { from: string; directory: string; limits: UnpackLimits },
): Promise<UnpackedBundle> {
  return filling(disk, request.directory, async () => {
    const budget = { entries: request.limits.maxEntries, bytes: request.limits.maxTotalBytes };
    const fault = await copyTree(disk, request.from, request.directory, budget);
    return fault ?? { ok: true, archiveRoot: request.directory };
  });
}

/** Begins with an empty directory and leaves none behind when filling it fails: a full disk must not stay full. */
async function filling(disk: Disk, directory: string, fill: () => Promise<UnpackedBundle>): Promise<UnpackedBundle> {
  await disk.removeTree(directory);
  let outcome: UnpackedBundle;
  try {
    await disk.makeDirectory(directory, { recursive: true, mode: 0o755 });
    outcome = await fill();
    // The journal will say that the bundle is here: after a power cut half an AppSpec would be a whole one with fewer hooks.
    if (outcome.ok) {
      await disk.syncTree(directory);
      await disk.sync(dirname(directory));
    }
  } catch (error) {
    await disk.removeTree(directory);
    if (!isDiskFull(error)) throw error;
    return {
      ok: false,
      reason: 'disk_full',
      message: `the disk of ${directory} became full while the bundle was unpacked`,
    };
  }
  if (!outcome.ok) await disk.removeTree(directory);
  return outcome;
}

export function isDiskFull(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT'].includes(errnoOf(error) ?? '');
}

/**
 * A single directory with an AppSpec in it is the bundle, as archives of GitHub have it. Source: the CodeDeploy agent's
 * command_executor.rb, strip_leading_directory.
 */
async function findRoot(disk: Disk, directory: string): Promise<string> {
  const names = await disk.list(directory);
  const [only] = names;
  if (names.length !== 1 || only === undefined) return directory;
  const inner = join(directory, only);
  if ((await disk.status(inner))?.kind !== 'directory') return directory;
  return (await disk.list(inner)).some((name) => /appspec/i.test(name)) ? inner : directory;
}

/** A name that is no UTF-8 is listed with this in it, and nothing is found under it. */
const REPLACEMENT = '\ufffd';

async function copyTree(
  disk: Disk,
  from: string,
  to: string,
  budget: { entries: number; bytes: number },
): Promise<Exclude<UnpackedBundle, { ok: true }> | null> {
  for (const name of await disk.list(from)) {
    const source = join(from, name);
    const target = join(to, name);
    const status = await disk.status(source);
    if (status === null) {
      if (!name.includes(REPLACEMENT)) continue;
      return { ok: false, reason: 'corrupt', message: `${name} in ${from} has a name that is not UTF-8` };
    }
    budget.entries--;
    budget.bytes -= status.kind === 'file' ? status.sizeBytes : 0;
    if (budget.entries < 0 || budget.bytes < 0)
      return { ok: false, reason: 'too_large', message: `${from} holds more files or bytes than a bundle may` };
    if (status.kind === 'directory') {
      await disk.makeDirectory(target, { recursive: false, mode: 0o755 });
      const fault = await copyTree(disk, source, target, budget);
      if (fault !== null) return fault;
      await disk.setMode(target, (status.mode & 0o777) | 0o700);
    } else if (status.kind === 'symlink') await disk.createSymlink(await disk.readSymlink(source), target);
    else if (status.kind === 'file') await disk.copyFile(source, target);
    else
      return {
        ok: false,
        reason: 'hostile',
        message: `${basename(source)} in ${from} is neither a file nor a directory nor a link`,
      };
  }
  return null;
}
