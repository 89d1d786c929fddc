import type { FileRuns } from '../../shared/model/bundle-manifest.ts';

/**
 * PORT: the way to the coordinator. `websocket.ts` and `long-poll.ts` are the real ones; both carry the same frames.
 * A connection is used once; reconnecting is the caller's business.
 */
export interface Transport {
  readonly name: 'websocket' | 'long-poll';
  /** Opens a connection. Resolves once frames can flow; rejects with an AppError (`unavailable`, `unauthorized`, …). */
  connect(handlers: ConnectionHandlers): Promise<Connection>;
}

export interface ConnectionHandlers {
  onFrame(frame: string): void;
  /** Once, also when this side closed. Nothing follows it. */
  onClosed(reason: string): void;
}

export interface Connection {
  /** Queues a frame. False when more than the bound is queued already: nothing was sent, try later. */
  send(frame: string): boolean;
  /** Bytes queued and not yet handed to the network. */
  readonly queuedBytes: number;
  close(reason: string): void;
}

/** PORT, same adapters: bytes of a bundle, from `offset` on. */
export interface BundleDownload {
  /**
   * Yields chunks of bounded size. Throws an AppError: `not_found`, `forbidden`, `unauthorized` (session ended),
   * `unavailable` (worth another try).
   */
  open(request: {
    digest: string;
    /** Instead of the whole bundle: one of its deltas, by its own digest. */
    delta?: string;
    offset: number;
    signal: AbortSignal;
  }): Promise<{
    /** Where the bytes really begin: `offset`, or 0 when the server does not do ranges. */
    offset: number;
    totalBytes: number;
    chunks: AsyncIterable<Uint8Array>;
  }>;
  /** What the bundle unpacks to, as the coordinator sends it: gzip of a BundleManifest as JSON, of at most `maxBytes`. Throws as `open`. */
  manifest(request: { digest: string; maxBytes: number; signal: AbortSignal }): Promise<Uint8Array>;
  /** Has some files of the bundle packed, and tells what there is to fetch. Throws as `open`. */
  createDelta(request: {
    digest: string;
    files: FileRuns;
    signal: AbortSignal;
  }): Promise<{ digest: string; sizeBytes: number }>;
}
