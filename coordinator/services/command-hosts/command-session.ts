import type { Timer } from '../../../shared/core/clock.ts';
import { AppError } from '../../../shared/core/errors.ts';
import type { Assignment } from '../../../shared/protocol/messages.ts';
import type { CommandWalk, EventOutcome } from '../../domain/command-walk.ts';

/** A command that was offered or acknowledged, and has not ended. */
export interface PresentCommand {
  id: string;
  event: string;
  offeredAt: number;
  acknowledgedAt: number | null;
  /** False: the poll that it was meant for had gone. */
  isDelivered: boolean;
}

/** A poll that waits for a command. */
export interface HeldPoll {
  /** Ends the wait, for whatever reason: the poll looks again. */
  wake(): void;
  /** Set when it will get nothing any more. */
  isOver: boolean;
}

interface ReportWaiter {
  sequence: number;
  resolve(): void;
  reject(error: Error): void;
}

/**
 * A host with AWS's agent while it is connected: from its first request until it has had no request open for a while. All
 * that matters of it is in the database; this is the copy that one host's requests work on, one after the other.
 */
export class CommandSession {
  readonly hostId: string;
  readonly hostName: string;
  readonly iamArn: string;
  /** The deployment that the host is in the middle of. */
  walk: CommandWalk | null = null;
  /** One that came while a command of the one before was still under way. */
  next: Assignment | null = null;
  command: PresentCommand | null = null;
  lastEnded: { id: string; outcome: EventOutcome } | null = null;
  hasAccepted = false;
  /** The newest poll. */
  poll: HeldPoll | null = null;
  openRequests = 0;
  silenceTimer: Timer | null = null;
  isEnded = false;
  /** Of the last report that got a number. */
  sequence: number;
  #acknowledged: number;
  #waiters: ReportWaiter[] = [];
  #tail: Promise<unknown> = Promise.resolve();

  constructor(parts: { hostId: string; hostName: string; iamArn: string; acknowledgedSequence: number }) {
    this.hostId = parts.hostId;
    this.hostName = parts.hostName;
    this.iamArn = parts.iamArn;
    this.sequence = parts.acknowledgedSequence;
    this.#acknowledged = parts.acknowledgedSequence;
  }

  /** Runs after everything that was asked for before: two requests of one host never see each other half done. */
  inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const run = this.#tail.then(() => {
      if (this.isEnded) throw gone();
      return work();
    });
    this.#tail = run.catch(() => undefined);
    return run;
  }

  /** Resolves when what has been asked for so far is done. */
  async settled(): Promise<void> {
    await this.#tail;
  }

  /** Resolves once every report so far is committed. */
  committed(): Promise<void> {
    if (this.isEnded) return Promise.reject(gone());
    if (this.#acknowledged >= this.sequence) return Promise.resolve();
    return new Promise((resolve, reject) => this.#waiters.push({ sequence: this.sequence, resolve, reject }));
  }

  acknowledge(sequence: number): void {
    this.#acknowledged = Math.max(this.#acknowledged, sequence);
    const waiters = this.#waiters;
    this.#waiters = waiters.filter((waiter) => waiter.sequence > this.#acknowledged);
    for (const waiter of waiters) if (waiter.sequence <= this.#acknowledged) waiter.resolve();
  }

  end(): void {
    this.isEnded = true;
    this.silenceTimer?.cancel();
    this.endPoll();
    for (const waiter of this.#waiters) waiter.reject(gone());
    this.#waiters = [];
  }

  endPoll(): void {
    if (this.poll === null) return;
    this.poll.isOver = true;
    this.poll.wake();
    this.poll = null;
  }
}

function gone(): AppError {
  return new AppError('unavailable', 'the host counts as gone: what it said was not kept', { hint: 'Say it again.' });
}
