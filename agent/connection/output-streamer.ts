import type { Clock, Timer } from '../../shared/core/clock.ts';
import { errnoOf, errorMessage } from '../../shared/core/errors.ts';
import type { Logger } from '../../shared/core/logger.ts';
import {
  type AgentMessage,
  MAX_OUTPUT_CHUNK_BYTES,
  OUTPUT_WINDOW_BYTES,
  type OutputChunk,
} from '../../shared/protocol/messages.ts';
import type { Disk } from '../host/disk.ts';

/** How often a running event's output is looked at, ms. */
const LOOK_INTERVAL_MS = 200;
/** Output that was sent and not acknowledged for this long is sent again, ms. */
const RESEND_AFTER_MS = 10_000;
/** Reports go first: output waits while more than this is queued, bytes. */
const MAX_QUEUED_BYTES = 256 * 1_024;

export interface OutputStreamerParts {
  disk: Disk;
  clock: Clock;
  logger: Logger;
  send(message: AgentMessage): boolean;
  /** A piece of an output file as it may leave the host; shorter, or nothing, when the rest is not fit to be seen yet. */
  readOutput(path: string, piece: { from: number; length: number; isComplete: boolean }): Promise<Buffer>;
  queuedBytes(): number;
  /** Running output is sent up to here only: what lies beyond may still be cut away, bytes. */
  maxOutputBytes: number;
  /** The coordinator has all the output of a deployment that has ended. */
  onComplete(deploymentId: string): void;
}

/**
 * Sends what hooks print to the coordinator while they print it: in order for each event, at most
 * {@link OUTPUT_WINDOW_BYTES} ahead of its acknowledgements. It is a convenience beside the durable reports: what the
 * coordinator already has is learnt from its acknowledgements, so nothing is kept on the disk but "all of it has arrived".
 */
export interface OutputStreamer {
  connected(): void;
  disconnected(): void;
  begin(file: { deploymentId: string; event: string; path: string }): void;
  /** The file is complete. */
  end(file: { deploymentId: string; event: string; path: string }): void;
  /** No more events come. */
  deploymentEnded(deploymentId: string): void;
  acknowledged(items: readonly { deploymentId: string; event: string; length: number }[]): void;
  stop(): void;
}

interface Stream {
  deploymentId: string;
  event: string;
  path: string;
  hasEnded: boolean;
  /** Measured once the event has ended: what a process that it left running prints from then on is none of its output. */
  finalBytes: number | null;
  sent: number;
  acknowledged: number;
  /** On this connection. Before that the coordinator may have less than it acknowledged earlier: it was set back to a backup. */
  isConfirmed: boolean;
  /** When something was last sent or acknowledged, epoch ms. */
  movedAt: number;
}

