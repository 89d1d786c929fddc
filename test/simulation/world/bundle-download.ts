import type { BundleDownload } from '../../../agent/connection/transport.ts';
import type { Core } from '../../../coordinator/core.ts';
import { AppError } from '../../../shared/core/errors.ts';
import { damaged } from './bundle.ts';
import type { CoordinatorMachine } from './coordinator.ts';
import type { Network } from './network.ts';
import type { SimulatedProcess } from './process.ts';
import type { Timeline } from './timeline.ts';

const CHUNK_BYTES = 600;

interface Parts {
  timeline: Timeline;
  network: Network;
  coordinator: CoordinatorMachine;
  machine: string;
  process: SimulatedProcess;
  sessionToken(signal: AbortSignal): Promise<string>;
}

/** PORT BundleDownload: the coordinator's own answer to whoever shows a session's token, in pieces over the network. */
export function bundleDownload(parts: Parts): BundleDownload {
  const { network, coordinator, machine, process } = parts;

  /** `answer` gets the whole bundle, which this host has to install. */
  async function ask<Answer>(
    digest: string,
    signal: AbortSignal,
    answer: (bytes: Buffer, core: Core) => Answer,
  ): Promise<Answer> {
    const token = await parts.sessionToken(signal);
    return network.request(
      machine,
      process,
      async () => {
        const { core } = coordinator;
        if (core === null) throw new AppError('unavailable', 'connection refused');
        const caller = core.services.sessions.authenticate(token, machine);
        if (caller?.kind !== 'host') throw new AppError('unauthorized', 'the session has ended');
        const bundle = await core.services.revisions.openForHost(caller.hostId, digest);
        const whole = bundle.open({ start: 0, end: bundle.sizeBytes - 1 });
        return answer(await parts.timeline.streaming(readAll(await whole)), core);
      },
      signal,
    );
  }

  return {
    async manifest({ digest, signal }) {
      const bytes = await ask(digest, signal, (whole, core) => coordinator.bundleParts(core).manifest(digest, whole));
      return network.damagesDownload() ? bytes.subarray(0, bytes.length >> 1) : bytes;
    },
    createDelta: ({ digest, files, signal }) =>
      ask(digest, signal, (whole, core) => coordinator.bundleParts(core).create(digest, whole, files)),
    async open({ digest, delta, offset, signal }) {
      const bytes = await ask(digest, signal, (whole, core) => {
        if (delta === undefined) return whole;
        const kept = coordinator.bundleParts(core).find(digest, delta);
        if (kept === null) throw new AppError('not_found', `no delta ${delta} of the bundle ${digest} is kept`);
        return kept;
      });
      const sent = network.damagesDownload() ? damaged(bytes) : bytes;
      return { offset, totalBytes: bytes.length, chunks: chunksOf(parts, sent, offset) };
    },
  };
}

async function readAll(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Each piece takes the network's time; while the line is cut the download breaks off. */
async function* chunksOf(parts: Parts, bytes: Buffer, offset: number): AsyncGenerator<Uint8Array> {
  for (let start = offset; start < bytes.length; start += CHUNK_BYTES) {
    await new Promise<void>((resolve, reject) => {
      parts.timeline.after(parts.network.latency(), () => {
        if (!parts.process.isAlive) return;
        if (parts.network.isCut(parts.machine) || parts.network.listener === null)
          reject(new AppError('unavailable', 'the download broke off'));
        else resolve();
      });
    });
    yield bytes.subarray(start, start + CHUNK_BYTES);
  }
}
