import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { RevisionStore } from '../../coordinator/revision-stores/revision-store.ts';
import { AppError } from '../../shared/core/errors.ts';

/** The place of a store in memory: it outlives the stores that are made over it. */
export interface MemoryPlace {
  bundles: Map<string, { bytes: Buffer; storedAt: number }>;
  /** Uploads that nobody has seen the end of. */
  unfinished: Set<object>;
}

export function createMemoryStore({ bundles, unfinished }: MemoryPlace, now: () => number): RevisionStore {
  async function whole(stream: AsyncIterable<Uint8Array>, maxBytes: number): Promise<Buffer> {
    const upload = {};
    unfinished.add(upload);
    try {
      const chunks: Uint8Array[] = [];
      let sizeBytes = 0;
      for await (const chunk of stream) {
        sizeBytes += chunk.length;
        if (sizeBytes > maxBytes) throw new AppError('too_large', `the bundle has more than ${maxBytes} bytes`);
        chunks.push(chunk);
      }
      return Buffer.concat(chunks);
    } finally {
      unfinished.delete(upload);
    }
  }

  return {
    async put(stream, options) {
      const bytes = await whole(stream, options.maxBytes);
      const digest = createHash('sha256').update(bytes).digest('hex');
      if (options.digest !== undefined && options.digest !== digest)
        throw new AppError('invalid', `the bundle's SHA-256 is ${digest}, not ${options.digest}`);
      bundles.set(digest, { bytes, storedAt: now() });
      return { digest, sizeBytes: bytes.length };
    },
    async open(digest, range) {
      const bundle = bundles.get(digest);
      if (bundle === undefined) throw new AppError('not_found', `the store has no bundle ${digest}`);
      const part = range === undefined ? bundle.bytes : bundle.bytes.subarray(range.start, range.end + 1);
      return Readable.from(part.length === 0 ? [] : [part]);
    },
    pathOf: async () => null,
    sizeOf: async (digest) => bundles.get(digest)?.bytes.length ?? null,
    async delete(digest, { storedBefore } = { storedBefore: Number.POSITIVE_INFINITY }) {
      const bundle = bundles.get(digest);
      return bundle !== undefined && bundle.storedAt < storedBefore && bundles.delete(digest);
    },
    async *list() {
      for (const [digest, { storedAt }] of [...bundles]) yield { digest, storedAt };
    },
    async sweepUnfinished() {
      unfinished.clear();
    },
  };
}
