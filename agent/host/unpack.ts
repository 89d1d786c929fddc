import { ArchiveFault } from '../../shared/bundle/unpack/archive-tree.ts';
import { readArchive } from '../../shared/bundle/unpack/read-archive.ts';
import { createArchiveWriter } from './archive-writer.ts';
import type { UnpackOutcome, UnpackRequest } from './disk.ts';

/**
 * Unpacks a tar, tgz or zip into an empty directory. Modes are kept without setuid, setgid and sticky, owners are not;
 * modification times are kept unless they are 0, which is how `drover push` says that there is none.
 * What an archive does wrong is an outcome, what the disk does wrong (ENOSPC, EACCES) is thrown.
 */
export async function unpackArchive(request: UnpackRequest): Promise<UnpackOutcome> {
  const writer = createArchiveWriter(request.directory);
  try {
    const tree = await readArchive(request, writer);
    writer.finish();
    return { ok: true, entries: tree.entries, totalBytes: tree.totalBytes };
  } catch (error) {
    if (error instanceof ArchiveFault) return { ok: false, reason: error.reason, message: error.message };
    throw error;
  } finally {
    writer.close();
  }
}
