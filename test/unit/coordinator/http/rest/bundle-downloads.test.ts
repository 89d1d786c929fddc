import { once } from 'node:events';
import { Readable } from 'node:stream';
import { expect } from 'chai';
import { createBundleDownloads } from '../../../../../coordinator/http/rest/bundle-downloads.ts';
import type { BundleDeltas } from '../../../../../coordinator/revision-stores/bundle-deltas.ts';
import { settle } from '../../../../support/fake-clock.ts';

const CHUNK_BYTES = 256 * 1_024;
const SIZE_BYTES = 100 * CHUNK_BYTES;

describe('the bytes of bundles that are sent', () => {
  let sentBytes: number;
  let source: Readable;

  async function download(chunks: Iterable<Buffer>): Promise<Readable> {
    sentBytes = 0;
    source = Readable.from(chunks, { objectMode: false, highWaterMark: CHUNK_BYTES });
    const downloads = createBundleDownloads({
      openForHost: async () => ({
        sizeBytes: SIZE_BYTES,
        bundleType: 'tar',
        path: async () => null,
        open: async () => source,
      }),
      deltas: {} as BundleDeltas,
      sent: (bytes) => {
        sentBytes += bytes;
      },
    });
    return (await downloads.open('h-1', 'a'.repeat(64), { header: () => undefined })).body;
  }

  function* wholeBundle() {
    for (let n = 0; n < 100; n++) yield Buffer.alloc(CHUNK_BYTES);
  }

  it('are those of a whole bundle when it went out', async () => {
    const body = await download(wholeBundle());
    let bytes = 0;
    for await (const chunk of body) bytes += (chunk as Buffer).length;
    expect([bytes, sentBytes]).to.deep.equal([SIZE_BYTES, SIZE_BYTES]);
  });

  it('are no more than went out when the host went away, and the file is closed', async () => {
    const body = await download(wholeBundle());
    await once(body, 'readable');
    body.read(CHUNK_BYTES);
    await settle();
    body.destroy();
    await settle();
    expect(source.destroyed).to.equal(true);
    expect(sentBytes).to.be.within(CHUNK_BYTES, 8 * CHUNK_BYTES);
  });

  it('are none of a host that was gone before, and the file is closed', async () => {
    const body = await download(wholeBundle());
    body.destroy();
    await settle();
    expect([source.destroyed, sentBytes]).to.deep.equal([true, 0]);
  });

  it('end with the error of the file', async () => {
    const body = await download(
      (function* () {
        yield Buffer.alloc(CHUNK_BYTES);
        throw new Error('input/output error');
      })(),
    );
    const error = await Readable.from(body)
      .toArray()
      .catch((thrown: unknown) => thrown);
    expect(String(error)).to.contain('input/output error');
  });
});
