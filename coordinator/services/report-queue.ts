import type { OutputChunk } from '../../shared/protocol/messages.ts';
import type { Delivery } from './report-batch.ts';

export interface QueuedChunk {
  hostId: string;
  chunk: OutputChunk;
}

/** What is committed in one transaction. */
export interface QueuedBatch<Queued extends Delivery, Chunk extends QueuedChunk = QueuedChunk> {
  deliveries: Queued[];
  chunks: Chunk[];
  /** The lane of one host that is committed apart; null: many hosts together. */
  apart: Lane | null;
}

type Kind = 'reports' | 'output';
/** What one host says of one kind. */
interface Lane {
  hostId: string;
  kind: Kind;
}

/** The most that is committed in one transaction, in reports; a chunk of output counts for each 4,096 characters of its base64. */
const MAX_BATCH = 2_000;
const CHARACTERS_PER_REPORT = 4_096;
/** Failures in a row after which what one host says is committed apart. */
const FAILURES_OF_ONE = 3;
/** From this many on, hosts are not counted any more. */
const MANY_HOSTS = 4_096;

/**
 * What waits to be committed, in the order in which each host said it. A transaction takes what many hosts said. Where the database
 * refuses one, the next is of half as many hosts, until one alone is found whose words it does not take: these are committed apart from
 * then on, the output apart from the reports, and nobody else waits for them.
 * @param retryMs from one refusal of such words to the next trial of any
 */
