/** What an archive did wrong; becomes an outcome at the edge of unpack(). */
export class ArchiveFault extends Error {
  readonly reason: 'corrupt' | 'hostile' | 'too_large';

  constructor(reason: ArchiveFault['reason'], message: string) {
    super(message);
    this.name = 'ArchiveFault';
    this.reason = reason;
  }
}

export interface ArchiveLimits {
  maxTotalBytes: number;
  maxEntries: number;
}

/** Where an entry goes: relative to the directory, with directories that have to be made first. */
export interface Placement {
  path: string;
  /** Parents that no entry named, from the outside in. */
  missingParents: readonly string[];
  /** What an earlier entry of the same name left there. */
  replaces: 'file' | 'directory' | 'symlink' | null;
}

/**
 * The tree an archive builds, as far as it got. Since unpacking begins in an empty directory this knows everything that is
 * there, and the rules need no look at the disk: nothing is ever written through a link, and at the end no link may lead out.
 */
export interface ArchiveTree {
  readonly entries: number;
  readonly totalBytes: number;
  /** Null for the directory itself. */
  directory(name: string): Placement | null;
  /** `sizeBytes` as the archive says; it counts at once, so that a bomb is refused before it is written. */
  file(name: string, sizeBytes: number): Placement;
  symlink(name: string, target: string): Placement;
  /** `target` names an earlier entry. */
  hardLink(name: string, target: string): Placement & { target: string };
  /** For entries that cannot be unpacked: devices, pipes. */
  refuse(name: string, what: string): never;
  /** Every link now has its final surroundings: throws when one leads out. */
  checkLinks(): void;
}

const MAX_PATH_BYTES = 4_096;
const MAX_NAME_BYTES = 255;
/** What Linux follows before it says ELOOP. */
const MAX_HOPS = 40;

type Node = { kind: 'file' | 'directory' } | { kind: 'symlink'; target: string };

export function createArchiveTree(limits: ArchiveLimits): ArchiveTree {
  const nodes = new Map<string, Node>();
  let entries = 0;
  let totalBytes = 0;

  const count = (name: string, sizeBytes: number) => {
    entries++;
    totalBytes += sizeBytes;
    if (entries > limits.maxEntries)
      throw new ArchiveFault('too_large', `the archive has more than ${limits.maxEntries} entries`);
    if (totalBytes > limits.maxTotalBytes)
      throw new ArchiveFault(
        'too_large',
        `the archive unpacks to more than ${limits.maxTotalBytes} bytes; the entry that is too much is ${quoted(name)}`,
      );
  };

  const place = (name: string, node: Node): Placement => {
    const parts = partsOf(name);
    if (parts.length === 0)
      throw new ArchiveFault('hostile', `the entry ${quoted(name)} is not a directory but names the bundle itself`);
    const missingParents: string[] = [];
    let path = '';
    for (const part of parts.slice(0, -1)) {
      path = path === '' ? part : `${path}/${part}`;
      const parent = nodes.get(path);
      if (parent === undefined) {
        count(name, 0);
        nodes.set(path, { kind: 'directory' });
        missingParents.push(path);
      } else if (parent.kind === 'symlink')
        throw new ArchiveFault('hostile', `the entry ${quoted(name)} leads through the link ${quoted(path)}`);
      else if (parent.kind === 'file')
        throw new ArchiveFault('corrupt', `the entry ${quoted(name)} is inside of ${quoted(path)}, which is a file`);
    }
    path = parts.join('/');
    const earlier = nodes.get(path)?.kind ?? null;
    if (earlier !== null && (earlier === 'directory') !== (node.kind === 'directory'))
      throw new ArchiveFault('corrupt', `the entry ${quoted(name)} is there twice, once as a directory and once not`);
    nodes.set(path, node);
    return { path, missingParents, replaces: earlier };
  };

  return {
    get entries() {
      return entries;
    },
    get totalBytes() {
      return totalBytes;
    },
    directory(name) {
      count(name, 0);
      return partsOf(name).length === 0 ? null : place(name, { kind: 'directory' });
    },
    file(name, sizeBytes) {
      count(name, sizeBytes);
      return place(name, { kind: 'file' });
    },
    symlink(name, target) {
      count(name, 0);
      checkTarget(name, target);
      return place(name, { kind: 'symlink', target });
    },
    hardLink(name, target) {
      count(name, 0);
      const targetPath = partsOf(target).join('/');
      const node = nodes.get(targetPath);
      if (node === undefined || node.kind === 'directory')
        throw new ArchiveFault(
          'hostile',
          `the entry ${quoted(name)} is a hard link to ${quoted(target)}, which is not an earlier file of the archive`,
        );
      if (partsOf(name).join('/') === targetPath)
        throw new ArchiveFault('corrupt', `the entry ${quoted(name)} is a hard link to itself`);
      return { ...place(name, node), target: targetPath };
    },
    refuse(name, what) {
      throw new ArchiveFault(
        'hostile',
        `the entry ${quoted(name)} is ${what}; bundles hold files, directories and links`,
      );
    },
    checkLinks() {
      for (const [path, node] of nodes)
        if (node.kind === 'symlink' && leadsOut(nodes, path, node.target))
          throw new ArchiveFault(
            'hostile',
            `the link ${quoted(path)} -> ${quoted(node.target)} leads out of the bundle`,
          );
    },
  };
}

function partsOf(name: string): string[] {
  if (name.includes('\0'))
    throw new ArchiveFault('corrupt', `the entry ${quoted(name)} has a NUL character in its name`);
  if (name.startsWith('/')) throw new ArchiveFault('hostile', `the entry ${quoted(name)} has an absolute name`);
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw new ArchiveFault('hostile', `the entry ${quoted(name)} leads out of the bundle`);
  if (Buffer.byteLength(name) > MAX_PATH_BYTES || parts.some((part) => Buffer.byteLength(part) > MAX_NAME_BYTES))
    throw new ArchiveFault('corrupt', `the entry ${quoted(name)} has a name too long for Linux`);
  return parts;
}

function checkTarget(name: string, target: string): void {
  if (target === '' || target.includes('\0') || Buffer.byteLength(target) > MAX_PATH_BYTES)
    throw new ArchiveFault('corrupt', `the link ${quoted(name)} has an empty, broken or too long target`);
  if (target.startsWith('/'))
    throw new ArchiveFault('hostile', `the link ${quoted(name)} -> ${quoted(target)} leads out of the bundle`);
}

/** Follows a link as the kernel would, step by step; `a/..` is not nothing when `a` is a link. */
function leadsOut(nodes: ReadonlyMap<string, Node>, path: string, target: string): boolean {
  const place = path.split('/').slice(0, -1);
  const todo = target.split('/').reverse();
  let hops = 0;
  for (let part = todo.pop(); part !== undefined; part = todo.pop()) {
    if (part === '' || part === '.') continue;
    if (part === '..') {
      if (place.length === 0) return true;
      place.pop();
      continue;
    }
    place.push(part);
    const node = nodes.get(place.join('/'));
    if (node?.kind !== 'symlink') continue;
    // A circle of links leads nowhere, so not out either.
    if (++hops > MAX_HOPS) return false;
    place.pop();
    todo.push(...node.target.split('/').reverse());
  }
  return false;
}

function quoted(name: string): string {
  return JSON.stringify(name.length > 200 ? `${name.slice(0, 200)}…` : name);
}
