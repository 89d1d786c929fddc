import { pipeline, Readable, Transform } from 'node:stream';
import { AppError } from '../../../shared/core/errors.ts';
import type { FileRuns } from '../../../shared/model/bundle-manifest.ts';
import type { BundleType } from '../../../shared/model/revision.ts';
import type { BundleDeltas } from '../../revision-stores/bundle-deltas.ts';
import { parseRange } from '../range.ts';
import { type HttpContext, StreamedReply } from './handler.ts';

interface Parts {
  /** @throws AppError `not_found` unless the bundle is assigned to the host now */
  openForHost(
    hostId: string,
    digest: string,
  ): Promise<{
    sizeBytes: number;
    bundleType: BundleType;
    path(): Promise<string | null>;
    open(range: { start: number; end: number }): Promise<Readable>;
  }>;
  deltas: BundleDeltas;
  /** So many bytes more are on their way. */
  sent(bytes: number): void;
}

interface Body {
  digest: string;
  sizeBytes: number;
  open(range: { start: number; end: number }): Promise<Readable>;
}

type Http = Pick<HttpContext, 'header'>;

/** Bundles for the hosts that have to install them. A digest never changes its bytes, so any part may be asked for at any time. */
export function createBundleDownloads({ openForHost, deltas, sent }: Parts) {
  async function archiveFor(hostId: string, digest: string) {
    const bundle = await openForHost(hostId, digest);
    const path = await bundle.path();
    if (path === null) throw new AppError('not_found', 'this revision store has whole bundles only');
    return { digest, bundleType: bundle.bundleType, path };
  }

  async function reply({ digest, sizeBytes, open }: Body, http: Http): Promise<StreamedReply> {
    const range = parseRange(http.header('range'), sizeBytes);
    const headers = {
      'content-type': 'application/octet-stream',
      'accept-ranges': 'bytes',
      'cache-control': 'private, no-transform',
      etag: `"${digest}"`,
    };
    if (range.kind === 'unsatisfiable')
      return new StreamedReply({
        status: 416,
        headers: { ...headers, 'content-range': `bytes */${sizeBytes}`, 'content-length': 0 },
        body: Readable.from([]),
      });
    const { start, end } = range.kind === 'part' ? range : { start: 0, end: sizeBytes - 1 };
    const lengthBytes = end - start + 1;
    const body = lengthBytes === 0 ? Readable.from([]) : counted(await open({ start, end }));
    return new StreamedReply({
      status: range.kind === 'part' ? 206 : 200,
      headers: {
        ...headers,
        'content-length': lengthBytes,
        ...(range.kind === 'part' ? { 'content-range': `bytes ${start}-${end}/${sizeBytes}` } : {}),
      },
      body,
    });
  }

  /** What is fetched of it: a host that goes away in the middle, and asks for the rest later, is not given it twice. */
  function counted(body: Readable): Readable {
    const counter = new Transform({
      transform(chunk: Uint8Array, _encoding, done) {
        sent(chunk.byteLength);
        done(null, chunk);
      },
    });
    // An error, or an early end, is told to both; whoever reads the counter learns of it there.
    return pipeline(body, counter, () => {});
  }

  return {
    async open(hostId: string, digest: string, http: Http): Promise<StreamedReply> {
      const bundle = await openForHost(hostId, digest);
      return reply({ digest, sizeBytes: bundle.sizeBytes, open: bundle.open }, http);
    },

    async manifest(hostId: string, digest: string, http: Http): Promise<StreamedReply> {
      const part = await deltas.manifest(await archiveFor(hostId, digest));
      return reply({ ...part, open: (range) => deltas.open(part, range) }, http);
    },

    async createDelta(hostId: string, digest: string, files: FileRuns) {
      return deltas.delta(await archiveFor(hostId, digest), files);
    },

    async delta(hostId: string, { digest, delta }: { digest: string; delta: string }, http: Http) {
      await openForHost(hostId, digest);
      const part = deltas.find(digest, delta);
      if (part === null) throw new AppError('not_found', `no delta ${delta} of the bundle ${digest} is kept`);
      return reply({ ...part, open: (range) => deltas.open(part, range) }, http);
    },
  };
}
export type BundleDownloads = ReturnType<typeof createBundleDownloads>;
