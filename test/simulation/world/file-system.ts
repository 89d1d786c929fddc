import { posix } from 'node:path';
import { systemError } from '../../support/faulty-disk.ts';
import type { Chance } from './chance.ts';

interface Inode {
  kind: 'file' | 'directory';
  number: number;
  mode: number;
  modifiedAt: number;
  /** Of a file: what any process of the host sees. Room may be left behind `length`. */
  bytes: Buffer;
  length: number;
  /** Of a file: so much of it was synced. */
  syncedLength: number;
  /** Set when what was synced is not the beginning of what is there now. */
  syncedCopy: Buffer | null;
  /** Of a directory: by name, as every process sees it, and as it would be after a power cut. */
  entries: Map<string, Inode>;
  synced: Map<string, Inode>;
}

/** A change of names: all of it survives a power cut, or none. */
type NameChange = { directory: Inode; name: string; inode: Inode | null }[];

/**
 * The files of one machine. What was written is seen at once; what was not synced may be lost when the power goes: names in
 * the order in which they were changed (as a journalling file system loses them, whose sync of a directory takes along all
 * that came before), contents from any byte on. All of it survives the end of a process.
 */
export class FileSystem {
  readonly #now: () => number;
  #root: Inode;
  #nextNumber = 1;
  #pending: NameChange[] = [];
  /** Sabotage, to see that it is noticed: a sync that does nothing. */
  isLying = false;
  /** Nothing more can be written. */
  isFull = false;
  /** No inode is left: nothing new can be made, and what is there can be written to. */
  isOutOfInodes = false;

  constructor(now: () => number) {
    this.#now = now;
    this.#root = this.#make('directory', 0o755);
  }

  read(path: string, offset = 0, length = Number.POSITIVE_INFINITY): Buffer {
    const inode = this.#file(path);
    return Buffer.from(inode.bytes.subarray(offset, Math.min(inode.length, offset + length)));
  }

  find(path: string): Inode | null {
    let at: Inode | undefined = this.#root;
    for (const part of partsOf(path)) {
      if (at.kind !== 'directory') return null;
      at = at.entries.get(part);
      if (at === undefined) return null;
    }
    return at;
  }

