import { Readable } from 'node:stream';
import { parseRange } from '../range.ts';
import { type HttpContext, StreamedReply } from './handler.ts';

interface Parts {
  /** @throws AppError `not_found` unless the bundle is assigned to the host now */
  openForHost(
    hostId: string,
    digest: string,
  ): Promise<{ sizeBytes: number; open(range: { start: number; end: number }): Promise<Readable> }>;
  sent(bytes: number): void;
}

/** Bundles for the hosts that have to install them. A digest never changes its bytes, so any part may be asked for at any time. */
export function createBundleDownloads({ openForHost, sent }: Parts) {
  return {
    async open(hostId: string, digest: string, http: Pick<HttpContext, 'header'>): Promise<StreamedReply> {
      const bundle = await openForHost(hostId, digest);
      const range = parseRange(http.header('range'), bundle.sizeBytes);
      const headers = {
        'content-type': 'application/octet-stream',
        'accept-ranges': 'bytes',
        'cache-control': 'private, no-transform',
        etag: `"${digest}"`,
      };
      if (range.kind === 'unsatisfiable')
        return new StreamedReply({
          status: 416,
          headers: { ...headers, 'content-range': `bytes */${bundle.sizeBytes}`, 'content-length': 0 },
          body: Readable.from([]),
        });
      const { start, end } = range.kind === 'part' ? range : { start: 0, end: bundle.sizeBytes - 1 };
      const lengthBytes = end - start + 1;
      sent(lengthBytes);
      return new StreamedReply({
        status: range.kind === 'part' ? 206 : 200,
        headers: {
          ...headers,
          'content-length': lengthBytes,
          ...(range.kind === 'part' ? { 'content-range': `bytes ${start}-${end}/${bundle.sizeBytes}` } : {}),
        },
        body: lengthBytes === 0 ? Readable.from([]) : await bundle.open({ start, end }),
      });
    },
  };
}
export type BundleDownloads = ReturnType<typeof createBundleDownloads>;
