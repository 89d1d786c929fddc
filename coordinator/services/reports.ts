import type { Clock, Timer } from '../../shared/core/clock.ts';
import { AppError, errorMessage } from '../../shared/core/errors.ts';
import { invariant } from '../../shared/core/invariant.ts';
import type { Logger } from '../../shared/core/logger.ts';
import type {
  CoordinatorMessage,
  InstalledRevision,
  OutputChunk,
  Report,
  RunningEvent,
} from '../../shared/protocol/messages.ts';
import type { TriggerOutbox } from '../engine/trigger-outbox.ts';
import type { ChangeSequence } from '../storage/change-sequence.ts';
import type { Database, DatabaseTransaction } from '../storage/database.ts';
import { type OutputAcknowledgement, writeOutput } from './output-batch.ts';
import { type BatchOutcome, type BatchSettings, type Delivery, writeBatch } from './report-batch.ts';
import { createReportQueue, type QueuedBatch, type QueuedChunk } from './report-queue.ts';

export interface ReportSettings extends BatchSettings {
  /** How long a report may wait for others before they are committed together, ms. */
  commitWindowMs: number;
  /** Output kept for one event of one host, bytes; the rest is acknowledged and dropped. */
  maxOutputBytes: number;
}

export interface ReportParts {
  database: Database;
  changes: ChangeSequence;
  clock: Clock;
  logger: Logger;
  settings: ReportSettings;
  acknowledge(hostId: string, message: CoordinatorMessage): void;
  /** What the host said was not kept, and will not be: nobody need wait for it. */
  gaveUp(hostId: string): void;
  wakeDeployment(deploymentId: string): void;
  wakeGroup(groupId: string): void;
  changed(deploymentId: string): void;
  metrics: ReportMetrics;
  triggers: TriggerOutbox;
}

export interface ReportMetrics {
  committed(reports: number, ignored: number, durationMs: number): void;
}

export interface Reports {
  /**
   * The highest committed sequence of the journal that a host speaks of; 0 for a new journal, whose numbers begin again.
   * Call it before the host's first report.
   */
  openJournal(hostId: string, journalId: string): Promise<number>;
  closeJournal(hostId: string): void;
  /**
   * @param isAwaited somebody waits for the commit: it does not wait for others, unless a fleet is at work. The end of a host's part is
   * always awaited: the next host may begin then, and who watches sees it
   */
  receive(hostId: string, items: readonly Report[], running: readonly RunningEvent[], isAwaited?: boolean): void;
  /**
   * Awaited reports that are kept only if `admit` says so, which is asked in their own transaction, writes there what belongs
   * to them, and may be asked again when a commit fails. Resolves with what it said, once that is committed.
   * @throws AppError `unavailable` when the host's channel has ended before
   */
  receiveIf(
    hostId: string,
    items: readonly Report[],
    running: readonly RunningEvent[],
    admit: (tx: DatabaseTransaction) => Promise<boolean>,
  ): Promise<boolean>;
  /** What the host has installed, as of the reports that were received before. */
  receiveInstalled(hostId: string, installed: readonly InstalledRevision[]): void;
  receiveOutput(hostId: string, chunks: readonly OutputChunk[]): void;
  /** False while more is queued than the bound: stop reading from hosts until it is true again. */
  hasRoom(): boolean;
  /** The coordinator stops: what the database refuses is not tried for ever any more, but for two seconds. */
  stopping(): void;
  /** Resolves when everything received has been committed or given up. */
  drained(): Promise<void>;
}

interface Journal {
  journalId: string;
  acknowledged: number;
}
interface Condition {
  admit(tx: DatabaseTransaction): Promise<boolean>;
  resolve(isAdmitted: boolean): void;
  reject(error: Error): void;
}
type QueuedDelivery = Delivery & { journal: Journal; condition: Condition | null };
type QueuedOutput = QueuedChunk & { journal: Journal };

/** Beyond this many queued reports a flush does not wait for its window. */
const FULL_BATCH = 500;
/** The most that may wait, in reports as the queue counts them; the hub stops reading beyond. */
const MAX_QUEUED = 20_000;
/** A batch of more deliveries than this is a fleet at work: the window then grows with the time that commits take. */
const BUSY_DELIVERIES = 16;
/** ... to twice that, so that two thirds of the time are left for the rest, and at most to this, ms. */
const MAX_WINDOW_MS = 20;
/** After a failed commit; hosts keep what was not acknowledged. */
const RETRY_MS = 250;
/** ... of what one host says that is committed apart: nobody else waits for it. */
const RETRY_APART_MS = 1_000;
/** Failures in a row after which a coordinator that stops gives up. */
const STOPPING_TRIES = 8;

