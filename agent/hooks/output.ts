import { keepTailBytes } from '../../shared/core/bounded.ts';
import type { Clock, Timer } from '../../shared/core/clock.ts';
import { errorMessage } from '../../shared/core/errors.ts';
import type { Logger } from '../../shared/core/logger.ts';
import { MAX_LOG_TAIL_BYTES } from '../../shared/model/lifecycle-event.ts';
import type { Disk } from '../host/disk.ts';
import type { Mask } from './mask.ts';
import { readMasked } from './secrets.ts';

/** How often a running script's output is measured, ms. It may pass its bound by what a disk takes in this time. */
const MEASURE_INTERVAL_MS = 100;
/** The end of an output that was cut, bytes: the last lines tell most. */
const KEPT_END_BYTES = 64 * 1_024;

export interface OutputParts {
  disk: Disk;
  clock: Clock;
  logger: Logger;
}

/**
 * Keeps the output file of a script within its bound while the script writes to it: its beginning, and its last 64 KiB after
 * a line that says so. The script never notices, since its descriptors append (O_APPEND) wherever the file ends.
 */
export interface OutputBound {
  /** Once the script has ended. A disk that refuses is logged: how the script ended stands without it. */
  finish(): Promise<void>;
  /** When the script runs on without this agent. */
  stop(): Promise<void>;
}

export function boundOutput(parts: OutputParts, output: { path: string; limitBytes: number }): OutputBound {
  let timer: Timer;
  let measuring: Promise<void> = Promise.resolve();
  let isFinished = false;
  let cutEnd: Buffer | null = null;

  function arm(): void {
    timer = parts.clock.setTimer(MEASURE_INTERVAL_MS, () => {
      measuring = measure()
        .catch((error: unknown) =>
          // The script goes on; its end measures once more.
          parts.logger.warn({ path: output.path, reason: errorMessage(error) }, 'hook output not measured'),
        )
        .finally(() => {
          if (!isFinished) arm();
        });
    });
  }

  async function measure(): Promise<void> {
    const size = (await parts.disk.status(output.path))?.sizeBytes ?? 0;
    if (size <= output.limitBytes + KEPT_END_BYTES) return;
    cutEnd = await parts.disk.cut(output.path, { length: output.limitBytes, endBytes: KEPT_END_BYTES });
  }

  async function stop(): Promise<void> {
    isFinished = true;
    timer.cancel();
    await measuring;
  }

  async function cutForGood(): Promise<void> {
    const size = (await parts.disk.status(output.path))?.sizeBytes ?? 0;
    if (cutEnd === null && size <= output.limitBytes + KEPT_END_BYTES) return;
    const last = await parts.disk.cut(output.path, { length: output.limitBytes, endBytes: KEPT_END_BYTES });
    const end = Buffer.concat([cutEnd ?? Buffer.alloc(0), last]).subarray(-KEPT_END_BYTES);
    await withFile(parts.disk, output.path, async (file) => {
      await file.append(
        `\n[drover] output of more than ${output.limitBytes} bytes: a part is left out here, the last ${end.length} bytes follow\n`,
      );
      await file.append(end);
    });
  }

  arm();
  return {
    stop,
    async finish() {
      await stop();
      try {
        await cutForGood();
      } catch (error) {
        parts.logger.warn({ path: output.path, reason: errorMessage(error) }, 'hook output not cut');
      }
    },
  };
}

/** The last 2 KB of a file's text after `from`, from a character's border on; bytes that are not UTF-8 are replaced. */
export async function readTail(parts: { disk: Disk; mask: Mask }, path: string, from: number): Promise<string> {
  const size = (await parts.disk.status(path))?.sizeBytes ?? 0;
  const start = Math.max(Math.min(from, size), size - MAX_LOG_TAIL_BYTES - 3);
  return tailText(await readMasked(parts, path, { from: start, length: size - start, isComplete: true }));
}

export function tailText(bytes: Buffer): string {
  let start = 0;
  if (bytes.length > MAX_LOG_TAIL_BYTES) {
    start = bytes.length - MAX_LOG_TAIL_BYTES;
    // A character has at most three continuation bytes; more of them are not UTF-8 and are shown as such.
    for (let skipped = 0; skipped < 3 && ((bytes[start] ?? 0) & 0xc0) === 0x80; skipped++) start++;
  }
  // A replacement character is longer than the byte it stands for.
  return keepTailBytes(bytes.subarray(start).toString('utf8'), MAX_LOG_TAIL_BYTES);
}

async function withFile(
  disk: Disk,
  path: string,
  use: (file: Awaited<ReturnType<Disk['openAppend']>>) => Promise<void>,
): Promise<void> {
  const file = await disk.openAppend(path, 0o600);
  try {
    await use(file);
  } finally {
    await file.close();
  }
}
