import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { type BundleManifest, type FileRuns, ordinalsOf } from '../../../shared/model/bundle-manifest.ts';
import { type Bundle, readBundle } from './bundle.ts';

/** Fewer than a fleet asks for, so that some are gone again when they are fetched. */
const MAX_KEPT = 3;

/** What a coordinator's process makes of bundles for hosts that have most of one: manifests, and the files that they lack. */
export class BundleParts {
  /** By digest, the oldest first. */
  readonly #deltas = new Map<string, { ofBundle: string; bytes: Buffer }>();

  manifest(digest: string, bytes: Buffer): Buffer {
    const entries: BundleManifest['entries'] = entriesOf(bytes).map(({ path, mode, text }, ordinal) => ({
      kind: 'file',
      path,
      mode,
      modifiedAt: 0,
      sizeBytes: Buffer.byteLength(text),
      sha256: sha256Of(text),
      ordinal,
    }));
    return gzipSync(JSON.stringify({ digest, entries } satisfies BundleManifest));
  }

  create(digest: string, bytes: Buffer, files: FileRuns): { digest: string; sizeBytes: number } {
    const wanted = ordinalsOf(files);
    const entries = entriesOf(bytes).flatMap(({ text }, ordinal) =>
      wanted.has(ordinal) ? [{ path: String(ordinal), mode: 0o600, text }] : [],
    );
    const delta = Buffer.from(JSON.stringify(entries));
    const ofDelta = createHash('sha256').update(delta).digest('hex');
    this.#deltas.set(ofDelta, { ofBundle: digest, bytes: delta });
    for (const oldest of this.#deltas.keys()) if (this.#deltas.size > MAX_KEPT) this.#deltas.delete(oldest);
    return { digest: ofDelta, sizeBytes: delta.length };
  }

  /** Null when it is not kept (any more). */
  find(digest: string, delta: string): Buffer | null {
    const known = this.#deltas.get(delta);
    return known?.ofBundle === digest ? known.bytes : null;
  }
}

/** As a manifest has it. */
export function sha256Of(contents: string | Uint8Array): string {
  return createHash('sha256').update(contents).digest('base64');
}

function entriesOf(bytes: Buffer): Bundle {
  return readBundle(bytes) ?? [];
}