/**
 * Where reports become facts: they are committed in groups, every few milliseconds or some hundred, and acknowledged only
 * after the commit. What is queued here and not yet committed may be lost in a crash; the hosts send it again.
 */
export function createReports(parts: ReportParts): Reports {
  const { database, clock, logger, settings } = parts;
  /** By host: the journal that its channel speaks of now. Another channel is another object, even of the same journal. */
  const journals = new Map<string, Journal>();
  let isStopping = false;
  const queue = createReportQueue<QueuedDelivery, QueuedOutput>(() => (isStopping ? RETRY_MS : RETRY_APART_MS));
  let timer: Timer | null = null;
  /** The timer is one that does not wait for others. */
  let isDue = false;
  let retryTimer: Timer | null = null;
  let isFlushing = false;
  let windowMs = settings.commitWindowMs;
  let drainWaiters: (() => void)[] = [];
  let failures = 0;

  function schedule(isAwaited = false): void {
    if (isFlushing) return;
    if (queue.size >= FULL_BATCH) {
      timer?.cancel();
      timer = null;
      void flush();
      return;
    }
    // Not at once: what comes in the same turn of the event loop is committed together.
    const isUrgent = isAwaited && windowMs === settings.commitWindowMs;
    if (isUrgent && !isDue) {
      timer?.cancel();
      timer = null;
      isDue = true;
    }
    timer ??= clock.setTimer(isUrgent ? 0 : windowMs, () => void flush());
  }

  function enqueue(delivery: Omit<QueuedDelivery, 'journal'>, isAwaited: boolean): void {
    const journal = journals.get(delivery.hostId);
    if (journal === undefined) {
      delivery.condition?.reject(channelEnded());
      return;
    }
    queue.add({ ...delivery, journal });
    schedule(isAwaited);
  }

  async function flush(): Promise<void> {
    if (isFlushing) return;
    isFlushing = true;
    timer?.cancel();
    timer = null;
    isDue = false;
    retryTimer?.cancel();
    for (let batch = queue.take(clock.now()); batch !== null; batch = queue.take(clock.now())) {
      try {
        await commit(batch);
        failures = 0;
        queue.committed(batch);
      } catch (error) {
        const { deliveries, chunks, apart } = batch;
        const of = { deliveries: deliveries.length, chunks: chunks.length, ...(apart && { hostId: apart.hostId }) };
        logger.error({ error: errorMessage(error), ...of }, 'report commit failed');
        failures++;
        if (isStopping && failures >= STOPPING_TRIES) {
          giveUp(deliveries);
          continue;
        }
        // Nothing was acknowledged: the same again, first. The queue's bound keeps hosts from sending more meanwhile.
        queue.refused(batch, clock.now());
        dropGone();
        if (apart === null) await new Promise<void>((resolve) => clock.setTimer(RETRY_MS, resolve));
      }
    }
    isFlushing = false;
    const retryInMs = queue.retryInMs(clock.now());
    if (retryInMs !== null) retryTimer = clock.setTimer(retryInMs, () => void flush());
    if (!queue.isEmpty) return;
    for (const resolve of drainWaiters) resolve();
    drainWaiters = [];
  }

  /** A disk that is full must not keep the process from ending: the hosts have it all, and send it to the next one. */
  function giveUp(refused: readonly QueuedDelivery[]): void {
    const given = [...refused, ...queue.clear()];
    for (const delivery of given) delivery.condition?.reject(channelEnded());
    for (const hostId of new Set(given.map((delivery) => delivery.hostId))) parts.gaveUp(hostId);
    logger.warn({ deliveries: given.length }, 'reports given up, since the coordinator stops');
  }

  const isCurrent = (queued: QueuedDelivery | QueuedOutput) => journals.get(queued.hostId) === queued.journal;

  /**
   * What an earlier channel brought is dropped: the host says it again on the new one, from what it was told there. It would be kept
   * beside that otherwise, once more for each time that the host comes back from being paused.
   */
  function dropGone(): void {
    for (const delivery of queue.drop((queued) => !isCurrent(queued))) delivery.condition?.reject(channelEnded());
  }

  function withoutGone(deliveries: readonly QueuedDelivery[]): QueuedDelivery[] {
    for (const delivery of deliveries) if (!isCurrent(delivery)) delivery.condition?.reject(channelEnded());
    return deliveries.filter(isCurrent);
  }

  async function commit(batch: QueuedBatch<QueuedDelivery, QueuedOutput>): Promise<void> {
    const startedAt = clock.now();
    const current = withoutGone(batch.deliveries);
    const written = new Map(current.map(({ hostId, journal }) => [hostId, journal]));
    const journalOf = (hostId: string) => {
      const journal = written.get(hostId);
      invariant(journal !== undefined, `${hostId} has reports in a batch but no journal`);
      return journal;
    };
    const { refused, outcome, output } = await database.transaction(async (tx) => {
      const refused = new Set<QueuedDelivery>();
      for (const delivery of current)
        if (delivery.condition !== null && !(await delivery.condition.admit(tx))) refused.add(delivery);
      const admitted = current.filter((delivery) => !refused.has(delivery));
      return {
        refused,
        outcome: await writeBatch(
          tx,
          { changes: parts.changes, triggers: parts.triggers, settings, journalOf },
          admitted,
          clock.now(),
        ),
        output: await writeOutput(tx, batch.chunks, settings.maxOutputBytes),
      };
    });
    const durationMs = clock.now() - startedAt;
    windowMs =
      current.length > BUSY_DELIVERIES
        ? Math.max(settings.commitWindowMs, Math.min(MAX_WINDOW_MS, 2 * durationMs))
        : settings.commitWindowMs;
    acknowledge(outcome, output, written);
    for (const delivery of current) delivery.condition?.resolve(!refused.has(delivery));
    parts.metrics.committed(outcome.committedReports, outcome.ignoredReports, durationMs);
    for (const id of outcome.wake) parts.wakeDeployment(id);
    for (const id of outcome.wakeGroups) parts.wakeGroup(id);
    for (const id of outcome.changed) parts.changed(id);
  }

  function acknowledge(
    outcome: BatchOutcome,
    output: ReadonlyMap<string, OutputAcknowledgement[]>,
    written: ReadonlyMap<string, Journal>,
  ): void {
    for (const [hostId, sequence] of outcome.acknowledged) {
      const journal = journals.get(hostId);
      // Another journal was opened while this was committed: its numbers are others.
      if (journal === undefined || journal.journalId !== written.get(hostId)?.journalId) continue;
      // The same one was opened anew: that channel was told an older number, which is true as well.
      if (sequence > journal.acknowledged) journal.acknowledged = sequence;
      const ofOutput = output.get(hostId);
      parts.acknowledge(
        hostId,
        ofOutput === undefined
          ? { kind: 'acknowledged', sequence }
          : { kind: 'acknowledged', sequence, output: ofOutput },
      );
    }
    for (const [hostId, ofOutput] of output)
      if (!outcome.acknowledged.has(hostId))
        parts.acknowledge(hostId, { kind: 'acknowledged', sequence: acknowledgedOf(hostId), output: ofOutput });
    for (const hostId of outcome.outOfOrder)
      parts.acknowledge(hostId, {
        kind: 'problem',
        code: 'out_of_order',
        message: `reports did not follow on from ${acknowledgedOf(hostId)}`,
        fatal: false,
      });
  }

  function acknowledgedOf(hostId: string): number {
    return journals.get(hostId)?.acknowledged ?? 0;
  }

  return {
    async openJournal(hostId, journalId) {
      // Only read: what has not committed a report yet is the same as what was never there. A fleet that connects for the
      // first time costs no commit for each of its hosts.
      const row = await database.query
        .selectFrom('host_sequences')
        .selectAll()
        .where('host_id', '=', hostId)
        .executeTakeFirst();
      const acknowledged = row?.journal_id === journalId ? row.acknowledged_sequence : 0;
      journals.set(hostId, { journalId, acknowledged });
      return acknowledged;
    },
    closeJournal: (hostId) => void journals.delete(hostId),
    receive: (hostId, items, running, isAwaited = false) =>
      enqueue({ hostId, items, running, installed: [], condition: null }, isAwaited || items.some(isEnd)),
    receiveIf: (hostId, items, running, admit) =>
      new Promise((resolve, reject) =>
        enqueue({ hostId, items, running, installed: [], condition: { admit, resolve, reject } }, true),
      ),
    receiveInstalled: (hostId, installed) =>
      enqueue({ hostId, items: [], running: [], installed, condition: null }, false),
    receiveOutput(hostId, received) {
      const journal = journals.get(hostId);
      if (journal === undefined) return;
      queue.addOutput(received.map((chunk) => ({ hostId, chunk, journal })));
      schedule();
    },
    hasRoom: () => queue.size < MAX_QUEUED,
    stopping() {
      isStopping = true;
      // Of what was tried before it is not known for how long.
      failures = 0;
    },
    async drained() {
      if (!isFlushing && queue.isEmpty) return;
      const done = new Promise<void>((resolve) => drainWaiters.push(resolve));
      void flush();
      await done;
    },
  };
}

function channelEnded(): AppError {
  return new AppError('unavailable', 'the host counts as gone: what it said was not kept', { hint: 'Say it again.' });
}

function isEnd(report: Report): boolean {
  return report.kind === 'finished';
}