export function createReportQueue<Queued extends Delivery, Chunk extends QueuedChunk = QueuedChunk>(
  retryMs: () => number,
) {
  let deliveries: Queued[] = [];
  let chunks: Chunk[] = [];
  /** The one that was tried last is the last. */
  const apart = new Map<string, Lane>();
  let refusedApartAt = Number.NEGATIVE_INFINITY;
  let size = 0;
  let maxHosts = Number.POSITIVE_INFINITY;
  let failures = 0;
  let wasApart = false;

  const isApart = (hostId: string, kind: Kind) => apart.has(laneKey(hostId, kind));
  const holds = ({ hostId, kind }: Lane) =>
    (kind === 'reports' ? deliveries : chunks).some((queued) => queued.hostId === hostId);
  /** An instant to come is one from before the clock was set back. */
  const apartInMs = (now: number) => (refusedApartAt > now ? 0 : Math.max(0, refusedApartAt + retryMs() - now));

  function takeDeliveries(mayTake: (hostId: string) => boolean): Queued[] {
    const { taken, left } = split(deliveries, mayTake, weightOf);
    deliveries = left;
    return taken;
  }

  function takeChunks(mayTake: (hostId: string) => boolean): Chunk[] {
    const { taken, left } = split(chunks, mayTake, weightOfChunk);
    chunks = left;
    return taken;
  }

  function takeTogether(): QueuedBatch<Queued, Chunk> {
    const hosts = new Set<string>();
    const mayTake = (kind: Kind) => (hostId: string) => {
      if (isApart(hostId, kind)) return false;
      if (hosts.size < maxHosts) hosts.add(hostId);
      return hosts.has(hostId);
    };
    return { deliveries: takeDeliveries(mayTake('reports')), chunks: takeChunks(mayTake('output')), apart: null };
  }

  function takeApart(lane: Lane): QueuedBatch<Queued, Chunk> {
    const isOfLane = (hostId: string) => hostId === lane.hostId;
    return lane.kind === 'reports'
      ? { deliveries: takeDeliveries(isOfLane), chunks: [], apart: lane }
      : { deliveries: [], chunks: takeChunks(isOfLane), apart: lane };
  }

  function setApart(lane: Lane): void {
    const key = laneKey(lane.hostId, lane.kind);
    apart.delete(key);
    apart.set(key, lane);
  }

  return {
    add(delivery: Queued): void {
      deliveries.push(delivery);
      size += weightOf(delivery);
    },
    addOutput(received: readonly Chunk[]): void {
      for (const chunk of received) {
        chunks.push(chunk);
        size += weightOfChunk(chunk);
      }
    },
    /** How much waits, in reports. */
    get size() {
      return size;
    },
    get isEmpty() {
      return deliveries.length === 0 && chunks.length === 0;
    },
    /** Null when there is nothing, or nothing before `retryInMs`. */
    take(now: number): QueuedBatch<Queued, Chunk> | null {
      const lane = apartInMs(now) > 0 ? undefined : [...apart.values()].find(holds);
      const hasOthers =
        deliveries.some(({ hostId }) => !isApart(hostId, 'reports')) ||
        chunks.some(({ hostId }) => !isApart(hostId, 'output'));
      if (!hasOthers && lane === undefined) return null;
      // By turns: neither keeps the other waiting.
      const batch = lane !== undefined && !(hasOthers && wasApart) ? takeApart(lane) : takeTogether();
      wasApart = batch.apart !== null;
      size -= weightOfBatch(batch);
      return batch;
    },
    committed({ apart: lane }: QueuedBatch<Queued, Chunk>): void {
      failures = 0;
      if (lane !== null) apart.delete(laneKey(lane.hostId, lane.kind));
      else if (maxHosts !== Number.POSITIVE_INFINITY)
        maxHosts = 2 * maxHosts < MANY_HOSTS ? 2 * maxHosts : Number.POSITIVE_INFINITY;
    },
    /** Comes again, before what came after it. */
    refused(batch: QueuedBatch<Queued, Chunk>, now: number): void {
      deliveries = [...batch.deliveries, ...deliveries];
      chunks = [...batch.chunks, ...chunks];
      size += weightOfBatch(batch);
      if (batch.apart !== null) {
        setApart(batch.apart);
        refusedApartAt = now;
        return;
      }
      failures++;
      const hosts = new Set([...batch.deliveries, ...batch.chunks].map(({ hostId }) => hostId));
      const [hostId] = hosts;
      if (hostId === undefined || hosts.size > 1) maxHosts = Math.max(1, Math.ceil(hosts.size / 2));
      else if (failures >= FAILURES_OF_ONE)
        for (const kind of ['reports', 'output'] as const) setApart({ hostId, kind });
    },
    /** Until something that waits is to be tried again; null when nothing is. */
    retryInMs(now: number): number | null {
      return [...apart.values()].some(holds) ? apartInMs(now) : null;
    },
    /** Leaves out of what waits what is gone; the deliveries among that. */
    drop(isGone: (queued: Queued | Chunk) => boolean): Queued[] {
      const gone = { deliveries: deliveries.filter(isGone), chunks: chunks.filter(isGone) };
      if (gone.deliveries.length > 0) deliveries = deliveries.filter((queued) => !isGone(queued));
      if (gone.chunks.length > 0) chunks = chunks.filter((queued) => !isGone(queued));
      size -= weightOfBatch(gone);
      return gone.deliveries;
    },
    /** Takes all that waits, to give it up. */
    clear(): Queued[] {
      const given = deliveries;
      deliveries = [];
      chunks = [];
      size = 0;
      return given;
    },
  };
}

/** As much of what may be taken as one transaction has room for, in order. */
function split<One extends { hostId: string }>(
  all: readonly One[],
  mayTake: (hostId: string) => boolean,
  weigh: (one: One) => number,
): { taken: One[]; left: One[] } {
  const taken: One[] = [];
  const left: One[] = [];
  let weight = 0;
  for (const one of all)
    if (weight < MAX_BATCH && mayTake(one.hostId)) {
      weight += weigh(one);
      taken.push(one);
    } else left.push(one);
  return { taken, left };
}

function laneKey(hostId: string, kind: Kind): string {
  return `${kind} ${hostId}`;
}

function weightOf({ items, running }: Delivery): number {
  return Math.max(1, items.length, running.length);
}

function weightOfChunk({ chunk }: QueuedChunk): number {
  return Math.max(1, Math.ceil(chunk.data.length / CHARACTERS_PER_REPORT));
}

function weightOfBatch({
  deliveries,
  chunks,
}: {
  deliveries: readonly Delivery[];
  chunks: readonly QueuedChunk[];
}): number {
  let weight = 0;
  for (const delivery of deliveries) weight += weightOf(delivery);
  for (const queued of chunks) weight += weightOfChunk(queued);
  return weight;
}
