import { ArchiveFault, createArchiveTree } from './archive-tree.ts';
import { createArchiveWriter } from './archive-writer.ts';
import type { UnpackOutcome, UnpackRequest } from './disk.ts';
import { unpackTar } from './unpack-tar.ts';
import { unpackZip } from './unpack-zip.ts';

/**
 * Unpacks a tar, tgz or zip into an empty directory. Modes are kept without setuid, setgid and sticky, owners are not;
 * modification times are kept unless they are 0, which is how `drover push` says that there is none.
 * What an archive does wrong is an outcome, what the disk does wrong (ENOSPC, EACCES) is thrown.
 */
export async function unpackArchive(request: UnpackRequest): Promise<UnpackOutcome> {
  const tree = createArchiveTree(request.limits);
  const writer = createArchiveWriter(request.directory);
  try {
    if (request.bundleType === 'zip') await unpackZip(request.archivePath, { tree, writer });
    else
      await unpackTar(request.archivePath, {
        tree,
        writer,
        isCompressed: request.bundleType === 'tgz',
        limits: request.limits,
      });
    tree.checkLinks();
    writer.finish();
    return { ok: true, entries: tree.entries, totalBytes: tree.totalBytes };
  } catch (error) {
    if (error instanceof ArchiveFault) return { ok: false, reason: error.reason, message: error.message };
    throw error;
  } finally {
    writer.close();
  }
}
