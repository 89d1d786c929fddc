import { sql } from 'kysely';
import { type BackoffPolicy, backoffMs } from '../../shared/core/backoff.ts';
import type { Clock, Timer } from '../../shared/core/clock.ts';
import { errorMessage } from '../../shared/core/errors.ts';
import type { Logger } from '../../shared/core/logger.ts';
import type { Randomness } from '../../shared/core/randomness.ts';
import { parseTriggerTarget } from '../../shared/model/trigger.ts';
import { failed, type Notifier, type SendOutcome } from '../notifications/notifier.ts';
import type { Database } from '../storage/database.ts';
import type { TriggerMessageRow } from '../storage/tables.ts';

export interface TriggerDeliverySettings {
  /** Limit of one attempt, ms. */
  triggerTimeoutMs: number;
  /** A message that failed and is older is a dead letter, ms. */
  triggerGiveUpAfterMs: number;
  /** Attempts after which a message is a dead letter. */
  triggerAttempts: number;
  /** Dead letters that are kept; the oldest go. */
  deadLetters: number;
}

export interface TriggerDelivery {
  start(): Promise<void>;
  /** Something may have been written: it is looked for soon, a thousand wakes being one look. */
  wake(): void;
  /** Gives attempts under way up; they are made again by the next process. */
  stop(): Promise<void>;
}

export type DeliveryOutcome = 'delivered' | 'failed' | 'dead' | 'dropped';

/** What became of a message, by its last attempt: all that is written of it, and told once that is done. */
type Outcome =
  | { kind: 'delivered'; message: TriggerMessageRow }
  | {
      kind: 'failed';
      message: TriggerMessageRow;
      /** The columns of its row. */
      changes: Pick<TriggerMessageRow, 'attempts' | 'next_attempt_at' | 'dead_at'> & { last_attempt_at: number };
      reason: string;
      /** It has waited too long; so may others behind it have. */
      isOld: boolean;
    };

/** An outcome that the database did not take. */
interface Unwritten {
  outcome: Outcome;
  failures: number;
  writeAgainAt: number;
}

interface Parts {
  database: Database;
  clock: Clock;
  randomness: Randomness;
  logger: Logger;
  notifier: Notifier;
  settings: TriggerDeliverySettings;
  counted(outcome: DeliveryOutcome, messages: number): void;
}

/** From a wake to the look: what is written meanwhile, and the transaction that woke us, are seen by it. */
const COALESCE_MS = 20;
/** A wake that was lost costs at most this long. */
const TICK_MS = 10_000;
/** After a failure of the database. */
const RETRY_MS = 1_000;
/** Targets that are sent to at the same time; others wait for their turn. */
const TARGETS_AT_ONCE = 16;
/** First and largest pause after a failure; the pause doubles, and all but a tenth of it is random. */
const BACKOFF = { baseMs: 1_000, maxMs: 600_000 };
/** The pauses between trials of writing an outcome; none of it is random, since it is our own disk that has no room. */
const WRITE_BACKOFF = { baseMs: 1_000, maxMs: 30_000 };
/** Outcomes that wait to be written, one for each target; with as many, no other target is sent anything. */
const MAX_UNWRITTEN = 1_024;

/**
 * Delivers triggers' messages: to each target one at a time and in their order, to several targets at once. A message leaves
 * the table when its target has taken it; one whose process ended in between is sent again, under the same id. What fails is
 * tried again with growing pauses, and those behind it wait, until it is a dead letter. Nothing of it is waited for by a
 * deployment. All that it knows is in the table: after a restart it goes on from there. Only what became of a message and could not be
 * written, as on a full disk, is kept in memory: that write alone is tried again, and until it is done its target is sent nothing, neither
 * the same message once more nor those behind it.
 */
