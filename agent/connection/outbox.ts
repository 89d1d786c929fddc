import type { Clock } from '../../shared/core/clock.ts';
import type { Logger } from '../../shared/core/logger.ts';
import {
  type AgentMessage,
  MAX_FRAME_BYTES,
  MAX_REPORTS_PER_FRAME,
  type Report,
  type RunningEvent,
} from '../../shared/protocol/messages.ts';
import type { Journal } from '../journal/journal.ts';
import { installedRevisions } from '../journal/state.ts';

/** Reports in one frame, bytes: diagnostics are long, and a frame has its bound. */
const MAX_REPORT_BYTES = MAX_FRAME_BYTES / 2;
/**
 * Frames without an acknowledgement. One would let reports gather while the coordinator commits, which is what makes a fleet cheap; the
 * end of a deployment does not wait for that.
 */
const FRAMES_IN_FLIGHT = 1;
const FRAMES_IN_FLIGHT_AT_END = 4;
/** An event that ends sooner is never told as running: the telling would cost as much as the event, ms. */
const TELL_RUNNING_AFTER_MS = 50;
/** A queue that was full is tried again after this, ms. */
const RETRY_MS = 200;

export interface OutboxParts {
  journal: Pick<Journal, 'state' | 'durableSequence' | 'append' | 'renumber'>;
  clock: Clock;
  logger: Logger;
  send(message: AgentMessage): boolean;
  /** The coordinator has seen numbers of this journal that it has not given yet: it goes on under a new name. */
  onRenumbered(): void;
  onFailure(error: unknown): void;
}

/**
 * Brings the journal's reports to the coordinator: in order, again until acknowledged, and only what is durable here.
 * A new connection begins after what the coordinator says it has.
 */
export interface Outbox {
  connected(acknowledgedSequence: number): void;
  disconnected(): void;
  acknowledged(sequence: number): void;
  /** Something may be there to send: after each commit. */
  wake(): void;
  running(event: RunningEvent | null): void;
  /** Resolves when every report is acknowledged. */
  flushed(): Promise<void>;
}

export function createOutbox(parts: OutboxParts): Outbox {
  const { journal, clock } = parts;
  let isConnected = false;
  let sentSequence = 0;
  /** The last sequence number of each frame that was not acknowledged. */
  let inFlight: number[] = [];
  let isWoken = false;
  let running: RunningEvent | null = null;
  let isRunningUntold = false;
  let isInstalledUntold = false;
  let waiters: (() => void)[] = [];

  function wake(): void {
    if (isWoken) return;
    isWoken = true;
    // Whatever else becomes due in this tick rides in the same frame.
    queueMicrotask(() => {
      isWoken = false;
      pump();
    });
  }

  function pump(): void {
    while (isConnected) {
      const items = nextReports();
      // As of what is sent with it, and was sent before.
      const installed = isInstalledUntold ? installedRevisions(journal.state) : [];
      if (items.length === 0 && !isRunningUntold && installed.length === 0) return;
      const sent = parts.send({
        kind: 'reports',
        items,
        ...(running === null || !isRunningUntold ? {} : { running: [running] }),
        ...(installed.length === 0 ? {} : { installed }),
      });
      if (!sent) {
        clock.setTimer(RETRY_MS, wake);
        return;
      }
      isRunningUntold = false;
      isInstalledUntold = false;
      const last = items.at(-1);
      if (last === undefined) continue;
      sentSequence = last.sequence;
      inFlight.push(last.sequence);
    }
  }

  function nextReports(): Report[] {
    const due = journal.state.reports.filter(
      (report) => report.sequence > sentSequence && report.sequence <= journal.durableSequence,
    );
    const hasEnd = due.some((report) => report.kind === 'finished');
    if (inFlight.length >= (hasEnd ? FRAMES_IN_FLIGHT_AT_END : FRAMES_IN_FLIGHT)) return [];
    const items: Report[] = [];
    let bytes = 0;
    for (const report of due) {
      bytes += Buffer.byteLength(JSON.stringify(report));
      if (items.length === MAX_REPORTS_PER_FRAME || (items.length > 0 && bytes > MAX_REPORT_BYTES)) break;
      items.push(report);
    }
    return items;
  }

  function acknowledge(sequence: number): void {
    if (sequence <= journal.state.acknowledgedSequence) return;
    // Losing this record costs sending some reports again, so it waits for the next commit.
    journal.append({ kind: 'acknowledged', sequence });
    if (journal.state.reports.length > 0) return;
    for (const resolve of waiters) resolve();
    waiters = [];
  }

  return {
    connected(acknowledgedSequence) {
      const { state } = journal;
      if (acknowledgedSequence > state.lastSequence || acknowledgedSequence < state.acknowledgedSequence) {
        // Either way the numbers mean different things to the two: what still waits is told under a new name, from 1.
        parts.logger.error(
          { acknowledgedSequence, acknowledgedBefore: state.acknowledgedSequence, lastSequence: state.lastSequence },
          acknowledgedSequence > state.lastSequence
            ? 'the coordinator knows more of this journal than the journal: was the host set back? a new journal begins'
            : 'the coordinator has forgotten reports that it acknowledged: was it set back? a new journal begins',
        );
        journal.renumber().then(parts.onRenumbered, parts.onFailure);
        return;
      }
      acknowledge(acknowledgedSequence);
      isConnected = true;
      sentSequence = state.acknowledgedSequence;
      inFlight = [];
      isRunningUntold = running !== null;
      isInstalledUntold = true;
      wake();
    },
    disconnected() {
      isConnected = false;
    },
    acknowledged(sequence) {
      // While the journal goes on under a new name the connection still speaks of the old one's numbers: for output, which does not wait.
      if (!isConnected) return;
      // More than was sent is not this coordinator's to acknowledge.
      if (sequence > sentSequence) {
        parts.logger.warn({ sequence, sentSequence }, 'acknowledgement of reports that were not sent ignored');
        return;
      }
      acknowledge(sequence);
      inFlight = inFlight.filter((last) => last > sequence);
      wake();
    },
    wake,
    running(event) {
      running = event;
      isRunningUntold = false;
      if (event === null) return;
      clock.setTimer(TELL_RUNNING_AFTER_MS, () => {
        if (running !== event) return;
        isRunningUntold = true;
        wake();
      });
    },
    flushed: () =>
      journal.state.reports.length === 0 ? Promise.resolve() : new Promise((resolve) => waiters.push(resolve)),
  };
}
