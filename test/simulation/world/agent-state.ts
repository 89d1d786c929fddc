import { layoutOf } from '../../../agent/deployment/layout.ts';
import type { FileSystem } from './file-system.ts';

/** What an agent has left on its machine's disk, as whoever looks at that reads it. */
export const LAYOUT = layoutOf('/var/lib/drover-agent');

/** Empty when it is not there. */
export function journalText(files: FileSystem): string {
  return files.find(LAYOUT.journal) === null ? '' : files.read(LAYOUT.journal).toString('utf8');
}

/** Whether the journal tells of anything that was installed. */
export function knowsInstalled(files: FileSystem): boolean {
  return /"kind":"installed"|"installed":\{"/.test(journalText(files));
}

/** The bundle's digest of the revision that was there before what was installed last; null when the journal does not tell. */
export function previousDigest(files: FileSystem): string | null {
  const text = journalText(files);
  const begin = text.lastIndexOf('{"kind":"installed"');
  if (begin < 0) return null;
  const line = text.slice(begin, text.indexOf('\n', begin));
  return /"previousDigest":"([0-9a-f]+)"/.exec(line)?.[1] ?? null;
}

/** What the journal tells of as begun last, unless it tells of the end, too. */
export function deploymentUnderWay(files: FileSystem): string | null {
  const text = journalText(files);
  const rest = text.slice(text.lastIndexOf('{"kind":"begun"'));
  if (rest.includes('{"kind":"finished"')) return null;
  return /^\{"kind":"begun","deploymentId":"([^"]+)"/.exec(rest)?.[1] ?? null;
}

/** Directories of deployments in which a bundle lies unpacked. */
export function unpackedBundles(files: FileSystem): string[] {
  const listed = (path: string) => (files.find(path)?.kind === 'directory' ? files.list(path) : []);
  return listed(LAYOUT.deployments)
    .flatMap((group) => listed(LAYOUT.groupDeployments(group)).map((id) => LAYOUT.deployment(group, id).directory))
    .filter((directory) => listed(`${directory}/deployment-archive`).length > 0);
}

/** A hook that writes into the bundle it came with: of each that lies unpacked, but for one, a file. Returns how many those are. */
export function spoilUnpacked(files: FileSystem, name: string, butFor: string | null): number {
  const paths = unpackedBundles(files)
    .filter((directory) => !directory.endsWith(`/${butFor}`))
    .map((directory) => `${directory}/deployment-archive/${name}`)
    .filter((path) => files.find(path)?.kind === 'file');
  for (const path of paths) {
    const text = files.read(path);
    text[0] = 'X'.charCodeAt(0);
    files.append(files.create(path, 0o644), text);
  }
  return paths.length;
}
