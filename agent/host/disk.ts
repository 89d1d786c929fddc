import type { ManifestEntry, ManifestFile } from '../../shared/model/bundle-manifest.ts';

/**
 * PORT: the agent's disk. `node-disk.ts` is the real one; the simulator brings one that tears writes and loses what was
 * not synced. Everything the agent reads or writes goes through here. Failures are thrown as Node's system errors (`code`
 * holds ENOENT, ENOSPC, EACCES, …). Paths are absolute.
 */
export interface Disk {
  /** The whole file; for small files only (the caller's bound is `maxBytes`, larger fails with EFBIG). */
  readFile(path: string, maxBytes: number): Promise<Buffer>;
  /** At most `length` bytes from `offset`; shorter at the end of the file. */
  readPart(path: string, offset: number, length: number): Promise<Buffer>;
  /** Replaces the file in one step: temporary file, fsync, rename, fsync of the directory. */
  writeFileDurably(path: string, data: string | Uint8Array, mode: number): Promise<void>;
  /** Opens for writing at the end (creating it): the journal, and downloads that resume. */
  openAppend(path: string, mode: number): Promise<AppendFile>;
  /** Facts about the entry itself (symlinks are not followed), or null when there is none. */
  status(path: string): Promise<FileStatus | null>;
  /** Names in a directory, sorted. */
  list(path: string): Promise<string[]>;
  /**
   * Cuts a file that another process may be appending to, and returns its last bytes: at most `endBytes` of what lies behind
   * `length`. What is appended between the reading and the cut is lost, so an adapter does both in one breath.
   */
  cut(path: string, to: { length: number; endBytes: number }): Promise<Buffer>;
  makeDirectory(path: string, options: { recursive: boolean; mode?: number }): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** One more name for the same file or symlink (a hard link). EEXIST when `to` exists; EXDEV, EPERM, … where impossible. */
  link(from: string, to: string): Promise<void>;
  removeFile(path: string): Promise<void>;
  /** Only an empty one. */
  removeDirectory(path: string): Promise<void>;
  /** Whatever is there, or nothing. */
  removeTree(path: string): Promise<void>;
  /** Copies bytes, mode, owner and modification time of a regular file to a new file. */
  copyFile(from: string, to: string): Promise<void>;
  createSymlink(linkText: string, path: string): Promise<void>;
  readSymlink(path: string): Promise<string>;
  setMode(path: string, mode: number): Promise<void>;
  /** Of the entry itself; -1 keeps. */
  setOwner(path: string, uid: number, gid: number): Promise<void>;
  /** fsync of a file or a directory. */
  sync(path: string): Promise<void>;
  /** A directory and everything below it survives a power cut. Its own name is its parent's, see {@link sync}. */
  syncTree(directory: string): Promise<void>;
  /** Bytes that the agent could still write in the file system of `path` (which must exist). */
  freeBytes(path: string): Promise<number>;
  /** Unpacks an archive into an empty directory, refusing what escapes it. */
  unpack(request: UnpackRequest): Promise<UnpackOutcome>;
  /**
   * For each file of a manifest (by its ordinal) one with the same contents, of those in `directories`: at the same path, or
   * of the same name and size. Reads what it compares, and changes nothing.
   */
  findFiles(request: FindFilesRequest): Promise<Map<number, string>>;
  /** What {@link unpack} would have made of the archive, from files that are here already. Each is checked while it is copied. */
  assemble(request: AssembleRequest): Promise<AssembleOutcome>;
}

export interface AppendFile {
  /** The file's length now, bytes. */
  readonly length: number;
  append(data: string | Uint8Array): Promise<void>;
  /** Returns once everything appended survives a power cut. */
  sync(): Promise<void>;
  truncate(length: number): Promise<void>;
  close(): Promise<void>;
}

export interface FileStatus {
  kind: 'file' | 'directory' | 'symlink' | 'other';
  sizeBytes: number;
  /** Permission bits, 0o0000-0o7777. */
  mode: number;
  uid: number;
  gid: number;
  modifiedAt: number;
  /** Tells one entry from another on the same file system. */
  inode: number;
}

export interface UnpackRequest {
  archivePath: string;
  bundleType: 'tar' | 'tgz' | 'zip';
  /** An existing, empty directory. */
  directory: string;
  limits: UnpackLimits;
}

export interface FindFilesRequest {
  files: readonly ManifestFile[];
  /** Unpacked bundles, the most likely first; what cannot be read there is passed over. */
  directories: readonly string[];
}

export interface AssembleRequest {
  entries: readonly ManifestEntry[];
  /** Where the contents are, by ordinal. */
  contents: ReadonlyMap<number, string>;
  /** An existing, empty directory. */
  directory: string;
  limits: UnpackLimits;
}

export type AssembleOutcome =
  | { ok: true }
  /** A file is not what the manifest says, or is gone, or the manifest itself is hostile. */
  | { ok: false; message: string };

export interface UnpackLimits {
  maxTotalBytes: number;
  maxEntries: number;
}

export type UnpackOutcome =
  | { ok: true; entries: number; totalBytes: number }
  /** The archive is at fault: corrupt, hostile or too large. `message` names the entry. */
  | { ok: false; reason: 'corrupt' | 'hostile' | 'too_large'; message: string };
