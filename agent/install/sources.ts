import { posix } from 'node:path';
import type { AppSpec, FileMapping } from '../../shared/appspec/appspec.ts';
import type { Disk } from '../host/disk.ts';
import { forEachParallel } from '../host/parallel.ts';

export interface SourceFile {
  /** Absolute, in the unpacked bundle. */
  source: string;
  kind: 'file' | 'symlink';
  sizeBytes: number;
  mode: number;
}

/** What the AppSpec's `files` ask for. */
export interface WantedTree {
  /** By destination. */
  files: ReadonlyMap<string, SourceFile>;
  /** Directories that must exist, parents before children. */
  directories: readonly string[];
  faults: readonly string[];
}

/** A listing of what would be copied: contents of directories, files under their own names, links as links. */
export async function readSources(disk: Disk, appSpec: AppSpec, archiveRoot: string): Promise<WantedTree> {
  const files = new Map<string, SourceFile>();
  const directories = new Set<string>();
  const faults: string[] = [];

  const addFile = (destination: string, file: SourceFile) => {
    const earlier = files.get(destination);
    if (earlier !== undefined && earlier.source !== file.source)
      faults.push(
        `two sources have the same destination ${destination}: ${fromRoot(earlier.source)} and ${fromRoot(file.source)}`,
      );
    files.set(destination, file);
  };
  const fromRoot = (source: string) => posix.relative(archiveRoot, source) || '.';

  const addDirectory = async (source: string, destination: string): Promise<void> => {
    addWithParents(directories, destination);
    const inner: string[] = [];
    await forEachParallel(await disk.list(source), async (name) => {
      const from = posix.join(source, name);
      const status = await disk.status(from);
      if (status?.kind === 'directory') inner.push(name);
      else if (status?.kind === 'file' || status?.kind === 'symlink')
        addFile(posix.join(destination, name), {
          source: from,
          kind: status.kind,
          sizeBytes: status.sizeBytes,
          mode: status.mode,
        });
      else faults.push(`${fromRoot(from)} in the bundle is neither a file nor a directory nor a link`);
    });
    for (const name of inner.sort()) await addDirectory(posix.join(source, name), posix.join(destination, name));
  };

  for (const mapping of appSpec.files) await addMapping(mapping);
  for (const path of files.keys())
    if (directories.has(path)) faults.push(`${path} would be both a file and a directory`);
  for (const [path, file] of files)
    for (let parent = posix.dirname(path); parent !== '/'; parent = posix.dirname(parent))
      if (files.has(parent)) {
        faults.push(`${path} (from ${fromRoot(file.source)}) would be inside of the file ${parent}`);
        break;
      }
  return { files, directories: [...directories].sort(byDepth), faults };

  async function addMapping(mapping: FileMapping): Promise<void> {
    const source = posix.join(archiveRoot, mapping.source);
    const status = await disk.status(source);
    if (status === null)
      faults.push(`the source ${mapping.source} (line ${mapping.line} of the AppSpec) is not in the bundle`);
    else if (status.kind === 'directory') await addDirectory(source, mapping.destination);
    else if (status.kind === 'other')
      faults.push(`the source ${mapping.source} is neither a file nor a directory nor a link`);
    else {
      addWithParents(directories, mapping.destination);
      addFile(posix.join(mapping.destination, posix.basename(source)), {
        source,
        kind: status.kind,
        sizeBytes: status.sizeBytes,
        mode: status.mode,
      });
    }
  }
}

function addWithParents(directories: Set<string>, path: string): void {
  for (let each = path; each !== '/' && !directories.has(each); each = posix.dirname(each)) directories.add(each);
}

/** Parents before children; the name decides between equals, so that a plan is predictable. */
export function byDepth(a: string, b: string): number {
  return a.split('/').length - b.split('/').length || (a < b ? -1 : a > b ? 1 : 0);
}
