import type { Clock } from '../../shared/core/clock.ts';
import type { Logger } from '../../shared/core/logger.ts';
import type { RolloutSettings } from '../rollout/view.ts';
import type { ChangeSequence } from '../storage/change-sequence.ts';
import type { Database } from '../storage/database.ts';
import { LATE_END_WAIT_MS } from './commit.ts';

interface Parts {
  database: Database;
  changes: Pick<ChangeSequence, 'last'>;
  clock: Clock;
  logger: Logger;
  toleratedMs: number;
  hostLostAfterMs: number;
  /** A connection that ended while nothing could run is found out within that time. */
  silenceLimitMs: number;
}

/** A clock that is set back by less makes hosts wait for so much longer, ms; a deadline that presence gives has no more (services/presence.ts). */
const SET_BACK_MS = 60_000;

/**
 * Sees that the coordinator stood still (its machine was paused, its disk hung) or that its clock was set forward, and gives hosts the time
 * again that they had no chance to use: what they have told meanwhile is still to be read. A coordinator that was restarted gives it
 * by their hello (services/presence.ts). Where its clock was set back, what hosts have left is as much as it was.
 */
export function createStandstill(parts: Parts) {
  const { database, changes, clock, logger } = parts;
  let lookedAt = clock.now();
  let upSince = lookedAt;
  let missedUntil = lookedAt;
  /** What was written later may be by the clock as it is since. */
  let lookedSequence = changes.last();
  let makingUp: Promise<void> | null = null;

  /** What was due by then is due still. */
  async function giveTime(lostMs: number): Promise<void> {
    await database.transaction(async (tx) => {
      await tx.executeMany(
        `UPDATE targets SET deadline_at = CASE WHEN deadline_at > ? THEN deadline_at + ? ELSE deadline_at END,
           lost_deadline_at = CASE WHEN lost_deadline_at > ? THEN lost_deadline_at + ? ELSE lost_deadline_at END
         WHERE status = 'InProgress'`,
        [[lookedAt, lostMs, lookedAt, lostMs]],
      );
      await tx.executeMany(
        `UPDATE targets SET late_end_until = late_end_until + ? WHERE late_end_until IS NOT NULL AND late_end_until > ?`,
        [[lostMs, lookedAt]],
      );
    });
    upSince = lookedAt + lostMs;
    missedUntil = upSince + parts.silenceLimitMs;
    logger.warn({ lostMs }, 'the coordinator stood still, or its clock was set forward: hosts get that time again');
  }

  /** Nobody is given less than the time that is his: what may have been set since the leap stays. */
  async function takeTime(leapMs: number): Promise<void> {
    const now = lookedAt - leapMs;
    await database.transaction(async (tx) => {
      await tx.executeMany(
        `UPDATE targets SET deadline_at = deadline_at - ? WHERE status = 'InProgress' AND deadline_at > ? AND change_sequence <= ?`,
        [[leapMs, lookedAt, lookedSequence]],
      );
      const lostAt = now + parts.hostLostAfterMs;
      await tx.executeMany(
        `UPDATE targets SET lost_deadline_at = ? WHERE status = 'InProgress' AND lost_deadline_at IS NOT NULL AND lost_deadline_at > ?`,
        [[lostAt, lostAt]],
      );
      const toldBy = now + LATE_END_WAIT_MS;
      await tx.executeMany(
        `UPDATE targets SET late_end_until = ? WHERE late_end_until IS NOT NULL AND late_end_until > ?`,
        [[toldBy, toldBy]],
      );
      await tx.executeMany(`UPDATE hosts SET presence_since = ? WHERE presence <> 'Online' AND presence_since > ?`, [
        [now, now],
      ]);
    });
    upSince = Math.min(upSince, now);
    missedUntil = Math.min(missedUntil, now);
    logger.warn({ leapMs }, 'the clock was set back: hosts have no more time for that');
  }

  return {
    /** The coordinator is there from now on. */
    started(): void {
      upSince = clock.now();
      missedUntil = upSince;
    },
    /** See {@link RolloutSettings}. */
    present: (): Pick<RolloutSettings, 'upSince' | 'missedUntil'> => ({ upSince, missedUntil }),
    /** Before every decision, and at least as often as is tolerated. Null when there is nothing to wait for. */
    makeUp(): Promise<void> | null {
      if (makingUp !== null) return makingUp;
      const now = clock.now();
      const lostMs = now - lookedAt;
      if (lostMs <= parts.toleratedMs && lostMs >= -SET_BACK_MS) {
        lookedAt = now;
        lookedSequence = changes.last();
        return null;
      }
      makingUp = (lostMs > 0 ? giveTime(lostMs) : takeTime(-lostMs))
        .then(() => {
          lookedAt = now;
          lookedSequence = changes.last();
        })
        .finally(() => {
          makingUp = null;
        });
      return makingUp;
    },
  };
}