  list(path: string): string[] {
    return [...this.#directory(path).entries.keys()].sort();
  }

  /** An empty file, also when there was one. */
  create(path: string, mode: number): Inode {
    this.#checkSpace();
    const known = this.find(path);
    if (known !== null) {
      if (known.kind === 'directory') throw systemError('EISDIR');
      this.truncate(known, 0);
      known.mode = mode;
      return known;
    }
    const inode = this.#makeNew('file', mode);
    this.#rename([{ directory: this.#parent(path), name: posix.basename(path), inode }]);
    return inode;
  }

  /** @throws EEXIST */
  createExclusive(path: string, mode: number): Inode {
    if (this.find(path) !== null) throw systemError('EEXIST');
    return this.create(path, mode);
  }

  append(inode: Inode, data: Uint8Array): void {
    if (data.length === 0) return;
    // As a real one, a full disk takes what still fits.
    const taken = this.isFull ? data.subarray(0, data.length >> 1) : data;
    const length = inode.length + taken.length;
    if (length > inode.bytes.length) {
      const grown = Buffer.allocUnsafe(Math.max(length, 2 * inode.bytes.length, 256));
      inode.bytes.copy(grown, 0, 0, inode.length);
      inode.bytes = grown;
    }
    inode.bytes.set(taken, inode.length);
    inode.length = length;
    inode.modifiedAt = this.#now();
    this.#checkSpace();
  }

  truncate(inode: Inode, length: number): void {
    if (length >= inode.length) return;
    if (length < inode.syncedLength) inode.syncedCopy ??= Buffer.from(inode.bytes.subarray(0, inode.syncedLength));
    // The bytes behind may still be read by the copy's owner only; what is appended from here on overwrites them.
    inode.length = length;
    inode.modifiedAt = this.#now();
  }

  sync(inode: Inode): void {
    if (this.isLying) return;
    if (inode.kind === 'file') {
      inode.syncedLength = inode.length;
      inode.syncedCopy = null;
      return;
    }
    const last = this.#pending.findLastIndex((change) => change.some(({ directory }) => directory === inode));
    for (const change of this.#pending.splice(0, last + 1)) applySynced(change);
  }

  makeDirectory(path: string, mode: number): void {
    if (this.find(path) !== null) throw systemError('EEXIST');
    this.#checkSpace();
    const inode = this.#makeNew('directory', mode);
    this.#rename([{ directory: this.#parent(path), name: posix.basename(path), inode }]);
  }

  makeDirectories(path: string, mode: number): void {
    let at = '';
    for (const part of path.split('/').filter((each) => each !== '')) {
      at += `/${part}`;
      const known = this.find(at);
      if (known === null) this.makeDirectory(at, mode);
      else if (known.kind !== 'directory') throw systemError('ENOTDIR');
    }
  }

  rename(from: string, to: string): void {
    const inode = this.#existing(from);
    const target = this.find(to);
    if (target === inode) return;
    if (target?.kind === 'directory' && (inode.kind !== 'directory' || target.entries.size > 0))
      throw systemError(inode.kind === 'directory' ? 'ENOTEMPTY' : 'EISDIR');
    this.#rename([
      { directory: this.#parent(from), name: posix.basename(from), inode: null },
      { directory: this.#parent(to), name: posix.basename(to), inode },
    ]);
  }

  link(from: string, to: string): void {
    const inode = this.#existing(from);
    if (inode.kind === 'directory') throw systemError('EPERM');
    if (this.find(to) !== null) throw systemError('EEXIST');
    this.#checkSpace();
    this.#rename([{ directory: this.#parent(to), name: posix.basename(to), inode }]);
  }

  removeFile(path: string): void {
    if (this.#existing(path).kind === 'directory') throw systemError('EISDIR');
    this.#rename([{ directory: this.#parent(path), name: posix.basename(path), inode: null }]);
  }

  removeDirectory(path: string): void {
    if (this.#directory(path).entries.size > 0) throw systemError('ENOTEMPTY');
    this.#rename([{ directory: this.#parent(path), name: posix.basename(path), inode: null }]);
  }

  removeTree(path: string): void {
    const inode = this.find(path);
    if (inode === null) return;
    if (inode.kind === 'directory')
      for (const name of [...inode.entries.keys()].sort()) this.removeTree(posix.join(path, name));
    this.#rename([{ directory: this.#parent(path), name: posix.basename(path), inode: null }]);
  }

  /** The power goes: what was not synced is lost, from a point on that chance decides. */
  cutPower(chance: Chance): { lostNames: number; lostBytes: number } {
    const kept = chance.is(0.5) ? 0 : chance.whole(0, this.#pending.length);
    for (const change of this.#pending.slice(0, kept)) applySynced(change);
    const lost = { lostNames: this.#pending.length - kept, lostBytes: 0 };
    this.#pending = [];
    const seen = new Set<Inode>();
    const visit = (inode: Inode) => {
      if (seen.has(inode)) return;
      seen.add(inode);
      if (inode.kind === 'directory') {
        inode.entries = new Map(inode.synced);
        for (const inner of inode.entries.values()) visit(inner);
        return;
      }
      const before = inode.length;
      if (inode.syncedCopy !== null) {
        inode.bytes = inode.syncedCopy;
        inode.length = inode.syncedCopy.length;
      } else if (inode.length > inode.syncedLength)
        inode.length = chance.is(0.5) ? inode.syncedLength : chance.whole(inode.syncedLength, inode.length);
      inode.syncedCopy = null;
      inode.syncedLength = inode.length;
      lost.lostBytes += Math.max(0, before - inode.length);
    };
    visit(this.#root);
    return lost;
  }

  /** As a host that shuts down in good order does. */
  syncAll(): void {
    for (const change of this.#pending) applySynced(change);
    this.#pending = [];
    const visit = (inode: Inode) => {
      if (inode.kind === 'file') this.sync(inode);
      else for (const inner of inode.entries.values()) visit(inner);
    };
    visit(this.#root);
  }

  /** Everything as it is now, all of it synced: an image of the disk. */
  copyTo(other: FileSystem): void {
    const copies = new Map<Inode, Inode>();
    const copy = (inode: Inode): Inode => {
      const known = copies.get(inode);
      if (known !== undefined) return known;
      const made = other.#make(inode.kind, inode.mode);
      copies.set(inode, made);
      made.modifiedAt = inode.modifiedAt;
      made.bytes = Buffer.from(inode.bytes.subarray(0, inode.length));
      made.length = inode.length;
      for (const [name, inner] of inode.entries) made.entries.set(name, copy(inner));
      return made;
    };
    other.#root = copy(this.#root);
    other.#pending = [];
    const settle = (inode: Inode) => {
      inode.synced = new Map(inode.entries);
      inode.syncedLength = inode.length;
      for (const inner of inode.entries.values()) settle(inner);
    };
    settle(other.#root);
  }

  #make(kind: Inode['kind'], mode: number): Inode {
    return {
      kind,
      number: this.#nextNumber++,
      mode,
      modifiedAt: this.#now(),
      bytes: Buffer.alloc(0),
      length: 0,
      syncedLength: 0,
      syncedCopy: null,
      entries: new Map(),
      synced: new Map(),
    };
  }

  #makeNew(kind: Inode['kind'], mode: number): Inode {
    if (this.isOutOfInodes) throw systemError('ENOSPC');
    return this.#make(kind, mode);
  }

  #rename(change: NameChange): void {
    for (const { directory, name, inode } of change)
      if (inode === null) directory.entries.delete(name);
      else directory.entries.set(name, inode);
    this.#pending.push(change);
  }

  #existing(path: string): Inode {
    const inode = this.find(path);
    if (inode === null) throw systemError('ENOENT');
    return inode;
  }

  #file(path: string): Inode {
    const inode = this.#existing(path);
    if (inode.kind === 'directory') throw systemError('EISDIR');
    return inode;
  }

  #directory(path: string): Inode {
    const inode = this.#existing(path);
    if (inode.kind !== 'directory') throw systemError('ENOTDIR');
    return inode;
  }

  #parent(path: string): Inode {
    return this.#directory(posix.dirname(path));
  }

  #checkSpace(): void {
    if (this.isFull) throw systemError('ENOSPC');
  }
}

/** Paths are asked for again and again, and splitting one costs more than following it. */
const knownParts = new Map<string, readonly string[]>();
const MAX_KNOWN_PARTS = 65_536;

function partsOf(path: string): readonly string[] {
  let parts = knownParts.get(path);
  if (parts === undefined) {
    parts = path.split('/').filter((part) => part !== '');
    if (knownParts.size >= MAX_KNOWN_PARTS) knownParts.clear();
    knownParts.set(path, parts);
  }
  return parts;
}

function applySynced(change: NameChange): void {
  for (const { directory, name, inode } of change)
    if (inode === null) directory.synced.delete(name);
    else directory.synced.set(name, inode);
}