export function createTriggerDelivery(parts: Parts): TriggerDelivery {
  const { database, clock, randomness, logger, notifier, settings } = parts;
  const { query } = database;
  // Made once: they are asked at every look.
  /** The message of each target whose turn it is: from target to target by the index, whatever waits behind. */
  const heads = sql<Pick<TriggerMessageRow, 'target' | 'next_attempt_at'>>`
    WITH RECURSIVE waiting (target) AS (
      SELECT min(target) FROM trigger_messages WHERE dead_at IS NULL
      UNION ALL
      SELECT (SELECT min(target) FROM trigger_messages WHERE dead_at IS NULL AND target > waiting.target)
      FROM waiting WHERE target IS NOT NULL)
    SELECT target, next_attempt_at FROM trigger_messages WHERE sequence IN (
      SELECT (SELECT min(sequence) FROM trigger_messages m WHERE m.dead_at IS NULL AND m.target = waiting.target) FROM waiting)
    ORDER BY sequence`.compile(query);
  const newestDeadBeyondBound = query
    .selectFrom('trigger_messages')
    .select(['dead_at', 'sequence'])
    .where('dead_at', 'is not', null)
    .orderBy('dead_at', 'desc')
    .orderBy('sequence', 'desc')
    .offset(settings.deadLetters)
    .limit(1)
    .compile();
  let isStopped = false;
  const attempts = new Set<AbortController>();
  const runs = new Map<string, Promise<void>>();
  /** By target. */
  const unwritten = new Map<string, Unwritten>();
  let timer: { at: number; timer: Timer } | null = null;
  let looking: Promise<void> | null = null;

  function lookAt(at: number): void {
    if (isStopped || (timer !== null && timer.at <= at)) return;
    timer?.timer.cancel();
    timer = { at, timer: clock.setTimer(Math.max(0, at - clock.now()), () => void look()) };
  }

  function look(): Promise<void> {
    timer = null;
    if (looking !== null) return looking.then(() => lookAt(clock.now() + COALESCE_MS));
    looking = lookOnce()
      .catch((error: unknown) => onError(error))
      .finally(() => {
        looking = null;
      });
    return looking;
  }

  async function lookOnce(): Promise<void> {
    await dropDead();
    const now = clock.now();
    let next = now + TICK_MS;
    const { rows } = await query.executeQuery(heads);
    forgetUnwritten(new Set(rows.map(({ target }) => target)));
    for (const { target, next_attempt_at } of rows) {
      if (runs.has(target)) continue;
      const left = unwritten.get(target);
      const dueAt = left?.writeAgainAt ?? next_attempt_at;
      if (hasToWait(dueAt, now, left === undefined ? BACKOFF : WRITE_BACKOFF)) next = Math.min(next, dueAt);
      // A run that ends looks again, so those that found no place have their turn.
      else if (mayBegin(target)) begin(target);
    }
    lookAt(next);
  }

  /** An operator has removed what the target was waiting for. */
  function forgetUnwritten(waiting: ReadonlySet<string>): void {
    for (const target of unwritten.keys()) if (!waiting.has(target) && !runs.has(target)) unwritten.delete(target);
  }

  function mayBegin(target: string): boolean {
    if (isStopped || runs.size >= TARGETS_AT_ONCE) return false;
    return unwritten.has(target) || unwritten.size + runs.size < MAX_UNWRITTEN;
  }

  function begin(target: string): void {
    const run = deliverTo(target).then(
      () => {
        runs.delete(target);
        lookAt(clock.now() + COALESCE_MS);
      },
      (error: unknown) => {
        runs.delete(target);
        onError(error);
      },
    );
    runs.set(target, run);
  }

  /** Until nothing is left, or the one whose turn it is has to wait. */
  async function deliverTo(target: string): Promise<void> {
    const left = unwritten.get(target);
    if (left !== undefined && !(await keep(left.outcome))) return;
    while (!isStopped) {
      const message = await query
        .selectFrom('trigger_messages')
        .selectAll()
        .where('target', '=', target)
        .where('dead_at', 'is', null)
        .orderBy('sequence')
        .limit(1)
        .executeTakeFirst();
      if (message === undefined || hasToWait(message.next_attempt_at, clock.now(), BACKOFF)) return;
      const answer = await attempt(message);
      // An attempt that was cut off by our own end says nothing of the target.
      if (isStopped && answer.kind !== 'delivered') return;
      if (!(await keep(outcomeOf(message, answer)))) return;
    }
  }

  async function attempt(message: TriggerMessageRow): Promise<SendOutcome> {
    const giveUp = new AbortController();
    const limit = clock.setTimer(settings.triggerTimeoutMs, () => giveUp.abort());
    attempts.add(giveUp);
    try {
      return await notifier.send(
        {
          id: message.id,
          target: message.target,
          event: message.event,
          deploymentId: message.deployment_id,
          subject: message.subject,
          body: message.body,
        },
        giveUp.signal,
      );
    } catch (error) {
      return failed(errorMessage(error));
    } finally {
      limit.cancel();
      attempts.delete(giveUp);
    }
  }

  function outcomeOf(message: TriggerMessageRow, answer: SendOutcome): Outcome {
    if (answer.kind === 'delivered') return { kind: 'delivered', message };
    parts.counted('failed', 1);
    const now = clock.now();
    const attempts = message.attempts + 1;
    const isOld = now - message.waiting_since >= settings.triggerGiveUpAfterMs;
    const isDead = answer.kind === 'refused' || attempts >= settings.triggerAttempts || isOld;
    const pause = isDead ? 0 : pauseMs(attempts, answer.kind === 'failed' ? answer.retryAfterMs : null);
    const changes = {
      attempts,
      last_attempt_at: now,
      next_attempt_at: isDead ? 0 : now + pause,
      dead_at: isDead ? now : null,
    };
    return { kind: 'failed', message, changes, reason: answer.reason, isOld };
  }

  /** Whether it is written; if not, it is kept here and its target's turn comes again. */
  async function keep(outcome: Outcome): Promise<boolean> {
    const { target } = outcome.message;
    try {
      await write(outcome);
    } catch (error) {
      const failures = (unwritten.get(target)?.failures ?? 0) + 1;
      unwritten.set(target, { outcome, failures, writeAgainAt: clock.now() + backoffMs(WRITE_BACKOFF, failures, 1) });
      if (!isStopped)
        logger.error(
          { ...logged(outcome.message), failures, error: errorMessage(error) },
          'trigger outcome not written',
        );
      return false;
    }
    unwritten.delete(target);
    tell(outcome);
    if (outcome.kind === 'failed' && outcome.isOld)
      await buryOld(target, outcome.reason, outcome.changes.last_attempt_at);
    return true;
  }

  async function write(outcome: Outcome): Promise<void> {
    const { sequence } = outcome.message;
    if (outcome.kind === 'delivered') {
      await query.deleteFrom('trigger_messages').where('sequence', '=', sequence).execute();
      return;
    }
    await query
      .updateTable('trigger_messages')
      .set({ ...outcome.changes, last_error: outcome.reason })
      .where('sequence', '=', sequence)
      .execute();
  }

  function tell(outcome: Outcome): void {
    const log = logged(outcome.message);
    if (outcome.kind === 'delivered') {
      parts.counted('delivered', 1);
      logger.debug(log, 'trigger message delivered');
      return;
    }
    const { attempts, dead_at } = outcome.changes;
    if (dead_at === null) {
      logger.info({ ...log, attempts, reason: outcome.reason }, 'trigger message not delivered');
      return;
    }
    parts.counted('dead', 1);
    logger.warn({ ...log, attempts, reason: outcome.reason }, 'trigger message is a dead letter');
  }

  function pauseMs(failures: number, retryAfterMs: number | null): number {
    const pause = backoffMs(BACKOFF, failures, randomness.fraction());
    return Math.max(pause, Math.min(retryAfterMs ?? 0, BACKOFF.maxMs));
  }

  /** Those that waited behind it as long need not each wait for an attempt to fail. */
  async function buryOld(target: string, reason: string, now: number): Promise<void> {
    const { numUpdatedRows } = await query
      .updateTable('trigger_messages')
      .set({ dead_at: now, last_error: `waited too long behind others, of which the last failed: ${reason}` })
      .where('target', '=', target)
      .where('dead_at', 'is', null)
      .where('waiting_since', '<=', now - settings.triggerGiveUpAfterMs)
      .executeTakeFirst();
    if (numUpdatedRows === 0n) return;
    parts.counted('dead', Number(numUpdatedRows));
    logger.warn({ target: targetName(target), messages: Number(numUpdatedRows) }, 'trigger messages are dead letters');
  }

  /** Dead letters beyond their bound, the oldest first. */
  async function dropDead(): Promise<void> {
    const [newestTooMany] = (await query.executeQuery(newestDeadBeyondBound)).rows;
    if (newestTooMany === undefined) return;
    const { dead_at, sequence } = newestTooMany;
    const { numDeletedRows } = await query
      .deleteFrom('trigger_messages')
      .where((e) =>
        e.or([e('dead_at', '<', dead_at), e.and([e('dead_at', '=', dead_at), e('sequence', '<=', sequence)])]),
      )
      .executeTakeFirst();
    parts.counted('dropped', Number(numDeletedRows));
    logger.warn({ messages: Number(numDeletedRows), kept: settings.deadLetters }, 'dead letters dropped');
  }

  function onError(error: unknown): void {
    if (isStopped) return;
    logger.error({ error: errorMessage(error) }, 'trigger delivery failed');
    lookAt(clock.now() + RETRY_MS);
  }

  return {
    async start() {
      await look();
    },
    wake() {
      lookAt(clock.now() + COALESCE_MS);
    },
    async stop() {
      isStopped = true;
      for (const attempt of attempts) attempt.abort();
      timer?.timer.cancel();
      await looking;
      await Promise.all(runs.values());
    },
  };
}

/** A pause that seems longer than any is one that began before the clock was set back. */
function hasToWait(nextAttemptAt: number, now: number, { maxMs }: BackoffPolicy): boolean {
  return nextAttemptAt > now && nextAttemptAt <= now + maxMs;
}

function logged(message: TriggerMessageRow) {
  return { messageId: message.id, event: message.event, target: targetName(message.target) };
}

/** For logs: the path of a webhook's address is often a secret. */
function targetName(target: string): string {
  const parsed = parseTriggerTarget(target);
  return parsed?.kind === 'webhook' ? parsed.url.origin : target;
}
