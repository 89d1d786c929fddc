import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import type { Transform } from 'node:stream';

const READ_BYTES = 256 * 1_024;

/**
 * The bytes of a file, through a transform such as gunzip. Fails with the error that really happened (a stream pipeline
 * whose reader stops early may report an AbortError in its place), and has closed the file when it ends, however it ends.
 */
export async function* fileChunks(
  path: string,
  options: { through?: Transform; start?: number; end?: number } = {},
): AsyncGenerator<Buffer> {
  const { through, ...range } = options;
  const file = createReadStream(path, { highWaterMark: READ_BYTES, ...range });
  try {
    if (through === undefined) yield* file;
    else {
      file.on('error', (error) => through.destroy(error));
      yield* file.pipe(through);
    }
  } finally {
    through?.destroy();
    file.destroy();
    if (!file.closed) await once(file, 'close');
  }
}
