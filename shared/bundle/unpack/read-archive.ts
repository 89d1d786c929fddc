import type { BundleType } from '../../model/revision.ts';
import type { ArchiveSink } from './archive-sink.ts';
import { type ArchiveLimits, type ArchiveTree, createArchiveTree } from './archive-tree.ts';
import { unpackTar } from './unpack-tar.ts';
import { unpackZip } from './unpack-zip.ts';

export interface ReadArchiveRequest {
  archivePath: string;
  bundleType: BundleType;
  limits: ArchiveLimits;
}

/**
 * Gives the sink every entry of a tar, tgz or zip, refusing what escapes the directory that it stands for.
 * @throws ArchiveFault; the sink's own errors pass through
 */
export async function readArchive(request: ReadArchiveRequest, sink: ArchiveSink): Promise<ArchiveTree> {
  const tree = createArchiveTree(request.limits);
  if (request.bundleType === 'zip') await unpackZip(request.archivePath, { tree, sink });
  else
    await unpackTar(request.archivePath, {
      tree,
      sink,
      isCompressed: request.bundleType === 'tgz',
      limits: request.limits,
    });
  tree.checkLinks();
  return tree;
}
