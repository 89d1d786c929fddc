import { createHash } from 'node:crypto';
import type { FileChange } from '../../shared/model/drift.ts';
import type { Disk } from '../host/disk.ts';

const PIECE_BYTES = 1_024 * 1_024;

/**
 * What a file is, as text: `file <mode> <bytes> <SHA-256>`, `link <text>`, or the kind of anything else; null when there is
 * nothing. Two are equal exactly when mode and contents are.
 */
export async function fingerprintOf(disk: Disk, path: string): Promise<string | null> {
  const status = await disk.status(path);
  if (status === null) return null;
  if (status.kind === 'symlink') return `link ${await disk.readSymlink(path)}`;
  if (status.kind !== 'file') return status.kind;
  const hash = createHash('sha256');
  for (let offset = 0; offset < status.sizeBytes; ) {
    const piece = await disk.readPart(path, offset, Math.min(PIECE_BYTES, status.sizeBytes - offset));
    if (piece.length === 0) break;
    hash.update(piece);
    offset += piece.length;
  }
  return `file ${status.mode.toString(8)} ${status.sizeBytes} ${hash.digest('hex')}`;
}

/** How what is there differs from what was recorded; null when it does not. Reads a file only when its size is right. */
export async function driftOf(disk: Disk, path: string, recorded: string): Promise<FileChange | null> {
  const status = await disk.status(path);
  if (status === null) return 'missing';
  const [kind, mode, sizeBytes] = recorded.split(' ');
  if (status.kind !== (kind === 'link' ? 'symlink' : kind)) return 'kind';
  if (kind === 'file' && status.sizeBytes !== Number(sizeBytes)) return 'content';
  const found = await fingerprintOf(disk, path);
  if (found === recorded) return null;
  if (kind === 'link') return 'link';
  return found?.replace(/^file \d+/, '') === recorded.replace(/^file \d+/, '') && mode !== status.mode.toString(8)
    ? 'mode'
    : 'content';
}
