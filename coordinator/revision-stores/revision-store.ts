import type { Readable } from 'node:stream';

/**
 * PORT: where bundles are kept, by the SHA-256 of their bytes (64 lower-case hex digits). Nothing is ever changed: a digest
 * names the same bytes for ever, so all operations may be repeated.
 */
export interface RevisionStore {
  /**
   * Stores what the stream gives, hashing on the way, never whole in memory. When it resolves the bundle is durable and
   * complete; until then nobody sees any of it. A bundle that is there already stays as it is, and counts as new for
   * {@link list}.
   * @throws AppError `too_large` past `maxBytes`; `invalid` when the digest is not the expected one; `unavailable` when the
   * storage fails (a full disk); the stream's own error when that breaks. Nothing is left behind then.
   */
  put(stream: AsyncIterable<Uint8Array>, options: PutOptions): Promise<StoredBundle>;
  /**
   * The bytes from `start` to `end` (inclusive; default: all).
   * @throws AppError `not_found`
   */
  open(digest: string, range?: { start: number; end: number }): Promise<Readable>;
  /** Where it lies as a file of this machine, or null: it is not there, or the store keeps no files. */
  pathOf(digest: string): Promise<string | null>;
  /** Its size in bytes, or null when it is not there. */
  sizeOf(digest: string): Promise<number | null>;
  /**
   * Removes a bundle that was stored last before that time (epoch ms; default: whenever), and tells whether there was one. One that
   * is put at the same time stays, or is there afterwards. Idempotent.
   */
  delete(digest: string, options?: { storedBefore: number }): Promise<boolean>;
  /** Every bundle with the time it was stored last, epoch ms. */
  list(): AsyncIterable<{ digest: string; storedAt: number }>;
  /** Removes what interrupted uploads of an earlier run left behind; called at start, before the first `put`. */
  sweepUnfinished(): Promise<void>;
}

export interface PutOptions {
  /** Refuse any other bytes. */
  digest?: string | undefined;
  maxBytes: number;
}

export interface StoredBundle {
  digest: string;
  sizeBytes: number;
}