export function createOutputStreamer(parts: OutputStreamerParts): OutputStreamer {
  const { clock } = parts;
  const streams = new Map<string, Stream>();
  const ended = new Set<string>();
  let isConnected = false;
  let timer: Timer | null = null;
  let pumping: Promise<void> | null = null;
  let isAgainWanted = false;

  function pump(): void {
    if (!isConnected) return;
    if (pumping !== null) {
      isAgainWanted = true;
      return;
    }
    pumping = pumpOnce()
      .catch((error: unknown) => parts.logger.warn({ reason: errorMessage(error) }, 'hook output not sent'))
      .finally(() => {
        pumping = null;
        if (isAgainWanted) {
          isAgainWanted = false;
          pump();
        } else if (isConnected && streams.size > 0 && timer === null)
          timer = clock.setTimer(LOOK_INTERVAL_MS, () => {
            timer = null;
            pump();
          });
      });
  }

  async function pumpOnce(): Promise<void> {
    for (const stream of [...streams.values()]) {
      const { size, isFinal } = await lookAt(stream);
      if (stream.sent > stream.acknowledged && clock.now() - stream.movedAt > RESEND_AFTER_MS) rewind(stream);
      while (isConnected && (await sendNext(stream, size)));
      // An event that printed nothing has nothing to be acknowledged.
      if (isFinal && stream.acknowledged >= size) streams.delete(keyOf(stream));
    }
    for (const deploymentId of [...ended])
      if (![...streams.values()].some((stream) => stream.deploymentId === deploymentId)) {
        ended.delete(deploymentId);
        parts.onComplete(deploymentId);
      }
  }

  async function sendNext(stream: Stream, size: number): Promise<boolean> {
    const length = Math.min(
      size - stream.sent,
      MAX_OUTPUT_CHUNK_BYTES,
      stream.acknowledged + OUTPUT_WINDOW_BYTES - stream.sent,
    );
    if (length <= 0 || parts.queuedBytes() > MAX_QUEUED_BYTES) return false;
    const offset = stream.sent;
    const bytes = await parts.readOutput(stream.path, { from: offset, length, isComplete: stream.hasEnded });
    // Meanwhile an acknowledgement or a new connection may have moved it.
    if (bytes.length === 0 || !isConnected || stream.sent !== offset) return false;
    const { deploymentId, event } = stream;
    const chunk: OutputChunk = { deploymentId, event, offset, data: bytes.toString('base64') };
    if (!parts.send({ kind: 'output', chunks: [chunk] })) return false;
    stream.sent += bytes.length;
    stream.movedAt = clock.now();
    return true;
  }

  async function lookAt(stream: Stream): Promise<{ size: number; isFinal: boolean }> {
    // It may end while it is measured, and print before that.
    const { hasEnded } = stream;
    const size = await sizeOf(stream);
    if (!hasEnded) return { size: Math.min(size, parts.maxOutputBytes), isFinal: false };
    stream.finalBytes ??= size;
    return { size: Math.min(size, stream.finalBytes), isFinal: true };
  }

  async function sizeOf(stream: Stream): Promise<number> {
    try {
      return (await parts.disk.status(stream.path))?.sizeBytes ?? 0;
    } catch (error) {
      if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return 0;
      throw error;
    }
  }

  function open(file: { deploymentId: string; event: string; path: string }): Stream {
    const key = keyOf(file);
    let stream = streams.get(key);
    if (stream === undefined) {
      stream = {
        ...file,
        hasEnded: false,
        finalBytes: null,
        sent: 0,
        acknowledged: 0,
        isConfirmed: false,
        movedAt: clock.now(),
      };
      streams.set(key, stream);
    }
    return stream;
  }

  return {
    connected() {
      isConnected = true;
      for (const stream of streams.values()) {
        stream.isConfirmed = false;
        rewind(stream);
      }
      pump();
    },
    disconnected() {
      isConnected = false;
    },
    begin(file) {
      open(file);
      // The first look comes an interval later: most hooks have said all they say by then, and it rides in one chunk.
      if (isConnected && timer === null && pumping === null)
        timer = clock.setTimer(LOOK_INTERVAL_MS, () => {
          timer = null;
          pump();
        });
    },
    end(file) {
      const stream = open(file);
      stream.hasEnded = true;
      // Now, also without a connection. A disk that refuses is asked again when it is sent.
      lookAt(stream).catch(() => {});
      pump();
    },
    deploymentEnded(deploymentId) {
      ended.add(deploymentId);
      pump();
    },
    acknowledged(items) {
      for (const item of items) {
        const stream = streams.get(keyOf(item));
        if (stream === undefined) continue;
        const isLess = item.length < stream.acknowledged;
        if (item.length === stream.acknowledged || (isLess && stream.isConfirmed)) continue;
        stream.acknowledged = item.length;
        // It may have had more than we knew, from an earlier agent or connection.
        stream.sent = isLess ? item.length : Math.max(stream.sent, item.length);
        stream.isConfirmed = true;
        stream.movedAt = clock.now();
      }
      pump();
    },
    stop() {
      isConnected = false;
      timer?.cancel();
    },
  };
}

function rewind(stream: Stream): void {
  stream.sent = stream.acknowledged;
}

function keyOf(file: { deploymentId: string; event: string }): string {
  return `${file.deploymentId} ${file.event}`;
}
